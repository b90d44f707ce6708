"""Foundation models inside the notebook: call, compare and run them with one cell magic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._names import PUBLIC, load
from ._version import __version__ as __version__

__all__ = [*PUBLIC, "__version__"]  # noqa: PLE0604

if TYPE_CHECKING:
    from .batching.mapping import map as map
    from .chat import Chat as Chat
    from .comparison import Comparison as Comparison
    from .comparison import compare as compare
    from .describe import schema as schema
    from .embedding import embed as embed
    from .errors import FmnbError as FmnbError
    from .evals.dataset import Dataset as Dataset
    from .evals.evaluation import Evaluation as Evaluation
    from .evals.from_log import import_signals as import_signals
    from .evals.judge import Judge as Judge
    from .evals.running import evaluate as evaluate
    from .listing import models as models
    from .log_query import log as log
    from .model import Model as Model
    from .model import aask as aask
    from .model import ask as ask
    from .model import stream as stream
    from .prompts import Prompt as Prompt
    from .ranking import leaderboard as leaderboard
    from .types import Response as Response
    from .voting import accept as accept
    from .voting import signal as signal
    from .voting import unsay as unsay
    from .voting import unvote as unvote
    from .voting import vote as vote
    from .widgets.history import History as History
    from .widgets.interact import Interact as Interact
    from .widgets.labeller import Labeller as Labeller
    from .widgets.playground import Playground as Playground


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
    from .magics.register import register

    register(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext fmnb`: takes the magics and hooks away again."""
    from .magics.register import unregister

    unregister(shell)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """The server side of the sidebar, for Jupyter Server."""
    return [{"module": "fmnb.server"}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where `jupyter-builder develop` finds the built JupyterLab side."""
    return [{"src": "labextension", "dest": "fmnb"}]
