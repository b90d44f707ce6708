"""Retries after transient errors, visible to the user."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from ...core.backend import Vectors
from ...core.errors import BudgetError, CallError, FmnbError, RateLimitError
from ...core.event_loop import aclose
from ...core.events import Event, Finished, Media, Notice, ReasoningDelta, Restarted, TextDelta, ToolCallDelta, UsageReported, Waiting
from ...core.types import Usage
from ...limits.usage import UsageMeter
from ..call import Call
from .base import Proceed

ATTEMPTS = 4  # of one call, the first included
MAX_RATE_LIMITED = 12  # attempts of a row that end in a rate limit: the host's limiter makes them wait
FIRST_WAIT = 0.5  # seconds before the second attempt where the service names none; then twice that, and so on
LONGEST_WAIT = 120.0  # seconds a service may ask us to wait before we give up instead
_MOST_WAIT = 8.0
_CONTENT = (TextDelta, ReasoningDelta, ToolCallDelta, Media, Vectors)


def retry_call(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
    """Retry the rest of the pipeline; report at the end which attempts may have been billed."""
    return retry(lambda: proceed(call), rows=call.is_row, meter=call.meter)


async def retry(
    open_stream: Callable[[], AsyncIterator[Any]], *, rows: bool = False, meter: UsageMeter | None = None
) -> AsyncIterator[Any]:
    """Open a stream, and open it again after a transient error.

    An answer that is partly displayed is not retried. Rows are restarted, since nothing of them is displayed, and their
    rate-limited attempts do not count as failures. `meter` knows which attempts may have been billed.
    """
    failed = limited = 0
    while True:
        began = False
        stream = open_stream()
        try:
            async for event in stream:
                began = began or isinstance(event, _CONTENT)
                if meter is not None and meter.uncertain_calls and isinstance(event, Finished):
                    for doubt in _doubts(meter.uncertain_calls):
                        yield doubt
                yield event
            return
        except FmnbError as e:
            if meter is not None and meter.uncertain_calls and e.billed is False:
                e.billed = None  # refused in the end, but an attempt before may have been billed
            if not isinstance(e, CallError) or isinstance(e, BudgetError):
                raise
            for_speed = rows and isinstance(e, RateLimitError) and e.retryable
            limited, failed = limited + for_speed, failed + (not for_speed)
            given_up = failed == ATTEMPTS or limited == MAX_RATE_LIMITED
            if (began and not rows) or not e.retryable or given_up:
                raise
            if (e.retry_after or 0.0) > LONGEST_WAIT:
                e.hint = f"The service asks to wait {e.retry_after:.0f} s. Run the cell again then, or name another model."
                raise
            why, delay = e.message, _delay(e.retry_after, limited if for_speed else failed, spread=rows)
        finally:
            await aclose(stream)
        if began:
            yield Restarted(reason=why)
        until = time.monotonic() + delay
        while (left := until - time.monotonic()) > 0.01:
            yield Waiting(reason=why, seconds=round(left, 1), attempt=failed + limited + 1)
            await asyncio.sleep(min(1.0, left))


def _delay(retry_after: float | None, attempt: int, *, spread: bool) -> float:
    """Seconds to the next attempt: the service's retry-after, else exponential backoff with jitter."""
    if retry_after is not None:
        return retry_after + (random.uniform(0, 0.25 + 0.1 * retry_after) if spread else 0.0)
    return min(_MOST_WAIT, FIRST_WAIT * 2 ** (attempt - 1)) * random.uniform(0.75, 1.25)


def _doubts(n: int) -> list[Event]:
    """Events that report earlier attempts which may have been billed: the total cost is uncertain."""
    text = f"{n} {'try' if n == 1 else 'tries'} before it failed and may have been billed, too"
    return [UsageReported(usage=Usage(estimated=True)), Notice(kind="note", text=text)]
