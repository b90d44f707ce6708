"""One batch while it runs, in the caller's thread: rows to send, answers, progress.

`outcome` is its end.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any

from ..calls import service_jobs
from ..calls.call import Call
from ..calls.run_handle import Run
from ..calls.session import session
from ..core.errors import (
    BudgetError,
    EmptyAnswerError,
    FmnbError,
    PromptError,
    SchemaMismatchError,
    StoreError,
    error_from_dict,
)
from ..core.event_loop import background_loop, run_sync
from ..core.events import Event, EventStamper, Failed, Notice, Progress, Sink, Started, emit
from ..core.guard import guards
from ..core.run_ids import new_run
from ..core.types import Request, message
from ..limits import rate_limit
from ..limits.batch_budget import BatchBudget
from ..limits.batch_limits import BatchLimits
from ..store import batches, log, run_rows
from ..store.log_sink import LogSink
from ..store.retention import Sweeper
from ..store.run_rows import Position
from .answers import Answer, answer_from_columns, as_cached, as_duplicate
from .claims import Claims
from .failures import is_fatal_for_model, is_reusable, is_transient
from .io.tables import Table
from .options import Limits
from .outcome import OutcomeMixin
from .progress import ProgressText
from .result import Batch
from .rows import RowCalls
from .scheduler import CallQueue, CompletedCall, Scheduler, WorkItem
from .shared_table import INITIAL_PREFETCH, SharedTableMixin, adapts_concurrency
from .summary import Tally
from .unusable import UnusableAnswers
from .writer import Writer, flush_deferred

PREVIEW_ROWS = 8  # rows whose events the views receive
_LOOKUP_ROWS = 50  # rows per lookup in the log
_REPORT_SECONDS = 0.1  # seconds between two progress reports
_DOWN_AFTER = 8  # consecutive failed rows before a service counts as down


class Job(SharedTableMixin, OutcomeMixin):
    """One batch while it runs."""

    visible = True  # whether all work for the batch ends with this process

    def __init__(self, rows: RowCalls, table: Table, limits: Limits, sinks: Sequence[Sink] = ()):
        self.rows, self.table, self.limits = rows, table, limits
        self.models, self.samples = rows.models, rows.samples
        self.count = table.count
        self.n_answers = self.count * len(self.models) * self.samples
        self.answers: dict[int, Answer] = {}
        self.tally = Tally()
        self.stamp = EventStamper(new_run())
        self.handle = Run(None, sinks, runs=[self.stamp.run], stop_events=self._stop_events, ticks=True)
        self.scheduler: Scheduler | None = None  # makes the calls that are under way
        self.queues = [CallQueue(limits.concurrency) for _ in self.models]
        self.has_more_rows = True  # the table has more rows
        self.backlog: list[deque[WorkItem]] = [deque() for _ in self.models]  # unclaimed calls, by model
        self.prefetch = [INITIAL_PREFETCH for _ in self.models]
        self.n_started = [0 for _ in self.models]  # calls that each queue had started at the last look
        self.pending: dict[str, WorkItem] = {}
        self.claimed_elsewhere: dict[str, WorkItem] = {}  # those of `pending` that another kernel has claimed
        self.next_check = 0.0
        self.cached_runs: set[str] = set()  # runs of earlier batches that answer rows
        self.failed_models: dict[int, FmnbError] = {}  # models that get no more calls
        self.consecutive_failures = [0] * len(self.models)
        self.unusable = [UnusableAnswers() for _ in self.models]
        self.n_awaited: int | None = None  # calls in flight at the first failure, with `fail_fast`
        self.n_previewed = 0
        self.started, self.started_at = time.monotonic(), time.time()
        self.last_report = 0.0
        self.progress = ProgressText()
        self.writer = Writer(self.stamp.run, lambda item, error: not self._is_fatal(item, error))
        self.durable = self.writer.durable
        self.uncached_results: dict[str, dict[str, Any]] = {}  # without a log: answers of this run by key
        self.claims = Claims(self.stamp.run, visible=self.visible)
        self.submitted_keys: frozenset[str] = frozenset()  # keys of rows in a batch job, which are paid for
        self.open_jobs: frozenset[str] | None = None  # the runs of those jobs; None if no other kernel can have any
        self.fatal: BaseException | None = None
        first = rows.bases[0].call.request
        self.detailed = first.logprobs is not None or _is_label_choice(first.schema)
        self.request = Request(", ".join(self.models), (message("user", self.rows.prompt),))

    def run(self) -> Batch:
        """Run to the end."""
        try:
            return self._run_calls()
        finally:
            self.claims.end()  # whatever a listener raises

    def _run_calls(self) -> Batch:
        caps = BatchLimits(
            rate_limit.RateCap(self.limits.rpm) if self.limits.rpm else None,
            rate_limit.RateCap(self.limits.tpm) if self.limits.tpm else None,
            None if self.limits.budget is None else BatchBudget(self.limits.budget),
        )
        try:
            with self.handle.interruptible():
                try:
                    self._send_rows(caps)
                except (KeyboardInterrupt, CancelledError):
                    raise
                except BaseException as e:
                    self.fatal = e
        except (KeyboardInterrupt, CancelledError):
            raise self.interruption() from None
        self.collect()
        self.claims.end()  # before the table is made: other kernels may be waiting
        return self.finish()

    def _send_rows(self, caps: BatchLimits) -> None:
        """Make the calls of all rows, in this thread and on the loop."""
        source = self.source()
        self.start()
        if self.durable:
            flush_deferred()
            self.claims.sweep()
        while self.scheduler is None or (self.claimed_elsewhere and self.fatal is None):
            if self.scheduler is not None:  # this process was suspended, and another kernel claimed rows after the last one was queued
                self.queues = [CallQueue(self.limits.concurrency) for _ in self.models]
            self.scheduler = Scheduler(
                self.queues,
                caps,
                self.writer.append,
                self.stopped_by,
                filter_claimed=self.claims.filter_claimed,
                run_id=self.stamp.run,
            )
            self._fill_queues(source)
            for _ in self.handle.iterate(self.scheduler.run(), lambda: self._on_idle(source)):
                self.collect()
                if self._must_end():
                    break
                self._check_other_kernels()
                self._fill_queues(source)
                self.report_progress()
            self.collect()

    def start(self) -> None:
        """Emit the start of the batch, and store it."""
        self.emit(
            Started(
                kind="batch",
                model=", ".join(self.models),
                request=self.request,
                host=", ".join(dict.fromkeys(b.call.target.host for b in self.rows.bases)),
                meta={
                    "asked": ", ".join(self.models),
                    "models": list(self.models),
                    "samples": self.samples,
                    "rows": self.count,
                    "calls": self.n_answers,
                    "schema": self.rows.spec.schema if self.rows.spec else None,
                    "detailed": self.detailed,
                },
            )
        )
        self.handle.tick()  # the batch is in the log before its first row, so that a killed one can be found
        if not self.durable:
            if log.failed():
                raise StoreError(
                    "The log cannot be written, so no row is sent",
                    detail=log.disabled_reason(),
                    hint="Free disk space and run this again. `%fm log off` runs without the log: no answer is stored then.",
                )
            text = f"the log is off ({log.disabled_reason()}): answers are not stored, and running this again pays for them again. `%fm log on` stores them"
            self.emit(Notice(kind="warning", text=text))

    # ── rows to send

    def source(self) -> Iterator[list[WorkItem]]:
        """Calls to make, a chunk of rows at a time; cached rows are taken from the log."""
        chunk: list[tuple[str, Position, Any]] = []
        for number, values in enumerate(self.table.take(self.rows.columns)):
            try:
                calls = self.rows.calls(values, number, self.stamp.run)
            except PromptError as e:
                self.fail_row(number, e)
                continue
            for n, (key, call) in enumerate(calls):
                chunk.append((key, (number, n // self.samples, n % self.samples), call))
            if (number + 1) % _LOOKUP_ROWS == 0:
                yield self.new_items(chunk)
                chunk = []
        yield self.new_items(chunk)

    def new_items(self, chunk: list[tuple[str, Position, Any]]) -> list[WorkItem]:
        """The calls without an answer; the others are answered from the log."""
        known: dict[str, dict[str, Any]] = {}
        if self.durable:
            known = batches.last_answers([key for key, _, _ in chunk])
            if self.detailed:
                batches.add_details(known.values())
        known = {**self.uncached_results, **known}
        refused = self._refused({key: call for key, _, call in chunk if key in known})
        items, positions = [], []
        for key, position, call in chunk:
            found = None if key in refused else known.get(key)
            if found is not None and call.tape is not None and call.tape.get(call.request.fingerprint()) is None:
                found = None  # the answer must be on the tape too
            ours = found is not None and found.get("parent") == self.stamp.run
            if found is not None and (ours or is_reusable(found, call, self.limits.retry_errors)):
                self.add_answer(position, found, cached=not ours, first=not ours and not self._answered_meanwhile(found))
                positions.append((position, found["run"]))
            elif key in self.pending:
                self.pending[key].positions.append(position)
            elif key in self.submitted_keys and call.use_cache:
                self.skip_submitted(position)
            elif position[1] not in self.failed_models:
                shared = self.durable and call.use_cache and call.tape is None and not call.tape_only and key not in refused
                self.pending[key] = item = WorkItem(key, position[1], call, [position], shared, found["run"] if found else "")
                items.append(item)
        if positions and self.durable:
            self.writer.write([], positions)
        return items

    def _refused(self, cached: dict[str, Call]) -> Collection[str]:
        """Keys of cached rows that a guard refuses now; they are sent through the guards again, as in cells."""
        return run_sync(service_jobs.guarded(cached))[1] if cached and guards() else ()

    def skip_submitted(self, position: Position) -> None:
        """Leave out a row that a batch job has."""
        self.tally.submitted += 1

    # ── answers

    def collect(self, scheduler: Scheduler | None = None) -> None:
        """Take completed calls, and what else the scheduler reports."""
        scheduler = scheduler or self.scheduler
        if scheduler is None:
            return
        while scheduler.lost_claims:
            item = scheduler.lost_claims.popleft()
            self.claimed_elsewhere[item.key] = item
        while scheduler.engine_events:
            self._show_events([scheduler.engine_events.popleft()])
        calls: list[CompletedCall] = []
        while scheduler.completed:
            calls.append(scheduler.completed.popleft())
        if calls:
            self.commit(calls)

    def commit(self, calls: Sequence[CompletedCall]) -> None:
        """Store completed calls as runs, then count and show them."""
        try:
            runs = self.writer.commit(calls)
        except StoreError as e:
            self.fatal = self.fatal or e
            return
        self.claims.mark_stored([e.item.key for e in calls])
        for call, columns in zip(calls, runs, strict=True):
            item, error = call.item, columns["error"]
            self.pending.pop(item.key, None)
            if not self.durable:
                self.uncached_results[item.key] = columns
            if not self._is_fatal(item, error):
                if self.detailed:
                    columns |= batches.details(call.events)
                for n, position in enumerate(item.positions):
                    self.add_answer(position, columns, cached=False, first=n == 0)
            self.update_health(item, error)
            if self.n_previewed < PREVIEW_ROWS:
                self.n_previewed += 1
                self._show_events(call.events)

    def _is_fatal(self, item: WorkItem, error: dict[str, Any] | None) -> bool:
        return error is not None and (is_fatal_for_model(error) or (item.model in self.failed_models and is_transient(error)))

    def stopped_by(self, call: CompletedCall) -> Collection[int]:
        """The models that get no more calls after this one; on the loop, before the next call starts."""
        m, error = call.item.model, call.error
        self.unusable[m].add(error)
        if error is not None and self.limits.fail_fast:
            if self.n_awaited is None:
                self.n_awaited = sum(q.in_flight for q in self.queues if not q.batched) - (not self.queues[m].batched)
            return range(len(self.models))
        return (m,) if self.unusable[m].too_many or (error is not None and is_fatal_for_model(error)) else ()

    def update_health(self, item: WorkItem, error: dict[str, Any] | None) -> None:
        """Track failures of a model; stop the model, or the batch, if they are fatal."""
        m = item.model
        if error is None:
            self.consecutive_failures[m] = 0
            return
        if self.limits.fail_fast:
            self.fatal = self.fatal or self._to_exception({**error, "message": f"Row {item.positions[0][0]}: {error.get('message')}"})
        if is_transient(error):
            self.consecutive_failures[m] += 1
        is_down = self._is_fatal(item, error) or self.consecutive_failures[m] >= max(_DOWN_AFTER, self.queues[m].limit())
        if m not in self.failed_models and (is_down or self.unusable[m].too_many):
            useless = None if is_down else self.unusable[m].to_exception(self.models[m], self.count, self.durable)
            self.failed_models[m] = useless or self._to_exception(error)
            self.backlog[m].clear()
            self.claimed_elsewhere = {key: i for key, i in self.claimed_elsewhere.items() if i.model != m}
            self.claims.release([key for key, i in self.pending.items() if i.model == m])
            background_loop().call_soon_threadsafe(self.queues[m].stop)
            if len(self.failed_models) == len(self.models):
                self.fatal = self.fatal or self.failed_models[m]

    def _to_exception(self, error: dict[str, Any]) -> FmnbError:
        return error_from_dict(error)

    def fail_row(self, number: int, e: PromptError) -> None:
        """Store the error of a row for which the prompt cannot be rendered; no call is made."""
        if self.limits.fail_fast:
            raise e
        for m in range(len(self.models)):
            base = self.rows.bases[m].call
            for s in range(self.samples):
                stamp = EventStamper(new_run())
                start = Started(
                    kind="row",
                    model=base.request.model,
                    host=base.target.host,
                    parent=self.stamp.run,
                    meta={"asked": base.target.requested_model, "row": number},
                )
                events = [stamp(start), stamp(Failed(error=e.to_dict()))]
                run = run_rows.finished(events, session.notebook)
                self.writer.write([run], [((number, m, s), stamp.run)])
                self.add_answer((number, m, s), run.columns, cached=False)

    def add_answer(self, position: Position, columns: dict[str, Any], *, cached: bool, first: bool = True) -> None:
        """Count an answer and store it at its position."""
        row, m, s = position
        a = answer_from_columns(row, self.models[m], s, columns)
        if cached:
            self.unusable[m].add(a.error, cached=True)
            a = as_cached(a)
            first = first and a.run not in self.cached_runs
            self.cached_runs.add(a.run)
        if not first:
            a = as_duplicate(a)
        self.answers[self.answer_index(position)] = a
        self.tally.add(a, cached=cached, first=first)

    def answer_index(self, position: Position) -> int:
        """The index of a position among all answers."""
        row, m, s = position
        return (row * len(self.models) + m) * self.samples + s

    # ── events and progress

    def emit(self, event: Event) -> None:
        """Emit an event of the batch itself."""
        self.handle.emit(self.stamp(event))

    def _show_events(self, events: Sequence[Event]) -> None:
        """Send a row's events to the views alone: the log has them, and thousands would swamp the sidebar."""
        for sink in [s for s in self.handle.listeners if not isinstance(s, (LogSink, Sweeper)) and s not in session.global_sinks]:
            for event in events:
                emit(event, [sink])

    def report_progress(self, last: bool = False) -> None:
        """Report progress, at most every `_REPORT_SECONDS`; always when `last`."""
        now = time.monotonic()
        if now - self.last_report < _REPORT_SECONDS and not last:
            return
        self.last_report = now
        hosted = sum(q.in_flight for q, b in zip(self.queues, self.rows.bases, strict=True) if adapts_concurrency(b.call.target))
        note = self.progress.text(
            self.tally, self.n_answers, self.elapsed(), in_flight=hosted, other_kernels=len(self.claimed_elsewhere), last=last
        )
        done = self.tally.answered + (0 if last else self.tally.failed)  # at the end, failures do not count as done
        event = self.stamp(Progress(stage="rows", done=done, total=self.n_answers, unit="rows", note=note))
        self._show_events([event])
        for sink in session.global_sinks:
            emit(event, [sink])

    def _on_idle(self, source: Iterator[list[WorkItem]]) -> None:
        self.handle.tick()
        self._check_other_kernels()
        self._fill_queues(source)
        if self.fatal is not None and self._must_end():
            raise self.fatal
        self.report_progress()

    def _must_end(self) -> bool:
        """Whether an error ends the batch now.

        Where no further call starts, those in flight are awaited: they are paid.
        """
        waits = self.awaits_calls() and all(q.stopped for q in self.queues) and any(q.in_flight for q in self.queues if not q.batched)
        return self.fatal is not None and not waits

    def awaits_calls(self) -> bool:
        """Whether the error that ends the batch leaves the calls in flight to end, which are paid."""
        return self.limits.fail_fast or isinstance(self.fatal, (BudgetError, SchemaMismatchError, EmptyAnswerError))

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started


def _is_label_choice(schema: dict[str, Any] | None) -> bool:
    """Whether the answer is one of a closed set of labels, whose probabilities an engine may return."""
    fields = list((schema or {}).get("properties", {}).values())
    return len(fields) == 1 and "enum" in fields[0]
