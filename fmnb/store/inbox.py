"""Write-ahead inbox for finished batch rows: one small INSERT frees the concurrency slot.

A background step converts the entries to full runs soon afterwards. An entry holds the events of a
run and the cells of a batch that it answers. `run_rows.write` deletes the entries whose runs it
writes. Entries left by a killed kernel are ingested by the next reader; writing a run twice changes
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from weakref import WeakSet

from ..core.errors import StoreError
from ..core.events import Event
from . import media, run_rows
from .db import Database, database
from .run_rows import Position

_PAGE = 500
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


_ingested: WeakSet[Database] = WeakSet()


class Entry(NamedTuple):
    """A finished call: the cells it answers, its events, and the JSON text of each event."""

    places: Sequence[Position]
    events: Sequence[Event]
    encoded: Sequence[str]


def entry(places: Sequence[Position], events: Sequence[Event]) -> Entry:
    """The entry of a finished call."""
    return Entry(places, events, run_rows.encode(events))


def log_database() -> Database:
    """The database for reading and writing runs; its first use ingests entries left by killed kernels.

    `database()` alone ingests nothing.
    """
    db = database()
    if db not in _ingested:
        _ingested.add(db)
        if db.rows("SELECT 1 FROM arrived LIMIT 1"):
            with suppress(StoreError):  # the disk is full; try again next time
                ingest()
    return db


def put(batch: str, notebook: str, entries: Sequence[Entry]) -> list[int]:
    """Write finished calls in one transaction; returns the numbers of the entries. On disk on return."""
    name = _encode(notebook)
    texts = [f"[{name},{_encode(e.places)},[{','.join(e.encoded)}]]" for e in entries]
    with log_database().write() as db:
        for entry in entries:
            media.save(db, entry.events[0].run, entry.events)
        return [db.execute("INSERT INTO arrived(batch, entry) VALUES (?,?)", (batch, text)).lastrowid or 0 for text in texts]


def ingest() -> None:
    """Convert all entries to runs. An entry that cannot be converted stays and does not block others."""
    after = 0
    while some := database().rows("SELECT n, batch, entry FROM arrived WHERE n > ? ORDER BY n LIMIT ?", (after, _PAGE)):
        after = some[-1]["n"]
        for batch in dict.fromkeys(row["batch"] for row in some):
            mine = [row for row in some if row["batch"] == batch]
            try:
                _ingest_entries(batch, mine)
            except StoreError:
                raise
            except Exception:  # find out which one
                for row in mine:
                    try:
                        _ingest_entries(batch, [row])
                    except StoreError:
                        raise
                    except Exception:  # it stays, for a version that can read it
                        continue


def pending() -> int:
    """Number of entries that could not be converted; may include ones just written by another kernel."""
    ingest()
    return int(database().rows("SELECT COUNT(*) FROM arrived")[0][0])


def _ingest_entries(batch: str, entries: Sequence[Any]) -> None:
    runs, places = [], []
    for row in entries:
        notebook, answers, written = json.loads(row["entry"])
        events = [e for e in map(media.restore_media, written) if e is not None]
        runs.append(run_rows.finished(events, notebook))
        places += [(tuple(place), runs[-1].columns["run"]) for place in answers]
    run_rows.write(batch, runs, places, [row["n"] for row in entries])
