"""Rows that do not go one by one: engines that answer many together, and answers that came some other way than by a call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from ..core.backend import Backend, BatchBackend
from ..core.errors import CallError, FmnbError, StoreError
from ..core.event_loop import aclose
from ..core.events import ENDS, Event, EventStamper, Failed, Finished, Restarted, TextDelta
from .call import Call
from .pipeline import started
from .steps.repetition import without_repetition
from .steps.schema import with_data
from .steps.tape import replayed


async def rows(calls: Sequence[Call]) -> AsyncIterator[tuple[int, Event]]:
    """Events of many calls to one backend that answers them together, each with the call's number; -1 is the whole.

    Stamped, from Started to an end for each. The iterator's end leaves no call without one.
    What a tape holds is replayed from it, and the rest is recorded.
    """
    left: dict[int, _Row] = {}
    for n, c in enumerate(calls):
        row = _Row(replace(c, kind="row"))
        yield n, row.stamp(started(row.call))
        entry = c.tape.get(c.request.fingerprint()) if c.tape is not None else None
        if entry is None:
            left[n] = row
        for _, event in entry.replay() if entry is not None else ():
            yield n, row.stamp(replayed(event, "replayed"))
    if not left:
        return
    backend = for_rows(calls[0].target.open())
    assert isinstance(backend, BatchBackend)
    stream = backend.stream_rows([(n, row.call.request) for n, row in left.items()], calls[0].neutral)
    why: FmnbError = CallError("The engine ended without an answer")
    try:
        async for n, event in stream:
            if n < 0:
                yield n, event
                continue
            yield n, left[n].take(event)
            if isinstance(event, ENDS):
                left.pop(n).record()
    except FmnbError as e:
        why = e
    finally:
        await aclose(stream)
    for n, row in left.items():
        yield n, row.stamp(Failed(error=why.to_dict()))


class _Row:
    """One of many calls that are answered together."""

    def __init__(self, call: Call):
        self.call = call
        self.stamp = EventStamper(call.run)
        self.text: list[str] = []
        self.events: list[Event] = []

    def take(self, event: Event) -> Event:
        """The event stamped; an answer's end holds its data, where it fits its schema."""
        if isinstance(event, TextDelta):
            self.text.append(event.text)
        elif isinstance(event, Restarted):
            self.text.clear()
        elif isinstance(event, Finished) and self.call.spec is not None:
            event = with_data(self.call, "".join(self.text), event)
        event = self.stamp(event)
        self.events.append(event)
        return event

    def record(self) -> None:
        """Onto the tape, if there is one; the answer stands without it, too."""
        if isinstance(self.events[-1], Finished):
            record(self.call, self.events)


def record(call: Call, events: Sequence[Event]) -> None:
    """Put an answer that came without the pipeline onto its call's tape."""
    if call.tape is not None:
        try:
            call.tape.record(call.request, call.request.fingerprint(), call.cell, list(events))
        except StoreError:
            pass  # said by the next call that goes over the tape


def stamped(call: Call, events: Sequence[Event], *, known: bool = True) -> list[Event]:
    """An answer that came without the pipeline, as the stamped events of a run; data where it fits its schema. Whose request is not known has none."""
    call = replace(call, kind="row")
    stamp = EventStamper(call.run)
    events = list(events)
    if call.spec is None:
        events = without_repetition(call, events)
    elif isinstance(events[-1], Finished):
        events[-1] = with_data(call, "".join(e.text for e in events if isinstance(e, TextDelta)), events[-1])
    return [stamp(started(call, request=known)), *map(stamp, events)]


def for_rows(backend: Backend) -> Backend:
    """The backend that answers many rows, given the one that answers single prompts."""
    from ..engines import select  # many modules, for local models alone

    return select.for_rows(backend)
