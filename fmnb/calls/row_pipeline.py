"""The same around calls that nobody watches: rows of a table, in one piece, many together, or as a batch job.

    structure → tape → budgets → retry → the host's gate → backend

There is no cache here: a row's answer is found in the log. This file and `pipeline.py` alone
call a backend.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..core import repetition
from ..core.backend import Backend, RowBatcher
from ..core.errors import CallError, EmptyAnswerError, FmnbError, RateLimitError, SchemaMismatchError, StoreError, UsageError
from ..core.event_loop import aclose
from ..core.events import (
    ENDS,
    Cancelled,
    Event,
    Failed,
    Finished,
    Notice,
    Progress,
    Restarted,
    Stamper,
    Started,
    TextDelta,
    Used,
    Waiting,
)
from ..core.run_ids import new_run
from ..core.types import Request, message
from ..limits import billed_tokens, budget, rate_limit
from ..limits import cost as bill
from ..limits.batch_budget import Aside, KernelPurse, Purse
from ..store import log
from . import pipeline
from .call import Call
from .pipeline import (
    ATTEMPTS,
    LONGEST_WAIT,
    cut,
    doubted,
    doubts_said,
    endless,
    held,
    looped,
    no_tape,
    not_on,
    replayed,
    retried,
    whole_or_cut,
)

if TYPE_CHECKING:
    from ..schemas.spec import SchemaSpec

REFUSALS = 12  # attempts of a row that is refused for speed alone: its host's gate makes them wait


@dataclass(frozen=True)
class Caps:
    """What a batch's user allows: requests and tokens a minute, money in all."""

    requests: rate_limit.Rate | None = None
    tokens: rate_limit.Rate | None = None
    purse: Purse | None = None
    kernel: KernelPurse = field(default_factory=KernelPurse)

    def purses(self) -> list[Purse]:
        """What each call must be paid from: the batch's own budget and the kernel's, where there are any."""
        own: list[Purse] = [] if self.purse is None else [self.purse]
        return own if budget.budget().limit is None else [*own, self.kernel]


async def whole(call: Call, caps: Caps = Caps()) -> list[Event]:
    """The stamped events of a call that nobody watches, from Started to its end; a failure is the last of them, and is not raised.

    The same concerns as in `run`, but for the cache: a row's answer is found in the log.
    """
    trip = _Trip(caps)
    stamp = Stamper(call.run)
    events: list[Event] = []
    try:
        events += await _whole_structured(call, trip)
    except FmnbError as e:
        events += trip.partial
        events.append(Failed(error=e.to_dict()))
    except Exception as e:  # a bug: it is this row's error, and the others go on
        who = "A bug in fmnb" if call.target.known else f"{call.target.asked} failed"
        events.append(Failed(error={"kind": type(e).__name__, "what": f"{who}: {type(e).__name__}: {e}"}))
    start = stamp(
        Started(
            kind="row",
            model=call.request.model,
            where=call.target.where,
            parent=call.parent,
            request=call.request,
            meta={"asked": call.target.asked, **call.meta},
        )
    )
    return [replace(start, at=trip.began or start.at), *map(stamp, events)]


def stopped(call: Call) -> list[Event]:
    """The stamped events of a row that was stopped once it was sent: what it had used, and the end. None where that is nothing."""
    used = call.meter.stopped()
    return stamped(call, [Used(usage=used), Cancelled()]) if used is not None else []


class _Trip:
    """What is remembered of one call on its way through `whole`: when it was sent, and what it gave before it failed."""

    def __init__(self, caps: Caps):
        self.caps = caps
        self.began = 0.0
        self.partial: list[Event] = []
        self.refused = self.failed = 0  # tries that were refused for speed, and that failed


async def _whole_structured(call: Call, trip: _Trip) -> list[Event]:
    events = await _whole_taped(call, trip)
    if call.spec is None:
        return _unlooped(call, events)
    from ..schemas.validate import parse, repair_prompt

    before: list[Event] = []
    for attempt in (1, 2):
        text = "".join(e.text for e in events if isinstance(e, TextDelta))
        end = events[-1]
        if not isinstance(end, Finished):  # of a recording
            return [*before, *events]
        try:
            whole_or_cut(end)
            parse(text, call.spec)
            data = parse(text, replace(call.spec, build=_as_it_is))
            return [*before, *events[:-1], replace(end, data=data)]
        except SchemaMismatchError as e:
            trip.partial = [*before, *events[:-1]]
            if end.reason == "length":
                raise cut(e) from None
            if endless(text):
                trip.partial.append(Notice(kind="warning", text=repetition.NOTICE))
                raise looped(e) from None
            if attempt == 2:
                raise e from None
            before = [
                *trip.partial,
                Restarted(reason=e.what),
                Notice(kind="note", text="asked again: the first answer did not match the schema"),
            ]
            again = (*call.request.messages, message("assistant", text), message("user", repair_prompt(e)))
            call = replace(call, request=replace(call.request, messages=again), cell=call.cell and call.cell + "+repair")
            trip.partial = before
            events = await _whole_taped(call, trip)
    raise AssertionError


def _unlooped(call: Call, events: list[Event]) -> list[Event]:
    """An answer without a schema, cut where it comes into a loop. It stays whole where the log would not keep the rest, and where it is the JSON that was wanted."""
    if not log.enabled():
        return events
    if call.request.format == "json":
        from ..schemas.validate import read_json

        if read_json("".join(e.text for e in events if isinstance(e, TextDelta))) is not None:
            return events
    return repetition.cut_whole(events)


def _as_it_is(data: Any) -> Any:
    return data


async def _whole_taped(call: Call, trip: _Trip) -> list[Event]:
    if call.tape is None:
        if call.tape_only:
            raise no_tape()
        return await _whole_paid(call, trip)
    key = call.request.key()
    entry = call.tape.get(key)
    if entry is not None:
        trip.began = time.time()
        return [replayed(e, "replayed") for _, e in entry.replay()]
    if call.tape_only:
        raise not_on(call.tape, call.cell)
    events = await _whole_paid(call, trip)
    stamp = Stamper(call.run)
    try:
        call.tape.record(call.request, key, call.cell, [stamp(e) for e in events])
    except StoreError as e:
        events.insert(0, Notice(kind="warning", text=f"not recorded: {e}"))
    return events


async def _whole_paid(call: Call, trip: _Trip) -> list[Event]:
    """Within the budgets: the batch's own, and the kernel's. An answer that is longer than was set aside for it is asked for again."""
    backend = call.target.open()
    counted = hasattr(backend, "whole") or trip.caps.purses() or trip.caps.tokens or not backend.card.local
    tokens = backend.count(call.request).tokens if counted else 0
    events: list[Event] = []
    trip.refused = trip.failed = 0
    try:
        while await _whole_within(call, backend, trip, tokens, events):
            pass
        end = events.pop() if events and isinstance(events[-1], Finished) else None
        return [*events, *([] if end is None else [*doubts_said(call.meter), end])]
    except FmnbError as e:
        trip.partial += events
        doubted(call.meter, e)
        raise


async def _whole_within(call: Call, backend: Any, trip: _Trip, tokens: int, events: list[Event]) -> bool:
    """Adds the events of one answer that costs no more than was set aside; whether it had to be cut for that."""
    purses = trip.caps.purses()
    asides: list[tuple[Purse, Aside]] = []
    mine: list[Event] = []
    most: int | None = None
    short = again = False
    doubts, doubtful = call.meter.doubts, call.meter.doubtful
    try:
        for purse in purses:
            asides.append((purse, await purse.hold(backend.card, call.request, tokens)))
        most = min((a.longest for _, a in asides if a.longest is not None), default=None)
        if events and not isinstance(events[-1], Restarted):
            mine.append(Restarted(reason="the answer was longer than the budget had set aside for it"))
        asked = call if most is None else replace(call, request=replace(call.request, max_tokens=most))
        if hasattr(backend, "whole"):
            again = not await _whole_sent(asked, backend, trip, tokens, mine)
        else:
            await _collected(asked, backend, trip, mine)
        short = bill.cut(mine, most)
    except EmptyAnswerError:  # nothing but thoughts up to there
        if not (short := bill.cut(mine, most)):
            raise
    except asyncio.CancelledError:
        if (owed := call.meter.stopped()) is not None:  # counted there
            mine.append(Used(usage=owed))
        raise
    except Exception as e:
        if (owed := call.meter.failed(e)) is not None:
            mine.append(Used(usage=owed))
        raise
    finally:
        used = [e.usage for e in mine if isinstance(e, Used)]
        cost, out = bill.of(backend.card, call.request, tokens, mine)
        stopped = call.meter.is_stopped
        if (used or purses) and mine and not stopped and (warning := budget.add(cost, local=backend.card.local)):
            mine.insert(0, Notice(kind="warning", text=warning))
        _learn(backend, call.request, tokens, mine, most)
        for purse, aside in asides:  # which lets others go that want to know what was learned
            purse.settle(
                aside, cost or 0.0, max(out, most) if short and most else out, call.meter.doubts - doubts, call.meter.doubtful - doubtful
            )
        for u in used:
            if trip.caps.tokens and u.input_tokens is not None:
                trip.caps.tokens.correct(u.input_tokens + (u.output_tokens or 0) - tokens)
        events += [e for e in mine if not (short and isinstance(e, Finished)) and not (most and bill.unlimited(e))]
    return short or again


def _learn(backend: Any, request: Request, tokens: int, events: Sequence[Event], most: int | None) -> None:
    """Remember what the prompt was billed for, where an answer or its service tells."""
    said = [e.usage for e in events if isinstance(e, Used) and not e.usage.estimated]
    for usage in said:
        billed_tokens.learn(backend.card, request, tokens, usage, most)
    if not said and events and isinstance(events[-1], Finished):
        billed_tokens.learn(backend.card, request, tokens, None)


async def _whole_sent(call: Call, backend: Any, trip: _Trip, tokens: int, events: list[Event]) -> bool:
    """Through the host's gate; again after a passing failure. `events` are added to, those of a failed try too.

    False after a failed try that was paid, or may have been: it may be tried again, once that is counted.
    """
    gate = rate_limit.gate(backend.host)
    while True:
        if trip.caps.requests:
            await trip.caps.requests.enter()
        if trip.caps.tokens:
            await trip.caps.tokens.enter(tokens)
        ticket = await gate.enter(tokens)
        answered, allowed = False, None
        trip.began = time.time()
        call.meter.begin(backend, call.request)
        try:
            found = await backend.whole(call.request)
            answered, allowed = True, found.allowed
            events += found.events
            call.meter.end()
            return True
        except CallError as e:
            allowed = e.allowed
            events += e.events
            for event in e.events:
                call.meter.take(event)
            doubtful = call.meter.doubt(e)
            paid = doubtful or any(isinstance(event, Used) for event in e.events)
            call.meter.end()
            for_speed = isinstance(e, RateLimitError) and e.retryable
            trip.refused += for_speed
            trip.failed += not for_speed
            if not e.retryable or trip.failed == ATTEMPTS or trip.refused == REFUSALS or (e.retry_after or 0) > LONGEST_WAIT:
                raise
            if for_speed or e.retry_after:
                gate.slow_down(e.retry_after, published=bool(e.allowed))
            delay = min(8.0, pipeline.FIRST_WAIT * 2 ** ((trip.refused if for_speed else trip.failed) - 1)) * random.uniform(0.75, 1.25)
            if e.retry_after is not None:  # the gate waits that long for all; they need not come back together
                delay = e.retry_after + random.uniform(0, 0.25 + 0.1 * e.retry_after)
            if e.events:
                events.append(Restarted(reason=e.what))
        finally:
            gate.leave(ticket, answered=answered, allowed=allowed)
        await asyncio.sleep(delay)
        if paid:
            return False


async def _collected(call: Call, backend: Backend, trip: _Trip, events: list[Event]) -> None:
    """The stream of a backend that has no other way, added to `events`."""
    trip.began = time.time()

    def opened() -> AsyncIterator[Event]:
        return held(backend, backend.stream(call.request), call)

    async for event in retried(opened):
        call.meter.take(event)
        if isinstance(event, TextDelta) and events and isinstance(events[-1], TextDelta):
            events[-1] = TextDelta(text=events[-1].text + event.text)
        elif not isinstance(event, (Waiting, Progress)):
            events.append(event)


async def rows(calls: Sequence[Call]) -> AsyncIterator[tuple[int, Event]]:
    """Events of many calls to one backend that answers them together, each with the call's number; -1 is the whole.

    Stamped, from Started to an end for each. The iterator's end leaves no call without one.
    What a tape holds is replayed from it, and the rest is recorded.
    """
    left: dict[int, _Row] = {}
    for n, c in enumerate(calls):
        row = _Row(c)
        meta = {"asked": c.target.asked, **c.meta}
        yield n, row.stamp(Started(kind="row", model=c.request.model, where=c.target.where, parent=c.parent, request=c.request, meta=meta))
        entry = c.tape.get(c.request.key()) if c.tape is not None else None
        if entry is None:
            left[n] = row
        for _, event in entry.replay() if entry is not None else ():
            yield n, row.stamp(replayed(event, "replayed"))
    if not left:
        return
    backend = for_rows(calls[0].target.open())
    assert isinstance(backend, RowBatcher)
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
        self.stamp = Stamper(call.run)
        self.text: list[str] = []
        self.events: list[Event] = []

    def take(self, event: Event) -> Event:
        """The event stamped; an answer's end holds its data, where it fits its schema."""
        if isinstance(event, TextDelta):
            self.text.append(event.text)
        elif isinstance(event, Restarted):
            self.text.clear()
        elif isinstance(event, Finished) and self.call.spec is not None:
            event = _structured(event, "".join(self.text), self.call.spec)
        event = self.stamp(event)
        self.events.append(event)
        return event

    def record(self) -> None:
        """Onto the tape, if there is one; the answer stands without it, too."""
        if self.call.tape is not None and isinstance(self.events[-1], Finished):
            record(self.call, self.events)


def record(call: Call, events: Sequence[Event]) -> None:
    """Put an answer that came some other way than `whole` onto its call's tape."""
    if call.tape is not None:
        try:
            call.tape.record(call.request, call.request.key(), call.cell, list(events))
        except StoreError:
            pass  # said by the next call that goes over the tape


async def submit(call: Call, requests: Sequence[tuple[str, Request]], mark: str) -> str:
    """Hand requests to the service of a call as a batch job; the job's name."""
    return str(await bulk(call).submit(requests, mark))


def bulk(call: Call) -> Any:
    """The batch jobs of a call's service. UsageError where it has none."""
    found = getattr(call.target.open(), "bulk", None)
    if found is None:
        raise UsageError(
            f"{call.target.asked} has no batch jobs", todo="Leave --bulk out. OpenAI, Azure, Anthropic, Mistral, Gemini and Groq have them."
        )
    return found


async def collect(job: str, call: Call, calls: Mapping[str, Call]) -> AsyncIterator[tuple[str, list[Event]]]:
    """The answers of a batch job that is over, by their id, each as the stamped events of a run. `call` stands for rows that are not among `calls`."""
    stream = bulk(call).collect(job, {i: c.request for i, c in calls.items()})
    try:
        async for i, found in stream:
            mine = calls.get(i) or replace(call, run=new_run(), meta={"key": i})
            events = found if isinstance(found, list) else [*found.events, Failed(error=found.to_dict())]
            for event in events:
                if isinstance(event, Used):
                    budget.add(event.usage.cost)
            yield i, stamped(mine, events, known=i in calls)
    finally:
        await aclose(stream)


def stamped(call: Call, events: Sequence[Event], *, known: bool = True) -> list[Event]:
    """An answer that came some other way, as the stamped events of a run; data where it fits its schema. Whose request is not known has none."""
    stamp = Stamper(call.run)
    events = list(events)
    if call.spec is not None and isinstance(events[-1], Finished):
        events[-1] = _structured(events[-1], "".join(e.text for e in events if isinstance(e, TextDelta)), call.spec)
    elif call.spec is None:
        events = _unlooped(call, events)
    meta = {"asked": call.target.asked, **call.meta}
    request = call.request if known else None
    start = Started(kind="row", model=call.request.model, where=call.target.where, parent=call.parent, request=request, meta=meta)
    return [stamp(start), *map(stamp, events)]


def for_rows(backend: Backend) -> Backend:
    """The backend that answers many rows, given the one that answers single prompts."""
    from ..engines import select as rows_engine  # many modules, for local models alone

    return rows_engine.for_rows(backend)


def _structured(end: Finished, text: str, spec: SchemaSpec | None) -> Event:
    from ..schemas.validate import parse

    assert spec is not None
    try:
        whole_or_cut(end)
        parse(text, spec)
        return replace(end, data=parse(text, replace(spec, build=_as_it_is)))
    except SchemaMismatchError as e:
        return Failed(error=(cut(e) if end.reason == "length" else looped(e) if endless(text) else e).to_dict())
