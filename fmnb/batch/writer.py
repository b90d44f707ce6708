"""Writes finished calls to the log at once, then stores them as runs.

Answers that do not fit on a full disk stay in memory, and are written later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from ..calls.session import session
from ..core.errors import StoreError
from ..store import inbox, log, retention, run_rows
from ..store.run_rows import Position
from .scheduler import CompletedCall, WorkItem

Runs: TypeAlias = list[run_rows.FinishedRun]
Positions: TypeAlias = list[tuple[Position, str]]


class Writer:
    """Writes the finished calls of one batch.

    `is_answer` tells whether a result answers its rows: a failure that all rows would share does not.
    """

    def __init__(self, batch: str, is_answer: Callable[[WorkItem, dict[str, Any] | None], bool]):
        self.batch = batch
        self.durable = log.recover()
        self._is_answer = is_answer

    def append(self, calls: Sequence[CompletedCall]) -> list[CompletedCall]:
        """On the loop: write calls to disk. StoreError if the disk is full; `flush_deferred` retries."""
        if not self.durable:
            return list(calls)
        entries = [inbox.entry(self._positions(e.item, e.error), e.events) for e in calls]
        try:
            inbox_ids = inbox.put(self.batch, session.notebook, entries)
        except StoreError:
            self._defer(*self._to_runs(calls))
            raise
        return [replace(e, inbox_id=n, encoded=entry.encoded) for e, n, entry in zip(calls, inbox_ids, entries, strict=True)]

    def commit(self, calls: Sequence[CompletedCall]) -> list[dict[str, Any]]:
        """In the caller's thread: store the calls as runs. Returns the columns of each."""
        runs, positions = self._to_runs(calls)
        self.write(runs, positions, [e.inbox_id for e in calls if e.inbox_id])
        return [run.columns for run in runs]

    def write(self, runs: Runs, positions: Positions, inbox_ids: Sequence[int] = ()) -> None:
        """Store runs, and which run answers which position."""
        if not self.durable:
            return
        try:
            run_rows.write(self.batch, runs, positions, inbox_ids)
            if runs:
                retention.sweep()
        except StoreError:
            self._defer(runs, positions)
            raise

    def _to_runs(self, calls: Sequence[CompletedCall]) -> tuple[Runs, Positions]:
        runs, positions = [], []
        for e in calls:
            run = run_rows.finished(e.events, session.notebook, e.encoded)
            runs.append(run)
            positions += [(position, run.columns["run"]) for position in self._positions(e.item, run.columns["error"])]
        return runs, positions

    def _positions(self, item: WorkItem, error: dict[str, Any] | None) -> Sequence[Position]:
        return tuple(item.positions) if self._is_answer(item, error) else ()

    def _defer(self, runs: Runs, positions: Positions) -> None:
        _deferred.append((self.batch, runs, positions))


_deferred: deque[tuple[str, Runs, Positions]] = deque()  # paid answers that could not be written


def flush_deferred() -> None:
    """Write what the disk did not take before, and what a killed kernel had not stored as runs."""
    while _deferred:
        run_rows.write(*_deferred[0])
        _deferred.popleft()
    inbox.ingest()
