"""Calls that run while the notebook goes on.

Nobody waits in the caller's thread, so events are emitted on the kernel's main loop, in
the context of the cell that started them: output lands under that cell.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence
from typing import Any

from . import _loop
from .errors import FmnbError, Interrupted, UsageError
from .events import Cancelled, Event, Fold, Stamper, emit
from .performing import events_of, finish
from .preparing import Asked
from .session import session
from .types import Response
from .views import view_for


class Running:
    """A call in the background: `done`, `response` (raises its error), `stop()`, `wait()`."""

    def __init__(self, asked: Sequence[Asked], view: Any, emit_here: Any):
        self._asked = list(asked)
        self._listeners = session.listeners(view)
        self._folds = {a.call.run: Fold() for a in asked}
        self._errors: dict[str, BaseException] = {}
        self._context = contextvars.copy_context()
        self._emit_here = emit_here
        self._bug: BaseException | None = None
        self.done = False
        self._future = asyncio.run_coroutine_threadsafe(self._run(), _loop.loop())

    async def _run(self) -> None:
        stream = events_of([a.call for a in self._asked], self._errors)
        try:
            async for event in stream:
                self._emit_here(self._context.run, self._take, event)
        finally:
            await _loop.aclose(stream)
            self._emit_here(self._context.run, self._end)

    def _take(self, event: Event) -> None:
        self._folds[event.run].add(event)
        emit(event, self._listeners)

    def _end(self) -> None:
        for a in self._asked:
            fold = self._folds[a.call.run]
            if fold.end is None:
                stamp = Stamper(a.call.run)
                stamp.n = fold.n
                self._take(stamp(Cancelled(reason="stopped")))
        try:
            finish(self._asked, self._folds, self._errors)
        except Exception as e:
            self._bug = e
        self.done = True

    @property
    def response(self) -> Response:
        """The answer. UsageError while it is not there, the call's error if it failed."""
        if not self.done:
            raise UsageError("The answer is not there yet", todo="Look again later, or call .stop().")
        error = self._bug or self._asked[0].error
        if error is not None:
            raise error
        response = self._asked[0].response
        assert response is not None
        if response.finish == "cancelled":
            raise Interrupted(response, response.run)
        return response

    def stop(self) -> None:
        """Stop; what had arrived is kept."""
        self._future.cancel()

    def __repr__(self) -> str:
        names = ", ".join(a.call.target.asked for a in self._asked)
        state = "done" if self.done else "running"
        if self.done and isinstance(self._asked[0].error, FmnbError):
            state = "failed"
        return f"Running({names}: {state})"

    def _repr_html_(self) -> str:
        return ""  # its output is already under the cell


def start(asked: Sequence[Asked], shell: Any, format: str = "markdown") -> Running:
    """Begin calls in the background of a kernel. UsageError in a plain shell, which has no loop between cells."""
    kernel = getattr(shell, "kernel", None)
    main = getattr(getattr(kernel, "io_loop", None), "asyncio_loop", None)
    if main is None:
        raise UsageError("--background needs a notebook kernel", todo="Leave it out here, or use fm.aask.")
    view = view_for(shell, format, several=len(asked) > 1)
    return Running(asked, view, main.call_soon_threadsafe)
