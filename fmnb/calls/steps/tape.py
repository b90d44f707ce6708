"""Tapes: replay an answer from the tape, or record it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ...core.errors import ConnectionFailedError, KeyMissingError, ModelError, StoreError, TapeMissError
from ...core.events import ENDS, Event, EventStamper, Finished, Notice, TextDelta, UsageReported
from ..call import Call
from .base import Proceed

if TYPE_CHECKING:
    from ...store.tape import Tape

_MAX_REPLAY_SECONDS = 1.5  # seconds a replay takes at most


def use_tape(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
    """Replay from the tape, or go on and record. Rows of a table are replayed at once."""
    if call.tape is not None:
        return _taped(call, call.tape, proceed)
    if call.tape_only:
        raise no_tape_error()
    return proceed(call)


async def _taped(call: Call, tape: Tape, proceed: Proceed) -> AsyncIterator[Event]:
    key = call.request.fingerprint()
    entry = tape.get(key)
    if entry is not None:
        async for event in replay(entry.replay(), "replayed", paced=not call.is_row):
            yield event
        return
    if call.tape_only:
        raise tape_miss_error(tape, call.cell)
    stamp, events = EventStamper(call.run), []
    end: Finished | None = None  # held back until the answer is recorded, or the footer reports that it is not
    try:
        async for event in proceed(call):
            events.append(stamp(event))
            if isinstance(event, Finished):
                end = event
            else:
                yield event
    except (ModelError, KeyMissingError, ConnectionFailedError) as e:
        stale = tape.stale_entry(call.cell)
        if stale is None or any(isinstance(x, TextDelta) for x in events):
            raise
        tape.used.add(stale.key)  # what a cell displays is not pruned
        yield Notice(kind="warning", text=f"stale: recorded for other values of this prompt, because {e.message[0].lower()}{e.message[1:]}")
        async for event in replay(stale.replay(), "stale", paced=not call.is_row):
            yield event
        return
    try:
        tape.record(call.request, key, call.cell, events)
    except StoreError as e:  # the answer is complete and paid for: the cell goes on
        yield Notice(kind="warning", text=f"not recorded: {e}")
    if end is not None:
        yield end


def no_tape_error() -> TapeMissError:
    """The error of a replay without a tape."""
    return TapeMissError("There is no tape to replay from", hint="`%fm tape FILE` first.")


def tape_miss_error(tape: Tape, cell: str) -> TapeMissError:
    """The error of a request that the tape does not hold."""
    return TapeMissError(
        f"The tape {tape.path.name} does not hold this request",
        detail=f"{len(tape)} answers recorded; "
        + ("this cell was recorded with other values" if tape.stale_entry(cell) else "this cell was never recorded"),
        hint="Run it without --replay-only to record it.",
    )


async def replay(items: list[tuple[float, Event]], source: str, *, paced: bool = True) -> AsyncIterator[Event]:
    """Replay stored events; with `paced` at their recorded speed, within a second or two."""
    whole = max((t for t, _ in items), default=0.0) if paced else 0.0
    scale = min(1.0, _MAX_REPLAY_SECONDS / whole) if whole else 0.0
    began = time.monotonic()
    for t, event in items:
        delay = began + t * scale - time.monotonic()
        if delay > 0.005:
            await asyncio.sleep(delay)
        yield as_replayed(event, source)


def as_replayed(event: Event, source: str) -> Event:
    """A stored event as it is replayed: at no cost."""
    if isinstance(event, UsageReported):
        return UsageReported(usage=replace(event.usage, cost=0.0 if event.usage.cost is not None else None))
    return replace(event, source=source) if isinstance(event, ENDS) else event
