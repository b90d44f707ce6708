"""How events look: text, safe HTML, a notebook's live output.

`view_for(shell)` gives the sink that fits where the user is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.events import ENDS, Event, Started


class RunRouter:
    """One sink for a cell: events go to the view of their run, made when the run starts.

    A run below another (a load inside a call) is shown in its parent's view.
    """

    def __init__(self, make: Callable[[Started], Any]):
        self.name = "the display"
        self._make = make
        self._views: dict[str, Any] = {}

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Started) and event.run not in self._views:
            self._views[event.run] = self._views.get(event.parent) or self._make(event)
        view = self._views.get(event.run)
        if view is not None:
            view(event)

    def tick(self) -> None:
        """Draw what the views hold back, if its time has come."""
        for view in self._views.values():
            view.tick()

    def caught_up(self) -> None:
        """Draw what the views wait to draw until everything that came was taken."""
        for view in self._views.values():
            view.caught_up()


class SequentialTextSink(RunRouter):
    """The same for a terminal, where answers that come at once are written one after the other, in the order in which they began."""

    def __init__(self, make: Callable[[Started], Any]):
        super().__init__(make)
        self._roots: dict[str, str] = {}  # a load below a call waits with the call
        self._waiting: dict[str, list[Event]] = {}  # by call; the first is the one that is written

    def __call__(self, event: Event) -> None:
        """Take one event, now or when its answer's turn has come."""
        above = event.parent if isinstance(event, Started) else ""
        root = self._roots.setdefault(event.run, self._roots.get(above, event.run))
        self._waiting.setdefault(root, []).append(event)
        while self._waiting and self._write(next(iter(self._waiting))):
            pass

    def _write(self, root: str) -> bool:
        """Write what waits of one answer; whether it has ended and the next one's turn has come."""
        events = self._waiting[root]
        ended = any(e.run == root and isinstance(e, ENDS) for e in events)
        while events:
            super().__call__(events.pop(0))
        if ended:
            del self._waiting[root]
        return ended


def view_for(shell: Any, format: str = "markdown", *, several: bool = False) -> RunRouter:
    """The sink for a cell in this shell: notebook outputs where there is a kernel, else text.

    `several` says that more than one model answers: each answer then has its name above it.
    """
    live = in_notebook(shell)
    kind: Any
    how: dict[str, Any] = {}
    if live:
        from .live import NotebookView as kind
        from .static_output import output_function

        how = {"watched": output_function(shell)}
    else:
        from .text import TextView as kind
    return (SequentialTextSink if several and not live else RunRouter)(
        lambda started: kind(
            started.run,
            format,
            header=(started.meta.get("label") or started.meta.get("asked") or started.model) if several else "",
            blind=bool(started.meta.get("blind")),
            **how,
        )
    )


def in_notebook(shell: Any) -> bool:
    """Whether outputs go to a notebook front end rather than a terminal."""
    return getattr(shell, "kernel", None) is not None or type(shell).__name__ == "ZMQInteractiveShell"
