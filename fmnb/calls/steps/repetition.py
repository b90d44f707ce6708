"""Truncate answers of rows that are stuck in a loop: a complete answer could not be stopped earlier."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ...core.events import Event, TextDelta
from ...core.repetition import truncate_loop
from ...store import log
from ..call import Call
from .base import Proceed


def cut_repetition(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
    """The answer, truncated where it repeats itself."""
    return proceed(call) if call.spec is not None else _cut(call, proceed)


async def _cut(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
    events: list[Event] = []
    try:
        async for event in proceed(call):
            events.append(event)
    except Exception:
        for event in events:
            yield event
        raise
    for event in without_repetition(call, events):
        yield event


def without_repetition(call: Call, events: list[Event]) -> list[Event]:
    """The events of an answer without a schema, truncated where it repeats itself.

    It stays complete if the log is off, and if it is valid JSON that was requested.
    """
    if not log.enabled():
        return events
    if call.request.format == "json":
        from ...schemas.validate import read_json

        if read_json("".join(e.text for e in events if isinstance(e, TextDelta))) is not None:
            return events
    return truncate_loop(events)
