"""Answers that have just come: one small write each, so that their calls' places are free; soon after they are runs like any other.

An entry is the events of a run, and the places of a batch that it answers. `run_rows.write`
takes the entries away whose runs it writes. What a kernel that died left here is gathered up by
whoever looks next; to write a run twice changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from ..core.errors import StoreError
from ..core.events import Event
from . import media, run_rows
from .db import Database, database
from .run_rows import Place

_PAGE = 500
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


_ingested: WeakSet[Database] = WeakSet()


def log_database() -> Database:
    """The database, to write runs to and to ask about them: on its first use here, what a kernel that died left becomes runs.

    `database()` alone makes runs of nothing.
    """
    db = database()
    if db not in _ingested:
        _ingested.add(db)
        if db.rows("SELECT 1 FROM arrived LIMIT 1"):
            with suppress(StoreError):  # a full disk: they are there the next time, too
                ingest()
    return db


def put(batch: str, notebook: str, ended: Sequence[tuple[Sequence[Place], Sequence[Event]]]) -> list[int]:
    """Write entries down, each as the places it answers and its events; their numbers. On disk when this returns."""
    entries = [_encode([notebook, places, [media.strip_media(e) for e in events]]) for places, events in ended]
    with log_database().write() as db:
        for _, events in ended:
            media.save(db, events[0].run, events)
        return [db.execute("INSERT INTO arrived(batch, entry) VALUES (?,?)", (batch, e)).lastrowid or 0 for e in entries]


def ingest() -> None:
    """Make runs of the entries that are there. One that cannot be made into a run stays, and keeps nobody from the others."""
    after = 0
    while some := database().rows("SELECT n, batch, entry FROM arrived WHERE n > ? ORDER BY n LIMIT ?", (after, _PAGE)):
        after = some[-1]["n"]
        for batch in dict.fromkeys(row["batch"] for row in some):
            mine = [row for row in some if row["batch"] == batch]
            try:
                _ingest_entries(batch, mine)
            except StoreError:
                raise
            except Exception:  # which of them?
                for row in mine:
                    try:
                        _ingest_entries(batch, [row])
                    except StoreError:
                        raise
                    except Exception:  # that one: it stays, for a version that can read it
                        continue


def pending() -> int:
    """How many entries cannot be made into runs; what a kernel that runs has just written may be among them."""
    ingest()
    return int(database().rows("SELECT COUNT(*) FROM arrived")[0][0])


def _ingest_entries(batch: str, entries: Sequence[Any]) -> None:
    runs, places = [], []
    for row in entries:
        notebook, answers, written = json.loads(row["entry"])
        events = [e for e in map(media.restore_media, written) if e is not None]
        columns = run_rows.columns(events, notebook)
        runs.append((columns, events))
        places += [(tuple(place), columns["run"]) for place in answers]
    run_rows.write(batch, runs, places, [row["n"] for row in entries])
