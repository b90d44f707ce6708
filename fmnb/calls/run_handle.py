"""The handle of everything that runs: its sinks, its results so far, interrupts and its end."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias, TypeVar

from ..core.event_loop import iterate_async, iterate_sync
from ..core.events import Event, ResponseBuilder, Sink, detach, emit
from .session import session

T = TypeVar("T")
StopEvents: TypeAlias = Callable[[str, int, str], Iterable[Event]]


class Run:
    """Events of one or several runs, built into responses and passed to the sinks.

    The sinks run in the caller's thread. `runs` are the ids. `stop_events(run, last, reason)`
    gives the events of a run that is stopped after its event number `last`. `finish` is called with
    the response builders at the end, in every case. `logged` is False if the log has the events
    already. Work that is more than one stream, such as a batch, has no `stream`: it iterates over
    its streams with `iterate`, inside `interruptible`.
    """

    def __init__(
        self,
        stream: AsyncIterator[Event] | None,
        sinks: Sequence[Sink] = (),
        *,
        runs: Iterable[str],
        stop_events: StopEvents,
        finish: Callable[[Mapping[str, ResponseBuilder]], object] = lambda builders: None,
        ticks: bool = False,
        logged: bool = True,
    ):
        self.listeners = session.listeners(*sinks, ticks=ticks) if logged else list(sinks)
        self.builders = {run: ResponseBuilder() for run in runs}
        for sink in self.listeners:
            if hasattr(sink, "use_builders"):  # the log and the displays read these, and fold nothing themselves
                sink.use_builders(self.builders)
        self._stream, self._stop_events, self._finish = stream, stop_events, finish
        self._items: Generator[Any, None, None] | None = None  # of the stream that is being iterated

    @property
    def stream(self) -> AsyncIterator[Event]:
        """The stream of events that it was made with."""
        assert self._stream is not None
        return self._stream

    def emit(self, event: Event) -> None:
        """Add an event to its response and give it to the sinks."""
        self.builders[event.run].add(event)
        emit(event, self.listeners)

    def tick(self) -> None:
        """Let the sinks draw or write what they hold back."""
        flush(self.listeners)

    def cancel(self, reason: str = "interrupt") -> None:
        """Record that the unfinished runs were stopped, and their usage."""
        for run, builder in self.builders.items():
            if builder.end is None:
                for event in self._stop_events(run, builder.n, reason):
                    with suppress(KeyboardInterrupt):  # a sink may raise it on any event
                        self.emit(event)

    def drive(self) -> None:
        """Run to the end in this thread.

        An interrupt stops all runs, keeps partial results, and is raised again.
        """
        with self.interruptible():
            for event in self.iterate(self.stream):
                self.emit(event)

    def __iter__(self) -> Generator[Event, None, None]:
        """Iterate over the events; leaving the loop stops the rest."""
        with self.interruptible():
            for event in self.iterate(self.stream):
                self.emit(event)
                yield event

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Run a block in this thread, and end the run with it.

        The first interrupt stops the runs and is raised again; further ones are ignored meanwhile.
        """
        try:
            yield
        except (KeyboardInterrupt, CancelledError, GeneratorExit):
            with ignore_sigint():
                self.cancel()
                self._end()
            raise
        except BaseException:
            self._end()
            raise
        self._end()

    def iterate(self, stream: AsyncIterator[T], on_idle: Callable[[], object] | None = None) -> Iterator[T]:
        """Iterate over a stream in this thread; sinks draw, or `on_idle` is called, while no item arrives."""
        self.close_stream()
        self._items = iterate_sync(stream, on_idle or self.tick, lambda: flush(self.listeners, "caught_up"))
        return self._items

    def close_stream(self) -> None:
        """Stop the stream that is being iterated."""
        if self._items is not None:
            self._items.close()
            self._items = None

    def end(self) -> None:
        """For a caller that drives it itself: stop unfinished runs, and finish."""
        self.cancel("stopped")
        self._finish(self.builders)

    async def adrive(self) -> None:
        """Run to the end in the caller's own event loop.

        Cancelling it stops all runs and keeps partial results.
        """
        items = iterate_async(self.stream)
        try:
            async for event in items:
                self.emit(event)
        except asyncio.CancelledError:
            self.cancel()
            raise
        finally:
            await items.aclose()  # type: ignore[attr-defined]
            self._finish(self.builders)

    def _end(self) -> None:
        self.close_stream()
        self._finish(self.builders)


def flush(sinks: list[Sink], method: str = "tick") -> None:
    """Let the sinks draw or write what they hold back; one that fails is detached with one warning."""
    for sink in tuple(sinks):
        try:
            if hasattr(sink, method):
                getattr(sink, method)()
        except Exception as e:
            detach(sink, sinks, e)


@contextmanager
def ignore_sigint() -> Iterator[None]:
    """Ignore further interrupts: a second one must not break the bookkeeping of the first."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
