"""The budget of this kernel: how much may be spent.

Before a call is sent, its maximum cost is reserved: the price of the prompt (as the model's last
answers were billed for theirs) plus that of its longest answer, where a limit is known. When the
call ends, the reservation is released and the actual cost is added, so concurrent calls cannot
exceed the limit together. A call with an unknown price counts as over the limit unless that was
allowed. Once the limit is reached, no call that could cost something is sent.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from ..config.settings import settings
from ..core.errors import BudgetError, LockedError
from ..core.runtime import state
from ..core.types import ModelInfo, Request
from . import billed_tokens

_ANSWER = 1000  # output tokens assumed without a limit
_PICTURE = 6_500  # tokens of one large high-quality image
WARN = 0.8


@dataclass(frozen=True)
class Budget:
    """The limit in US dollars (None for no limit), what was spent, and what is reserved.

    `allow_unknown` allows models whose prices are unknown. `uncertain_cost` is what failed or stopped
    calls may have been billed without a report of usage; it counts as spent. `uncertain_calls` is
    the number of failed ones.
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
        """What is spent, may have been spent, or is reserved."""
        return self.spent + self.uncertain_cost + self.reserved

    @property
    def remaining(self) -> float | None:
        """What may still be spent."""
        return None if self.limit is None else max(0.0, self.limit - self.spent - self.uncertain_cost)


class _Spending:
    """The budget of a Runtime."""

    def __init__(self) -> None:
        self.budget = Budget()


_lock = threading.Lock()


def budget() -> Budget:
    """The current budget: the kernel's, or an administrator's if that is lower."""
    locked = settings().lock("budget")
    own = state(_Spending).budget
    if locked is None:
        return own
    return replace(own, limit=float(locked) if own.limit is None else min(own.limit, float(locked)), allow_unknown=False)


def set_limit(limit: float | None, *, allow_unknown: bool = False) -> Budget:
    """Set the kernel's limit in US dollars; None removes it. An administrator's limit cannot be raised."""
    locked = settings().lock("budget")
    if locked is not None and (limit is None or limit > float(locked)):
        raise LockedError(
            f"This machine's administrator limits spending to ${float(locked):g}",
            detail="no limit" if limit is None else f"${limit:g}",
            hint="Set a lower limit.",
        )
    spending = state(_Spending)
    with _lock:
        spending.budget = replace(spending.budget, limit=limit, allow_unknown=allow_unknown)
    return budget()


def reset() -> None:
    """Reset the spending to zero and remove the limit."""
    state(_Spending).budget = Budget()
    billed_tokens.forget()


def estimate(info: ModelInfo, request: Request, tokens: int) -> float | None:
    """Maximum cost of the call in US dollars, or None where the price is unknown. Local models cost 0."""
    return price(info, tokens, assumed_output_tokens(info, request))


def price(info: ModelInfo, tokens: int, out: float) -> float | None:
    """Price of input and output tokens in US dollars, or None where it is unknown. Local models cost 0."""
    if info.local:
        return 0.0
    if info.price_in is None or info.price_out is None:
        return None
    return (tokens * info.price_in + out * info.price_out) / 1e6


def assumed_output_tokens(info: ModelInfo, request: Request) -> int:
    """Output tokens assumed for an answer: the requested limit, or what most answers stay below."""
    if request.format == "image":
        n = request.extra.get("n", request.extra.get("num_images"))
        return _PICTURE * (n if isinstance(n, int) and n > 0 else 1)
    return request.max_tokens or min(_ANSWER, info.max_output or _ANSWER)


def reserve(info: ModelInfo, request: Request, tokens: int) -> float:
    """Reserve what this call may cost, for `release`; BudgetError if it could exceed the limit.

    The prompt's `tokens` are scaled to what the model's last answers were billed. Before the first
    answer, a call that runs alone needs no more than fmnb's own count.
    """
    prompt = billed_tokens.expected(info, request, tokens)
    cost, cost_alone = _max_cost(info, request, prompt.tokens), _max_cost(info, request, prompt.counted)
    if not cost and cost is not None:
        return 0.0
    spending = state(_Spending)
    with _lock:
        b = budget()
        if (
            cost is not None
            and cost_alone is not None
            and not prompt.learned
            and not b.reserved
            and b.limit is not None
            and b.committed + cost > b.limit
        ):
            cost = cost_alone
        if cost is not None and (b.limit is None or b.committed + cost <= b.limit):
            spending.budget = replace(spending.budget, reserved=spending.budget.reserved + cost)
            return cost
    if b.limit is None:
        return 0.0
    if cost is None and b.committed >= b.limit:  # allowing unknown prices does not lift the limit on known ones
        raise exhausted()
    if cost is None and b.allow_unknown:
        return 0.0
    if cost is None:
        raise BudgetError(
            "The price of this model is unknown, so the call counts as over budget",
            detail=info.name,
            hint="`%fm budget LIMIT --allow-unknown` allows such calls.",
        )
    raise exceeded(cost)


def _max_cost(info: ModelInfo, request: Request, tokens: int) -> float | None:
    """Maximum cost of a call; its answer is taken to be as long as the last ones, if those were longer."""
    limited = request.max_tokens is not None
    out, known = assumed_output_tokens(info, request), billed_tokens.tokens_beyond_limit(info, limited)
    if request.format != "image":
        out = out + known if limited else max(out, known)
    cost = price(info, tokens, out)
    return None if cost is None else cost * billed_tokens.cost_factor(info)


def exceeded(cost: float) -> BudgetError:
    """The error for a call that could exceed the limit."""
    b = budget()
    return BudgetError(
        f"This call could cost ${cost:.4f} and exceed the budget of ${b.limit or 0.0:g}",
        detail=spent_text(b),
        hint="Raise it with `%fm budget LIMIT`, lower --max-tokens, or use a local model.",
    )


def spent_text(b: Budget) -> str:
    """What is spent and reserved, as text.

    >>> spent_text(Budget(5.0, 0.02)), spent_text(Budget(5.0, 0.02, uncertain_cost=0.01, uncertain_calls=1))
    ('$0.0200 spent', '$0.0200 spent, 1 failed call may have been billed $0.0100 more')
    """
    held = f", ${b.reserved:.4f} reserved for calls in flight" if b.reserved else ""
    return f"${b.spent:.4f} spent" + uncertain_text(b.uncertain_calls, b.uncertain_cost) + held


def uncertain_text(calls: int, amount: float) -> str:
    """What failed and stopped calls may have cost in addition; "" where there are none.

    >>> uncertain_text(2, 0.01), uncertain_text(0, 0.01), uncertain_text(0, 0.0)
    (', 2 failed calls may have been billed $0.0100 more', ', stopped calls may have been billed $0.0100 more', '')
    """
    some = f"{calls:,} failed call{'' if calls == 1 else 's'} may have been billed"
    if not calls and amount:
        return f", stopped calls may have been billed ${amount:.4f} more"
    return "" if not calls else f", {some} ${amount:.4f} more" if amount else f", {some}"


def exhausted() -> BudgetError:
    """The error for a call that could cost something when the budget is spent."""
    b = budget()
    return BudgetError(
        f"The budget of ${b.limit or 0.0:g} is spent",
        detail=spent_text(b),
        hint="Raise it with `%fm budget LIMIT`, or use a local model.",
    )


def remaining() -> float | None:
    """What is neither spent nor reserved; None without a limit."""
    b = budget()
    return None if b.limit is None else b.limit - b.committed


def reserve_amount(cost: float) -> None:
    """Reserve an amount that is known to remain, for `release`."""
    spending = state(_Spending)
    with _lock:
        spending.budget = replace(spending.budget, reserved=spending.budget.reserved + cost)


def release(cost: float) -> None:
    """Release what `reserve` reserved."""
    spending = state(_Spending)
    with _lock:
        spending.budget = replace(spending.budget, reserved=max(0.0, spending.budget.reserved - cost))


def add_uncertain(amount: float, *, failed: bool = True) -> None:
    """Count what a failed or stopped call may have been billed beyond what was counted."""
    spending = state(_Spending)
    with _lock:
        spending.budget = replace(
            spending.budget,
            uncertain_cost=spending.budget.uncertain_cost + amount,
            uncertain_calls=spending.budget.uncertain_calls + failed,
        )


def max_cost(info: ModelInfo, request: Request, tokens: int) -> float | None:
    """The most a call may be billed, or None where the price is unknown; `tokens` as counted by fmnb."""
    prompt = billed_tokens.expected(info, request, tokens)
    return _max_cost(info, request, prompt.tokens if prompt.learned else prompt.counted)


def add(cost: float | None, *, local: bool = False) -> str:
    """Count a finished call; returns a warning the first time spending exceeds 80 %, else ""."""
    spending = state(_Spending)
    with _lock:
        before = budget()
        if cost is None:
            if not local:
                spending.budget = replace(spending.budget, unknown_calls=spending.budget.unknown_calls + 1)
            return ""
        spending.budget = replace(spending.budget, spent=spending.budget.spent + cost)
        after = budget()
    if after.limit and before.spent < WARN * after.limit <= after.spent:
        return f"{after.spent / after.limit:.0%} of the budget of ${after.limit:g} is spent"
    return ""
