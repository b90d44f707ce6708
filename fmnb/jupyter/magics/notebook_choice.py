"""The notebook's own model, known before the cell that needs it.

JupyterLab and Notebook 7 with our extension send it with every cell (`metadata.fmnb.model` of
the execute request): a message on a comm would wait behind the queue of Run All. Elsewhere the
notebook's file is read, see `fmnb.calls.notebook_model`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

from ...calls.notebook_model import NotebookSearch, model_in_metadata, notebooks_of_process
from ...calls.session import session

_PATH_VARIABLES = ("__vsc_ipynb_file__",)  # variables in which a front end stores the notebook's path


def attach(shell: Any) -> None:
    """Read the request of each cell, starting with the running one; store where the notebook may be."""
    paths = [str(shell.user_ns[name]) for name in _PATH_VARIABLES if name in shell.user_ns]
    if name := os.environ.get("JPY_SESSION_NAME", ""):
        paths.append(name)
    session.notebook_search = NotebookSearch(
        time.monotonic(), _executed(shell), tuple(paths), _folder(), notebooks_of_process(os.getppid())
    )
    shell.events.register("pre_run_cell", read_request)
    read_request()


def detach(shell: Any) -> None:
    """Stop reading requests."""
    shell.events.unregister("pre_run_cell", read_request)
    session.notebook_search = None


def read_request(info: Any = None) -> None:
    """Use the notebook's model from the running cell's request, if it has one."""
    ours = _metadata().get("fmnb")
    if isinstance(ours, dict) and "model" in ours:
        session.set_notebook_model(model_in_metadata(ours))
        if isinstance(path := ours.get("notebook"), str) and path:
            session.notebook = path


def _metadata() -> dict[str, Any]:
    from IPython.core.getipython import get_ipython

    try:
        found = get_ipython().get_parent().get("metadata", {})  # type: ignore[union-attr]
    except AttributeError:
        return {}
    return found if isinstance(found, dict) else {}


def _executed(shell: Any) -> Any:
    def cells() -> Sequence[str]:
        return [str(c) for c in shell.history_manager.input_hist_raw[1:]]

    return cells


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""
