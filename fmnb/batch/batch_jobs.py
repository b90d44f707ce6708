"""`--batch-api`: rows handed to the service as a batch job, at half the price; the same call collects them later.

first run    ─ keys ─► job handed in, its run stays open in the log
later runs   ─ keys ─► open jobs looked at ─► results written down as rows ─► the table, as far as it is
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
from ..providers.batch_jobs.base import HALF
from ..store import jobs
from ..store.jobs import OpenJob
from .estimate import Estimate, agree
from .job import Job
from .result import Batch
from .rows import Rows
from .scheduler import Ended, Item
from .writer import write_again

_GROUP = 500  # results written down together


def hand_over(job: Job, expected: Estimate, yes: bool) -> Batch:
    """Collect what is ready, hand in what is new, and give the batch as it stands.

    Raises UsageError where the service has no batch jobs or the log is off, BudgetError
    before more is handed in than the budget allows.
    """
    if not job.durable:
        raise UsageError("A batch job is collected through the log, which is off", hint="`%fm log on`.")
    planned(job.rows, expected)
    job.start()
    notes: list[str] = []
    try:
        write_again()
        job.claims.sweep()
        items = [item for some in job.source() for item in some]
        mine = job.claims.claim(items)
        busy = {i.key for i in items} - {i.key for i in mine}
        if busy:
            rows = "row is" if len(busy) == 1 else "rows are"
            notes.append(f"{len(busy):,} {rows} asked by another kernel right now and left to it; run this again to collect what it gets")
        for m, base in enumerate(job.rows.bases):
            notes += _model(job, base.call, [i for i in mine if i.model == m], expected, yes, busy)
    except KeyboardInterrupt:
        raise job.stopped() from None
    except FmnbError as e:
        job.fatal = e
    finally:
        job.claims.end()
    return job.end(notes)


def planned(rows: Rows, expected: Estimate) -> Estimate:
    """What the rows would take as batch jobs; UsageError where a service has none."""
    for base in rows.bases:
        service_jobs.batch_client(base.call)
    return halved(expected)


def halved(found: Estimate) -> Estimate:
    """The same at the price of a batch job."""
    return replace(found, cost=None if found.cost is None else (found.cost[0] * HALF, found.cost[1] * HALF), seconds=None, batch_api=True)


def _model(job: Job, call: Call, items: list[Item], expected: Estimate, yes: bool, busy: Collection[str]) -> list[str]:
    """One model's rows. What is to be said. `busy` are keys that another kernel asks, hands in or collects."""
    notes, waiting = [], {i.key: i for i in items}
    for known in jobs.open_jobs(call.request.model):
        if not known.job:
            known = _found(known, call)
            if not known.job:
                continue
        state = run_sync(service_jobs.batch_client(call).state(known.job))
        if state.over and not known.keys.isdisjoint(busy):
            waiting = {key: i for key, i in waiting.items() if key not in known.keys}
            continue
        if state.over:
            notes += run_sync(_collect(job, known, call, waiting, state))
            waiting = {key: i for key, i in waiting.items() if key in job.pending}
            continue
        mine = [key for key in waiting if key in known.keys]
        waiting = {key: i for key, i in waiting.items() if key not in known.keys}
        if mine:
            notes.append(_with(call, known.job, len(mine), known.started, f"{state.words}, {state.done:,} of {state.total:,} done"))
    left = [i for i in waiting.values() if i.key in job.pending]
    if left:
        _check(job, expected, len(left), yes)
        notes += [_submit(job, call, some) for some in _portions(call, left)]
    return notes


def _check(job: Job, expected: Estimate, calls: int, yes: bool) -> None:
    """Half the price may be too much all the same; a budget holds for the most it may come to."""
    fresh = max(1, expected.calls - expected.known)
    share = min(1.0, calls / fresh)
    cost = None if expected.cost is None else (expected.cost[0] * share, expected.cost[1] * share)
    found = halved(replace(expected, calls=calls, known=0, cost=cost))
    cost = found.cost
    budget = job.limits.budget
    if budget is not None and cost is not None and cost[1] > budget:
        raise BudgetError(
            f"This batch job could cost ${cost[1]:.2f} and would exceed the budget of ${budget:g}",
            detail=f"{calls:,} rows",
            hint="Give it a larger --budget, lower --max-tokens, or try --head.",
        )
    left = kernel.remaining()
    if left is not None and (left <= 0 if cost is None else cost[1] > left):
        raise kernel.exhausted() if cost is None or left <= 0 else kernel.exceeded(cost[1])
    if left is not None and cost is None and not kernel.budget().allow_unknown:
        raise BudgetError("The price of this batch job is unknown", hint="`%fm budget LIMIT --allow-unknown` lets such jobs pass.")
    agree(found, budget, yes)


def _portions(call: Call, items: Sequence[Item]) -> list[list[Item]]:
    """As many jobs as the rows need."""
    most, most_bytes = service_jobs.batch_client(call).most
    out: list[list[Item]] = [[]]
    size = 0
    for item in items:
        bytes_ = sum(len(m.text.encode("utf-8", "replace")) for m in item.call.request.messages) * 2 + 500
        if out[-1] and (len(out[-1]) >= most or size + bytes_ > most_bytes):
            out.append([])
            size = 0
        out[-1].append(item)
        size += bytes_
    return out


def _submit(job: Job, call: Call, items: Sequence[Item]) -> str:
    run = new_run()
    meta = {"asked": call.target.requested_model, "keys": [i.key for i in items], "rows": len(items)}
    about = Request(call.request.model, (message("user", job.rows.prompt),))
    start = EventStamper(run)(
        Started(kind="job", model=call.request.model, request=about, host=call.target.host, parent=job.stamp.run, meta=meta)
    )
    assert isinstance(start, Started)
    jobs.begin(start, session.notebook)
    try:
        name = run_sync(service_jobs.submit(call, [(i.key, i.call.request) for i in items], run))
    except FmnbError as e:
        jobs.end(_second(run, Failed(error=e.to_dict())), "error")
        raise
    jobs.name(start, name)
    return _with(call, name, len(items), start.at, "just handed in")


def _second(run: str, event: Event) -> Event:
    stamp = EventStamper(run)
    stamp.n = 1
    return stamp(event)


def _found(known: OpenJob, call: Call) -> OpenJob:
    """A job that was handed in by a kernel which died then: looked for by its mark, and given up where it is not there."""
    name = run_sync(service_jobs.batch_client(call).find(known.run))
    if name:
        jobs.name(known.start, name)
        return replace(known, job=name)
    jobs.end(_second(known.run, Failed(error={"kind": "CallError", "message": "It is not known whether this job was handed in"})), "error")
    return known


async def _collect(job: Job, known: OpenJob, call: Call, waiting: dict[str, Item], state: Any) -> list[str]:
    """Write the results of a job that is over down, then close its run."""
    group: list[Ended] = []
    got = 0
    async for key, events in service_jobs.collect(known.job, call, {k: i.call for k, i in waiting.items()}):
        item = waiting.get(key) or Item(key, 0, call, [])
        group.append(Ended(item, events))
        got += 1
        if len(group) >= _GROUP:
            job.settle(group)
            group = []
    if group:
        job.settle(group)
    jobs.end(_second(known.run, Finished(extra={"answers": got})), "stop")
    if state.problem:
        return [f"the batch job {known.job} failed: {state.problem}"]
    return [f"{got:,} row{'' if got == 1 else 's'} collected from the batch job {known.job}"]


def _with(call: Call, name: str, rows: int, since: float, words: str) -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(since))
    count = f"{rows:,} row is" if rows == 1 else f"{rows:,} rows are"
    return f"{count} with {call.request.model} as batch job {name} since {when} ({words}); run this again to collect {'it' if rows == 1 else 'them'}"
