"""Estimates a batch before anything is sent: calls, tokens, cost, time. Asks if it is expensive.

Prompts are rendered and counted for a sample of the different rows. The length of answers is
estimated from earlier rows of the same batch (`--head 20` first), otherwise from a default.
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
from .duration import FEW_LATENCIES, HostLoad, estimate_seconds
from .failures import is_reusable
from .io.tables import Row, Table, missing
from .options import Limits
from .rows import RowCalls
from .summary import format_duration

CONFIRM_COST = 1.0  # US dollars above which the batch needs confirmation
CONFIRM_CALLS = 1_000  # calls of unknown price above which the batch needs confirmation
_FIRST_ROWS = 50  # first rows, all sampled: `--head` runs those
_SAMPLED_ROWS = 100  # sampled at random from the other rows
_MAX_DISTINCT = 1_000_000  # different rows to remember, for finding duplicates
_DEFAULT_OUTPUT_TOKENS = (10, 500)  # tokens per answer without any evidence


@dataclass(frozen=True)
class Estimate:
    """What a batch will take; pairs are a minimum and a maximum.

    `calls` in all, about `cached` of them cached. Rows with the same request share one call, and
    `unrenderable` rows, for which the prompt cannot be rendered, make none. `cost` in US dollars is
    None if a price is unknown; `seconds` is None if there are no earlier answers and no rate limit.
    """

    rows: int
    calls: int
    cached: int
    input_tokens: int
    output_tokens: tuple[int, int]
    cost: tuple[float, float] | None
    seconds: tuple[float, float] | None
    tokens_exact: bool
    unpriced: tuple[str, ...] = ()
    batch_api: bool = False  # as batch jobs, which take up to a day
    duplicates: int = 0  # rows with the same request as another row
    unrenderable: int = 0
    calls_exact: bool = True  # `calls` is not an estimate
    render_error: PromptError | None = field(default=None, repr=False, compare=False)  # of the first row that cannot be rendered

    def __str__(self) -> str:
        return "; ".join([*self._rows(), *(self._calls() if self.calls > self.cached else ["no calls left to make"])])

    def _rows(self) -> list[str]:
        """The number of calls, and why it differs from the number of rows."""
        about = "" if self.calls_exact else "about "
        parts = [
            f"{about}{self.calls:,} call{'' if self.calls == 1 else 's'}"
            + (f", about {self.cached:,} of them cached" if self.cached else "")
        ]
        if self.duplicates:
            parts.append(f"duplicates among the {self.rows:,} rows share a call")
        if self.unrenderable:
            many = f"{about}{self.unrenderable:,} row{'' if self.unrenderable == 1 else 's'}"
            parts.append(
                f"the prompt cannot be rendered for {many}"
                + (f" ({self.render_error.detail or self.render_error.message})" if self.render_error else "")
            )
        return parts

    def _calls(self) -> list[str]:
        """What the uncached calls will take."""
        return [
            f"{'' if self.tokens_exact else 'about '}{self.input_tokens:,} token{'' if self.input_tokens == 1 else 's'} in and {_range(self.output_tokens, ',.0f')} out",
            f"price unknown ({', '.join(self.unpriced)})"
            if self.cost is None
            else "free"
            if not self.cost[1]
            else f"${_range(self.cost, ',.2f')}",
            "within a day"
            if self.batch_api
            else "time unknown until some rows have answers"
            if self.seconds is None
            else " to ".join(dict.fromkeys("under a second" if s < 1 else format_duration(s) for s in self.seconds)),
        ]

    __repr__ = __str__

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(f"Nothing was sent. The batch would be {self}")

    @property
    def needs_confirmation(self) -> bool:
        """Whether the batch is expensive enough to ask first."""
        if self.cost is None:
            return self.calls - self.cached > CONFIRM_CALLS
        return self.cost[1] > CONFIRM_COST


@dataclass(frozen=True)
class _SampledRow:
    """A sampled row: number, values, count of equal rows (including itself), and weight in different rows."""

    number: int
    values: Row
    duplicates: int
    weight: float


@dataclass(frozen=True)
class _SampledCall:
    """A call of a sampled row, and how many calls of the batch it represents."""

    key: str
    call: Call
    weight: float


def estimate(rows: RowCalls, table: Table, limits: Limits) -> Estimate:
    """Estimate a batch, without sending anything.

    Rows that cannot be rendered are counted; `render_error` is the error of the first.
    """
    sampled, different = _sample_rows(table, rows.columns)
    made, unrenderable, error = _sample_calls(rows, sampled)
    found = batches.last_answers([p.key for p in made]) if log.enabled() and made else {}
    uncached = [p for p in made if not _is_cached(p, found, limits.retry_errors)]
    output = (0.0, 0.0)
    tokens, low, high, exact = 0.0, 0.0, 0.0, len(sampled) == different
    unpriced: list[str] = []
    loads: list[HostLoad] = []
    for base in rows.bases:
        model = base.call.target.requested_model
        some = [p for p in uncached if p.call.target.requested_model == model]
        calls = sum(p.weight for p in some)
        backend = _open_backend(base)
        info = None if backend is None else backend.info
        prompt_tokens, sure = _prompt_tokens(backend, some)
        tokens, exact = tokens + prompt_tokens, exact and sure
        before = [c for c in found.values() if c["error"] is None and c["asked"] == model]
        low_tokens, high_tokens = _output_lengths([c["output_tokens"] for c in before if c["output_tokens"]], base)
        output = (output[0] + calls * low_tokens, output[1] + calls * high_tokens)
        host = backend.host if isinstance(backend, NonStreamingBackend) else base.call.target.host
        loads.append(HostLoad(host, calls, prompt_tokens + calls * low_tokens, _latencies(base, backend, before)))
        if base.call.tape_only or (base.call.target.local if info is None else info.local):
            continue
        if info is None or info.price_in is None or info.price_out is None:
            unpriced.append(model)
            continue
        low += (prompt_tokens * info.price_in + calls * low_tokens * info.price_out) / 1e6
        high += (prompt_tokens * info.price_in + calls * high_tokens * info.price_out) / 1e6
    each = len(rows.models) * rows.samples
    total = sum(p.weight for p in made)
    return Estimate(
        rows=table.count,
        calls=round(total),
        cached=round(total - sum(p.weight for p in uncached)),
        input_tokens=round(tokens),
        output_tokens=(round(output[0]), round(output[1])),
        cost=None if unpriced else (low, high),
        seconds=estimate_seconds(loads, limits.rpm, limits.tpm, limits.concurrency),
        tokens_exact=exact,
        unpriced=tuple(unpriced),
        duplicates=max(0, table.count - unrenderable - round(total / each)),
        unrenderable=unrenderable,
        calls_exact=len(sampled) == different or (not unrenderable and round(total) == different * each),
        render_error=error,
    )


def scale(e: Estimate, by: float) -> Estimate:
    """The estimate for `by` times the rows."""
    return replace(
        e,
        rows=round(e.rows * by),
        calls=round(e.calls * by),
        cached=round(e.cached * by),
        input_tokens=round(e.input_tokens * by),
        output_tokens=(round(e.output_tokens[0] * by), round(e.output_tokens[1] * by)),
        cost=None if e.cost is None else (e.cost[0] * by, e.cost[1] * by),
        seconds=None if e.seconds is None else (e.seconds[0] * by, e.seconds[1] * by),
        tokens_exact=e.tokens_exact and by == 1,
        duplicates=round(e.duplicates * by),
        unrenderable=round(e.unrenderable * by),
        calls_exact=e.calls_exact and by == 1,
    )


def check_budget(expected: Estimate, budget: float | None) -> None:
    """Refuse a budget if a price is unknown."""
    if budget is not None and expected.unpriced:
        raise BudgetError(
            "The price of this model is unknown, so a budget cannot be guaranteed",
            detail=", ".join(expected.unpriced),
            hint="Leave --budget out, or use another model.",
        )


def _sample_rows(table: Table, columns: Sequence[str]) -> tuple[list[_SampledRow], int]:
    """The first rows and a random sample of the others, and the number of different rows.

    Duplicates are sampled once.     The first rows have weight 1, so that the rows of `--head` are all sampled and not overweighted.
    """
    copies: dict[int, int] = {}
    first: list[tuple[int, Row, int]] = []
    others: list[tuple[int, Row, int]] = []
    different, chance = 0, random.Random(0)  # not a fixed step: a periodic table would bias the sample
    for number, values in enumerate(table.take(columns)):
        hash_ = _row_hash(values, number)
        if hash_ in copies:
            copies[hash_] += 1
            continue
        if len(copies) < _MAX_DISTINCT:
            copies[hash_] = 1
        if different < _FIRST_ROWS:
            first.append((number, values, hash_))
        elif len(others) < _SAMPLED_ROWS:
            others.append((number, values, hash_))
        elif (at := int(chance.random() * (different - _FIRST_ROWS + 1))) < _SAMPLED_ROWS:
            others[at] = (number, values, hash_)
        different += 1
    each = (different - len(first)) / max(1, len(others))
    return [
        *(_SampledRow(number, values, copies.get(hash_, 1), 1.0) for number, values, hash_ in first),
        *(_SampledRow(number, values, copies.get(hash_, 1), each) for number, values, hash_ in others),
    ], different


def _row_hash(values: Row, number: int) -> int:
    try:
        return hash(tuple(map(_hashable, values)))
    except (TypeError, RecursionError):  # an unhashable value, or a list that contains itself
        return hash((number, "odd"))


def _hashable(value: Any) -> Any:
    """A hashable form of a value, different if its text is.

    1, 1.0 and True are three values, None and NaN one.
    """
    if isinstance(value, (str, bytes)):
        return value
    if isinstance(value, Mapping):
        return tuple((str(k), _hashable(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(_hashable, value))
    try:
        return None if missing(value) else (repr(value),)
    except Exception:  # reported as the row's error when the row is rendered
        return (id(value),)


def _sample_calls(rows: RowCalls, sampled: Sequence[_SampledRow]) -> tuple[list[_SampledCall], int, PromptError | None]:
    """The calls of the sampled rows, how many rows cannot be rendered, and the first error."""
    rendered: list[tuple[float, list[tuple[str, Call]]]] = []
    unrenderable, error = 0.0, None
    for row in sampled:
        try:
            rendered.append((row.weight, rows.calls(row.values, row.number, dry_run=True)))
        except PromptError as e:
            unrenderable += row.weight * row.duplicates
            error = error or e
    # Different rows may send the same request: a template need not use the whole row.
    requests = Counter(made[0][0] for _, made in rendered)
    calls: dict[str, _SampledCall] = {}
    for weight, made in rendered:
        for key, call in made:
            calls.setdefault(key, _SampledCall(key, call, weight if requests[made[0][0]] == 1 else 1.0))
    return list(calls.values()), round(unrenderable), error


def _is_cached(planned: _SampledCall, found: Mapping[str, Mapping[str, Any]], retry_errors: bool) -> bool:
    """Whether the call will not be made, because its answer is in the log or on a tape."""
    call, columns = planned.call, found.get(planned.key)
    if call.tape_only:
        return True
    if call.tape is not None:
        return call.tape.get(call.request.fingerprint()) is not None
    return columns is not None and is_reusable(columns, call, retry_errors)


def _open_backend(base: PreparedCall) -> Backend | None:
    """The backend; None if it is not available."""
    if base.call.tape_only:
        return None
    try:
        return base.call.target.open()
    except FmnbError:
        return None


def _prompt_tokens(backend: Backend | None, planned: Sequence[_SampledCall]) -> tuple[float, bool]:
    """Prompt tokens of all calls represented by these, and whether every count was exact."""
    counts = [_count_tokens(backend, p.call.request) for p in planned]
    tokens = sum(n * p.weight for (n, _), p in zip(counts, planned, strict=True))
    return tokens, backend is not None and all(sure for _, sure in counts)


def _count_tokens(backend: Backend | None, request: Request) -> tuple[int, bool]:
    found = estimate_tokens(request) if backend is None else backend.count(request)
    return found.tokens, found.exact


def _latencies(base: PreparedCall, backend: Backend | None, before: Iterable[Mapping[str, Any]]) -> list[float]:
    """Seconds of similar calls: of this batch's rows, otherwise the model's latest ones."""
    took = [c["seconds"] for c in before if c["seconds"]]
    if took or not log.enabled() or isinstance(backend, BatchBackend):  # rows run in batches, so the time of a single row says little
        return took
    model = base.call.target.requested_model
    # A single call is streamed, and may include the connection's start: a few of them give a wide range.
    return log.recent_seconds(model, "row") or log.recent_seconds(model, "call")[:FEW_LATENCIES]


def _output_lengths(known: Sequence[int], base: PreparedCall) -> tuple[float, float]:
    """The mean length of answers, at low_tokens and at high_tokens."""
    request = base.call.request
    if len(known) >= 5:
        mean = sum(known) / len(known)
        wide = 2 * (sum((n - mean) ** 2 for n in known) / len(known)) ** 0.5 / len(known) ** 0.5
        return max(1.0, mean - wide), mean + wide + 1
    low, high = _DEFAULT_OUTPUT_TOKENS
    if request.schema is not None:
        fields = max(1, len(request.schema.get("properties", ())))
        low, high = 5 + 3 * fields, 20 + 40 * fields
    if request.max_tokens is not None:
        high = request.max_tokens
    return min(low, high), high


def _range(pair: tuple[float, float], form: str) -> str:
    low, high = (format(x, form) for x in pair)
    return low if low == high else f"{low} to {high}"


def confirm_estimate(expected: Estimate, budget: float | None, yes: bool) -> None:
    """Ask before an expensive batch; a budget already limits the cost."""
    check_budget(expected, budget)
    if expected.needs_confirmation and not yes and budget is None:
        option = "--yes (yes=True in Python)" + ("" if expected.unpriced else " or a --budget")
        confirm("Run this batch?", option, yes="Run", details=str(expected))
