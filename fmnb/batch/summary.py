"""The summary of a batch: rows, cached answers, failures and their causes, cost, time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.repetition import HINT, REASON
from ..views.footer import uncertain_calls_text
from .answers import Answer

_DETAIL_LENGTH = 120  # characters of the detail of the first failed row


@dataclass(frozen=True)
class Cause:
    """Why some rows failed: kind and message of the error, count, first row, and the detail there."""

    kind: str
    message: str
    count: int
    row: int
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.count:,} × {self.message} (first in row {self.row}{': ' if self.detail else ''}{self.detail})"


@dataclass(frozen=True)
class Summary:
    """`rows` of the table, `calls` in all, `answered` of them, `cached` from an earlier run.

    `cost` is US dollars spent by this run, None if a price is unknown, and `estimated` if part of
    it is, because an answer was interrupted. For `uncertain` failed calls nobody knows whether
    they were billed; `cost` does not include them. `seconds` is the duration of the run.
    """

    rows: int
    calls: int
    answered: int
    cached: int
    failed: int
    missing: int
    cost: float | None
    seconds: float
    input_tokens: int
    output_tokens: int
    causes: tuple[Cause, ...] = ()
    notes: tuple[str, ...] = field(default=())
    estimated: bool = False
    uncertain: int = 0

    def __str__(self) -> str:
        head = f"{self.answered:,} of {self.calls:,} answered" + (f", {self.cached:,} of them cached" if self.cached else "")
        about = "about " if self.estimated else ""
        tail = [
            f"{format_duration(self.seconds)}",
            "price unknown" if self.cost is None else f"{about}${self.cost:.4f}" if self.cost else "$0.00",
        ]
        tail += [uncertain_calls_text(self.uncertain)] if self.uncertain else []
        lines = [
            ", ".join(
                [head, *([f"{self.failed:,} failed"] if self.failed else []), *([f"{self.missing:,} not sent"] if self.missing else [])]
            )
        ]
        lines[0] += "; " + ", ".join(tail)
        return "\n".join([*lines, *map(str, self.causes), *self.notes])

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """A dict for JSON, as the last event of the batch stores it; its keys never change."""
        same = ("rows", "answered", "failed", "missing", "cost", "seconds", "estimated")
        values = {n: getattr(self, n) for n in same} | {"asked": self.calls, "reused": self.cached, "doubtful": self.uncertain}
        return values | {"causes": [[c.kind, c.message, c.count, c.row, c.detail] for c in self.causes]}


def format_duration(s: float) -> str:
    """A duration in words.

    >>> format_duration(0.31), format_duration(75), format_duration(7300)
    ('0.3 s', '1 min 15 s', '2 h 1 min')
    """
    if s < 60:
        return f"{s:.1f} s"
    if s < 3600:
        return f"{int(s // 60)} min {int(s % 60)} s"
    return f"{int(s // 3600)} h {int(s % 3600 // 60)} min"


_SAME_LABEL_ROWS = 20  # different rows with the same label that are worth a note
_LABEL_LENGTH = 60  # characters


class Tally:
    """Counts answers as they arrive."""

    def __init__(self) -> None:
        self.answered = self.cached = self.failed = 0
        self.cached_failures = 0  # of the failed: not sent again
        self.other_kernels = 0  # of the cached: answered by another kernel meanwhile
        self.submitted = 0  # not sent: they are in a batch job
        self.replayed = 0  # from a tape
        self.repetitive = 0  # truncated where they repeated themselves
        self.truncated = 0  # complete JSON whose text or list ended at the token limit
        self.cost = 0.0
        self.unpriced = 0
        self.uncertain = 0  # failed, and nobody knows whether they were billed
        self.estimated = False  # part of the cost, for an interrupted answer
        self.input_tokens = self.output_tokens = 0
        self.causes: dict[tuple[str, str], Cause] = {}
        self._labels: dict[str, tuple[str | None, int]] = {}  # model -> the label of all its rows so far, number of rows

    def add(self, a: Answer, *, cached: bool, first: bool = True) -> None:
        """Count an answer; `first` unless another row of this run sent the same request."""
        if a.error is not None:
            self.failed += 1
            self.cached_failures += cached
            self._add_error(a.row, a.error)
        else:
            self.answered += 1
            self.cached += cached
            self.replayed += a.source == "replayed"
            self.repetitive += a.finish_reason == REASON
            self.truncated += a.finish_reason == "length" and a.data is not None
            if first:
                self._label(a)
        if cached or not first:
            return
        if a.cost is None and (a.error is None or a.input_tokens is not None):
            self.unpriced += 1
        elif a.cost is None and a.error is not None and a.error.get("billed") is None:
            self.uncertain += 1
        self.cost += a.cost or 0.0
        self.estimated = self.estimated or a.estimated
        self.input_tokens += a.input_tokens or 0
        self.output_tokens += a.output_tokens or 0

    def _label(self, a: Answer) -> None:
        """Track whether all answers have the same single label; None after the first different one."""
        label = next(iter(a.data.values())) if isinstance(a.data, dict) and len(a.data) == 1 else None
        label = label if isinstance(label, str) and len(label) <= _LABEL_LENGTH else None
        before, many = self._labels.get(a.model, (label, 0))
        self._labels[a.model] = (label if label == before else None, many + 1)

    def _add_error(self, row: int, error: Mapping[str, Any]) -> None:
        kind, message = str(error.get("kind", "")), str(error.get("message", ""))
        old = self.causes.get((kind, message))
        if old is not None and old.row <= row:
            self.causes[kind, message] = replace(old, count=old.count + 1)
            return
        detail = " ".join(str(error.get("detail") or "").split())
        detail = detail if len(detail) <= _DETAIL_LENGTH else detail[: _DETAIL_LENGTH - 1] + "…"
        self.causes[kind, message] = Cause(kind, message, (old.count if old else 0) + 1, row, detail)

    def add_cause(self, cause: Cause) -> None:
        """Count failures of an earlier run whose rows were not sent again."""
        self.failed += cause.count
        self.cached_failures += 0 if cause.kind == "PromptError" else cause.count  # no call was made: the row was rendered again
        old = self.causes.get((cause.kind, cause.message))
        first = cause if old is None or cause.row < old.row else old
        self.causes[cause.kind, cause.message] = replace(first, count=cause.count + (old.count if old else 0))

    def notes(self) -> list[str]:
        """Notes beside the counts."""
        notes = [f"{self.replayed:,} replayed from the tape"] if self.replayed else []
        if n := self.repetitive:
            notes.append(
                f"{n:,} answer{'' if n == 1 else 's'} repeated {'itself' if n == 1 else 'themselves'} and {'was' if n == 1 else 'were'} truncated: {HINT};"
                ' the log has the full text of hosted answers, as extra["uncut"] of the run'
            )
        if n := self.truncated:
            notes.append(
                f"{n:,} answer{' was' if n == 1 else 's were'} truncated at the token limit (finish reason 'length'): increase --max-tokens"
            )
        if n := self.other_kernels:
            notes.append(f"{n:,} {'was' if n == 1 else 'were'} answered by another kernel meanwhile")
        if n := self.cached_failures:
            notes.append(
                f"{n:,} failed before and {'was' if n == 1 else 'were'} not sent again: --retry-errors (retry_errors=True) retries"
            )
        if n := self.submitted:
            rows, them = ("row is", "it") if n == 1 else ("rows are", "them")
            notes.append(
                f"{n:,} {rows} in a batch job and {'was' if n == 1 else 'were'} not sent: "
                f"--batch-api (batch_api=True) over the table they came from collects {them}, --no-cache (cache=False) sends {them} now"
            )
        for model, (label, many) in self._labels.items():
            if label is not None and many >= _SAME_LABEL_ROWS:
                whose = f" of {model}" if len(self._labels) > 1 else ""
                notes.append(f"all {many:,} different rows{whose} got {label!r}: check some by hand, or try a larger model")
        return notes

    def summary(self, rows: int, calls: int, seconds: float, notes: Iterable[str] = ()) -> Summary:
        """The counts as a Summary."""
        causes = sorted(self.causes.values(), key=lambda c: -c.count)
        return Summary(
            rows=rows,
            calls=calls,
            answered=self.answered,
            cached=self.cached,
            failed=self.failed,
            missing=calls - self.answered - self.failed,
            cost=None if self.unpriced else self.cost,
            seconds=seconds,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            causes=tuple(causes),
            notes=tuple(notes),
            estimated=self.estimated,
            uncertain=self.uncertain,
        )
