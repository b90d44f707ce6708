"""Stored events, read with care: what is no event is left out, with one warning that names where it stands."""

from __future__ import annotations

import json
import warnings
from typing import Any

from ..core.errors import with_current_keys
from ..core.events import Event
from ..core.inert_text import printable
from . import media

_warned: set[str] = set()
_MAX_WARNED = 1_000  # places that are remembered


def read_event(stored: str, where: str) -> Event | None:
    """The event of a stored line.

    Args:
        stored: The line, as JSON.
        where: What the warning calls its place: the file, and the line or run.

    Returns:
        The event; None for one of a newer version, and for what is none.
    """
    try:
        data = json.loads(stored)
        return media.restore_media(data)
    except (ValueError, RecursionError) as e:
        warn_skipped(where, e)
        return None


def warn_skipped(where: str, why: Exception, what: str = "") -> None:
    """Warn that what stands there was left out, once for each place, or for each `what` where lines move about."""
    if (key := what or where) in _warned:
        return
    if len(_warned) >= _MAX_WARNED:
        _warned.clear()
    _warned.add(key)
    reason = "it is nested too deeply" if isinstance(why, RecursionError) else str(why)
    warnings.warn(printable(f"fmnb: skipped {where}: {reason}"), stacklevel=4)


def json_object(stored: Any) -> dict[str, Any]:
    """A stored JSON object; an empty one where it is none.

    >>> json_object('{"what": "x"}'), json_object('"text"'), json_object(None)
    ({'what': 'x'}, {}, {})
    """
    try:
        found = json.loads(stored) if stored else {}
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def error_message(stored: Any) -> str | None:
    """What happened, of a stored error: None where there is none."""
    return str(with_current_keys(json_object(stored)).get("message") or "It failed; the stored reason cannot be read") if stored else None
