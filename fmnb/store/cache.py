"""The cache: answers of deterministic calls, by the hash of what decides them."""

from __future__ import annotations

import json
import time

from ..events import Event
from . import media
from .db import database


def get(key: str) -> list[Event] | None:
    """The events of the cached answer, or None."""
    rows = database().rows("SELECT events FROM cache WHERE key=?", (key,))
    if not rows:
        return None
    kept = json.loads(rows[0]["events"])
    if not all(map(media.there, kept)):
        return None
    found = map(media.whole, kept)
    return [e for e in found if e is not None]


def put(key: str, run: str, events: list[Event]) -> None:
    """Keep an answer; a later one under the same key replaces it."""
    text = json.dumps([media.light(e) for e in events], ensure_ascii=False)
    with database().write() as db:
        media.keep(db, run, events)
        db.execute("INSERT OR REPLACE INTO cache VALUES (?,?,?,?)", (key, run, time.time(), text))
