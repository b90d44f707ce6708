"""Foundation models in Jupyter notebooks: ask, compare and run them with one cell magic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .core.registry import PUBLIC, load
from .core.version import __version__ as __version__

__all__ = [*PUBLIC, "__version__"]  # noqa: PLE0604

if TYPE_CHECKING:
    from .batch.map import map as map
    from .calls.download import pull as pull
    from .calls.embed import embed as embed
    from .calls.model import Model as Model
    from .calls.model import aask as aask
    from .calls.model import ask as ask
    from .calls.model import stream as stream
    from .catalog.models import models as models
    from .chat.chat import Chat as Chat
    from .comparison.compare import compare as compare
    from .comparison.comparison import Comparison as Comparison
    from .comparison.feedback import accept as accept
    from .comparison.feedback import feedback as feedback
    from .comparison.feedback import retract as retract
    from .comparison.feedback import vote as vote
    from .comparison.leaderboard import leaderboard as leaderboard
    from .core import errors as errors
    from .core.errors import FmnbError as FmnbError
    from .core.response import Response as Response
    from .data.index.index import Index as Index
    from .data.numbers.check import check_numbers as check_numbers
    from .data.sources.source import source as source
    from .data.sources.web import web_source as web_source
    from .data.sql.tables import Tables as Tables
    from .data.sql.tables import sql as sql
    from .evals.datasets.dataset import Dataset as Dataset
    from .evals.datasets.from_log import import_feedback as import_feedback
    from .evals.evaluate import evaluate as evaluate
    from .evals.evaluation import Evaluation as Evaluation
    from .evals.scorers.judge import Judge as Judge
    from .jupyter.widgets.history import History as History
    from .jupyter.widgets.interact import Interact as Interact
    from .jupyter.widgets.labeler import Labeler as Labeler
    from .jupyter.widgets.playground import Playground as Playground
    from .prompts.describe import schema as schema
    from .prompts.prompt import Prompt as Prompt
    from .store.log_query import log as log


if not TYPE_CHECKING:  # a type checker would take every name for a public one

    def __getattr__(name: str) -> Any:
        """Public names load on first use (PEP 562)."""
        if name not in PUBLIC:
            raise AttributeError(f"module 'fmnb' has no attribute {name!r}")
        value = globals()[name] = load(PUBLIC[name])
        return value


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext fmnb`: registers `%%fm` and `%fm`; what they need is imported when first used."""
    from .jupyter.magics.register import register

    register(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext fmnb`: takes the magics and hooks away again."""
    from .jupyter.magics.register import unregister

    unregister(shell)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """The server side of the sidebar, for Jupyter Server."""
    return [{"module": "fmnb.jupyter.server"}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where `jupyter-builder develop` finds the built JupyterLab side."""
    return [{"src": "labextension", "dest": "fmnb"}]
