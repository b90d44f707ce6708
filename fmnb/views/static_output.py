"""Final outputs only, where a program runs the notebook.

Programs that read outputs while a cell runs (papermill's log) read each output when it first
appears and ignore updates, so they would keep only the first word of a streamed answer.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeAlias

from ..core.errors import is_run_by_program
from .bundle import Bundle

Show: TypeAlias = Callable[[Bundle, str, bool], None]


def is_watched(shell: Any = None) -> bool:
    """Whether somebody may see outputs while the cell runs.

    False if nbclient runs the cells, for nbconvert or papermill. Its kernels are recognized by
    two facts: they cannot ask questions, which holds for some others too, and they keep no
    history on disk.
    """
    if not is_run_by_program(shell):
        return True
    if shell is None:
        shell = importlib.import_module("IPython.core.getipython").get_ipython()
    return getattr(getattr(shell, "history_manager", None), "hist_file", "") != ":memory:"


class DeferredOutput:
    """Collects the updates of a view, and shows each output when it is final.

    >>> shown = []
    >>> show = DeferredOutput(lambda bundle, id, update: shown.append((bundle[0]["text/plain"], id, update)))
    >>> show(({"text/plain": "Hel"}, {}), "a", False); show(({"text/plain": "Hello"}, {}), "a", True); shown
    []
    >>> show.flush(); shown
    [('Hello', 'a', False)]
    """

    def __init__(self, show: Show):
        self._show = show
        self._held: dict[str, Bundle] = {}

    def __call__(self, bundle: Bundle, display_id: str, update: bool) -> None:
        """Store an update in place of the previous one."""
        self._held[display_id] = bundle

    def flush(self) -> None:
        """Show the stored outputs, in order of their first update."""
        held, self._held = self._held, {}
        for display_id, bundle in held.items():
            self._show(bundle, display_id, False)
