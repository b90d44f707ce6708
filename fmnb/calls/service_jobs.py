"""Batch jobs of a service: submit requests, collect the answers as runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..core.errors import FmnbError, UsageError
from ..core.event_loop import aclose
from ..core.events import Event, Failed, UsageReported
from ..core.run_ids import new_run
from ..core.types import Request
from ..limits import budget
from .call import Call
from .rows_together import as_run
from .steps.guard import guarded_events, guarded_request


async def guarded(calls: Mapping[str, Call]) -> tuple[dict[str, Request], dict[str, list[Event]]]:
    """The requests as the guards send them, and the runs of calls that a guard refuses, by their id."""
    requests: dict[str, Request] = {}
    refused: dict[str, list[Event]] = {}
    for i, call in calls.items():
        try:
            requests[i] = await guarded_request(call)
        except FmnbError as e:
            refused[i] = as_run(call, [Failed(error=e.to_dict())])
    return requests, refused


async def submit(call: Call, requests: Sequence[tuple[str, Request]], mark: str) -> str:
    """Submit requests to the service of a call as a batch job. Returns the job's name."""
    return str(await batch_client(call).submit(requests, mark))


def batch_client(call: Call) -> Any:
    """The batch API of a call's service. UsageError if it has none."""
    found = getattr(call.target.open(), "bulk", None)
    if found is None:
        raise UsageError(
            f"{call.target.requested_model} has no batch jobs",
            hint="Leave --batch-api out. OpenAI, Azure, Anthropic, Mistral, Gemini and Groq have them.",
        )
    return found


async def collect(job: str, call: Call, calls: Mapping[str, Call]) -> AsyncIterator[tuple[str, list[Event]]]:
    """The answers of a finished batch job by their id, each as the stamped events of a run.

    `call` is used for rows that are not in `calls`.
    """
    stream = batch_client(call).collect(job, {i: c.request for i, c in calls.items()})
    try:
        async for i, found in stream:
            mine = calls.get(i) or replace(call, run=new_run(), meta={"key": i})
            events = found if isinstance(found, list) else [*found.events, Failed(error=found.to_dict())]
            for event in events:
                if isinstance(event, UsageReported):
                    budget.add(event.usage.cost)
            yield i, as_run(mine, await guarded_events(mine, events), known=i in calls)
    finally:
        await aclose(stream)
