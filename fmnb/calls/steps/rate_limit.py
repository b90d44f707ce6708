"""Rate limits: concurrency and requests per minute of each host. Local engines queue their own calls."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ...core.errors import CallError, RateLimitError
from ...core.event_loop import aclose
from ...core.events import Event, Finished, UsageReported, Waiting
from ...limits import rate_limit
from ...limits.batch_limits import BatchLimits
from ..call import Call
from .base import Proceed, Step


def rate_limited(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
    """Wait for a permit of the host, and report the wait."""
    info = call.target.open().info
    return proceed(call) if info.local else limited(info.host, proceed(call))


async def limited(host: str, stream: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """A stream that starts when its host has a permit for it."""
    gate = rate_limit.limiter_for(host)
    try:
        if gate.is_full():
            yield Waiting(
                reason=f"{gate.in_flight} call{' to' if gate.in_flight == 1 else 's to'} {host} {'is' if gate.in_flight == 1 else 'are'} under way"
            )
        ticket = await gate.acquire()
        answered = False
        try:
            async for event in stream:
                answered = answered or isinstance(event, Finished)
                yield event
        finally:
            gate.release(ticket, answered=answered)
    finally:
        await aclose(stream)


def rate_limited_rows(limits: BatchLimits) -> Step:
    """The step for rows, which also applies the user's own limits.

    The host's limiter adapts to every answer and rate-limit error.
    """

    async def wait(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
        backend = call.target.open()
        if not hasattr(backend, "complete"):
            async for event in rate_limited(call, proceed):
                yield event
            return
        tokens = call.meter.prompt_tokens(backend, call.request)
        if limits.requests:
            await limits.requests.acquire()
        if limits.tokens:
            await limits.tokens.acquire(tokens)
        gate = rate_limit.limiter_for(backend.host)  # type: ignore[attr-defined]
        ticket = await gate.acquire(tokens)
        answered = False
        stream = proceed(call)
        try:
            async for event in stream:
                answered = answered or isinstance(event, Finished)
                if limits.tokens and isinstance(event, UsageReported) and event.usage.input_tokens is not None:
                    limits.tokens.correct(event.usage.input_tokens + (event.usage.output_tokens or 0) - tokens)
                yield event
        except CallError as e:
            if e.retryable and (isinstance(e, RateLimitError) or e.retry_after):
                gate.on_rate_limited(e.retry_after, published=bool(e.rate_limits))
            raise
        finally:
            gate.release(ticket, answered=answered, rate_limits=call.meter.rate_limits)
            await aclose(stream)

    return wait
