"""What a batch will take, before anything is sent: calls, tokens, money, time; asked about when it is much.

Prompts are filled and counted for a sample of the rows. How long answers are is known from
rows of the same batch that were answered before (`--head 20` first), else assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..backend import Backend, RowBatcher, Unstreamed, estimate_tokens
from ..errors import BudgetError, FmnbError, PromptError
from ..preparing import Asked
from ..store import batches, log
from ..types import Request
from .duration import Load, duration
from .rows import Rows
from .summary import spoken_time
from .tables import Table

MUCH = 1.0  # US dollars from which it is asked
MANY = 1_000  # calls of unknown price from which it is asked
_SAMPLE = 100  # rows looked at
_ANSWER = (10, 500)  # tokens an answer may have where nothing is known


@dataclass(frozen=True)
class Estimate:
    """What a batch will take, at least and at most.

    `calls` in all, `known` of them (an estimate) answered before; `cost` in US dollars is None
    where a price is unknown; `seconds` is None where nothing was answered yet and no rate is set.
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
    bulk: bool = False  # as batch jobs, which take up to a day

    def __str__(self) -> str:
        about = "" if self.exact else "about "
        parts = [
            f"{self.calls:,} call{'' if self.calls == 1 else 's'}"
            + (f", about {self.known:,} of them answered before" if self.known else ""),
            f"{about}{self.input_tokens:,} tokens in and {_range(self.output_tokens, ',.0f')} out",
            f"price unknown ({', '.join(self.unpriced)})"
            if self.cost is None
            else "free"
            if not self.cost[1]
            else f"${_range(self.cost, ',.2f')}",
            "within a day"
            if self.bulk
            else "time unknown until some rows are answered"
            if self.seconds is None
            else " to ".join(dict.fromkeys(map(spoken_time, self.seconds))),
        ]
        return "; ".join(parts)

    __repr__ = __str__

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(f"Nothing was sent. This would be {self}")

    @property
    def much(self) -> bool:
        """Whether one should be asked first."""
        if self.cost is None:
            return self.calls - self.known > MANY
        return self.cost[1] > MUCH


def estimate(rows: Rows, table: Table, *, rpm: float | None = None, tpm: float | None = None, concurrency: int | None = None) -> Estimate:
    """What a batch will take. Sends nothing; raises what keeps a prompt from being filled only when no row can be."""
    each = len(rows.models) * rows.samples
    picked = _spread(table, rows.columns)
    made: list[tuple[str, Any]] = []
    seen = 0
    for number, values in picked:
        try:
            made += rows.calls(values, number)
            seen += 1
        except PromptError:
            continue
    share = table.count / seen if seen else 0.0
    known = batches.known([key for key, _ in made]) if log.enabled() and made else {}
    out = [c["output_tokens"] for c in known.values() if c["output_tokens"] and c["error"] is None]
    lengths = _lengths(out, rows.bases[0])
    fresh = [(key, call) for key, call in made if key not in known]
    tokens, low, high, exact = 0, 0.0, 0.0, True
    unpriced: list[str] = []
    loads: list[Load] = []
    for base in rows.bases:
        some = [call for _, call in fresh if call.target.asked == base.call.target.asked]
        backend = _opened(base)
        card = None if backend is None else backend.card
        counted, sure = _counted(backend, [call.request for call in some])
        tokens += counted
        exact = exact and sure
        host = backend.host if isinstance(backend, Unstreamed) else base.call.target.where
        took = _took(base, backend, known.values())
        loads.append(Load(host, len(some) * share, (counted + len(some) * lengths[0]) * share, took))
        if base.call.target.local if card is None else card.local:
            continue
        if card is None or card.price_in is None or card.price_out is None:
            unpriced.append(base.call.target.asked)
            continue
        low += (counted * card.price_in + len(some) * lengths[0] * card.price_out) / 1e6
        high += (counted * card.price_in + len(some) * lengths[1] * card.price_out) / 1e6
    calls = round(len(fresh) * share)
    return Estimate(
        rows=table.count,
        calls=table.count * each,
        known=round((len(made) - len(fresh)) * share),
        input_tokens=round(tokens * share),
        output_tokens=(round(calls * lengths[0]), round(calls * lengths[1])),
        cost=None if unpriced else (low * share, high * share),
        seconds=duration(loads, rpm, tpm, concurrency),
        exact=exact and seen == table.count,
        unpriced=tuple(unpriced),
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
    )


def check_budget(found: Estimate, budget: float | None) -> None:
    """A budget cannot be kept where a price is unknown."""
    if budget is not None and found.unpriced:
        raise BudgetError(
            "The price of this model is unknown, so a budget cannot be kept",
            seen=", ".join(found.unpriced),
            todo="Leave --budget out, or name another model.",
        )


def _spread(table: Table, columns: Sequence[str]) -> list[tuple[int, tuple[Any, ...]]]:
    """Some rows from the first to the last, with their numbers."""
    step = max(1, table.count // _SAMPLE)
    return [(n, values) for n, values in enumerate(table.take(columns)) if n % step == 0][: _SAMPLE + 1]


def _opened(base: Asked) -> Backend | None:
    """The model itself; None where it is not at hand."""
    if base.call.tape is not None or base.call.tape_only:
        return None
    try:
        return base.call.target.open()
    except FmnbError:
        return None


def _counted(backend: Backend | None, requests: Sequence[Request]) -> tuple[int, bool]:
    """Tokens of these prompts, and whether they are exact."""
    found = [estimate_tokens(r) if backend is None else backend.count(r) for r in requests]
    return sum(f.tokens for f in found), backend is not None and all(f.exact for f in found)


def _took(base: Asked, backend: Backend | None, known: Iterable[Mapping[str, Any]]) -> list[float]:
    """Seconds of calls like these: of this batch's rows, else the model's last ones."""
    asked = base.call.target.asked
    took = [c["seconds"] for c in known if c["seconds"] and c["error"] is None and c["asked"] == asked]
    if took or not log.enabled() or isinstance(backend, RowBatcher):  # many rows go together: what one took alone says little
        return took
    return log.seconds_of(asked)


def _lengths(known: Sequence[int], base: Asked) -> tuple[float, float]:
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
