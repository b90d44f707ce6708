"""An update of an index in a thread, while the notebook goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from ...core.errors import Interrupted, UsageError
from ...core.event_loop import start_thread
from ...core.events import Event, Progress, Sink
from .update_report import UpdateReport


class BackgroundUpdate:
    """An update that runs: `done`, `report` (raises its error), `stop()`, `wait()`.

    `on_change` is called in the thread with every progress and at the end.
    """

    def __init__(self, name: str, work: Callable[[Sequence[Sink]], UpdateReport], on_change: Callable[[BackgroundUpdate], object]):
        self.name = name
        self.progress: Progress | None = None
        self._work, self._on_change = work, on_change
        self._stopping, self._ended = threading.Event(), threading.Event()
        self._report: UpdateReport | None = None
        self._error: BaseException | None = None
        start_thread("fmnb-index", self._run)

    def _run(self) -> None:
        try:
            self._report = self._work([self._take])
        except BaseException as e:
            self._error = e
        self._ended.set()
        self._on_change(self)

    def _take(self, event: Event) -> None:
        if self._stopping.is_set():
            raise KeyboardInterrupt
        if isinstance(event, Progress):
            self.progress = event
            self._on_change(self)

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._ended.is_set()

    @property
    def report(self) -> UpdateReport:
        """The report. Raises UsageError before the end, and the error of an update that failed."""
        if not self.done:
            raise UsageError("The update has not ended yet", hint="Look again later, or call .wait() or .stop().")
        if self._error is not None:
            raise self._error
        assert self._report is not None
        return self._report

    @property
    def error(self) -> BaseException | None:
        """Why it failed or was stopped; None while it runs and if it succeeded."""
        return self._error

    def stop(self) -> None:
        """Stop; what is indexed stays."""
        self._stopping.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, at most `timeout` seconds; returns whether it has ended."""
        return self._ended.wait(timeout)

    def __repr__(self) -> str:
        if not self.done:
            return f"{self.name}: an update is running"
        if isinstance(self._error, Interrupted):
            return f"{self.name}: the update was stopped; {self._error.kept or 'what is indexed stays'}"
        return f"{self.name}: the update failed: {self._error}" if self._error is not None else repr(self._report)
