"""Calls that run while the notebook goes on: `--background`, and what a widget asks.

Nobody waits in the caller's thread, so events are emitted on the kernel's main loop, in
the context of the cell that started them: output lands under that cell.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..core import event_loop
from ..core.errors import FmnbError, Interrupted, UsageError, is_run_by_program
from ..core.events import Sink
from ..core.response import Response
from ..views.router import view_for
from .call import PreparedCall
from .run import handle_for, run_calls

T = TypeVar("T")
_TICK = 0.1  # seconds between two ticks, in which sinks draw what they hold back


class BackgroundCall:
    """A call in the background: `done`, `response` (raises its error), `stop()`, `wait()`."""

    def __init__(
        self, prepared: Sequence[PreparedCall], sinks: Sequence[Sink], emit_here: Any, on_done: Callable[[], object] | None = None
    ):
        self._prepared = list(prepared)
        self._handle = handle_for(self._prepared, sinks)
        self._context = contextvars.copy_context()
        self._emit_here = emit_here
        self._on_done = on_done
        self._ticking = False
        self._bug: BaseException | None = None
        self.done = False
        self._future = asyncio.run_coroutine_threadsafe(self._run(), event_loop.background_loop())

    async def _run(self) -> None:
        stream = self._handle.stream
        ticks = asyncio.ensure_future(self._tick_periodically())
        try:
            async for event in stream:
                self._emit_here(self._context.run, self._handle.emit, event)
        finally:
            ticks.cancel()
            await event_loop.aclose(stream)
            self._emit_here(self._context.run, self._end)

    async def _tick_periodically(self) -> None:
        """Let the sinks draw; while a cell keeps the main loop busy, at most one tick waits."""
        while True:
            await asyncio.sleep(_TICK)
            if not self._ticking:
                self._ticking = True
                self._emit_here(self._context.run, self._tick)

    def _tick(self) -> None:
        self._ticking = False
        self._handle.tick()

    def _end(self) -> None:
        try:
            self._handle.end()
        except Exception as e:
            self._bug = e
        self.done = True
        if self._on_done is not None:
            self._on_done()

    @property
    def response(self) -> Response:
        """The answer. Raises UsageError before it is complete, and the call's error if it failed."""
        if not self.done:
            raise UsageError("The answer is not complete yet", hint="Look again later, or call .stop().")
        error = self._bug or self._prepared[0].error
        if error is not None:
            raise error
        response = self._prepared[0].response
        assert response is not None
        if response.finish_reason == "cancelled":
            raise Interrupted(response, response.run)
        return response

    def stop(self) -> None:
        """Stop; the partial answer is kept."""
        self._future.cancel()

    def __repr__(self) -> str:
        names = ", ".join(a.call.target.requested_model for a in self._prepared)
        state = "done" if self.done else "running"
        if self.done and isinstance(self._prepared[0].error, FmnbError):
            state = "failed"
        return f"Running({names}: {state})"

    def _repr_html_(self) -> str:
        return ""  # its output is already under the cell


def start(prepared: Sequence[PreparedCall], shell: Any, format: str = "markdown") -> BackgroundCall:
    """Start calls in the background of a kernel.

    Raises UsageError in a plain shell, which has no event loop between cells. If a program runs
    the cells (nbconvert, papermill), it reads outputs only while their cell runs, so the cell waits.
    """
    main = main_loop(shell)
    if main is None:
        raise UsageError("--background needs a notebook kernel", hint="Leave it out here, or use fm.aask.")
    view = view_for(shell, format, several=len(prepared) > 1)
    return _run_in_terminal(prepared, view) if is_run_by_program(shell) else BackgroundCall(prepared, [view], main.call_soon_threadsafe)


def _run_in_terminal(prepared: Sequence[PreparedCall], view: Sink) -> BackgroundCall:
    """Run a background call to its end in this thread; an interrupt stops it."""
    heard: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
    running = BackgroundCall(prepared, [view], lambda *what: heard.put(what))
    interrupted: KeyboardInterrupt | None = None
    while not running.done:
        try:
            run, *args = heard.get()
            run(*args)
        except KeyboardInterrupt as e:
            interrupted = e
            running.stop()
    if interrupted is not None:
        raise interrupted
    return running


def start_silently(prepared: Sequence[PreparedCall], sinks: Sequence[Sink] = (), on_done: Callable[[], object] | None = None) -> None:
    """Start calls for a caller that does not wait, such as a widget.

    `on_done` is called when all have ended. Events reach the sinks on the kernel's main loop. If
    there is none (a script), the calls run to their end first. The results are in
    `PreparedCall.response` and `PreparedCall.error`; `run.stop` stops a call.
    """
    main = main_loop()
    if main is not None:
        BackgroundCall(prepared, sinks, main.call_soon_threadsafe, on_done)
        return
    try:
        run_calls(prepared, sinks)
    except Interrupted:
        pass  # the partial answer is kept, as with a stop button
    finally:
        if on_done is not None:
            on_done()


def in_background(work: Callable[[], T], on_done: Callable[[T | Exception], object]) -> None:
    """Do blocking work off the kernel's main loop.

    `on_done` gets its result or its error on the main loop.
    """
    main = main_loop()
    if main is None:
        on_done(_result_or_error(work))
        return
    context = contextvars.copy_context()

    async def run() -> None:
        main.call_soon_threadsafe(context.run, on_done, await event_loop.to_thread(lambda: _result_or_error(work)))

    asyncio.run_coroutine_threadsafe(run(), event_loop.background_loop())


def _result_or_error(work: Callable[[], T]) -> T | Exception:
    try:
        return work()
    except Exception as e:
        return e


def main_loop(shell: Any = None) -> Any:
    """The event loop on which a kernel runs cells; None outside a kernel."""
    if shell is None:
        module = sys.modules.get("IPython.core.getipython")
        shell = module.get_ipython() if module else None
    kernel = getattr(shell, "kernel", None)
    return getattr(getattr(kernel, "io_loop", None), "asyncio_loop", None)
