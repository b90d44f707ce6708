"""The handle of whatever runs: who listens, what has come, what an interrupt does, how it ends."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from ..core.event_loop import iterate_async, iterate_sync
from ..core.events import Event, ResponseBuilder, Sink, detach, emit
from .session import session

StopEvents = Callable[[str, int, str], Iterable[Event]]


class Run:
    """Events of one run or of several side by side: folded once, given to the listeners in the caller's thread.

    `runs` are their ids. `ends(run, last, reason)` gives the events of a run that is stopped after
    its event number `last`. `finish` is given the folds when all has ended, however it ended.
    `logged` is False where the log has the events already.
    """

    def __init__(
        self,
        stream: AsyncIterator[Event],
        sinks: Sequence[Sink] = (),
        *,
        runs: Iterable[str],
        stop_events: StopEvents,
        finish: Callable[[Mapping[str, ResponseBuilder]], object] = lambda folds: None,
        ticks: bool = False,
        logged: bool = True,
    ):
        self.stream = stream
        self.listeners = session.listeners(*sinks, ticks=ticks) if logged else list(sinks)
        self.builders = {run: ResponseBuilder() for run in runs}
        self._stop_events, self._finish = stop_events, finish

    def emit(self, event: Event) -> None:
        """Fold an event and give it to the listeners."""
        self.builders[event.run].add(event)
        emit(event, self.listeners)

    def tick(self) -> None:
        """Let the listeners draw or write what they hold back."""
        flush(self.listeners)

    def cancel(self, reason: str = "interrupt") -> None:
        """Record that the runs without an end were stopped, and what they had used."""
        for run, fold in self.builders.items():
            if fold.end is None:
                for event in self._stop_events(run, fold.n, reason):
                    self.emit(event)

    def drive(self) -> None:
        """Run to the end in this thread. An interrupt stops all, keeps what has come, and is raised again."""
        with self._events() as items:
            for event in items:
                self.emit(event)

    def __iter__(self) -> Generator[Event, None, None]:
        """The events as they come, for who takes them one by one; leaving the loop stops the rest."""
        with self._events() as items:
            for event in items:
                self.emit(event)
                yield event

    def end(self) -> None:
        """For who drives it himself: stop what is open, and finish."""
        self.cancel("stopped")
        self._finish(self.builders)

    async def adrive(self) -> None:
        """Run to the end in the caller's own event loop; cancelling it stops all and keeps what has come."""
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

    @contextmanager
    def _events(self) -> Iterator[Iterator[Event]]:
        items = iterate_sync(self.stream, self.tick, lambda: flush(self.listeners, "caught_up"))
        try:
            yield items
        except (KeyboardInterrupt, GeneratorExit):
            with ignore_sigint():
                self.cancel()
                items.close()  # type: ignore[attr-defined]
                self._finish(self.builders)
            raise
        except BaseException:
            items.close()  # type: ignore[attr-defined]
            self._finish(self.builders)
            raise
        items.close()  # type: ignore[attr-defined]
        self._finish(self.builders)


def flush(sinks: list[Sink], method: str = "tick") -> None:
    """Let the sinks draw or write down what they hold back; one that fails is switched off with one warning."""
    for sink in tuple(sinks):
        try:
            if hasattr(sink, method):
                getattr(sink, method)()
        except Exception as e:
            detach(sink, sinks, e)


@contextmanager
def ignore_sigint() -> Iterator[None]:
    """A second press of stop is the same stop: it must not cut off the writing down of the first."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
