"""One batch while it runs, in the caller's thread: what is to be asked, what has come, what is said of it, and the end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

from ..calls.run_handle import flush, ignore_sigint
from ..calls.session import session
from ..core.errors import BudgetError, FmnbError, Interrupted, PromptError, StoreError, error_from_dict
from ..core.event_loop import background_loop, iterate_sync
from ..core.events import Cancelled, Event, EventStamper, Failed, Finished, Notice, Progress, Sink, Started, emit
from ..core.run_ids import new_run
from ..core.types import Request, message
from ..limits import rate_limit
from ..limits.batch_budget import BatchBudget
from ..limits.batch_limits import BatchLimits
from ..store import batches, log, run_rows
from ..store.log_sink import LogSink
from ..store.retention import Sweeper
from ..store.run_rows import Place
from .answers import Answer, added, answer, from_before, repeated, suffixed
from .claims import Claims
from .failures import ends, passes, stands
from .io.tables import Table
from .options import Limits
from .progress import SoFar
from .result import Batch
from .rows import Rows
from .scheduler import Ended, Feed, Flow, Item
from .shared_table import FIRST, Sharing, counted
from .summary import Tally
from .writer import Keeper, write_again

PREVIEW = 8  # rows whose events the views see
_CHUNK = 50  # rows looked up in the log together
_OFTEN = 0.1  # seconds between two words on how far it is
_DOWN = 8  # rows in a row that a service fails before it counts as down


class Job(Sharing):
    """One batch while it runs."""

    visible = True  # whether nothing works for it any more when this process is dead

    def __init__(self, rows: Rows, table: Table, limits: Limits, sinks: Sequence[Sink] = ()):
        self.rows, self.table, self.limits = rows, table, limits
        self.models, self.samples = rows.models, rows.samples
        self.count = table.count
        self.asked = self.count * len(self.models) * self.samples
        self.answers: dict[int, Answer] = {}
        self.tally = Tally()
        self.stamp = EventStamper(new_run())
        self.listeners = session.listeners(*sinks, ticks=True)
        self.feeds = [Feed(limits.concurrency) for _ in self.models]
        self.more = True  # rows that were not looked at
        self.backlog: list[deque[Item]] = [deque() for _ in self.models]  # calls that nobody has claimed
        self.ahead = [FIRST for _ in self.models]
        self.taken = [0 for _ in self.models]  # from each feed, when it was looked at
        self.pending: dict[str, Item] = {}
        self.elsewhere: dict[str, Item] = {}  # of these: claimed by another kernel
        self.look_at = 0.0
        self.reused: set[str] = set()  # runs of an earlier batch that a row has
        self.gone: dict[int, FmnbError] = {}  # models that cannot be asked
        self.down = [0] * len(self.models)
        self.shown = 0
        self.began, self.began_at = time.monotonic(), time.time()
        self.said = 0.0
        self.so_far = SoFar()
        self.keeper = Keeper(self.stamp.run, lambda item, error: not self._is_for_all(item, error))
        self.durable = self.keeper.durable
        self.kept: dict[str, dict[str, Any]] = {}  # where there is no log: answers of this run by key
        self.claims = Claims(self.stamp.run, visible=self.visible)
        self.handed_in: frozenset[str] = frozenset()  # keys of rows that lie in a batch job: it is paid for them
        self.jobs: frozenset[str] | None = None  # the runs of those jobs; None where they are nobody else's matter
        self.fatal: BaseException | None = None
        first = rows.bases[0].call.request
        self.detailed = first.logprobs is not None or _chooses(first.schema)
        self.request = Request(", ".join(self.models), (message("user", self.rows.prompt),))

    def go(self) -> Batch:
        """Run to the end."""
        try:
            return self._run()
        finally:
            self.claims.end()  # whatever a listener raised

    def _run(self) -> Batch:
        caps = BatchLimits(
            rate_limit.RateCap(self.limits.rpm) if self.limits.rpm else None,
            rate_limit.RateCap(self.limits.tpm) if self.limits.tpm else None,
            None if self.limits.budget is None else BatchBudget(self.limits.budget),
        )
        source = self.source()
        flow = items = None
        try:
            self.start()
            if self.durable:
                write_again()
                self.claims.sweep()
            while flow is None or (self.elsewhere and self.fatal is None):
                if flow is not None:  # this process was stopped for long, and rows it had were taken over after the last was given out
                    self.feeds = [Feed(self.limits.concurrency) for _ in self.models]
                flow = Flow(self.feeds, caps, self.keeper.hold, ends, still=self.claims.still, run_id=self.stamp.run)
                self._fill(source)
                items = iterate_sync(flow.run(), lambda: self._idle(source))
                for _ in items:
                    self.take(flow)
                    if self.fatal is not None:
                        break
                    self._look_elsewhere()
                    self._fill(source)
                    self.say()
                self.take(flow)
        except (KeyboardInterrupt, CancelledError):
            with ignore_sigint():
                if items is not None and flow is not None:
                    items.close()  # type: ignore[attr-defined]
                    self.take(flow)
                    with suppress(StoreError):
                        self.keeper.write([run_rows.finished(e.events, session.notebook) for e in flow.stopped], [])
                self.claims.end()
                stop = self.stopped()
            raise stop from None
        except BaseException as e:
            self.fatal = e
        finally:
            if items is not None:
                items.close()  # type: ignore[attr-defined]
        if flow is not None:
            self.take(flow)
        self.claims.end()  # before the table is made: others may be waiting
        return self.end()

    def start(self) -> None:
        """Say that the batch begins, and what it is."""
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
                    "calls": self.asked,
                    "schema": self.rows.spec.schema if self.rows.spec else None,
                    "detailed": self.detailed,
                },
            )
        )
        flush(self.listeners)  # a batch is in the log before its first row is: a killed one can be found
        if not self.durable:
            if log.failed():
                raise StoreError(
                    "The log cannot be written, so no row is asked",
                    detail=log.disabled_reason(),
                    hint="Make room and run this again. `%fm log off` goes on without it: nothing is kept then.",
                )
            text = f"the log is off ({log.disabled_reason()}): what is answered now is not kept, and is paid again when this is run again. `%fm log on` keeps it"
            self.emit(Notice(kind="warning", text=text))

    # ── what is to be asked

    def source(self) -> Iterator[list[Item]]:
        """Calls that must be made, a chunk of rows at a time; rows answered before are taken from the log."""
        chunk: list[tuple[str, Place, Any]] = []
        for number, values in enumerate(self.table.take(self.rows.columns)):
            try:
                made = self.rows.calls(values, number, self.stamp.run)
            except PromptError as e:
                self.refuse(number, e)
                continue
            for n, (key, call) in enumerate(made):
                chunk.append((key, (number, n // self.samples, n % self.samples), call))
            if (number + 1) % _CHUNK == 0:
                yield self.new(chunk)
                chunk = []
        yield self.new(chunk)

    def new(self, chunk: list[tuple[str, Place, Any]]) -> list[Item]:
        """The calls among these that nobody has made; the others are answered from the log."""
        known: dict[str, dict[str, Any]] = {}
        if self.durable:
            known = batches.last_answers([key for key, _, _ in chunk])
            if self.detailed:
                batches.add_details(known.values())
        items, places = [], []
        for key, place, call in chunk:
            found = known.get(key) or self.kept.get(key)
            if found is not None and call.tape is not None and call.tape.get(call.request.fingerprint()) is None:
                found = None  # it is to be on the tape, too
            ours = found is not None and found.get("parent") == self.stamp.run
            if found is not None and (ours or stands(found, call, self.limits.retry_errors)):
                self.answered(place, found, reused=not ours, first=not ours and not self._meanwhile(found))
                places.append((place, found["run"]))
            elif key in self.pending:
                self.pending[key].places.append(place)
            elif key in self.handed_in and call.use_cache:
                self.left_out(place)
            elif place[1] not in self.gone:
                shared = self.durable and call.use_cache and call.tape is None and not call.tape_only
                self.pending[key] = item = Item(key, place[1], call, [place], shared, found["run"] if found else "")
                items.append(item)
        if places and self.durable:
            self.keeper.write([], places)
        return items

    def left_out(self, place: Place) -> None:
        """An answer that is not asked for: a batch job has its row."""
        self.tally.handed_in += 1

    # ── what has come

    def take(self, flow: Flow) -> None:
        """Count and show what has ended and is written down."""
        while flow.lost:
            item = flow.lost.popleft()
            self.elsewhere[item.key] = item
        while flow.told:
            self._show([flow.told.popleft()])
        ended: list[Ended] = []
        while flow.ended:
            ended.append(flow.ended.popleft())
        if ended:
            self.settle(ended)

    def settle(self, ended: Sequence[Ended]) -> None:
        """Calls that have ended: file them, then count and show them."""
        try:
            filed = self.keeper.file(ended)
        except StoreError as e:
            self.fatal = self.fatal or e
            return
        self.claims.filed([e.item.key for e in ended])
        for end, columns in zip(ended, filed, strict=True):
            item, error = end.item, columns["error"]
            self.pending.pop(item.key, None)
            if not self.durable:
                self.kept[item.key] = columns
            if not self._is_for_all(item, error):
                if self.detailed:
                    columns |= batches.details(end.events)
                for n, place in enumerate(item.places):
                    self.answered(place, columns, reused=False, first=n == 0)
            self.judge(item, error)
            if self.shown < PREVIEW:
                self.shown += 1
                self._show(end.events)

    def _is_for_all(self, item: Item, error: dict[str, Any] | None) -> bool:
        return error is not None and (ends(error) or (item.model in self.gone and passes(error)))

    def judge(self, item: Item, error: dict[str, Any] | None) -> None:
        """Whether this model can be asked on, and whether the batch goes on."""
        m = item.model
        if error is None:
            self.down[m] = 0
            return
        if self.limits.fail_fast:
            self.fatal = self.fatal or self._raised({**error, "message": f"Row {item.places[0][0]}: {error.get('message')}"})
        if passes(error):
            self.down[m] += 1
        if m not in self.gone and (self._is_for_all(item, error) or self.down[m] >= max(_DOWN, self.feeds[m].limit())):
            self.gone[m] = self._raised(error)
            self.backlog[m].clear()
            self.elsewhere = {key: i for key, i in self.elsewhere.items() if i.model != m}
            self.claims.release([key for key, i in self.pending.items() if i.model == m])
            background_loop().call_soon_threadsafe(self.feeds[m].stop)
            if len(self.gone) == len(self.models):
                self.fatal = self.fatal or self.gone[m]

    def _raised(self, error: dict[str, Any]) -> FmnbError:
        return error_from_dict(error)

    def refuse(self, number: int, e: PromptError) -> None:
        """A row from which the prompt cannot be filled: its error, without a call."""
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
                self.keeper.write([run], [((number, m, s), stamp.run)])
                self.answered((number, m, s), run.columns, reused=False)

    def answered(self, place: Place, columns: dict[str, Any], *, reused: bool, first: bool = True) -> None:
        """Count an answer and put it into its place."""
        row, m, s = place
        a = answer(row, self.models[m], s, columns)
        if reused:
            a = from_before(a)
            first = first and a.run not in self.reused
            self.reused.add(a.run)
        if not first:
            a = repeated(a)
        self.answers[self.at(place)] = a
        self.tally.add(a, reused=reused, first=first)

    def at(self, place: Place) -> int:
        """Which answer of all it is."""
        row, m, s = place
        return (row * len(self.models) + m) * self.samples + s

    # ── what is said

    def emit(self, event: Event) -> None:
        """An event of the batch itself."""
        emit(self.stamp(event), self.listeners)

    def _show(self, events: Sequence[Event]) -> None:
        """A row's events go to the views alone: the log has them, and a sidebar does not want thousands."""
        for sink in [s for s in self.listeners if not isinstance(s, (LogSink, Sweeper)) and s not in session.global_sinks]:
            for event in events:
                emit(event, [sink])

    def say(self, last: bool = False) -> None:
        """How far it is, now and then; how far it came, when it goes no further."""
        now = time.monotonic()
        if now - self.said < _OFTEN and not last:
            return
        self.said = now
        hosted = sum(f.open for f, b in zip(self.feeds, self.rows.bases, strict=True) if counted(b.call.target))
        note = self.so_far.words(self.tally, self.asked, self.elapsed(), at_once=hosted, elsewhere=len(self.elsewhere), last=last)
        done = self.tally.answered + (0 if last else self.tally.failed)  # in the end a failure is not something that was done
        event = self.stamp(Progress(stage="rows", done=done, total=self.asked, unit="rows", note=note))
        self._show([event])
        for ear in session.global_sinks:
            emit(event, [ear])

    def _idle(self, source: Iterator[list[Item]]) -> None:
        flush(self.listeners)
        self._look_elsewhere()
        self._fill(source)
        if self.fatal is not None:
            raise self.fatal
        self.say()

    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began

    def kept_words(self) -> str:
        """What is left of it when it stops early."""
        done = self.tally.answered
        return f"{done:,} of {self.asked:,} answers are kept and are not paid again" if self.durable or done else "nothing had arrived"

    # ── the end

    def stopped(self) -> Interrupted:
        """Say that somebody stopped it; the error to raise."""
        with suppress(KeyboardInterrupt):  # a listener that stops a batch may do so whatever it hears
            self.say(last=True)
        with suppress(KeyboardInterrupt):
            self.emit(Cancelled())
        return Interrupted(None, self.stamp.run, kept=self.kept_words())

    def end(self, notes: Sequence[str] = ()) -> Batch:
        """The batch as it stands; raises what stopped it."""
        unsure = dict.fromkeys(note for base in self.rows.bases for note in base.call.notes)
        notes = [*unsure, *notes, *self.tally.notes(), *self._unasked()]
        summary = self.tally.summary(self.table.count, self.asked, self.elapsed(), notes)
        if self.fatal is not None:
            self.say(last=True)
            e = self.fatal
            if isinstance(e, FmnbError):
                e.run = self.stamp.run
                if isinstance(e, StoreError) and self.durable:
                    e.hint = f"{e.hint} Then run this again: {self.kept_words()}."
                if self.tally.cost:
                    e.billed = True
                if self.tally.answered and not isinstance(e, StoreError):
                    again = "run the same again to go on"
                    if isinstance(e, BudgetError) and self.limits.budget is not None:  # the same budget once more is money once more
                        again = "the same again with another --budget goes on, and that budget counts anew"
                    e.hint = f"{e.hint} {self.kept_words()[0].upper()}{self.kept_words()[1:]}: {again}.".strip()
                self.emit(Failed(error=e.to_dict()))
            else:
                self.emit(Failed(error={"kind": type(e).__name__, "message": f"A bug in fmnb: {type(e).__name__}: {e}"}))
            raise e
        for place in range(self.asked):
            if place not in self.answers:
                row, rest = divmod(place, len(self.models) * self.samples)
                m, s = divmod(rest, self.samples)
                error = self.gone[m].to_dict() if m in self.gone else None
                self.answers[place] = Answer(row, self.models[m], s, error=error)
        answers = [self.answers[i] for i in range(self.asked)]
        _, changed = added(self.table, answers, self.models, self.samples, self.rows.spec)
        for note in [*notes, *suffixed(changed)]:
            self.emit(Notice(kind="note", text=note))
        self.emit(Finished(extra=summary.to_dict()))
        if self.durable:
            self._close_earlier()
        return Batch(self.stamp.run, self.models, self.samples, self.table.count, answers, summary, self.rows.spec, self.table)

    def _unasked(self) -> list[str]:
        """Of several models those that could not be asked, and why."""
        return [f"{self.models[m]} could not be asked on: {e}" for m, e in self.gone.items()] if len(self.gone) < len(self.models) else []

    def _close_earlier(self) -> None:
        try:
            batches.supersede(self.stamp.run, self.request.fingerprint(), time.time())
        except StoreError:
            pass  # what is asked and answered is written down already


def _chooses(schema: dict[str, Any] | None) -> bool:
    """Whether the answer is one of a closed set of labels, whose probabilities an engine may tell."""
    fields = list((schema or {}).get("properties", {}).values())
    return len(fields) == 1 and "enum" in fields[0]
