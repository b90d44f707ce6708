"""How a batch ends: finished, failed or stopped; its table, its summary, and what the error says.

The table so far is a part of the error: its answers are stored and will not be paid for again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from ..calls.session import session
from ..core.errors import BudgetError, FmnbError, Interrupted, StoreError
from ..core.events import Cancelled, Event, Failed, Finished, Notice
from ..store import batches, run_rows
from .answers import Answer, answer_columns, renamed_column_notes
from .result import Batch
from .summary import Summary


class OutcomeMixin:
    """The end of a job. A mixin before Job, which has the state."""

    def finish(self: Any, notes: Sequence[str] = ()) -> Batch:
        """The finished batch; raises the error that calls it."""
        if self.fatal is not None:
            self._fail(self.fatal)
        summary = self._end_summary(notes)
        done = self._batch(summary)
        _, changed = answer_columns(self.table, done.answers, self.models, self.samples, self.rows.spec)
        for note in [*summary.notes, *renamed_column_notes(changed)]:
            self.emit(Notice(kind="note", text=note))
        self.emit(Finished(extra=summary.to_dict()))
        if self.durable:
            self._supersede_earlier()
        return done

    def _fail(self: Any, e: BaseException) -> NoReturn:
        """Emit the failure, and raise its error with the table so far."""
        self.report_progress(last=True)
        if isinstance(e, FmnbError):
            e.run = self.stamp.run
            e.hint = " ".join(filter(None, (e.hint, *self._next_steps(e))))
            if self.tally.cost:
                e.billed = True
            e.partial = self.partial_table()
            self.emit(Failed(error=e.to_dict()))
        else:
            self.emit(Failed(error={"kind": type(e).__name__, "message": f"A bug in fmnb: {type(e).__name__}: {e}"}))
        raise e

    def _next_steps(self: Any, e: FmnbError) -> Iterator[str]:
        """What the error says of calls in flight, of stored answers, and of running the batch again."""
        stored = self.stored_text()
        if isinstance(e, StoreError) and self.durable:
            yield f"Then run this again: {stored}."
        if self.n_awaited is not None:
            calls = "1 call" if self.n_awaited == 1 else f"{self.n_awaited:,} calls"
            yield f"No call started after this failure; {calls} in flight ended."
        if self.tally.answered and not isinstance(e, StoreError):
            again = "run this again to resume"
            if isinstance(e, BudgetError) and self.limits.budget is not None:  # the same budget again allows the same amount again
                again = "run this again with another --budget to resume; the new budget starts at zero"
            yield f"{stored[0].upper()}{stored[1:]}: {again}."

    def _stop_events(self: Any, run: str, last: int, reason: str) -> Iterator[Event]:
        """Store what has arrived, then the cancellation."""
        self.handle.close_stream()
        self.collect()
        if self.scheduler is not None:
            with suppress(StoreError):
                self.writer.write([run_rows.finished(e.events, session.notebook) for e in self.scheduler.cancelled], [])
        self.claims.end()
        with suppress(KeyboardInterrupt):  # a sink may raise it on any event
            self.report_progress(last=True)
        yield self.stamp(Cancelled(reason=reason))

    def interruption(self: Any) -> Interrupted:
        """The error of a stopped batch."""
        stop = Interrupted(None, self.stamp.run, kept=self.stored_text())
        stop.partial = self.partial_table()
        return stop

    def partial_table(self: Any) -> Any:
        """The table with the answers so far; None before the first answer or error."""
        return self._batch(self._end_summary()).result() if self.answers else None

    def stored_text(self: Any) -> str:
        """What is stored when the batch stops early."""
        done = self.tally.answered
        return (
            f"{done:,} of {self.n_answers:,} answers are stored and will not be paid for again"
            if self.durable or done
            else "no answer had arrived"
        )

    def _end_summary(self: Any, notes: Sequence[str] = ()) -> Summary:
        """The counts so far, with all notes."""
        warnings = dict.fromkeys(note for base in self.rows.bases for note in base.call.notes)
        notes = [*warnings, *notes, *self.tally.notes(), *self._failed_model_notes()]
        return self.tally.summary(self.table.count, self.n_answers, self.elapsed(), notes)

    def _batch(self: Any, summary: Summary) -> Batch:
        """The answers so far.

        A row without one has the error of a model that failed while others answered, if any.
        """
        answers = []
        for index in range(self.n_answers):
            row, rest = divmod(index, len(self.models) * self.samples)
            m, s = divmod(rest, self.samples)
            error = self.failed_models[m].to_dict() if m in self.failed_models and self.fatal is None else None
            answers.append(self.answers.get(index) or Answer(row, self.models[m], s, error=error))
        return Batch(
            self.stamp.run, self.models, self.samples, self.table.count, answers, summary, self.rows.spec, self.table, self.rows.label
        )

    def _failed_model_notes(self: Any) -> list[str]:
        """Notes about models that failed while others answered."""
        return (
            [f"{self.models[m]} got no more calls: {e}" for m, e in self.failed_models.items()]
            if len(self.failed_models) < len(self.models)
            else []
        )

    def _supersede_earlier(self: Any) -> None:
        try:
            batches.supersede(self.stamp.run, self.request.fingerprint(), time.time())
        except StoreError:
            pass  # the answers are stored already
