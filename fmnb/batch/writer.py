"""Calls of a batch that have ended are written down at once, then filed as runs; what the disk does not take is not lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from ..calls.session import session
from ..core.errors import StoreError
from ..store import inbox, log, retention, run_rows
from ..store.run_rows import Place
from .scheduler import Ended, Item

Runs: TypeAlias = list[run_rows.FinishedRun]
Places: TypeAlias = list[tuple[Place, str]]


class Keeper:
    """Writes the ends of one batch's calls down.

    `stands` says whether an end answers its rows: a failure that all rows would share does not.
    """

    def __init__(self, batch: str, stands: Callable[[Item, dict[str, Any] | None], bool]):
        self.batch = batch
        self.durable = log.recover()
        self._stands = stands

    def hold(self, ended: Sequence[Ended]) -> list[Ended]:
        """On the loop: see that they are on disk. StoreError where the disk does not take them: `write_again` has them."""
        if not self.durable:
            return list(ended)
        entries = [inbox.entry(self._places(e.item, e.error), e.events) for e in ended]
        try:
            numbers = inbox.put(self.batch, session.notebook, entries)
        except StoreError:
            self._aside(*self._filed(ended))
            raise
        return [replace(e, number=n, encoded=entry.encoded) for e, n, entry in zip(ended, numbers, entries, strict=True)]

    def file(self, ended: Sequence[Ended]) -> list[dict[str, Any]]:
        """Make runs of them; the columns of each. In the caller's thread."""
        runs, places = self._filed(ended)
        self.write(runs, places, [e.number for e in ended if e.number])
        return [run.columns for run in runs]

    def write(self, runs: Runs, places: Places, numbers: Sequence[int] = ()) -> None:
        """Write runs down, and which places which run answers."""
        if not self.durable:
            return
        try:
            run_rows.write(self.batch, runs, places, numbers)
            if runs:
                retention.sweep()
        except StoreError:
            self._aside(runs, places)
            raise

    def _filed(self, ended: Sequence[Ended]) -> tuple[Runs, Places]:
        runs, places = [], []
        for e in ended:
            run = run_rows.finished(e.events, session.notebook, e.encoded)
            runs.append(run)
            places += [(place, run.columns["run"]) for place in self._places(e.item, run.columns["error"])]
        return runs, places

    def _places(self, item: Item, error: dict[str, Any] | None) -> Sequence[Place]:
        return tuple(item.places) if self._stands(item, error) else ()

    def _aside(self, runs: Runs, places: Places) -> None:
        _unwritten.append((self.batch, runs, places))


_unwritten: deque[tuple[str, Runs, Places]] = deque()  # paid answers that the disk did not take


def write_again() -> None:
    """What the disk did not take before, now that there may be room, and what a kernel that died had not filed."""
    while _unwritten:
        run_rows.write(*_unwritten[0])
        _unwritten.popleft()
    inbox.ingest()
