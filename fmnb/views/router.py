"""Selects the view for a cell, and sends events to one view per run.

`view_for(shell)` returns the sink for the environment: notebook or terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..core.events import ENDS, Event, ResponseBuilder, Started


class RunRouter:
    """The sink of a cell: passes events to the view of their run, made when the run starts.

    A child run (a load inside a call) is shown in the view of its parent.
    """

    def __init__(self, make: Callable[[Started], Any]):
        self.name = "the display"
        self._make = make
        self._views: dict[str, Any] = {}
        self._builders: Mapping[str, ResponseBuilder] = {}

    def use_builders(self, builders: Mapping[str, ResponseBuilder]) -> None:
        """Let the views read the responses of these runs from their builders."""
        self._builders = builders

    def __call__(self, event: Event) -> None:
        """Handle one event."""
        if isinstance(event, Started) and event.run not in self._views:
            view = self._views[event.run] = self._views.get(event.parent) or self._make(event)
            if event.run in self._builders and hasattr(view, "use_builders"):
                view.use_builders(self._builders)
        view = self._views.get(event.run)
        if view is not None:
            view(event)

    def tick(self) -> None:
        """Draw pending changes of all views, if due."""
        for view in self._views.values():
            view.tick()

    def caught_up(self) -> None:
        """Draw what the views defer until all available events are handled."""
        for view in self._views.values():
            view.caught_up()


class SequentialTextSink(RunRouter):
    """A router for terminals: concurrent answers are written one after the other, in start order."""

    def __init__(self, make: Callable[[Started], Any]):
        super().__init__(make)
        self._roots: dict[str, str] = {}  # a load below a call waits with the call
        self._waiting: dict[str, list[Event]] = {}  # by call; the first is being written

    def __call__(self, event: Event) -> None:
        """Handle one event, at once or when earlier answers are complete."""
        above = event.parent if isinstance(event, Started) else ""
        root = self._roots.setdefault(event.run, self._roots.get(above, event.run))
        self._waiting.setdefault(root, []).append(event)
        while self._waiting and self._write(next(iter(self._waiting))):
            pass

    def _write(self, root: str) -> bool:
        """Write the pending events of an answer; returns whether it has ended."""
        events = self._waiting[root]
        ended = any(e.run == root and isinstance(e, ENDS) for e in events)
        while events:
            super().__call__(events.pop(0))
        if ended:
            del self._waiting[root]
        return ended


def view_for(shell: Any, format: str = "markdown", *, several: bool = False) -> RunRouter:
    """The sink for a cell in this shell: notebook outputs if there is a kernel, else text.

    With `several` models, each answer has its name above it.
    """
    live = in_notebook(shell)
    kind: Any
    how: dict[str, Any] = {}
    if live:
        from .live import NotebookView as kind
        from .static_output import is_watched

        how = {"watched": is_watched(shell)}
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
