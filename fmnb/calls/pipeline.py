"""Everything that surrounds one call, each concern a short named step.

    started → structure → tape → cache → budget → retry → host → backend

A step takes the call and the next step's stream and yields events. `run` stamps what
comes out. This file and `row_pipeline.py`, which does the same for rows, alone call a backend.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..core.backend import Backend, Embedder, Vectors, estimate_tokens, written_tokens
from ..core.errors import (
    BudgetError,
    CallError,
    ConnectionFailedError,
    FmnbError,
    KeyMissingError,
    ModelError,
    ReplayMissError,
    SchemaMismatchError,
    StoreError,
    UsageError,
    error_from_dict,
)
from ..core.event_loop import aclose
from ..core.events import (
    ENDS,
    Event,
    Failed,
    Finished,
    Media,
    Notice,
    ReasoningDelta,
    Restarted,
    Stamper,
    Started,
    TextDelta,
    ToolCallDelta,
    Used,
    Waiting,
)
from ..core.json_prefix import is_open
from ..core.repetition import NOTICE, REASON, TODO, cut_off, repeats
from ..core.types import UNFINISHED, Request, Usage, message
from ..limits import billed_tokens, budget, rate_limit
from ..limits.usage import Meter
from ..store import cache, log
from .call import Call, Target

if TYPE_CHECKING:
    from ..store.tape import Tape

ATTEMPTS = 4  # of one call, the first included
FIRST_WAIT = 0.5  # seconds before the second attempt where the service names none; then twice that, and so on
LONGEST_WAIT = 120.0  # seconds a service may ask us to wait before we give up instead
_REPLAY = 1.5  # seconds a replay takes at most


Step: TypeAlias = Callable[[Call], AsyncIterator[Event]]


async def run(call: Call) -> AsyncIterator[Event]:
    """The stamped events of one call. A failure is a `Failed` event, then the error is raised."""
    stamp = Stamper(call.run)
    stream = structure(call)
    ended = False
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
        for note in call.notes:
            yield stamp(Notice(kind="warning", text=note))
        async for event in stream:
            yield stamp(event)
            if isinstance(event, Failed):  # of a recording
                ended = True
                raise error_from_dict(event.error)
    except FmnbError as e:
        e.run = call.run
        if not ended:
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
        said: list[str] = []
        async for event in tape(call):
            if isinstance(event, TextDelta):
                said.append(event.text)
            elif isinstance(event, Restarted):
                said.clear()
            if isinstance(event, Finished) and event.data is None and call.request.format == "json":
                from ..schemas.validate import read_json

                event = replace(event, data=read_json("".join(said)))
            yield event
        return
    from ..schemas.validate import parse, repair_prompt

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
            whole_or_cut(end)
            parse("".join(text), call.spec)  # checked as the user's own classes check
            data = parse("".join(text), replace(call.spec, build=lambda plain: plain))  # kept as JSON
        except SchemaMismatchError as e:
            if not call.target.known:
                e.billed = None  # what an object of the notebook does to answer is its own affair
            reason = "" if end is None else end.reason
            if reason == "length":
                raise cut(e) from None
            if reason == REASON or endless("".join(text)):
                if reason != REASON:  # else the stream has said so
                    yield Notice(kind="warning", text=NOTICE)
                raise looped(e) from None
            if attempt == 2:
                raise e from None
            yield Restarted(reason=e.what)
            yield Notice(kind="note", text="asked again: the first answer did not match the schema")
            again = (*call.request.messages, message("assistant", "".join(text)), message("user", repair_prompt(e)))
            call = replace(call, request=replace(call.request, messages=again), cell=call.cell and call.cell + "+repair")
            continue
        assert end is not None
        yield replace(end, data=data)
        return


def whole_or_cut(end: Finished | None) -> None:
    """Raise SchemaMismatchError for an answer whose engine says that it has no end, even if what is there reads as JSON."""
    if end is not None and end.extra.get(UNFINISHED):
        raise SchemaMismatchError("The answer is not JSON", seen="it ends in the middle", billed=True)


def cut(e: SchemaMismatchError) -> SchemaMismatchError:
    what = "The answer was cut at its longest length before it was complete"
    return SchemaMismatchError(what, todo="Raise --max-tokens.", billed=e.billed)


def endless(text: str) -> bool:
    """Whether a text that does not fit its schema repeats itself and is no JSON: asking again would bring the same."""
    from ..schemas.validate import read_json

    return repeats(text) and (is_open(text) or read_json(text) is None)


def looped(e: SchemaMismatchError) -> SchemaMismatchError:
    what = "The answer repeated itself and does not match the schema"
    return SchemaMismatchError(what, todo=f"{TODO[0].upper()}{TODO[1:]}.", billed=e.billed)


async def tape(call: Call) -> AsyncIterator[Event]:
    """Replay from the tape, or go on and record."""
    if call.tape is None:
        if call.tape_only:
            raise no_tape()
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
        raise not_on(call.tape, call.cell)
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
        call.tape.used.add(stale.key)  # what a cell shows is not pruned
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


def no_tape() -> ReplayMissError:
    return ReplayMissError("There is no tape to replay from", todo="`%fm tape FILE` first.")


def not_on(tape: Tape, cell: str) -> ReplayMissError:
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
        yield replayed(event, source)


def replayed(event: Event, source: str) -> Event:
    """A stored event as it is given again: it costs nothing now."""
    if isinstance(event, Used):
        return Used(usage=replace(event.usage, cost=0.0 if event.usage.cost is not None else None))
    return replace(event, source=source) if isinstance(event, ENDS) else event


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
        complete = complete or (isinstance(event, Finished) and event.reason in ("stop", "length", "loop"))
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
    """Refuse what could pass the budget; count what was spent, also by a call that fails or is stopped."""
    backend, meter = call.target.open(), call.meter
    check_makes(call.request.format, call.target.asked, backend)
    limited = budget.budget().limit is not None
    tokens = 0 if backend.card.local else backend.count(call.request).tokens
    held_back = budget.hold(backend.card, call.request, tokens) if limited else 0.0
    said: Usage | None = None  # by the service of this answer
    try:
        if call.request.api and not getattr(backend, "interfaces", False):
            yield Notice(kind="not_applied", text="api")

        def opened() -> AsyncIterator[Event]:
            nonlocal held_back
            if meter.tries and limited:  # a try that failed may be paid: is there enough for another one?
                budget.release(held_back)
                held_back = 0.0
                held_back = budget.hold(backend.card, call.request, tokens)
            return held(backend, backend.stream(call.request), call)

        async for event in retried(opened):
            fresh = meter.take(event)
            if isinstance(event, Used) and not event.usage.estimated:
                said = event.usage if said is None else said + event.usage
            elif isinstance(event, Finished):
                billed_tokens.learn(backend.card, call.request, tokens, said)
                for word in doubts_said(meter):
                    yield word
            yield event
            if fresh and isinstance(event, Used) and (warning := budget.add(event.usage.cost, local=backend.card.local)):
                yield Notice(kind="warning", text=warning)
    except (GeneratorExit, asyncio.CancelledError):
        meter.stopped()
        raise
    except Exception as e:
        if (owed := meter.failed(e)) is not None:
            budget.add(owed.cost)
            yield Used(usage=owed)
        doubted(meter, e)
        raise
    finally:
        budget.release(held_back)


def doubts_said(meter: Meter) -> list[Event]:
    """What an answer says of tries before it that may have been billed: its cost is not the whole for certain."""
    if not (n := meter.doubts):
        return []
    text = f"{n} {'try' if n == 1 else 'tries'} before it failed and may have been billed, too"
    return [Used(usage=Usage(estimated=True)), Notice(kind="note", text=text)]


def doubted(meter: Meter, error: BaseException) -> None:
    """A call that was refused in the end is not "not billed" where a try before may have been."""
    if meter.doubts and isinstance(error, FmnbError) and error.billed is False:
        error.billed = None


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


async def held(backend: Backend, stream: AsyncIterator[Any], call: Call | None = None) -> AsyncIterator[Any]:
    """Through the host's gate; engines queue by themselves. The meter of `call` runs from when it is let in."""
    try:
        if backend.card.local:
            async for event in stream:
                yield event
            return
        gate = rate_limit.gate(backend.card.where)
        if gate.full():
            yield Waiting(reason=f"{gate.flying} calls to {backend.card.where} are under way")
        ticket = await gate.enter()
        answered = False
        if call is not None:
            call.meter.begin(backend, call.request, stream)
        try:
            async for event in stream if call is None else _watched(stream, backend, call):
                answered = answered or isinstance(event, Finished)
                yield event
        except CallError as e:
            if call is not None:
                call.meter.doubt(e)
            raise
        finally:
            gate.leave(ticket, answered=answered)
    finally:
        await aclose(stream)


def _closed(call: Call, backend: Backend, came: Sequence[Event]) -> Usage:
    """What an answer has used that is closed here; the budget counts what may be on its way, too."""
    owed = owed_for(backend, call.request, came)
    call.meter.closed(owed)
    return owed


def _watched(stream: AsyncIterator[Any], backend: Backend, call: Call) -> AsyncIterator[Any]:
    """A service's answer, which ends where it comes into a loop."""
    request = call.request
    json = call.spec is not None or request.schema is not None or request.format == "json"
    return cut_off(stream, lambda came: _closed(call, backend, came), json=json)


def owed_for(backend: Backend, request: Request, came: Sequence[Event]) -> Usage:
    """What a hosted answer has used that we ended: an estimate, for the service says it at its own end."""
    into, out = backend.count(request).tokens, written_tokens(came)
    return Usage(into, out, cost=budget.price(backend.card, into, out), estimated=True)


async def embed(target: Target, texts: Sequence[str], *, quant: str = "", dimensions: int | None = None) -> AsyncIterator[Event | Vectors]:
    """Vectors of one batch of texts: budget, retries and the host's limit as for a call."""
    backend = target.open()
    if not isinstance(backend, Embedder):
        raise UsageError(f"{target.asked} makes no vectors", todo="`%fm models embed` lists models that do.")
    card = replace(backend.card, price_out=backend.card.price_out or 0.0)
    asked = Request(target.name, tuple(message("user", t) for t in texts), max_tokens=1)
    tokens = estimate_tokens(asked).tokens
    held_back = budget.hold(card, asked, tokens) if budget.budget().limit is not None else 0.0
    options: dict[str, Any] = {} if dimensions is None else {"dimensions": dimensions}
    try:
        async for item in retried(lambda: held(backend, backend.embed(texts, quant, **options))):  # type: ignore[arg-type]
            yield item
            if isinstance(item, Used):
                billed_tokens.learn(card, asked, tokens, item.usage)
            if isinstance(item, Used) and (warning := budget.add(item.usage.cost, local=card.local)):
                yield Notice(kind="warning", text=warning)
    finally:
        budget.release(held_back)
