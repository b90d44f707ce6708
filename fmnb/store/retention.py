"""Deletes runs for good: on request, and when they are older than `log.keep_days`."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

from ..config.settings import settings
from ..core.errors import StoreError, UsageError
from ..core.events import ENDS, Event
from . import log, media
from .db import Database, database, is_disk_full
from .inbox import ingest


def forget(query: str = "", *, before: float | None = None, run: str = "", everything: bool = False) -> int:
    """Delete runs for good, with their events and cached answers; returns how many.

    By full text, by date (seconds since the epoch), by id, or all.
    """
    return _delete(*_condition(query, before, run, everything))


def count(query: str = "", *, before: float | None = None, run: str = "", everything: bool = False) -> int:
    """How many runs `forget` would delete."""
    where, values = _condition(query, before, run, everything)
    with suppress(StoreError):  # a full disk has no room for entries that are not runs yet
        ingest()
    return int(database().rows(f"SELECT count(*) FROM runs WHERE {where}", values)[0][0])


def _condition(query: str, before: float | None, run: str, everything: bool) -> tuple[str, tuple[Any, ...]]:
    if not (query or before is not None or run or everything):
        raise UsageError("Name what to forget", hint="`%fm log forget WORDS`, `--before 2026-01-31`, a run id, or `--all`.")
    where: list[str] = ["1"]
    values: list[Any] = []
    if query:
        said, words = log.fts_condition(query)
        where.append(said)
        values += words
    if before is not None:
        where.append("started < ?")
        values.append(before)
    if run:
        where.append("(run = ? OR parent = ? AND kind = 'row')")  # a batch together with its rows
        values += [run, run]
    return " AND ".join(where), tuple(values)


def _delete(where: str, values: tuple) -> int:
    db = database()
    try:
        ingest()  # entries that are not runs yet would not be found
        deleted = _delete_rows(db, where, values)
    except StoreError as e:
        if not is_disk_full(e):
            raise
        with db.in_place():  # what frees the disk must not need room on it
            deleted = _delete_rows(db, where, values)
            with suppress(StoreError):  # no room for a copy of what remains: the file keeps its size, without the deleted text
                db.vacuum()
        return deleted
    if deleted:
        db.vacuum()
    return deleted


def _delete_rows(db: Database, where: str, values: tuple) -> int:
    with db.write() as w:
        runs = [r["run"] for r in w.execute(f"SELECT run FROM runs WHERE {where}", values).fetchall()]
        w.executemany("DELETE FROM events WHERE run=?", [(r,) for r in runs])
        w.executemany("DELETE FROM cache WHERE run=?", [(r,) for r in runs])
        w.executemany("DELETE FROM vectors WHERE run=?", [(r,) for r in runs])
        if runs:
            media.drop(w, runs)
        w.execute(f"DELETE FROM runs WHERE {where}", values)
        if runs:
            w.execute("DELETE FROM batch_rows WHERE run NOT IN (SELECT run FROM runs) OR batch NOT IN (SELECT run FROM runs)")
            w.execute("INSERT INTO words(words) VALUES ('optimize')")
    return len(runs)


def keep_days() -> float | None:
    """Days to keep runs: an administrator's lock, else the setting; None for no limit."""
    s = settings()
    days = s.lock("keep_days")
    return days if days is not None else s.get("log.keep_days")


_swept = 0.0
_sweeping = threading.Lock()


def sweep() -> int:
    """Delete runs older than `log.keep_days`; at most once an hour per process."""
    global _swept
    days = keep_days()
    with _sweeping:
        if days is None or time.monotonic() - _swept < 3600 and _swept:
            return 0
        _swept = time.monotonic()
    return _delete("started < ?", (time.time() - float(days) * 86400,))


class Sweeper:
    """A sink that deletes old runs when a run has ended and is logged."""

    name = "the log"

    def __call__(self, event: Event) -> None:
        if not (isinstance(event, ENDS) and log.enabled()):
            return
        try:
            sweep()
        except StoreError as e:
            if log.disable(str(e)):
                raise  # `emit` warns once and detaches this sink
