"""The spending cap of this kernel.

Before a call is sent, its prompt's price (as the model's last answers were billed for theirs) plus
its longest answer, where a limit is known, is set aside; when it ends that is given back and what it really cost is added. So calls that
run side by side cannot pass the cap together. A call whose price is unknown
counts as over a cap, unless that was allowed; a cap that is spent lets no call pass that could cost something.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from ..config.settings import settings
from ..core.errors import BudgetError, LockedError
from ..core.types import ModelInfo, Request
from . import billed_tokens

_ANSWER = 1000  # tokens an answer is assumed to have when no limit was given
_PICTURE = 6_500  # tokens of one large picture in high quality
WARN = 0.8


@dataclass(frozen=True)
class Budget:
    """US dollars: the cap (None is none), what was spent, what calls under way may cost, and whether unknown prices pass.

    `uncertain_cost` is what calls that failed or were stopped may have been billed, of which their services said nothing: the cap counts
    it as spent. `uncertain_calls` are those that failed.
    """

    limit: float | None = None
    spent: float = 0.0
    reserved: float = 0.0
    allow_unknown: bool = False
    unknown_calls: int = 0
    uncertain_cost: float = 0.0
    uncertain_calls: int = 0

    @property
    def committed(self) -> float:
        """What is spent, may have been, or is set aside."""
        return self.spent + self.uncertain_cost + self.reserved

    @property
    def remaining(self) -> float | None:
        """What may still be spent."""
        return None if self.limit is None else max(0.0, self.limit - self.spent - self.uncertain_cost)


_budget = Budget()
_lock = threading.Lock()


def budget() -> Budget:
    """The cap in force: the kernel's, or an administrator's if that is lower."""
    locked = settings().lock("budget")
    mine = _budget
    if locked is None:
        return mine
    return replace(mine, limit=float(locked) if mine.limit is None else min(mine.limit, float(locked)), allow_unknown=False)


def set_limit(limit: float | None, *, allow_unknown: bool = False) -> Budget:
    """Set the kernel's cap in US dollars; None lifts it. An administrator's cap cannot be raised."""
    global _budget
    locked = settings().lock("budget")
    if locked is not None and (limit is None or limit > float(locked)):
        raise LockedError(
            f"This machine's administrator caps spending at ${float(locked):g}",
            detail="no cap" if limit is None else f"${limit:g}",
            hint="Name a lower cap.",
        )
    with _lock:
        _budget = replace(_budget, limit=limit, allow_unknown=allow_unknown)
    return budget()


def reset() -> None:
    """Start counting from zero, without a cap."""
    global _budget
    _budget = Budget()
    billed_tokens.forget()


def estimate(info: ModelInfo, request: Request, tokens: int) -> float | None:
    """US dollars the call may cost at most, or None where the price is unknown. Local models cost 0."""
    return price(info, tokens, assumed_output_tokens(info, request))


def price(info: ModelInfo, tokens: int, out: float) -> float | None:
    """US dollars for so many tokens in and out, or None where the price is unknown. Local models cost 0."""
    if info.local:
        return 0.0
    if info.price_in is None or info.price_out is None:
        return None
    return (tokens * info.price_in + out * info.price_out) / 1e6


def assumed_output_tokens(info: ModelInfo, request: Request) -> int:
    """Tokens an answer is taken to have at most: as many as were asked for, else what most answers stay below."""
    if request.format == "image":
        n = request.extra.get("n", request.extra.get("num_images"))
        return _PICTURE * (n if isinstance(n, int) and n > 0 else 1)
    return request.max_tokens or min(_ANSWER, info.max_output or _ANSWER)


def reserve(info: ModelInfo, request: Request, tokens: int) -> float:
    """Set aside what this call may cost, for `release`; BudgetError if it could pass the cap.

    The prompt's `tokens` are taken as the model's last answers were billed for theirs. Where none has told yet, a call
    that is alone needs no more than is counted here.
    """
    global _budget
    prompt = billed_tokens.expected(info, request, tokens)
    cost, alone = _max_cost(info, request, prompt.tokens), _max_cost(info, request, prompt.counted)
    if not cost and cost is not None:
        return 0.0
    with _lock:
        b = budget()
        if (
            cost is not None
            and alone is not None
            and not prompt.learned
            and not b.reserved
            and b.limit is not None
            and b.committed + cost > b.limit
        ):
            cost = alone
        if cost is not None and (b.limit is None or b.committed + cost <= b.limit):
            _budget = replace(_budget, reserved=_budget.reserved + cost)
            return cost
    if b.limit is None:
        return 0.0
    if cost is None and b.committed >= b.limit:  # allowing unknown prices does not lift the cap on what is known
        raise exhausted()
    if cost is None and b.allow_unknown:
        return 0.0
    if cost is None:
        raise BudgetError(
            "The price of this model is unknown, so the call counts as over the budget",
            detail=info.name,
            hint="`%fm budget LIMIT --allow-unknown` lets such calls pass.",
        )
    raise exceeded(cost)


def _max_cost(info: ModelInfo, request: Request, tokens: int) -> float | None:
    """US dollars of a call, with an answer as long as the last ones were, if that is longer than is assumed."""
    limited = request.max_tokens is not None
    out, known = assumed_output_tokens(info, request), billed_tokens.tokens_beyond_limit(info, limited)
    if request.format != "image":
        out = out + known if limited else max(out, known)
    found = price(info, tokens, out)
    return None if found is None else found * billed_tokens.cost_factor(info)


def exceeded(cost: float) -> BudgetError:
    """The error of a call that could pass the cap."""
    b = budget()
    return BudgetError(
        f"This call could cost ${cost:.4f} and would pass the budget of ${b.limit or 0.0:g}",
        detail=spent_text(b),
        hint="Raise it with `%fm budget LIMIT`, lower --max-tokens, or use a local model.",
    )


def spent_text(b: Budget) -> str:
    """What is gone of a cap, in words.

    >>> spent_text(Budget(5.0, 0.02)), spent_text(Budget(5.0, 0.02, uncertain_cost=0.01, uncertain_calls=1))
    ('$0.0200 spent', '$0.0200 spent, 1 failed call may have been billed $0.0100 more')
    """
    held = f", ${b.reserved:.4f} set aside for calls under way" if b.reserved else ""
    return f"${b.spent:.4f} spent" + uncertain_text(b.uncertain_calls, b.uncertain_cost) + held


def uncertain_text(calls: int, amount: float) -> str:
    """What failed and stopped calls may have cost of which nobody knows; "" where there are none.

    >>> uncertain_text(2, 0.01), uncertain_text(0, 0.01), uncertain_text(0, 0.0)
    (', 2 failed calls may have been billed $0.0100 more', ', stopped calls may have been billed $0.0100 more', '')
    """
    some = f"{calls:,} failed call{'' if calls == 1 else 's'} may have been billed"
    if not calls and amount:
        return f", stopped calls may have been billed ${amount:.4f} more"
    return "" if not calls else f", {some} ${amount:.4f} more" if amount else f", {some}"


def exhausted() -> BudgetError:
    """The error of a call that could cost something when nothing is left."""
    b = budget()
    return BudgetError(
        f"The budget of ${b.limit or 0.0:g} is spent",
        detail=spent_text(b),
        hint="Raise it with `%fm budget LIMIT`, or use a local model.",
    )


def remaining() -> float | None:
    """What neither is spent nor set aside; None without a cap."""
    b = budget()
    return None if b.limit is None else b.limit - b.committed


def reserve_amount(cost: float) -> None:
    """Set aside what is known to be left, for `release`."""
    global _budget
    with _lock:
        _budget = replace(_budget, reserved=_budget.reserved + cost)


def release(cost: float) -> None:
    """Give back what `reserve` set aside."""
    global _budget
    with _lock:
        _budget = replace(_budget, reserved=max(0.0, _budget.reserved - cost))


def add_uncertain(amount: float, *, failed: bool = True) -> None:
    """Count a call that failed or was stopped, and of which nobody knows whether it was billed that much more than was counted."""
    global _budget
    with _lock:
        _budget = replace(_budget, uncertain_cost=_budget.uncertain_cost + amount, uncertain_calls=_budget.uncertain_calls + failed)


def max_cost(info: ModelInfo, request: Request, tokens: int) -> float | None:
    """What a call may be billed at most as far as is known, or None where the price is unknown; `tokens` as they are counted here."""
    prompt = billed_tokens.expected(info, request, tokens)
    return _max_cost(info, request, prompt.tokens if prompt.learned else prompt.counted)


def add(cost: float | None, *, local: bool = False) -> str:
    """Count a finished exchange; returns a warning the first time 80 % is passed, else ""."""
    global _budget
    with _lock:
        before = budget()
        if cost is None:
            if not local:
                _budget = replace(_budget, unknown_calls=_budget.unknown_calls + 1)
            return ""
        _budget = replace(_budget, spent=_budget.spent + cost)
        after = budget()
    if after.limit and before.spent < WARN * after.limit <= after.spent:
        return f"{after.spent / after.limit:.0%} of the budget of ${after.limit:g} is spent"
    return ""
