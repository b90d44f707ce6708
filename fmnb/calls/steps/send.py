"""The end of the pipeline: the backend is called, its answer streamed or complete, and what it used is metered."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence

from ...core.backend import Backend, estimate_output_tokens
from ...core.errors import CallError
from ...core.event_loop import aclose
from ...core.events import Event, Progress, TextDelta, Waiting
from ...core.repetition import stop_on_loop
from ...core.types import Usage
from ...limits import budget
from ..call import Call


async def stream_answer(call: Call) -> AsyncIterator[Event]:
    """The answer as it comes. A service's answer ends where it gets stuck in a loop; engines look after theirs."""
    backend, meter = call.target.open(), call.meter
    stream: AsyncIterator[Event] = backend.stream(call.request)
    if backend.info.local:
        meter.sent_at = time.time()
    else:
        meter.begin(backend, call.request, stream)
    json = call.spec is not None or call.request.schema is not None or call.request.format == "json"
    watched = stream if backend.info.local else stop_on_loop(stream, lambda came: _estimated_usage(call, backend, came), json=json)
    try:
        async for event in watched:
            meter.take(event)
            yield event
    except CallError as e:
        if not backend.info.local:
            meter.add_uncertain(e)
        raise
    finally:
        await aclose(watched)
        await aclose(stream)


async def complete_answer(call: Call) -> AsyncIterator[Event]:
    """The answer in one piece, for rows: nobody watches it come. Of a backend that can only stream, what came, put together."""
    backend, meter = call.target.open(), call.meter
    if not hasattr(backend, "complete"):
        async for event in _merge_deltas(stream_answer(call)):
            yield event
        return
    meter.begin(backend, call.request)
    try:
        answer = await backend.complete(call.request)
        meter.rate_limits = answer.rate_limits
    except CallError as e:
        meter.rate_limits = e.rate_limits
        for event in e.events:
            meter.take(event)
            yield event
        meter.add_uncertain(e)
        meter.end()
        raise
    meter.end()
    for event in answer.events:
        yield event


async def _merge_deltas(stream: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """Text in one event; waits and progress, which nobody sees, left out."""
    text: list[str] = []
    try:
        async for event in stream:
            if isinstance(event, TextDelta):
                text.append(event.text)
            elif not isinstance(event, (Waiting, Progress)):
                if text:
                    yield TextDelta(text="".join(text))
                    text.clear()
                yield event
    except Exception:
        if text:
            yield TextDelta(text="".join(text))
        raise
    finally:
        await aclose(stream)
    if text:
        yield TextDelta(text="".join(text))


def _estimated_usage(call: Call, backend: Backend, came: Sequence[Event]) -> Usage:
    """What an answer has used that is closed here: an estimate, for the service says it at its own end. The budget counts what may be on its way, too."""
    into, out = backend.count(call.request).tokens, estimate_output_tokens(came)
    owed = Usage(into, out, cost=budget.price(backend.info, into, out), estimated=True)
    call.meter.closed(owed)
    return owed
