"""The cache: answers of deterministic calls, by request fingerprint."""

from __future__ import annotations

import json
import time

from ..core.events import ENDS, Event
from . import media
from .db import database


def get(key: str) -> list[Event] | None:
    """The events of the cached answer, or None."""
    rows = database().rows("SELECT events FROM cache WHERE key=?", (key,))
    if not rows:
        return None
    try:
        kept = json.loads(rows[0]["events"])
        if not all(map(media.is_available, kept)):
            return None
        found = [media.restore_media(d) for d in kept]
    except (AttributeError, TypeError, ValueError, RecursionError):
        return None  # unreadable entries are treated as missing
    known = [e for e in found if e is not None]
    whole = len(known) == len(found) and any(isinstance(e, ENDS) for e in known)  # an event of a newer version may belong to the answer
    return known if whole else None


def put(key: str, run: str, events: list[Event]) -> None:
    """Store an answer; it replaces an earlier one under the same key."""
    text = json.dumps([media.strip_media(e) for e in events], ensure_ascii=False)
    with database().write() as db:
        media.save(db, run, events)
        db.execute("INSERT OR REPLACE INTO cache VALUES (?,?,?,?)", (key, run, time.time(), text))
