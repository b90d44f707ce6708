"""Reads stored events defensively.

Invalid events are skipped with one warning that names their location.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

from ..core.errors import with_current_keys
from ..core.events import Event
from ..core.inert_text import printable
from . import media

_warned: set[str] = set()
_MAX_WARNED = 1_000  # remembered locations


def read_event(stored: str, where: str) -> Event | None:
    """Read one stored event.

    Args:
        stored: The line, as JSON.
        where: The location for the warning: the file, and the line or run.

    Returns:
        The event; None for one of a newer version or an invalid one.
    """
    try:
        data = json.loads(stored)
        return media.restore_media(data)
    except (ValueError, RecursionError) as e:
        warn_skipped(where, e)
        return None


def warn_skipped(where: str, why: Exception, what: str = "") -> None:
    """Warn once that an event was skipped, per location, or per `what` where line numbers change."""
    if (key := what or where) in _warned:
        return
    if len(_warned) >= _MAX_WARNED:
        _warned.clear()
    _warned.add(key)
    reason = "it is nested too deeply" if isinstance(why, RecursionError) else str(why)
    warnings.warn(printable(f"fmnb: skipped {where}: {reason}"), stacklevel=4)


def json_object(stored: Any) -> dict[str, Any]:
    """A stored JSON object; an empty dict if it is not an object.

    >>> json_object('{"what": "x"}'), json_object('"text"'), json_object(None)
    ({'what': 'x'}, {}, {})
    """
    try:
        found = json.loads(stored) if stored else {}
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def error_message(stored: Any) -> str | None:
    """The message of a stored error; None without an error."""
    return str(with_current_keys(json_object(stored)).get("message") or "It failed; the stored error cannot be read") if stored else None
