"""Run calls: side by side, each event to the sinks; an interrupt keeps the partial answers.

PreparedCall ─ run_calls ─► pipeline ─► events ─► sinks, then PreparedCall.response or .error
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ..config.settings import frozen
from ..core.errors import FmnbError, Interrupted
from ..core.event_loop import merge
from ..core.events import Cancelled, Event, EventStamper, ResponseBuilder, Sink, UsageReported
from ..core.runtime import state
from . import pipeline
from .call import Call, PreparedCall
from .run_handle import Run
from .session import session


def run_calls(prepared: Sequence[PreparedCall], sinks: Sequence[Sink] = ()) -> None:
    """Run the calls side by side and set their responses and errors.

    Events reach the sinks in this thread. An interrupt stops all calls, keeps what they answered
    so far and raises Interrupted. Failures are set as `PreparedCall.error`; a bug is raised.
    """
    run = handle_for(prepared, sinks, ticks=True)
    try:
        with frozen():
            run.drive()
    except KeyboardInterrupt:
        raise Interrupted(prepared[0].response, prepared[0].call.run) from None


async def arun_calls(prepared: Sequence[PreparedCall], sinks: Sequence[Sink] = ()) -> None:
    """`run_calls` in the caller's own event loop.

    Cancelling it stops the calls and keeps their partial answers.
    """
    await handle_for(prepared, sinks).adrive()


def handle_for(prepared: Sequence[PreparedCall], sinks: Sequence[Sink] = (), *, ticks: bool = False) -> Run:
    """The handle of calls that run side by side; when it ends they have their responses and errors."""
    calls = {p.call.run: p.call for p in prepared}
    errors: dict[str, BaseException] = {}
    return Run(
        _events(list(calls.values()), errors),
        sinks,
        runs=calls,
        stop_events=lambda run, last, reason: stop_events(calls[run], last, reason),
        finish=lambda builders: set_results(prepared, builders, errors),
        ticks=ticks,
    )


def stop_events(call: Call, last: int, reason: str = "interrupt") -> Iterator[Event]:
    """The events of a call that is stopped after its event number `last`: its usage so far, and the end.

    A call that has no event yet starts first, so that its model is known wherever it is shown.
    """
    stamp = EventStamper(call.run)
    stamp.n = last
    if not last:
        yield stamp(pipeline.started(call))
    if (usage := call.meter.stopped()) is not None:
        yield stamp(UsageReported(usage=usage))
    yield stamp(Cancelled(reason=reason))


def set_results(prepared: Sequence[PreparedCall], builders: Mapping[str, ResponseBuilder], errors: dict[str, BaseException]) -> None:
    """Set each call's response and error; a bug is raised."""
    for p in prepared:
        response = builders[p.call.run].response()
        if p.spec is not None and response.data is not None:
            response = replace(response, data=p.spec.build(response.data))
        p.response = response
        p.error = errors.get(p.call.run)
        if isinstance(p.error, (FmnbError, Interrupted)):
            p.error.response = response
            p.error.run = p.call.run
    if prepared and prepared[0].call.kind == "call":
        session.last = prepared[0]
    for error in errors.values():
        if not isinstance(error, (FmnbError, Interrupted)):
            raise error


def _events(calls: Sequence[Call], errors: dict[str, BaseException]) -> AsyncIterator[Event]:
    """Events of the calls as they arrive.

    A call's failure is put into `errors` under its run, and the other calls continue.
    """
    return _run_one(calls[0], errors) if len(calls) == 1 else _run_several(calls, errors)


async def _run_several(calls: Sequence[Call], errors: dict[str, BaseException]) -> AsyncIterator[Event]:
    async for _, event in merge({c.run: _run_one(c, errors) for c in calls}):
        yield event


class _Running:
    """Runs under way: the task that drives each, and which of them `stop` has stopped."""

    def __init__(self) -> None:
        self.tasks: dict[str, asyncio.Task[Any]] = {}
        self.stopped: set[str] = set()


def stop(run: str) -> bool:
    """Stop one run, from any thread; others go on. False if it is not running here."""
    task = state(_Running).tasks.get(run)
    if task is None:
        return False
    state(_Running).stopped.add(run)
    task.get_loop().call_soon_threadsafe(task.cancel)
    return True


@contextmanager
def cancellable(run: str) -> Iterator[None]:
    """Let `stop` cancel the current task, which drives a run of many calls."""
    task = asyncio.current_task()
    if task is not None:
        state(_Running).tasks[run] = task
    try:
        yield
    finally:
        state(_Running).tasks.pop(run, None)
        state(_Running).stopped.discard(run)


def running_calls() -> list[str]:
    """The runs that are running here."""
    return list(state(_Running).tasks)


async def _run_one(call: Call, errors: dict[str, BaseException]) -> AsyncIterator[Event]:
    """One call: it can be stopped alone, and its failure does not end the others."""
    stream = pipeline.run(call)
    runs = state(_Running)
    task = asyncio.current_task()
    if task is not None:
        runs.tasks[call.run] = task
    last = 0
    try:
        async for event in stream:
            last = event.n
            yield event
    except Exception as e:
        errors[call.run] = e
    except asyncio.CancelledError:
        if call.run not in runs.stopped or task is None:
            raise
        task.uncancel()
        await stream.aclose()  # type: ignore[attr-defined]
        errors[call.run] = Interrupted(None, call.run)
        for event in stop_events(call, last, "stopped"):
            yield event
    finally:
        runs.tasks.pop(call.run, None)
        runs.stopped.discard(call.run)
        await stream.aclose()  # type: ignore[attr-defined]
