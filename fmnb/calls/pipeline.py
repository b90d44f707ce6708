"""One list of steps around every call, interactive or a row of a table.

Only this file and `rows_together.py` reach a backend.

    run ─ guards ─ validate_schema ─ use_tape ─ use_cache ─ check_target ─ retry ─ within_budget ─ rate limit ─ end_at_stop ─ backend

A step takes the call and the rest of the pipeline, and yields events; steps that have nothing to do
for a call are left out of its list. `run` stamps what comes out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from ..catalog.resolve import Target
from ..core.backend import Embedder, Vectors
from ..core.errors import FmnbError, UsageError, error_from_dict
from ..core.event_loop import aclose
from ..core.events import ENDS, Cancelled, Event, EventStamper, Failed, Notice, Started, UsageReported
from ..core.labels import with_label
from ..core.types import Label, Message, Request, Text
from ..limits.batch_limits import BatchLimits
from .call import Call
from .steps.base import Proceed, Step
from .steps.budget import kernel_budget, within_budget
from .steps.cache import use_cache
from .steps.check_target import check_target
from .steps.embed import embed_texts
from .steps.guard import guard_steps
from .steps.rate_limit import rate_limited, rate_limited_rows
from .steps.repetition import cut_repetition
from .steps.retry import retry_call
from .steps.schema import validate_schema
from .steps.send import complete_answer, stream_answer
from .steps.stop import end_at_stop
from .steps.tape import use_tape

_within_kernel_budget = within_budget(kernel_budget)


def steps_of(call: Call, *, guarded: bool = True) -> tuple[Step, ...]:
    """The steps of an interactive call; without guards for the calls that guards themselves make.

    >>> from .prepare import prepare
    >>> [step.__name__ for step in steps_of(prepare("hello", "echo:").call)]
    ['use_cache', 'check_target', 'retry_call', 'pay', 'rate_limited']
    """
    return (
        *(guard_steps() if guarded else []),
        *([validate_schema] if call.spec is not None or call.request.format == "json" else []),
        *([use_tape] if call.tape is not None or call.tape_only else []),
        *([use_cache] if call.use_cache and call.target.known else []),
        check_target,
        retry_call,
        _within_kernel_budget,
        rate_limited,
        *([end_at_stop] if call.request.stop else []),
    )


def row_steps(limits: BatchLimits) -> tuple[Step, ...]:
    """The steps of a batch's rows.

    Their cache is the log, and the batch has its own budgets and limits.
    """
    return (
        *guard_steps(),
        cut_repetition,
        validate_schema,
        use_tape,
        check_target,
        retry_call,
        within_budget(limits.budgets),
        rate_limited_rows(limits),
        end_at_stop,
    )


def chain(steps: Sequence[Step], last: Proceed, opened: list[AsyncIterator[Event]]) -> Proceed:
    """Steps as one function of a call.

    Each step receives the rest of the chain. `opened` lists the streams of the steps, outer before
    inner.
    """

    def after(step: Step, proceed: Proceed) -> Proceed:
        def go(call: Call) -> AsyncIterator[Event]:
            stream = step(call, proceed)
            opened.append(stream)
            return stream

        return go

    for step in reversed(steps):
        last = after(step, last)
    return last


async def run(call: Call, steps: Sequence[Step] | None = None, last: Proceed = stream_answer) -> AsyncIterator[Event]:
    """The stamped events of one call. A failure is a `Failed` event, then the error is raised."""
    stamp = EventStamper(call.run)
    opened: list[AsyncIterator[Event]] = []
    ended = False
    try:
        yield stamp(started(call))
        for note in call.notes:
            yield stamp(Notice(kind="warning", text=note))
        async for event in chain(steps_of(call) if steps is None else steps, last, opened)(call):
            yield stamp(event)
            if isinstance(event, Failed):  # from a recording
                ended = True
                raise error_from_dict(event.error)
    except FmnbError as e:
        e.run = call.run
        if not ended:
            yield stamp(Failed(error=e.to_dict()))
        raise
    except Exception as e:  # a bug: recorded, then shown with its traceback
        yield stamp(Failed(error=bug(call, e)))
        raise
    finally:
        for stream in opened:  # a step that is cancelled does not close its own stream
            await aclose(stream)


def started(call: Call, *, request: bool = True) -> Started:
    """The first event of a call; without the request where that is unknown."""
    return Started(
        kind=call.kind,
        model=call.request.model,
        host=call.target.host,
        parent=call.parent,
        request=call.request if request else None,
        meta={"asked": call.target.requested_model, **call.meta},
    )


def bug(call: Call, error: Exception) -> dict[str, Any]:
    """An exception that is not a FmnbError, as the dict of an event.

    The message names a custom model as the cause if the call has one, otherwise fmnb.
    """
    who = "A bug in fmnb" if call.target.known else f"{call.target.requested_model} failed"
    return {"kind": type(error).__name__, "message": f"{who}: {type(error).__name__}: {error}"}


async def run_row(call: Call, steps: Sequence[Step]) -> list[Event]:
    """The stamped events of a row, from Started to its end. A failure is the last event and is not raised.

    `steps` are those of `row_steps`. The row starts when it is sent, not while it waits for a place.
    """
    call = replace(call, kind="row", notes=())
    stream = run(call, steps, complete_answer)
    events: list[Event] = []
    try:
        async for event in stream:
            events.append(event)
    except Exception:  # the last event has the error, and the other rows go on
        if not events or not isinstance(events[-1], ENDS):
            raise
    finally:
        await aclose(stream)
    return [replace(events[0], at=call.meter.sent_at or events[0].at), *events[1:]]


def stopped_row(call: Call) -> list[Event]:
    """The stamped events of a row that was stopped after it was sent; none if nothing was used.

    They are its start, its usage so far, and the end.
    """
    if (used := call.meter.stopped()) is None:
        return []
    stamp = EventStamper(call.run)
    return [stamp(e) for e in (started(replace(call, kind="row")), UsageReported(usage=used), Cancelled())]


async def embed(
    target: Target, texts: Sequence[str], *, quant: str = "", dimensions: int | None = None, label: Label | None = None
) -> AsyncIterator[Event | Vectors]:
    """Embed one batch of texts with this label: guarded, retried, paid and rate-limited like a call."""
    if not isinstance(target.open(), Embedder):
        raise UsageError(f"{target.requested_model} is not an embedding model", hint="`%fm models embed` lists embedding models.")
    options = {} if dimensions is None else {"dimensions": dimensions}
    request = Request(
        target.name, tuple(Message("user", (with_label(Text(t), label),)) for t in texts), max_tokens=1, quant=quant, extra=options
    )
    opened: list[AsyncIterator[Event]] = []
    steps = (*guard_steps(), retry_call, rate_limited)
    try:
        async for item in chain(steps, embed_texts, opened)(Call(request=request, target=target)):
            yield item
    finally:
        for stream in opened:
            await aclose(stream)
