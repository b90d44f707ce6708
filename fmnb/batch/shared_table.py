"""Several kernels over one table: each claims rows shortly before it sends them.

source ─► backlog ─ claim ─► queue ─► sent here
              ▲        └───► claimed_elsewhere ─► answered by another kernel: taken from the log
              └──────────────────┘               given up submitted: sent here
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from ..catalog.resolve import Target
from ..store import batches, jobs
from ..store.run_rows import Position
from .failures import is_reusable
from .scheduler import WorkItem

INITIAL_PREFETCH = 4  # claimed calls queued per hosted model, at first: other kernels cannot make them
_MAX_PREFETCH = 256  # calls that wait, claimed or not
_BACKLOG = 5_000  # calls of a slow model that wait while a fast one continues
_CHECK_SECONDS = 0.25  # seconds between two checks of other kernels


class SharedTableMixin:
    """The part of a job that shares rows with other kernels. A mixin before Job, which has the state."""

    open_jobs: frozenset[str] | None
    claimed_elsewhere: dict[str, WorkItem]

    def _fill_queues(self: Any, source: Iterator[list[WorkItem]]) -> None:
        """Look up rows, and claim and queue calls shortly before their turn."""
        while self.fatal is None:
            while self.has_more_rows and self.needs_rows():
                items = next(source, None)
                self.has_more_rows = items is not None
                for item in items or ():
                    self.backlog[item.model].append(item)
                self.report_progress()
            if not self._claim_next():
                break
        for m, queue in enumerate(self.queues):
            remaining = self.has_more_rows or self.backlog[m] or any(i.model == m for i in self.claimed_elsewhere.values())
            if not remaining and not queue.close_requested:
                queue.put([], closed=True)

    def _claim_next(self: Any) -> bool:
        """Claim and queue calls; True if other kernels had items, so that submitted is room for more."""
        next_items = [self.backlog[m].popleft() for m in range(len(self.queues)) for _ in range(min(self._room(m), len(self.backlog[m])))]
        mine = self.claim(next_items)
        for m, queue in enumerate(self.queues):
            if items := [i for i in mine if i.model == m]:
                queue.put(items)
        return len(mine) < len(next_items)

    def claim(self: Any, items: Sequence[WorkItem]) -> list[WorkItem]:
        """The calls that this batch may make; it waits for the answers of other kernels."""
        mine = self.claims.claim(items) if items else []
        if len(mine) < len(items):
            keys = {i.key for i in mine}
            self.claimed_elsewhere |= {i.key: i for i in items if i.key not in keys}
        if not mine or self.open_jobs is None:
            return mine
        open_runs = jobs.open_runs()
        if open_runs != self.open_jobs:  # another kernel has submitted rows, under claims of its own
            self.open_jobs = open_runs
            self.submitted_keys = jobs.open_keys(dict.fromkeys(base.call.request.model for base in self.rows.bases))
        submitted = [i for i in mine if i.key in self.submitted_keys and i.call.use_cache]
        self.claims.release([i.key for i in submitted])
        for item in submitted:
            del self.pending[item.key]
            for position in item.positions:
                self.skip_submitted(position)
        return [i for i in mine if i.key in self.pending] if submitted else mine

    def _room(self: Any, m: int) -> int:
        """How many more calls to queue: few for a slow model, since other kernels may make them."""
        queue = self.queues[m]
        if not adapts_concurrency(self.rows.bases[m].call.target):
            return len(self.backlog[m])  # an engine batches rows itself
        if queue.n_queued <= 0 and queue.n_started > self.n_started[m]:  # the queue ran empty: prefetch more
            self.prefetch[m] = min(2 * self.prefetch[m], _MAX_PREFETCH)
        self.n_started[m] = queue.n_started
        limit = max(self.prefetch[m], 4 * queue.limit())
        return limit - queue.n_queued if queue.n_queued <= limit * 3 // 4 else 0

    def needs_rows(self: Any) -> bool:
        """Whether to read more rows."""
        lengths = [
            q.n_queued + len(b) for m, (q, b) in enumerate(zip(self.queues, self.backlog, strict=True)) if m not in self.failed_models
        ]
        return bool(lengths) and min(lengths) < _MAX_PREFETCH and max(lengths) < _BACKLOG

    # ── rows of other kernels

    def _check_other_kernels(self: Any) -> None:
        """Take answers of other kernels, and reclaim rows that they gave up."""
        began = time.monotonic()
        if not self.claimed_elsewhere or began < self.next_check:
            return
        known = batches.last_answers(list(self.claimed_elsewhere))
        if self.detailed:
            batches.add_details(known.values())
        positions: list[tuple[Position, str]] = []
        for key, found in known.items():
            item = self.claimed_elsewhere[key]
            if not is_reusable(found, item.call, self.limits.retry_errors and found["run"] == item.earlier_run):
                continue
            del self.claimed_elsewhere[key], self.pending[key]
            for position in item.positions:
                self.add_answer(position, found, cached=True, first=False)
                positions.append((position, found["run"]))
            self.tally.other_kernels += len(item.positions)
        if positions:
            self.writer.write([], positions)
        for key in reversed(self.claims.unclaimed(list(self.claimed_elsewhere))):
            item = self.claimed_elsewhere.pop(key)
            item.earlier_run = known[key]["run"] if key in known else ""
            self.backlog[item.model].appendleft(item)
        now = time.monotonic()
        self.next_check = now + max(_CHECK_SECONDS, 10 * (now - began))

    def _answered_meanwhile(self: Any, found: dict[str, Any]) -> bool:
        """Whether another kernel got this answer during this batch; its table counts the cost."""
        return bool(found["parent"] != self.stamp.run and found["ended"] >= self.started_at)


def adapts_concurrency(target: Target) -> bool:
    """Whether concurrency adapts to the target; an engine decides for itself."""
    return not target.local or getattr(target, "profile", None) is not None
