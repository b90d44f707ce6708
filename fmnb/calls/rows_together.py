"""Rows that an engine answers together, and answers that arrive without a call, as from a batch job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from ..core.backend import Backend, BatchBackend
from ..core.errors import CallError, FmnbError, StoreError, error_from_dict
from ..core.event_loop import aclose, merge
from ..core.events import ENDS, Event, EventStamper, Failed, Finished, TextDelta
from ..core.stop_text import without_stop
from ..core.types import Request
from .call import Call
from .pipeline import run, started
from .steps.base import Step
from .steps.check_target import check_target
from .steps.guard import guard_steps
from .steps.repetition import without_repetition
from .steps.schema import read_data, with_data
from .steps.stop import end_at_stop
from .steps.tape import use_tape


def batch_steps() -> tuple[Step, ...]:
    """The steps of rows that an engine answers together: no retry, no budget, no schema repair."""
    return (*guard_steps(), read_data, use_tape, check_target, end_at_stop)


async def run_together(calls: Sequence[Call]) -> AsyncIterator[tuple[int, Event]]:
    """Events of many calls to one backend that answers them together, each with its call's number.

    The number is -1 for events of the batch. The events are stamped, from Started to the end of
    each call; a failure is the last event of its call.
    """
    batch = _Batch(calls)
    streams = {str(n): batch.row(n, replace(call, kind="row")) for n, call in enumerate(calls)}
    async for name, event in merge({"-1": batch.run(), **streams}):
        yield int(name), event


class _Batch:
    """Calls whose last step waits for the others, so that the backend gets their requests together."""

    def __init__(self, calls: Sequence[Call]):
        self._calls = calls
        self._active = set(range(len(calls)))  # calls that have not ended
        self._requests: dict[int, Request] = {}  # not yet given to the backend
        self._answers: dict[int, asyncio.Queue[Event | Exception]] = {}
        self._changed = asyncio.Event()

    async def row(self, n: int, call: Call) -> AsyncIterator[Event]:
        """The stamped events of one call."""
        stream = run(call, batch_steps(), lambda call: self._answer(n, call))
        try:
            async for event in stream:
                yield event
        except FmnbError:  # its last event has the error
            pass
        finally:
            await aclose(stream)
            self._active.discard(n)
            self._requests.pop(n, None)
            self._changed.set()

    async def run(self) -> AsyncIterator[Event]:
        """Send the requests as soon as every call has one or has ended.

        Yields events of the batch, such as loading.
        """
        while self._active:
            await self._changed.wait()
            self._changed.clear()
            if self._requests and self._requests.keys() == self._active:
                requests, self._requests = self._requests, {}
                async for event in self._send(requests):
                    yield event

    async def _answer(self, n: int, call: Call) -> AsyncIterator[Event]:
        """The last step of a call: the backend's events for it."""
        answer = self._answers[n] = asyncio.Queue()
        self._requests[n] = call.request
        self._changed.set()
        while True:
            event = await answer.get()
            if isinstance(event, Exception):
                raise event
            if isinstance(event, Failed):
                raise error_from_dict(event.error)
            yield event
            if isinstance(event, ENDS):
                return

    async def _send(self, requests: Mapping[int, Request]) -> AsyncIterator[Event]:
        backend = batch_backend(self._calls[0].target.open())
        assert isinstance(backend, BatchBackend)
        stream = backend.stream_rows(list(requests.items()), self._calls[0].neutral)
        unanswered = set(requests)
        why: FmnbError = CallError("The engine ended without an answer")
        try:
            async for n, event in stream:
                if n < 0:
                    yield event
                else:
                    self._answers[n].put_nowait(event)
                    unanswered -= {n} if isinstance(event, ENDS) else set()
        except FmnbError as e:
            why = e
        finally:
            await aclose(stream)
        for n in unanswered:
            self._answers[n].put_nowait(error_from_dict(why.to_dict()))  # an error of its own for each


def record_on_tape(call: Call, events: Sequence[Event]) -> None:
    """Record an answer that arrived without the pipeline on its call's tape."""
    if call.tape is not None:
        try:
            call.tape.record(call.request, call.request.fingerprint(), call.cell, list(events))
        except StoreError:
            pass  # the next call that uses the tape warns


def as_run(call: Call, events: Sequence[Event], *, known: bool = True) -> list[Event]:
    """An answer that arrived outside of the pipeline, as the stamped events of a run.

    The data is included if it fits the schema.
    """
    call = replace(call, kind="row")
    stamp = EventStamper(call.run)
    events = without_stop(events, call.request.stop)
    if call.spec is None:
        events = without_repetition(call, events)
    elif isinstance(events[-1], Finished):
        events[-1] = with_data(call, "".join(e.text for e in events if isinstance(e, TextDelta)), events[-1])
    return [stamp(started(call, request=known)), *map(stamp, events)]


def batch_backend(backend: Backend) -> Backend:
    """The backend that answers many rows, given the one that answers single prompts."""
    from ..engines import select  # imports many modules, for local models only

    return select.for_rows(backend)
