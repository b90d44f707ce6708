"""The last step: call the backend, stream its answer or get it complete, and meter its usage."""

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
    """The streamed answer.

    An answer of a service is ended if it is stuck in a loop; engines check their own.
    """
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
    """The complete answer, for rows. The deltas of a backend that can only stream are merged."""
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
    """Merge text deltas into one event; leave out waits and progress."""
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
    """Estimated usage of a stream that is closed here.

    The service reports usage only at the end. The budget includes text that may be in flight.
    """
    into, out = backend.count(call.request).tokens, estimate_output_tokens(came)
    owed = Usage(into, out, cost=budget.price(backend.info, into, out), estimated=True)
    call.meter.closed(owed)
    return owed
