"""Writes runs to the log, as a sink of their events.

The row of a run is written within a fifth of a second of its start, and its text at least every
second, so a killed kernel leaves a trace; a shorter run is one transaction. Adjacent text events
are merged; the response they fold to is the same.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..core.errors import StoreError
from ..core.events import ENDS, Event, ReasoningDelta, ResponseBuilder, Started, TextDelta
from . import log, media
from .inbox import log_database
from .run_rows import end_columns, start_columns

_FLUSH = 1.0  # seconds of text that may be lost in a crash
_LATE = 0.05  # seconds after which the row of a run is written


class LogSink:
    """Writes the events of any number of runs. Each caller has its own; the database is shared."""

    name = "the log"

    def __init__(self, notebook: str = "", *, ticks: bool = False):
        """With `ticks`, the caller calls `tick` while no event arrives; otherwise rows are written at once."""
        self._runs: dict[str, _OpenRun] = {}
        self._notebook = notebook
        self._ticks = ticks
        self._builders: Mapping[str, ResponseBuilder] = {}

    def use_builders(self, builders: Mapping[str, ResponseBuilder]) -> None:
        """Read the responses of these runs from their builders, instead of folding their events."""
        self._builders = builders

    def __call__(self, event: Event) -> None:
        if event.run not in self._runs and not (isinstance(event, Started) and log.enabled()):
            return  # the log is off, or was disabled before this run began
        self._guarded(lambda: self._take(event))

    def tick(self) -> None:
        """Write pending events."""
        if self._runs:
            self._guarded(self._write_all)

    def _write_all(self) -> None:
        for run in self._runs.values():
            run.write_pending()

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except StoreError as e:
            if log.disable(str(e)):
                raise  # `emit` warns once and detaches this sink
            self._runs.clear()

    def _take(self, event: Event) -> None:
        run = self._runs.get(event.run)
        if run is None:
            run = self._runs[event.run] = _OpenRun(event.run, self._notebook, self._builders.get(event.run))
        run.take(event)
        if isinstance(event, ENDS):
            run.write_end(event)
            del self._runs[event.run]
        elif time.monotonic() - run.written > (_FLUSH if run.has_row else _LATE if self._ticks else 0):
            run.write_pending()


class _OpenRun:
    """An unfinished run."""

    def __init__(self, run: str, notebook: str, builder: ResponseBuilder | None):
        self.run = run
        self.notebook = notebook
        self.start: Started | None = None
        self.has_row = False  # whether its row is written
        self.builder = builder or ResponseBuilder()
        self.pending: list[Event] = []
        self.texts: list[str] = []  # texts of the last pending event, joined when written
        self.written = time.monotonic()

    def take(self, event: Event) -> None:
        self.builder.add(event)
        if isinstance(event, Started):
            self.start = event
        if isinstance(event, (TextDelta, ReasoningDelta)):
            last = self.pending[-1] if self.pending else None
            if type(last) is type(event) and not getattr(event, "extra", None):
                self.texts.append(event.text)
                return
            self._join()
            self.texts = [event.text]
        else:
            self._join()
            self.texts = []
        self.pending.append(event)

    def _join(self) -> None:
        if len(self.texts) > 1:
            text = "".join(self.texts)
            self.pending[-1] = replace(self.pending[-1], text=text)  # type: ignore[arg-type]
            self.texts = [text]

    def _rows(self) -> list[tuple[str, int, str]]:
        self._join()
        return [(self.run, e.n, json.dumps(media.strip_media(e), ensure_ascii=False, separators=(",", ":"))) for e in self.pending]

    def _mark_written(self) -> None:
        """Clear what was pending. Called after the transaction: an interrupted one is written again."""
        self.has_row = self.start is not None
        self.pending, self.texts = [], []
        self.written = time.monotonic()

    def write_pending(self) -> None:
        """Write the row if it is missing, and the pending events."""
        rows = self._rows()
        with log_database().write() as db:
            self._begin(db, {})
            media.save(db, self.run, self.pending)
            db.executemany("INSERT OR REPLACE INTO events VALUES (?,?,?)", rows)
        self._mark_written()

    def _begin(self, db: sqlite3.Connection, end: dict[str, Any]) -> None:
        """Insert the row of the run, with the columns of its end if known."""
        if self.has_row or self.start is None:
            return
        values = {**start_columns(self.start, self.notebook), **end}
        marks = ",".join("?" * len(values))
        db.execute(f"INSERT OR REPLACE INTO runs({', '.join(values)}) VALUES ({marks})", tuple(values.values()))

    def write_end(self, event: Event) -> None:
        """Complete the row and write the remaining events."""
        end = end_columns(self.builder.response(), event.at)
        rows = self._rows()
        with log_database().write() as db:
            media.save(db, self.run, self.pending)
            db.executemany("INSERT OR REPLACE INTO events VALUES (?,?,?)", rows)
            if self.has_row:
                db.execute(f"UPDATE runs SET {', '.join(f'{n}=?' for n in end)} WHERE run=?", (*end.values(), self.run))
            else:
                self._begin(db, end)
