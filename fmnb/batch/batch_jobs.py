"""`--batch-api`: submit rows as a batch job of the service, at half the price, and collect them later.

first run    ─ keys ─► job submitted, its run stays open in the log
later runs   ─ keys ─► open jobs checked ─► results stored as rows ─► the table so far
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from ..calls import service_jobs
from ..calls.call import Call
from ..calls.session import session
from ..core.errors import BudgetError, FmnbError, UsageError
from ..core.event_loop import run_sync
from ..core.events import Event, EventStamper, Failed, Finished, Started
from ..core.run_ids import new_run
from ..core.types import Request, message
from ..limits import budget as kernel
from ..providers.batch_jobs.base import BATCH_PRICE
from ..store import jobs
from ..store.jobs import OpenJob
from .estimate import Estimate, confirm_estimate
from .job import Job
from .result import Batch
from .rows import RowCalls
from .scheduler import CompletedCall, WorkItem
from .writer import flush_deferred

_COMMIT_ROWS = 500  # results stored together


def run_batch_job(job: Job, expected: Estimate, yes: bool) -> Batch:
    """Collect finished jobs, submit new rows, and return the batch so far.

    Raises UsageError if the service has no batch jobs or the log is off, BudgetError if a new job
    could exceed the budget.
    """
    if not job.durable:
        raise UsageError("A batch job needs the log, which is off", hint="Switch it on with `%fm log on`.")
    batch_job_estimate(job.rows, expected)
    job.start()
    notes: list[str] = []
    try:
        with job.handle.interruptible():
            _submit_and_collect(job, expected, yes, notes)
    except KeyboardInterrupt:
        raise job.interruption() from None
    except FmnbError as e:
        job.fatal = e
    finally:
        job.claims.end()
    return job.finish(notes)


def _submit_and_collect(job: Job, expected: Estimate, yes: bool, notes: list[str]) -> None:
    """Collect finished jobs and submit the other rows; appends to `notes` what happened."""
    flush_deferred()
    job.claims.sweep()
    items = [item for some in job.source() for item in some]
    mine = job.claims.claim(items)
    claimed_elsewhere = {i.key for i in items} - {i.key for i in mine}
    if claimed_elsewhere:
        rows = "row is" if len(claimed_elsewhere) == 1 else "rows are"
        notes.append(f"{len(claimed_elsewhere):,} {rows} in use by another kernel; run this again to collect its answers")
    for m, base in enumerate(job.rows.bases):
        notes += _run_model(job, base.call, [i for i in mine if i.model == m], expected, yes, claimed_elsewhere)


def batch_job_estimate(rows: RowCalls, expected: Estimate) -> Estimate:
    """The estimate for batch jobs; UsageError if a service has none."""
    for base in rows.bases:
        service_jobs.batch_client(base.call)
    return at_batch_price(expected)


def at_batch_price(expected: Estimate) -> Estimate:
    """The estimate at the price of a batch job."""
    return replace(
        expected,
        cost=None if expected.cost is None else (expected.cost[0] * BATCH_PRICE, expected.cost[1] * BATCH_PRICE),
        seconds=None,
        batch_api=True,
    )


def _run_model(job: Job, call: Call, items: list[WorkItem], expected: Estimate, yes: bool, claimed_elsewhere: Collection[str]) -> list[str]:
    """Collect and submit the rows of one model; returns notes. Skips keys in `claimed_elsewhere`."""
    notes, waiting = [], {i.key: i for i in items}
    for open_job in jobs.open_jobs(call.request.model):
        if not open_job.job:
            open_job = _find_job(open_job, call)
            if not open_job.job:
                continue
        state = run_sync(service_jobs.batch_client(call).state(open_job.job))
        if state.ended and not open_job.keys.isdisjoint(claimed_elsewhere):
            waiting = {key: i for key, i in waiting.items() if key not in open_job.keys}
            continue
        if state.ended:
            notes += run_sync(_collect(job, open_job, call, waiting, state))
            waiting = {key: i for key, i in waiting.items() if key in job.pending}
            continue
        mine = [key for key in waiting if key in open_job.keys]
        waiting = {key: i for key, i in waiting.items() if key not in open_job.keys}
        if mine:
            notes.append(
                _job_note(call, open_job.job, len(mine), open_job.started, f"{state.status}, {state.done:,} of {state.total:,} done")
            )
    new = [i for i in waiting.values() if i.key in job.pending]
    if new:
        _check_budget(job, expected, len(new), yes)
        notes += filter(None, [_submit(job, call, some) for some in _chunks(call, new)])
    return notes


def _check_budget(job: Job, expected: Estimate, calls: int, yes: bool) -> None:
    """Confirm the cost of a new job; a budget applies to its maximum."""
    uncached = max(1, expected.calls - expected.cached)
    share = min(1.0, calls / uncached)
    cost = None if expected.cost is None else (expected.cost[0] * share, expected.cost[1] * share)
    job_estimate = at_batch_price(replace(expected, calls=calls, cached=0, cost=cost))
    cost = job_estimate.cost
    budget = job.limits.budget
    if budget is not None and cost is not None and cost[1] > budget:
        raise BudgetError(
            f"This batch job could cost ${cost[1]:.2f} and would exceed the budget of ${budget:g}",
            detail=f"{calls:,} rows",
            hint="Raise --budget, lower --max-tokens, or try --head.",
        )
    remaining = kernel.remaining()
    if remaining is not None and (remaining <= 0 if cost is None else cost[1] > remaining):
        raise kernel.exhausted() if cost is None or remaining <= 0 else kernel.exceeded(cost[1])
    if remaining is not None and cost is None and not kernel.budget().allow_unknown:
        raise BudgetError("The price of this batch job is unknown", hint="`%fm budget LIMIT --allow-unknown` allows such jobs.")
    confirm_estimate(job_estimate, budget, yes)


def _chunks(call: Call, items: Sequence[WorkItem]) -> list[list[WorkItem]]:
    """Split the rows into as many jobs as the service's limits need."""
    most, most_bytes = service_jobs.batch_client(call).limits
    out: list[list[WorkItem]] = [[]]
    size = 0
    for item in items:
        bytes_ = sum(len(m.text.encode("utf-8", "replace")) for m in item.call.request.messages) * 2 + 500
        if out[-1] and (len(out[-1]) >= most or size + bytes_ > most_bytes):
            out.append([])
            size = 0
        out[-1].append(item)
        size += bytes_
    return out


def _submit(job: Job, call: Call, items: Sequence[WorkItem]) -> str:
    """Submit the rows that no guard refuses; returns a note, "" if there are none."""
    requests, refused = run_sync(service_jobs.guarded({i.key: i.call for i in items}))
    if refused:
        job.commit([CompletedCall(i, refused[i.key]) for i in items if i.key in refused])
        items = [i for i in items if i.key in requests]
    if not items:
        return ""
    run = new_run()
    meta = {"asked": call.target.requested_model, "keys": [i.key for i in items], "rows": len(items)}
    request = Request(call.request.model, (message("user", job.rows.prompt),))
    start = EventStamper(run)(
        Started(kind="job", model=call.request.model, request=request, host=call.target.host, parent=job.stamp.run, meta=meta)
    )
    assert isinstance(start, Started)
    jobs.begin(start, session.notebook)
    try:
        name = run_sync(service_jobs.submit(call, list(requests.items()), run))
    except FmnbError as e:
        jobs.end(_end_event(run, Failed(error=e.to_dict())), "error")
        raise
    jobs.name(start, name)
    return _job_note(call, name, len(items), start.at, "just submitted")


def _end_event(run: str, event: Event) -> Event:
    stamp = EventStamper(run)
    stamp.n = 1
    return stamp(event)


def _find_job(open_job: OpenJob, call: Call) -> OpenJob:
    """Find a job whose kernel died while submitting it, by its mark; given up if it does not exist."""
    name = run_sync(service_jobs.batch_client(call).find(open_job.run))
    if name:
        jobs.name(open_job.start, name)
        return replace(open_job, job=name)
    jobs.end(
        _end_event(open_job.run, Failed(error={"kind": "CallError", "message": "It is unknown whether this job was submitted"})), "error"
    )
    return open_job


async def _collect(job: Job, open_job: OpenJob, call: Call, waiting: dict[str, WorkItem], state: Any) -> list[str]:
    """Store the results of a finished job, then close its run."""
    group: list[CompletedCall] = []
    collected = 0
    async for key, events in service_jobs.collect(open_job.job, call, {k: i.call for k, i in waiting.items()}):
        item = waiting.get(key) or WorkItem(key, 0, call, [])
        group.append(CompletedCall(item, events))
        collected += 1
        if len(group) >= _COMMIT_ROWS:
            job.commit(group)
            group = []
    if group:
        job.commit(group)
    jobs.end(_end_event(open_job.run, Finished(extra={"answers": collected})), "stop")
    if state.problem:
        return [f"the batch job {open_job.job} failed: {state.problem}"]
    return [f"{collected:,} row{'' if collected == 1 else 's'} collected from the batch job {open_job.job}"]


def _job_note(call: Call, name: str, rows: int, since: float, status: str) -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(since))
    count = f"{rows:,} row is" if rows == 1 else f"{rows:,} rows are"
    return f"{count} in batch job {name} of {call.request.model} since {when} ({status}); run this again to collect {'it' if rows == 1 else 'them'}"
