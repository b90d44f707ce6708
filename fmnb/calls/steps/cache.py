"""The cache: answers of deterministic calls.

Rows of a table do not use it, since their answers are in the log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from ...core.errors import StoreError
from ...core.events import Event, Finished, TextDelta, Waiting
from ...store import cache, log
from ..call import Call
from .base import Proceed
from .tape import replay


def use_cache(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
    """Answer from the cache, or go on and cache the answer."""
    return _cached(call, proceed) if call.target.open().deterministic(call.request) else proceed(call)


async def _cached(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
    key = cache_key(call)
    try:
        found = cache.get(key) if log.enabled() else None
    except StoreError:
        found = None  # the log sink has warned
    if found is not None:
        async for event in replay([(0.0, e) for e in found], "cached"):
            yield event
        return
    kept: list[Event] = []
    complete = False
    async for event in proceed(call):
        if isinstance(event, TextDelta) and kept and isinstance(kept[-1], TextDelta):
            kept[-1] = TextDelta(text=kept[-1].text + event.text)
        elif not isinstance(event, Waiting):
            kept.append(event)
        complete = complete or (isinstance(event, Finished) and event.reason in ("stop", "length", "loop"))
        yield event
    if complete and log.enabled():
        try:
            cache.put(key, call.run, kept)
        except StoreError:
            pass  # the log sink warns


def cache_key(call: Call) -> str:
    """The request's fingerprint; for local weights also the file, which may change under its name."""
    info = call.target.open().info
    path = Path(info.source)
    try:
        stat = path.stat() if info.local and path.is_absolute() else None
    except OSError:
        stat = None
    return call.request.fingerprint() + (f":{path}:{stat.st_size}:{stat.st_mtime_ns}" if stat else "")
