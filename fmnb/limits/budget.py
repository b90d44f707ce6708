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
from ..core.types import ModelCard, Request
from . import billed_tokens

_ANSWER = 1000  # tokens an answer is assumed to have when no limit was given
_PICTURE = 6_500  # tokens of one large picture in high quality
WARN = 0.8


@dataclass(frozen=True)
class Budget:
    """US dollars: the cap (None is none), what was spent, what calls under way may cost, and whether unknown prices pass.

    `doubtful` is what calls that failed or were stopped may have been billed, of which their services said nothing: the cap counts
    it as spent. `doubtful_calls` are those that failed.
    """

    limit: float | None = None
    spent: float = 0.0
    held: float = 0.0
    allow_unknown: bool = False
    unknown_calls: int = 0
    doubtful: float = 0.0
    doubtful_calls: int = 0

    @property
    def gone(self) -> float:
        """What is spent, may have been, or is set aside."""
        return self.spent + self.doubtful + self.held

    @property
    def left(self) -> float | None:
        """What may still be spent."""
        return None if self.limit is None else max(0.0, self.limit - self.spent - self.doubtful)


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


def estimate(card: ModelCard, request: Request, tokens: int) -> float | None:
    """US dollars the call may cost at most, or None where the price is unknown. Local models cost 0."""
    return price(card, tokens, assumed(card, request))


def price(card: ModelCard, tokens: int, out: float) -> float | None:
    """US dollars for so many tokens in and out, or None where the price is unknown. Local models cost 0."""
    if card.local:
        return 0.0
    if card.price_in is None or card.price_out is None:
        return None
    return (tokens * card.price_in + out * card.price_out) / 1e6


def assumed(card: ModelCard, request: Request) -> int:
    """Tokens an answer is taken to have at most: as many as were asked for, else what most answers stay below."""
    if request.format == "image":
        n = request.extra.get("n", request.extra.get("num_images"))
        return _PICTURE * (n if isinstance(n, int) and n > 0 else 1)
    return request.max_tokens or min(_ANSWER, card.max_output or _ANSWER)


def hold(card: ModelCard, request: Request, tokens: int) -> float:
    """Set aside what this call may cost, for `release`; BudgetError if it could pass the cap.

    The prompt's `tokens` are taken as the model's last answers were billed for theirs. Where none has told yet, a call
    that is alone needs no more than is counted here.
    """
    global _budget
    prompt = billed_tokens.expected(card, request, tokens)
    cost, alone = _at_most(card, request, prompt.tokens), _at_most(card, request, prompt.least)
    if not cost and cost is not None:
        return 0.0
    with _lock:
        b = budget()
        if cost is not None and alone is not None and not prompt.sure and not b.held and b.limit is not None and b.gone + cost > b.limit:
            cost = alone
        if cost is not None and (b.limit is None or b.gone + cost <= b.limit):
            _budget = replace(_budget, held=_budget.held + cost)
            return cost
    if b.limit is None:
        return 0.0
    if cost is None and b.gone >= b.limit:  # allowing unknown prices does not lift the cap on what is known
        raise exhausted()
    if cost is None and b.allow_unknown:
        return 0.0
    if cost is None:
        raise BudgetError(
            "The price of this model is unknown, so the call counts as over the budget",
            detail=card.name,
            hint="`%fm budget LIMIT --allow-unknown` lets such calls pass.",
        )
    raise passed(cost)


def _at_most(card: ModelCard, request: Request, tokens: int) -> float | None:
    """US dollars of a call, with an answer as long as the last ones were, if that is longer than is assumed."""
    limited = request.max_tokens is not None
    out, known = assumed(card, request), billed_tokens.beyond(card, limited)
    if request.format != "image":
        out = out + known if limited else max(out, known)
    found = price(card, tokens, out)
    return None if found is None else found * billed_tokens.dearer(card)


def passed(cost: float) -> BudgetError:
    """The error of a call that could pass the cap."""
    b = budget()
    return BudgetError(
        f"This call could cost ${cost:.4f} and would pass the budget of ${b.limit or 0.0:g}",
        detail=spent_words(b),
        hint="Raise it with `%fm budget LIMIT`, lower --max-tokens, or use a local model.",
    )


def spent_words(b: Budget) -> str:
    """What is gone of a cap, in words.

    >>> spent_words(Budget(5.0, 0.02)), spent_words(Budget(5.0, 0.02, doubtful=0.01, doubtful_calls=1))
    ('$0.0200 spent', '$0.0200 spent, 1 failed call may have been billed $0.0100 more')
    """
    held = f", ${b.held:.4f} set aside for calls under way" if b.held else ""
    return f"${b.spent:.4f} spent" + doubt_words(b.doubtful_calls, b.doubtful) + held


def doubt_words(calls: int, amount: float) -> str:
    """What failed and stopped calls may have cost of which nobody knows; "" where there are none.

    >>> doubt_words(2, 0.01), doubt_words(0, 0.01), doubt_words(0, 0.0)
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
        detail=spent_words(b),
        hint="Raise it with `%fm budget LIMIT`, or use a local model.",
    )


def left() -> float | None:
    """What neither is spent nor set aside; None without a cap."""
    b = budget()
    return None if b.limit is None else b.limit - b.gone


def set_aside(cost: float) -> None:
    """Set aside what is known to be left, for `release`."""
    global _budget
    with _lock:
        _budget = replace(_budget, held=_budget.held + cost)


def release(cost: float) -> None:
    """Give back what `hold` set aside."""
    global _budget
    with _lock:
        _budget = replace(_budget, held=max(0.0, _budget.held - cost))


def doubt(amount: float, *, failed: bool = True) -> None:
    """Count a call that failed or was stopped, and of which nobody knows whether it was billed that much more than was counted."""
    global _budget
    with _lock:
        _budget = replace(_budget, doubtful=_budget.doubtful + amount, doubtful_calls=_budget.doubtful_calls + failed)


def at_most(card: ModelCard, request: Request, tokens: int) -> float | None:
    """What a call may be billed at most as far as is known, or None where the price is unknown; `tokens` as they are counted here."""
    prompt = billed_tokens.expected(card, request, tokens)
    return _at_most(card, request, prompt.tokens if prompt.sure else prompt.least)


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
