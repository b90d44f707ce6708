"""The guards of the Runtime as steps of the pipeline, and around calls whose answers come later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ...core.backend import Vectors
from ...core.errors import FmnbError, UsageError
from ...core.event_loop import aclose
from ...core.events import ENDS, Event, Failed
from ...core.guard import Destination, Guard, guards
from ...core.types import Request
from ..call import Call
from .base import Proceed, Step


def guard_steps() -> list[Step]:
    """One step for each guard, the outermost first."""
    return [guard_step(guard) for guard in guards()]


def guard_step(guard: Guard) -> Step:
    """A step that lets a guard look at the request and at the events."""

    def step(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
        destination = Destination(call.target.name, call.target.host, call.target.local)
        return _ended(guard(call.request, destination, lambda request: proceed(replace(call, request=request))))

    return step


async def _ended(stream: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """The events of a guard. It must return the end of the answer, or the vectors, or raise."""
    ended = False
    try:
        async for event in stream:
            ended = ended or isinstance(event, (*ENDS, Vectors))
            yield event
    finally:
        await aclose(stream)
    if not ended:
        raise UsageError(
            "A guard neither refused the request nor returned its answer", hint="It must yield every event of `proceed(request)`."
        )


async def guarded_request(call: Call) -> Request:
    """The request as the guards send it. Raises what a guard raises to refuse it."""
    if not guards():
        return call.request
    sent: asyncio.Future[Request] = asyncio.get_running_loop().create_future()

    async def send(call: Call) -> AsyncIterator[Event]:
        sent.set_result(call.request)
        await asyncio.Event().wait()  # the answer comes another day: `guarded_events` has it
        yield Failed(error={})

    task = asyncio.ensure_future(_drain(_around(call, send)))
    try:
        either: set[asyncio.Future[Any]] = {task, sent}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not sent.done():
            await task
        return sent.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, FmnbError):
            await task


async def guarded_events(call: Call, events: Sequence[Event]) -> list[Event]:
    """The events of an answer as the guards let them through; a refusal is the last event."""
    if not guards():
        return list(events)

    async def send(call: Call) -> AsyncIterator[Event]:
        for event in events:
            yield event

    passed: list[Event] = []
    stream = _around(call, send)
    try:
        async for event in stream:
            passed.append(event)
    except FmnbError as e:
        passed.append(Failed(error=e.to_dict()))
    finally:
        await aclose(stream)
    return passed


def _around(call: Call, send: Proceed) -> AsyncIterator[Event]:
    for step in reversed(guard_steps()):
        send = _before(step, send)
    return send(call)


def _before(step: Step, proceed: Proceed) -> Proceed:
    return lambda call: step(call, proceed)


async def _drain(stream: AsyncIterator[Event]) -> None:
    try:
        async for _ in stream:
            pass
    finally:
        await aclose(stream)
