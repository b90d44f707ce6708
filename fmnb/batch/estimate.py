"""What a batch will take, before anything is sent: calls, tokens, money, time; asked about when it is much.

Prompts are filled and counted for a sample of the rows that differ. How long answers are is
known from rows of the same batch that were answered before (`--head 20` first), else assumed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..calls.call import Call, PreparedCall
from ..config.confirm import confirm
from ..core.backend import Backend, BatchBackend, NonStreamingBackend, estimate_tokens
from ..core.errors import BudgetError, FmnbError, PromptError
from ..core.types import Request
from ..store import batches, log
from .duration import Load, duration
from .failures import stands
from .io.tables import Row, Table, missing
from .options import Limits
from .rows import Rows
from .summary import spoken_time

MUCH = 1.0  # US dollars from which it is asked
MANY = 1_000  # calls of unknown price from which it is asked
_FIRST = 50  # rows from the first on that are looked at, for `--head` asks those
_SAMPLE = 100  # rows looked at of the others, by chance
_TOLD_APART = 1_000_000  # different rows that are remembered, to find equal ones
_ANSWER = (10, 500)  # tokens an answer may have where nothing is known


@dataclass(frozen=True)
class Estimate:
    """What a batch will take, at least and at most.

    `calls` in all, `known` of them (an estimate) answered before: rows that are equal make one
    call, and the `unfilled`, from which the prompt cannot be filled, make none. `cost` in US
    dollars is None where a price is unknown; `seconds` is None where nothing was answered yet
    and no rate is set.
    """

    rows: int
    calls: int
    known: int
    input_tokens: int
    output_tokens: tuple[int, int]
    cost: tuple[float, float] | None
    seconds: tuple[float, float] | None
    exact: bool
    unpriced: tuple[str, ...] = ()
    batch_api: bool = False  # as batch jobs, which take up to a day
    equal: int = 0  # rows that ask what another row asks
    unfilled: int = 0
    counted: bool = True  # `calls` is no estimate
    why: PromptError | None = field(default=None, repr=False, compare=False)  # the first row that cannot fill the prompt

    def __str__(self) -> str:
        return "; ".join([*self._rows(), *(self._calls() if self.calls > self.known else ["nothing is left to ask"])])

    def _rows(self) -> list[str]:
        """How many calls, and why they are not as many as the rows."""
        said = "" if self.counted else "about "
        parts = [
            f"{said}{self.calls:,} call{'' if self.calls == 1 else 's'}"
            + (f", about {self.known:,} of them answered before" if self.known else "")
        ]
        if self.equal:
            parts.append(f"equal ones of the {self.rows:,} rows are asked once")
        if self.unfilled:
            many = f"{said}{self.unfilled:,} row{'' if self.unfilled == 1 else 's'}"
            parts.append(f"the prompt cannot be filled from {many}" + (f" ({self.why.detail or self.why.message})" if self.why else ""))
        return parts

    def _calls(self) -> list[str]:
        """What those that are not answered before will take."""
        return [
            f"{'' if self.exact else 'about '}{self.input_tokens:,} tokens in and {_range(self.output_tokens, ',.0f')} out",
            f"price unknown ({', '.join(self.unpriced)})"
            if self.cost is None
            else "free"
            if not self.cost[1]
            else f"${_range(self.cost, ',.2f')}",
            "within a day"
            if self.batch_api
            else "time unknown until some rows are answered"
            if self.seconds is None
            else " to ".join(dict.fromkeys("under a second" if s < 1 else spoken_time(s) for s in self.seconds)),
        ]

    __repr__ = __str__

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(f"Nothing was sent. This would be {self}")

    @property
    def much(self) -> bool:
        """Whether one should be asked first."""
        if self.cost is None:
            return self.calls - self.known > MANY
        return self.cost[1] > MUCH


@dataclass(frozen=True)
class _Looked:
    """A row that is looked at: its number and values, how many rows are equal to it (with itself), how many different ones it stands for."""

    number: int
    values: Row
    alike: int
    stands_for: float


@dataclass(frozen=True)
class _Planned:
    """A call of a row that was looked at, and how many calls of the batch it stands for."""

    key: str
    call: Call
    stands_for: float


def estimate(rows: Rows, table: Table, limits: Limits) -> Estimate:
    """What a batch will take. Sends nothing. Rows from which the prompt cannot be filled are counted, and the first says why."""
    looked, different = _looked(table, rows.columns)
    made, unfilled, why = _made(rows, looked)
    found = batches.last_answers([p.key for p in made]) if log.enabled() and made else {}
    fresh = [p for p in made if not _before(p, found, limits.retry_errors)]
    out = (0.0, 0.0)
    tokens, low, high, exact = 0.0, 0.0, 0.0, len(looked) == different
    unpriced: list[str] = []
    loads: list[Load] = []
    for base in rows.bases:
        asked = base.call.target.requested_model
        some = [p for p in fresh if p.call.target.requested_model == asked]
        calls = sum(p.stands_for for p in some)
        backend = _opened(base)
        info = None if backend is None else backend.info
        counted, sure = _counted(backend, some)
        tokens, exact = tokens + counted, exact and sure
        before = [c for c in found.values() if c["error"] is None and c["asked"] == asked]
        least, most = _lengths([c["output_tokens"] for c in before if c["output_tokens"]], base)
        out = (out[0] + calls * least, out[1] + calls * most)
        host = backend.host if isinstance(backend, NonStreamingBackend) else base.call.target.host
        loads.append(Load(host, calls, counted + calls * least, _took(base, backend, before)))
        if base.call.tape_only or (base.call.target.local if info is None else info.local):
            continue
        if info is None or info.price_in is None or info.price_out is None:
            unpriced.append(asked)
            continue
        low += (counted * info.price_in + calls * least * info.price_out) / 1e6
        high += (counted * info.price_in + calls * most * info.price_out) / 1e6
    each = len(rows.models) * rows.samples
    total = sum(p.stands_for for p in made)
    return Estimate(
        rows=table.count,
        calls=round(total),
        known=round(total - sum(p.stands_for for p in fresh)),
        input_tokens=round(tokens),
        output_tokens=(round(out[0]), round(out[1])),
        cost=None if unpriced else (low, high),
        seconds=duration(loads, limits.rpm, limits.tpm, limits.concurrency),
        exact=exact,
        unpriced=tuple(unpriced),
        equal=max(0, table.count - unfilled - round(total / each)),
        unfilled=unfilled,
        counted=len(looked) == different or (not unfilled and round(total) == different * each),
        why=why,
    )


def scaled(e: Estimate, by: float) -> Estimate:
    """The same for so many times the rows."""
    return replace(
        e,
        rows=round(e.rows * by),
        calls=round(e.calls * by),
        known=round(e.known * by),
        input_tokens=round(e.input_tokens * by),
        output_tokens=(round(e.output_tokens[0] * by), round(e.output_tokens[1] * by)),
        cost=None if e.cost is None else (e.cost[0] * by, e.cost[1] * by),
        seconds=None if e.seconds is None else (e.seconds[0] * by, e.seconds[1] * by),
        exact=e.exact and by == 1,
        equal=round(e.equal * by),
        unfilled=round(e.unfilled * by),
        counted=e.counted and by == 1,
    )


def check_budget(found: Estimate, budget: float | None) -> None:
    """A budget cannot be kept where a price is unknown."""
    if budget is not None and found.unpriced:
        raise BudgetError(
            "The price of this model is unknown, so a budget cannot be kept",
            detail=", ".join(found.unpriced),
            hint="Leave --budget out, or name another model.",
        )


def _looked(table: Table, columns: Sequence[str]) -> tuple[list[_Looked], int]:
    """The first rows and some of the others, equal ones once; and how many different rows there are.

    The first stand for themselves, so that those of a `--head` are all seen and weigh no more than they should.
    """
    alike: dict[int, int] = {}
    first: list[tuple[int, Row, int]] = []
    others: list[tuple[int, Row, int]] = []
    different, chance = 0, random.Random(0)  # no fixed step: a table that repeats itself would be seen in one phase
    for number, values in enumerate(table.take(columns)):
        mark = _marked(values, number)
        if mark in alike:
            alike[mark] += 1
            continue
        if len(alike) < _TOLD_APART:
            alike[mark] = 1
        if different < _FIRST:
            first.append((number, values, mark))
        elif len(others) < _SAMPLE:
            others.append((number, values, mark))
        elif (at := int(chance.random() * (different - _FIRST + 1))) < _SAMPLE:
            others[at] = (number, values, mark)
        different += 1
    each = (different - len(first)) / max(1, len(others))
    return [
        *(_Looked(number, values, alike.get(mark, 1), 1.0) for number, values, mark in first),
        *(_Looked(number, values, alike.get(mark, 1), each) for number, values, mark in others),
    ], different


def _marked(values: Row, number: int) -> int:
    try:
        return hash(tuple(map(_mark, values)))
    except (TypeError, RecursionError):  # a text that cannot be hashed, a list that holds itself
        return hash((number, "odd"))


def _mark(value: Any) -> Any:
    """What tells a cell from another, as its text does: 1, 1.0 and True are three, None and NaN are one."""
    if isinstance(value, (str, bytes)):
        return value
    if isinstance(value, Mapping):
        return tuple((str(k), _mark(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(_mark, value))
    try:
        return None if missing(value) else (repr(value),)
    except Exception:  # it is its row's error, when its turn comes
        return (id(value),)


def _made(rows: Rows, looked: Sequence[_Looked]) -> tuple[list[_Planned], int, PromptError | None]:
    """The calls of these rows, how many rows the prompt cannot be filled from, and why."""
    filled: list[tuple[float, list[tuple[str, Call]]]] = []
    unfilled, why = 0.0, None
    for row in looked:
        try:
            filled.append((row.stands_for, rows.calls(row.values, row.number)))
        except PromptError as e:
            unfilled += row.stands_for * row.alike
            why = why or e
    # Rows that differ may ask the same, for a template need not say all of a row.
    often = Counter(made[0][0] for _, made in filled)
    kept: dict[str, _Planned] = {}
    for stands_for, made in filled:
        for key, call in made:
            kept.setdefault(key, _Planned(key, call, stands_for if often[made[0][0]] == 1 else 1.0))
    return list(kept.values()), round(unfilled), why


def _before(planned: _Planned, found: Mapping[str, Mapping[str, Any]], retry_errors: bool) -> bool:
    """Whether the call will not be made: it is answered from the log, or from a tape."""
    call, columns = planned.call, found.get(planned.key)
    if call.tape_only:
        return True
    if call.tape is not None:
        return call.tape.get(call.request.fingerprint()) is not None
    return columns is not None and stands(columns, call, retry_errors)


def _opened(base: PreparedCall) -> Backend | None:
    """The model itself; None where it is not at hand."""
    if base.call.tape_only:
        return None
    try:
        return base.call.target.open()
    except FmnbError:
        return None


def _counted(backend: Backend | None, planned: Sequence[_Planned]) -> tuple[float, bool]:
    """Tokens of the prompts of all calls that these stand for, and whether each was counted exactly."""
    counts = [_count(backend, p.call.request) for p in planned]
    tokens = sum(n * p.stands_for for (n, _), p in zip(counts, planned, strict=True))
    return tokens, backend is not None and all(sure for _, sure in counts)


def _count(backend: Backend | None, request: Request) -> tuple[int, bool]:
    found = estimate_tokens(request) if backend is None else backend.count(request)
    return found.tokens, found.exact


def _took(base: PreparedCall, backend: Backend | None, before: Iterable[Mapping[str, Any]]) -> list[float]:
    """Seconds of calls like these: of this batch's rows, else the model's last ones."""
    took = [c["seconds"] for c in before if c["seconds"]]
    if took or not log.enabled() or isinstance(backend, BatchBackend):  # many rows go together: what one took alone says little
        return took
    return log.recent_seconds(base.call.target.requested_model)


def _lengths(known: Sequence[int], base: PreparedCall) -> tuple[float, float]:
    """How long answers are, at least and at most, on average."""
    request = base.call.request
    if len(known) >= 5:
        mean = sum(known) / len(known)
        wide = 2 * (sum((n - mean) ** 2 for n in known) / len(known)) ** 0.5 / len(known) ** 0.5
        return max(1.0, mean - wide), mean + wide + 1
    low, high = _ANSWER
    if request.schema is not None:
        fields = max(1, len(request.schema.get("properties", ())))
        low, high = 5 + 3 * fields, 20 + 40 * fields
    if request.max_tokens is not None:
        high = request.max_tokens
    return min(low, high), high


def _range(pair: tuple[float, float], form: str) -> str:
    low, high = (format(x, form) for x in pair)
    return low if low == high else f"{low} to {high}"


def agree(found: Estimate, budget: float | None, yes: bool) -> None:
    """Ask before much is spent; a budget says already how much may be."""
    check_budget(found, budget)
    if found.much and not yes and budget is None:
        option = "--yes (yes=True in Python)" + ("" if found.unpriced else " or a --budget")
        confirm("Run this batch?", option, yes="Run", details=str(found))
