"""What sources fetched, until it expires: in memory and in the log, one fetch at a time for each.

key ─► memory ─► cache of the log ─► fetch, shared by all who ask meanwhile
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ...calls.session import session
from ...core.errors import CallError, FmnbError, StoreError
from ...core.events import Cancelled, EventStamper, Failed, Finished, Started, TextDelta, emit
from ...core.run_ids import new_run
from ...core.runtime import state
from ...core.types import Label
from ...store import cache, log

_KEPT = 256  # values in memory


@dataclass(frozen=True, slots=True)
class Value:
    """A fetched value as text, with the time of its fetch in seconds since the epoch.

    `rows` is a table that the text shows. `etag` and `last_modified` let a server say that nothing has
    changed. A value with a `label` of a data class is not written to the log.
    """

    text: str
    at: float
    rows: tuple[dict[str, Any], ...] = ()
    location: str = ""
    etag: str = ""
    last_modified: str = ""
    label: Label | None = field(default=None, compare=False)


class Values:
    """The values of this process, and the fetches that are under way."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known: OrderedDict[str, Value] = OrderedDict()
        self.fetches: dict[str, Future[Value]] = {}

    def keep(self, key: str, value: Value) -> None:
        """Keep a value; the oldest one goes if there are too many."""
        with self.lock:
            self.known[key] = value
            self.known.move_to_end(key)
            while len(self.known) > _KEPT:
                self.known.popitem(last=False)


def value_of(key: str, name: str, ttl: float, stale: bool, fetch: Callable[[Value | None], Value]) -> tuple[Value, str]:
    """The value under a key, fetched if it is missing or has expired.

    Args:
        key: What identifies source and arguments.
        name: The source and its arguments, for the log.
        ttl: Seconds after which a value expires.
        stale: Whether an expired value is returned if the fetch fails.
        fetch: Called with the expired value, or None.

    Returns:
        The value, and why it is stale; "" if it is not.

    Raises:
        FmnbError: The fetch failed, and there is no value or a stale one is not wanted.
    """
    values = state(Values)
    known = values.known.get(key) or _stored(key)
    with values.lock:
        known = values.known.get(key) or known  # another thread may have fetched it meanwhile
        if known is not None and 0 <= time.time() - known.at < ttl:
            values.known[key] = known
            return known, ""
        running = values.fetches.get(key)
        if running is None:
            mine = values.fetches[key] = Future()
    try:
        if running is not None:
            return running.result(), ""
        return _fetch(values, key, name, known, fetch, mine), ""
    except FmnbError as e:
        if stale and known is not None:
            return known, str(e)
        raise


def _fetch(values: Values, key: str, name: str, known: Value | None, fetch: Callable[[Value | None], Value], mine: Future[Value]) -> Value:
    """Fetch for all who wait; the fetch is a run of its own."""
    run = new_run()
    stamp, listeners = EventStamper(run), session.listeners()
    emit(stamp(Started(kind="source", model=name[:200], meta={"asked": name[:200]})), listeners)
    try:
        value = fetch(known)
    except BaseException as e:
        failed = e if isinstance(e, FmnbError) else CallError("The fetch was interrupted", detail=name)
        with values.lock:
            values.fetches.pop(key, None)
        mine.set_exception(failed)
        mine.exception()  # whoever does not wait needs no warning
        emit(stamp(Failed(error=failed.to_dict()) if isinstance(e, Exception) else Cancelled()), listeners)
        raise
    values.keep(key, value)
    with values.lock:
        values.fetches.pop(key, None)
    mine.set_result(value)
    data_class = value.label is not None and bool(value.label.data_class)
    emit(stamp(TextDelta(text="" if data_class else value.text)), listeners)
    emit(stamp(Finished(model=name[:200])), listeners)
    if not data_class:
        _store(key, run, value)
    return value


def _store(key: str, run: str, value: Value) -> None:
    """Write a value beside cached answers, so that it is deleted with its run."""
    if not log.enabled():
        return
    names = ("text", "at", "location", "etag", "last_modified")
    stored = {**{n: getattr(value, n) for n in names}, "rows": list(value.rows)}
    with suppress(StoreError, TypeError, ValueError):  # a value that cannot be stored is fetched again by the next kernel
        cache.put(f"source:{key}", run, [Finished(extra={"value": stored})])


def _stored(key: str) -> Value | None:
    if not log.enabled():
        return None
    with suppress(StoreError, TypeError, ValueError):
        events = cache.get(f"source:{key}")
        end = events[-1] if events else None
        found = end.extra.get("value") if isinstance(end, Finished) else None
        if isinstance(found, dict) and isinstance(found.get("text"), str) and isinstance(found.get("at"), (int, float)):
            rows = found.pop("rows", [])
            return Value(**{**found, "rows": tuple(r for r in rows if isinstance(r, dict)) if isinstance(rows, list) else ()})
    return None
