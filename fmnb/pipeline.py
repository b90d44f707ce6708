"""Everything that surrounds one call, each concern a short named step.

    started → structure → tape → cache → budget → retry → host → backend

A step takes the call and the next step's stream and yields events. `run` stamps what
comes out. Only this file calls a backend.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ._loop import aclose
from .backend import Backend, Embedder, RowBatcher, Vectors, estimate_tokens
from .errors import (
    BudgetError,
    CallError,
    ConnectionFailedError,
    FmnbError,
    KeyMissingError,
    ModelError,
    RateLimitError,
    ReplayMissError,
    SchemaMismatchError,
    StoreError,
    UsageError,
)
from .events import (
    ENDS,
    Event,
    Failed,
    Finished,
    Media,
    Notice,
    Progress,
    ReasoningDelta,
    Restarted,
    Stamper,
    Started,
    TextDelta,
    ToolCallDelta,
    Used,
    Waiting,
    new_run,
)
from .guard import budget, pace
from .guard.purse import Purse
from .store import cache, log
from .types import Request, Usage, message

if TYPE_CHECKING:
    from .schema_text import SchemaSpec
    from .store.tape import Tape

ATTEMPTS = 4  # of one call, the first included
FIRST_WAIT = 0.5  # seconds before the second attempt where the service names none; then twice that, and so on
LONGEST_WAIT = 120.0  # seconds a service may ask us to wait before we give up instead
REFUSALS = 12  # attempts of a row that is refused for speed alone: its host's gate makes them wait
_REPLAY = 1.5  # seconds a replay takes at most


class Target(Protocol):
    """Where a call goes; the backend is made when it is needed, a replay never needs it."""

    @property
    def asked(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def where(self) -> str: ...
    @property
    def local(self) -> bool: ...
    @property
    def known(self) -> bool: ...
    def open(self) -> Backend: ...


@dataclass(frozen=True)
class Call:
    """One request on its way, and what the user wants done around it.

    `cell` identifies the unfilled prompt for tapes; `tape_only` makes a miss an error.
    """

    request: Request
    target: Target
    spec: SchemaSpec | None = None
    use_cache: bool = True
    tape: Tape | None = None
    tape_only: bool = False
    cell: str = ""
    parent: str = ""
    run: str = field(default_factory=new_run)
    meta: dict[str, Any] = field(default_factory=dict)
    neutral: tuple[Request, ...] = ()  # of a table's row: its template with nothing in it, see `backend.RowBatcher`


Step: TypeAlias = Callable[[Call], AsyncIterator[Event]]


async def run(call: Call) -> AsyncIterator[Event]:
    """The stamped events of one call. A failure is a `Failed` event, then the error is raised."""
    stamp = Stamper(call.run)
    stream = structure(call)
    try:
        yield stamp(
            Started(
                model=call.request.model,
                where=call.target.where,
                parent=call.parent,
                request=call.request,
                meta={"asked": call.target.asked, **call.meta},
            )
        )
        async for event in stream:
            yield stamp(event)
    except FmnbError as e:
        e.run = call.run
        yield stamp(Failed(error=e.to_dict()))
        raise
    except Exception as e:  # a bug: recorded, then shown whole
        who = "A bug in fmnb" if call.target.known else f"{call.target.asked} failed"  # an object of the notebook fails by its own fault
        yield stamp(Failed(error={"kind": type(e).__name__, "what": f"{who}: {type(e).__name__}: {e}"}))
        raise
    finally:
        await aclose(stream)


async def structure(call: Call) -> AsyncIterator[Event]:
    """Check a structured answer, and ask once more when it does not fit its schema."""
    if call.spec is None:
        async for event in tape(call):
            yield event
        return
    from .schema_check import parse, repair_prompt

    for attempt in (1, 2):
        text: list[str] = []
        end: Finished | None = None
        async for event in tape(call):
            if isinstance(event, TextDelta):
                text.append(event.text)
            if isinstance(event, Finished):
                end = event
            else:
                yield event
        try:
            parse("".join(text), call.spec)  # checked as the user's own classes check
            data = parse("".join(text), replace(call.spec, build=lambda plain: plain))  # kept as JSON
        except SchemaMismatchError as e:
            if not call.target.known:
                e.billed = None  # what an object of the notebook does to answer is its own affair
            if attempt == 2 or (end is not None and end.reason == "length"):
                raise (_cut(e) if end is not None and end.reason == "length" else e) from None
            yield Restarted(reason=e.what)
            yield Notice(kind="note", text="asked again: the first answer did not match the schema")
            again = (*call.request.messages, message("assistant", "".join(text)), message("user", repair_prompt(e)))
            call = replace(call, request=replace(call.request, messages=again), cell=call.cell and call.cell + "+repair")
            continue
        assert end is not None
        yield replace(end, data=data)
        return


async def tape(call: Call) -> AsyncIterator[Event]:
    """Replay from the tape, or go on and record."""
    if call.tape is None:
        if call.tape_only:
            raise _no_tape()
        async for event in cached(call):
            yield event
        return
    key = call.request.key()
    entry = call.tape.get(key)
    if entry is not None:
        async for event in _replay(entry.replay(), "replayed"):
            yield event
        return
    if call.tape_only:
        raise _not_on(call.tape, call.cell)
    stamp, events = Stamper(call.run), []
    end: Finished | None = None  # held back until the answer is on the tape, or the footer says that it is not
    try:
        async for event in cached(call):
            events.append(stamp(event))
            if isinstance(event, Finished):
                end = event
            else:
                yield event
    except (ModelError, KeyMissingError, ConnectionFailedError) as e:
        stale = call.tape.earlier(call.cell)
        if stale is None or any(isinstance(x, TextDelta) for x in events):
            raise
        yield Notice(kind="warning", text=f"stale: recorded for other values of this prompt, because {e.what[0].lower()}{e.what[1:]}")
        async for event in _replay(stale.replay(), "stale"):
            yield event
        return
    try:
        call.tape.record(call.request, key, call.cell, events)
    except StoreError as e:  # the answer is here and paid for: the cell goes on
        yield Notice(kind="warning", text=f"not recorded: {e}")
    if end is not None:
        yield end


def _no_tape() -> ReplayMissError:
    return ReplayMissError("There is no tape to replay from", todo="`%fm tape FILE` first.")


def _not_on(tape: Tape, cell: str) -> ReplayMissError:
    return ReplayMissError(
        f"The tape {tape.path.name} does not hold this request",
        seen=f"{len(tape)} answers recorded; "
        + ("this cell was recorded with other values" if tape.earlier(cell) else "this cell was never recorded"),
        todo="Run it without --replay-only to record it.",
    )


async def _replay(items: list[tuple[float, Event]], source: str) -> AsyncIterator[Event]:
    """Stored events at the pace they came, squeezed into a short while."""
    whole = max((t for t, _ in items), default=0.0)
    scale = min(1.0, _REPLAY / whole) if whole else 0.0
    began = time.monotonic()
    for t, event in items:
        delay = began + t * scale - time.monotonic()
        if delay > 0.005:
            await asyncio.sleep(delay)
        yield _from(event, source)


def _from(event: Event, source: str) -> Event:
    """A stored event as it is given again: it costs nothing now."""
    if isinstance(event, Used):
        return Used(usage=replace(event.usage, cost=0.0 if event.usage.cost is not None else None))
    return replace(event, source=source) if isinstance(event, Finished) else event


async def cached(call: Call) -> AsyncIterator[Event]:
    """Answer from the cache, or go on and keep the answer. Deterministic calls of models that their name tells apart."""
    if not call.use_cache or not call.target.known or not call.target.open().deterministic(call.request):
        async for event in affordable(call):
            yield event
        return
    key = key_of(call)
    try:
        found = cache.get(key) if log.enabled() else None
    except StoreError:
        found = None  # the log sink has said so already
    if found is not None:
        async for event in _replay([(0.0, e) for e in found], "cached"):
            yield event
        return
    kept: list[Event] = []
    complete = False
    async for event in affordable(call):
        if isinstance(event, TextDelta) and kept and isinstance(kept[-1], TextDelta):
            kept[-1] = TextDelta(text=kept[-1].text + event.text)
        elif not isinstance(event, Waiting):
            kept.append(event)
        complete = complete or (isinstance(event, Finished) and event.reason in ("stop", "length"))
        yield event
    if complete and log.enabled():
        try:
            cache.put(key, call.run, kept)
        except StoreError:
            pass


def key_of(call: Call) -> str:
    """The request's key; for weights on this machine also the file itself, which may change under its name."""
    card = call.target.open().card
    path = Path(card.source)
    try:
        stat = path.stat() if card.local and path.is_absolute() else None
    except OSError:
        stat = None
    return call.request.key() + (f":{path}:{stat.st_size}:{stat.st_mtime_ns}" if stat else "")


async def affordable(call: Call) -> AsyncIterator[Event]:
    """Refuse what could pass the budget; count what was spent."""
    backend = call.target.open()
    check_makes(call.request.format, call.target.asked, backend)
    limited = budget.budget().limit is not None
    held_back = budget.hold(backend.card, call.request, backend.count(call.request).tokens) if limited else 0.0
    try:
        if call.request.api and not getattr(backend, "interfaces", False):
            yield Notice(kind="not_applied", text="api")
        async for event in retried(lambda: held(backend, backend.stream(call.request))):
            yield event
            if isinstance(event, Used) and (warning := budget.add(event.usage.cost, local=backend.card.local)):
                yield Notice(kind="warning", text=warning)
    finally:
        budget.release(held_back)


def check_makes(format: str, asked: str, backend: Backend) -> None:
    """Raise UsageError when an image is asked of a model that makes none."""
    if format == "image" and not {"image", "video"} & set(backend.card.outputs):
        raise UsageError(f"{asked} writes text and makes no images", todo="Leave -f image out, or name a model that makes images.")


async def retried(open_stream: Callable[[], AsyncIterator[Any]]) -> AsyncIterator[Any]:
    """Try again after a passing failure, visibly, as long as nothing of the answer has come."""
    for attempt in range(1, ATTEMPTS + 1):
        began = False
        stream = open_stream()
        try:
            async for event in stream:
                began = began or isinstance(event, (TextDelta, ReasoningDelta, ToolCallDelta, Media, Vectors))
                yield event
            return
        except CallError as e:
            delay = e.retry_after if e.retry_after is not None else min(8.0, FIRST_WAIT * 2 ** (attempt - 1)) * random.uniform(0.75, 1.25)
            if began or not e.retryable or attempt == ATTEMPTS or isinstance(e, BudgetError):
                raise
            if delay > LONGEST_WAIT:
                e.todo = f"The service asks to wait {delay:.0f} s. Run the cell again then, or name another model."
                raise
            why = e.what
        finally:
            await aclose(stream)
        until = time.monotonic() + delay
        while (left := until - time.monotonic()) > 0.01:
            yield Waiting(reason=why, seconds=round(left, 1), attempt=attempt + 1)
            await asyncio.sleep(min(1.0, left))


async def held(backend: Backend, stream: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Through the host's gate; engines queue by themselves."""
    try:
        if backend.card.local:
            async for event in stream:
                yield event
            return
        gate = pace.gate(backend.card.where)
        if gate.full():
            yield Waiting(reason=f"{gate.flying} calls to {backend.card.where} are under way")
        ticket = await gate.enter()
        answered = False
        try:
            async for event in stream:
                answered = answered or isinstance(event, Finished)
                yield event
        finally:
            gate.leave(ticket, answered=answered)
    finally:
        await aclose(stream)


@dataclass(frozen=True)
class Caps:
    """What a batch's user allows: requests and tokens a minute, money in all."""

    requests: pace.Rate | None = None
    tokens: pace.Rate | None = None
    purse: Purse | None = None


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


class _Trip:
    """What is remembered of one call on its way through `whole`: when it was sent, and what it gave before it failed."""

    def __init__(self, caps: Caps):
        self.caps = caps
        self.began = 0.0
        self.partial: list[Event] = []


async def _whole_structured(call: Call, trip: _Trip) -> list[Event]:
    events = await _whole_taped(call, trip)
    if call.spec is None:
        return events
    from .schema_check import parse, repair_prompt

    before: list[Event] = []
    for attempt in (1, 2):
        text = "".join(e.text for e in events if isinstance(e, TextDelta))
        end = events[-1]
        assert isinstance(end, Finished)
        try:
            parse(text, call.spec)
            data = parse(text, replace(call.spec, build=_as_it_is))
            return [*before, *events[:-1], replace(end, data=data)]
        except SchemaMismatchError as e:
            trip.partial = [*before, *events[:-1]]
            if end.reason == "length":
                raise _cut(e) from None
            if attempt == 2:
                raise e from None
            before = [
                *trip.partial,
                Restarted(reason=e.what),
                Notice(kind="note", text="asked again: the first answer did not match the schema"),
            ]
            again = (*call.request.messages, message("assistant", text), message("user", repair_prompt(e)))
            call = replace(call, request=replace(call.request, messages=again), cell=call.cell and call.cell + "+repair")
            events = await _whole_taped(call, trip)
    raise AssertionError


def _as_it_is(data: Any) -> Any:
    return data


async def _whole_taped(call: Call, trip: _Trip) -> list[Event]:
    if call.tape is None:
        if call.tape_only:
            raise _no_tape()
        return await _whole_paid(call, trip)
    key = call.request.key()
    entry = call.tape.get(key)
    if entry is not None:
        trip.began = time.time()
        return [_from(e, "replayed") for _, e in entry.replay()]
    if call.tape_only:
        raise _not_on(call.tape, call.cell)
    events = await _whole_paid(call, trip)
    stamp = Stamper(call.run)
    try:
        call.tape.record(call.request, key, call.cell, [stamp(e) for e in events])
    except StoreError as e:
        events.insert(0, Notice(kind="warning", text=f"not recorded: {e}"))
    return events


async def _whole_paid(call: Call, trip: _Trip) -> list[Event]:
    """Within the budgets: the kernel's, and the batch's own."""
    backend = call.target.open()
    purse = trip.caps.purse
    kernel = budget.budget().limit is not None
    service = hasattr(backend, "whole")
    tokens = backend.count(call.request).tokens if service or kernel or purse or trip.caps.tokens else 0
    aside = await purse.hold(backend.card, call.request, tokens) if purse else 0.0
    cost: float | None = 0.0
    used: Usage | None = None
    held_back = 0.0
    try:
        held_back = budget.hold(backend.card, call.request, tokens) if kernel else 0.0
        events = await (_whole_sent(call, backend, trip, tokens) if service else _collected(call, backend, trip))
        for event in tuple(events):
            if isinstance(event, Used):
                used, cost = event.usage, event.usage.cost
                if warning := budget.add(cost, local=backend.card.local):
                    events.insert(0, Notice(kind="warning", text=warning))
        return events
    finally:
        budget.release(held_back)
        if purse:
            purse.settle(aside, cost, used.output_tokens if used else None)
        if trip.caps.tokens and used and used.input_tokens is not None:
            trip.caps.tokens.correct(used.input_tokens + (used.output_tokens or 0) - tokens)


async def _whole_sent(call: Call, backend: Any, trip: _Trip, tokens: int) -> list[Event]:
    """Through the host's gate; again after a passing failure."""
    gate = pace.gate(backend.host)
    failed = 0
    for refused in range(REFUSALS + ATTEMPTS):
        if trip.caps.requests:
            await trip.caps.requests.enter()
        if trip.caps.tokens:
            await trip.caps.tokens.enter(tokens)
        ticket = await gate.enter(tokens)
        answered, allowed = False, None
        trip.began = time.time()
        try:
            found = await backend.whole(call.request)
            answered, allowed = True, found.allowed
            return list(found.events)
        except CallError as e:
            allowed = e.allowed
            for_speed = isinstance(e, RateLimitError) and e.retryable
            failed += not for_speed
            if not e.retryable or failed == ATTEMPTS or refused + 1 >= REFUSALS + failed or (e.retry_after or 0) > LONGEST_WAIT:
                raise
            if for_speed or e.retry_after:
                gate.slow_down(e.retry_after, published=bool(e.allowed))
            delay = min(8.0, FIRST_WAIT * 2 ** (refused if for_speed else failed - 1)) * random.uniform(0.75, 1.25)
            if e.retry_after is not None:  # the gate waits that long for all; they need not come back together
                delay = e.retry_after + random.uniform(0, 0.25 + 0.1 * e.retry_after)
        finally:
            gate.leave(ticket, answered=answered, allowed=allowed)
        await asyncio.sleep(delay)
    raise AssertionError


async def _collected(call: Call, backend: Backend, trip: _Trip) -> list[Event]:
    """The stream of a backend that has no other way, as a list."""
    events: list[Event] = []
    trip.began = time.time()

    def opened() -> AsyncIterator[Event]:
        return held(backend, backend.stream(call.request))

    try:
        async for event in retried(opened):
            if isinstance(event, TextDelta) and events and isinstance(events[-1], TextDelta):
                events[-1] = TextDelta(text=events[-1].text + event.text)
            elif not isinstance(event, (Waiting, Progress)):
                events.append(event)
    except FmnbError:
        trip.partial = events
        raise
    return events


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
            yield n, row.stamp(_from(event, "replayed"))
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
            stamp = Stamper(mine.run)
            events = found if isinstance(found, list) else [Failed(error=found.to_dict())]
            if mine.spec is not None and isinstance(events[-1], Finished):
                events[-1] = _structured(events[-1], "".join(e.text for e in events if isinstance(e, TextDelta)), mine.spec)
            for event in events:
                if isinstance(event, Used):
                    budget.add(event.usage.cost)
            meta = {"asked": mine.target.asked, **mine.meta}
            request = mine.request if i in calls else None
            start = Started(kind="row", model=mine.request.model, where=mine.target.where, parent=mine.parent, request=request, meta=meta)
            yield i, [stamp(start), *map(stamp, events)]
    finally:
        await aclose(stream)


def for_rows(backend: Backend) -> Backend:
    """The backend that answers many rows, given the one that answers single prompts."""
    from .engines import rows_engine  # many modules, for local models alone

    return rows_engine.for_rows(backend)


def _structured(end: Finished, text: str, spec: SchemaSpec | None) -> Event:
    from .schema_check import parse

    assert spec is not None
    try:
        parse(text, spec)
        return replace(end, data=parse(text, replace(spec, build=_as_it_is)))
    except SchemaMismatchError as e:
        return Failed(error=(_cut(e) if end.reason == "length" else e).to_dict())


def _cut(e: SchemaMismatchError) -> SchemaMismatchError:
    what = "The answer was cut at its longest length before it was complete"
    return SchemaMismatchError(what, todo="Raise --max-tokens.", billed=e.billed)


async def embed(target: Target, texts: Sequence[str], *, quant: str = "", dimensions: int | None = None) -> AsyncIterator[Event | Vectors]:
    """Vectors of one batch of texts: budget, retries and the host's limit as for a call."""
    backend = target.open()
    if not isinstance(backend, Embedder):
        raise UsageError(f"{target.asked} makes no vectors", todo="`%fm models embed` lists models that do.")
    card = replace(backend.card, price_out=backend.card.price_out or 0.0)
    asked = Request(target.name, tuple(message("user", t) for t in texts), max_tokens=1)
    held_back = budget.hold(card, asked, estimate_tokens(asked).tokens) if budget.budget().limit is not None else 0.0
    options: dict[str, Any] = {} if dimensions is None else {"dimensions": dimensions}
    try:
        async for item in retried(lambda: held(backend, backend.embed(texts, quant, **options))):  # type: ignore[arg-type]
            yield item
            if isinstance(item, Used) and (warning := budget.add(item.usage.cost, local=card.local)):
                yield Notice(kind="warning", text=warning)
    finally:
        budget.release(held_back)
