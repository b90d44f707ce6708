"""What came of a batch in a few lines: how many rows, from where, what failed and why, money, time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.repetition import HINT, REASON
from ..views.footer import uncertain_calls_text
from .answers import Answer

_SEEN = 120  # characters of what was seen in the first row that failed


@dataclass(frozen=True)
class Cause:
    """Why some rows failed: the error's kind, its words, how many, the first of them, and what was seen there."""

    kind: str
    what: str
    count: int
    row: int
    seen: str = ""

    def __str__(self) -> str:
        return f"{self.count:,} × {self.what} (first in row {self.row}{': ' if self.seen else ''}{self.seen})"


@dataclass(frozen=True)
class Summary:
    """`rows` of the table, `asked` calls in all, `answered` of them, `reused` from an earlier run of this batch.

    `cost` is US dollars of what was paid now, None where a price is unknown, `estimated` where
    part of it is, since an answer was cut; of `doubtful` failed ones nobody knows whether they were
    billed, and `cost` has nothing for them. `seconds` is the whole time.
    """

    rows: int
    asked: int
    answered: int
    reused: int
    failed: int
    missing: int
    cost: float | None
    seconds: float
    input_tokens: int
    output_tokens: int
    causes: tuple[Cause, ...] = ()
    notes: tuple[str, ...] = field(default=())
    estimated: bool = False
    doubtful: int = 0

    def __str__(self) -> str:
        head = f"{self.answered:,} of {self.asked:,} answered" + (f", {self.reused:,} of them before" if self.reused else "")
        about = "about " if self.estimated else ""
        tail = [
            f"{spoken_time(self.seconds)}",
            "price unknown" if self.cost is None else f"{about}${self.cost:.4f}" if self.cost else "$0.00",
        ]
        tail += [uncertain_calls_text(self.doubtful)] if self.doubtful else []
        lines = [
            ", ".join(
                [head, *([f"{self.failed:,} failed"] if self.failed else []), *([f"{self.missing:,} not asked"] if self.missing else [])]
            )
        ]
        lines[0] += "; " + ", ".join(tail)
        return "\n".join([*lines, *map(str, self.causes), *self.notes])

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, as the batch's last event keeps it."""
        names = ("rows", "asked", "answered", "reused", "failed", "missing", "cost", "seconds", "estimated", "doubtful")
        out = {n: getattr(self, n) for n in names}
        return out | {"causes": [[c.kind, c.what, c.count, c.row, c.seen] for c in self.causes]}


def spoken_time(s: float) -> str:
    """A time as people say it.

    >>> spoken_time(0.31), spoken_time(75), spoken_time(7300)
    ('0.3 s', '1 min 15 s', '2 h 1 min')
    """
    if s < 60:
        return f"{s:.1f} s"
    if s < 3600:
        return f"{int(s // 60)} min {int(s % 60)} s"
    return f"{int(s // 3600)} h {int(s % 3600 // 60)} min"


_ALIKE = 20  # different rows with one and the same label are worth a word
_LABEL = 60  # characters


class Tally:
    """Counts answers as they come."""

    def __init__(self) -> None:
        self.answered = self.reused = self.failed = 0
        self.known_failed = 0  # of the failed: not asked again now
        self.elsewhere = 0  # of the reused: another kernel asked meanwhile
        self.handed_in = 0  # not asked, for a batch job has them
        self.replayed = 0  # from a tape
        self.looped = 0  # cut where they repeated themselves
        self.closed = 0  # whole, with a text or a list that the token limit ended
        self.cost = 0.0
        self.unpriced = 0
        self.doubtful = 0  # failed, and of these nobody knows whether they were billed
        self.estimated = False  # part of the cost, for an answer that was cut
        self.input_tokens = self.output_tokens = 0
        self.causes: dict[tuple[str, str], Cause] = {}
        self._labels: dict[str, tuple[str | None, int]] = {}  # of each model the label of all its rows so far, and how many

    def add(self, a: Answer, *, reused: bool, first: bool = True) -> None:
        """Count one; `first` unless another row of this run asked the same."""
        if a.error is not None:
            self.failed += 1
            self.known_failed += reused
            self._count(a.row, a.error)
        else:
            self.answered += 1
            self.reused += reused
            self.replayed += a.source == "replayed"
            self.looped += a.finish == REASON
            self.closed += a.finish == "length" and a.data is not None
            if first:
                self._label(a)
        if reused or not first:
            return
        if a.cost is None and (a.error is None or a.input_tokens is not None):
            self.unpriced += 1
        elif a.cost is None and a.error is not None and a.error.get("billed") is None:
            self.doubtful += 1
        self.cost += a.cost or 0.0
        self.estimated = self.estimated or a.estimated
        self.input_tokens += a.input_tokens or 0
        self.output_tokens += a.output_tokens or 0

    def _label(self, a: Answer) -> None:
        """Whether the answers that are one label are all the same one; None from the first that is another."""
        label = next(iter(a.data.values())) if isinstance(a.data, dict) and len(a.data) == 1 else None
        label = label if isinstance(label, str) and len(label) <= _LABEL else None
        before, many = self._labels.get(a.model, (label, 0))
        self._labels[a.model] = (label if label == before else None, many + 1)

    def _count(self, row: int, error: Mapping[str, Any]) -> None:
        kind, what = str(error.get("kind", "")), str(error.get("message", ""))
        old = self.causes.get((kind, what))
        if old is not None and old.row <= row:
            self.causes[kind, what] = replace(old, count=old.count + 1)
            return
        seen = " ".join(str(error.get("detail") or "").split())
        seen = seen if len(seen) <= _SEEN else seen[: _SEEN - 1] + "…"
        self.causes[kind, what] = Cause(kind, what, (old.count if old else 0) + 1, row, seen)

    def add_cause(self, cause: Cause) -> None:
        """Count in failures that an earlier run counted, and that were not asked again."""
        self.failed += cause.count
        self.known_failed += 0 if cause.kind == "PromptError" else cause.count  # that is no call: it was tried again now
        old = self.causes.get((cause.kind, cause.what))
        first = cause if old is None or cause.row < old.row else old
        self.causes[cause.kind, cause.what] = replace(first, count=cause.count + (old.count if old else 0))

    def notes(self) -> list[str]:
        """What is to be said beside the counts."""
        found = [f"{self.replayed:,} replayed from the tape"] if self.replayed else []
        if n := self.looped:
            found.append(
                f"{n:,} answer{'' if n == 1 else 's'} repeated {'itself' if n == 1 else 'themselves'} and {'was' if n == 1 else 'were'} cut: {HINT};"
                ' what was left out of a hosted answer is in the log, as extra["uncut"] of its run'
            )
        if n := self.closed:
            found.append(
                f"{n:,} answer{' was' if n == 1 else 's were'} closed at the token limit (finish is 'length'): --max-tokens gives more room"
            )
        if n := self.elsewhere:
            found.append(f"{n:,} {'was' if n == 1 else 'were'} answered by another kernel meanwhile")
        if n := self.known_failed:
            found.append(
                f"{n:,} failed before and {'was' if n == 1 else 'were'} not asked again: --retry-errors (retry_errors=True) asks again"
            )
        if n := self.handed_in:
            lie, them = ("row lies", "it") if n == 1 else ("rows lie", "them")
            found.append(
                f"{n:,} {lie} in a batch job and {'was' if n == 1 else 'were'} not asked: "
                f"--batch-api (batch_api=True) over the table they came from collects {them}, --no-cache (cache=False) asks {them} now"
            )
        for model, (label, many) in self._labels.items():
            if label is not None and many >= _ALIKE:
                whose = f" of {model}" if len(self._labels) > 1 else ""
                found.append(f"all {many:,} different rows{whose} got {label!r}: look at some by hand, or ask a larger model")
        return found

    def summary(self, rows: int, asked: int, seconds: float, notes: Iterable[str] = ()) -> Summary:
        """What has been counted, as a Summary."""
        causes = sorted(self.causes.values(), key=lambda c: -c.count)
        return Summary(
            rows=rows,
            asked=asked,
            answered=self.answered,
            reused=self.reused,
            failed=self.failed,
            missing=asked - self.answered - self.failed,
            cost=None if self.unpriced else self.cost,
            seconds=seconds,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            causes=tuple(causes),
            notes=tuple(notes),
            estimated=self.estimated,
            doubtful=self.doubtful,
        )
