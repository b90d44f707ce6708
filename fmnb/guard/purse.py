"""What one batch may spend: its own budget, and its part of the kernel's; not passed by calls that are under way together.

Before a call is sent its price at most is set aside; when it ends what it cost is counted. How
long an answer will be nobody knows: without `--max-tokens` the first calls set aside what the
longest answer would cost, and the more answers are known the more they are gone by.

    nothing known        the longest there may be
    n answers known      the longest there may be / (n + 1), or the longest seen and half of that again
    that is not left     one call of a model alone, if an answer as long as the longest seen is paid for

So answers like those before them do not pass a budget together: only much longer ones can, or
the one that goes alone. Belongs to the one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from ..errors import BudgetError
from ..types import ModelCard, Request
from . import budget

_CENT = 1e-9  # what sums of prices may be off by
_LONGEST = 32_000  # tokens an answer may have where the model's longest is not known
_MARGIN = 1.5  # an answer may be longer than the longest seen so far by this


@dataclass(frozen=True)
class Aside:
    """What is set aside for one call to a model, in US dollars."""

    amount: float
    model: str


@dataclass(frozen=True)
class _Seen:
    """Answers of a model: how many, and the longest one's tokens."""

    answers: int = 0
    longest: int = 0


class Purse:
    """US dollars of one batch."""

    def __init__(self, limit: float):
        self.limit = limit
        self.spent = 0.0
        self._asides: list[Aside] = []  # of the calls under way
        self._seen: dict[str, _Seen] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def hold(self, card: ModelCard, request: Request, tokens: int) -> Aside:
        """Set aside what this call may cost, for `settle`; waits for calls under way, BudgetError when it would not fit after them."""
        while (amount := self._amount(card, request, tokens)) is None:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        aside = Aside(amount, card.name)
        if amount:
            self._asides.append(aside)
            self._take(amount)
        return aside

    def settle(self, held: Aside, cost: float, output_tokens: int) -> None:
        """A call has ended: what was held is given back, what it cost is counted, and how long its answer was (0: it had none)."""
        if held.amount:
            self._asides.remove(held)
            self._give_back(held.amount)
        self.spent += cost
        if output_tokens:
            seen = self._seen.get(held.model, _Seen())
            self._seen[held.model] = _Seen(seen.answers + 1, max(seen.longest, output_tokens))
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)

    def _amount(self, card: ModelCard, request: Request, tokens: int) -> float | None:
        """What is to be set aside now; None while it is better to wait. BudgetError when waiting helps nothing."""
        careful, least = self._prices(card, request, tokens)
        left = self._left() + _CENT
        if careful <= left:
            return careful
        mine = any(a.model == card.name for a in self._asides)
        if least <= left and not mine:  # one of each model may go: else the model that is known better would take it all
            return least if self._asides else max(least, left - _CENT)
        if self._asides:
            return None
        raise self._passed(least, request)

    def _prices(self, card: ModelCard, request: Request, tokens: int) -> tuple[float, float]:
        """What a call may cost, and what it should cost at least to be tried; BudgetError where the price is unknown."""
        seen, asked = self._seen.get(card.name, _Seen()), budget.assumed(card, request)
        if request.max_tokens is not None or request.format == "image":
            careful = least = float(max(asked, seen.longest))
        else:
            most = card.max_output or _LONGEST
            careful = max(seen.longest * _MARGIN, most / (seen.answers + 1))
            if card.max_output:
                careful = min(careful, max(card.max_output, seen.longest))
            least = seen.longest or asked
        prices = budget.price(card, tokens, careful), budget.price(card, tokens, least)
        if prices[0] is None or prices[1] is None:
            raise BudgetError(
                "The price of this model is unknown, so a budget cannot be kept",
                seen=card.name,
                todo="Leave --budget out, or name another model.",
            )
        return prices[0], prices[1]

    def _left(self) -> float:
        return self.limit - self.spent - sum(a.amount for a in self._asides)

    def _take(self, amount: float) -> None:
        """Set aside elsewhere, too."""

    def _give_back(self, amount: float) -> None:
        """Undo `_take`."""

    def _passed(self, cost: float, request: Request) -> BudgetError:
        longer = "say how long an answer may be: --max-tokens." if request.max_tokens is None else ""
        todo = f"Give it a larger --budget{f', or {longer}' if longer else '.'}"
        return BudgetError(
            f"The budget of ${self.limit:g} would be passed by the next row",
            seen=f"${self.spent:.4f} spent, the next may cost ${cost:.4f}",
            todo=todo if not self.spent else f"{longer[:1].upper()}{longer[1:]}",
        )


class KernelPurse(Purse):
    """The kernel's cap, for the calls of one batch: they wait for each other where a single call is refused."""

    def __init__(self) -> None:
        super().__init__(0.0)

    async def hold(self, card: ModelCard, request: Request, tokens: int) -> Aside:
        """As with a purse of its own. Without a cap, or with a price that is unknown and may be, nothing is set aside."""
        if budget.left() is None or budget.price(card, 0, 0) is None:
            return Aside(budget.hold(card, request, tokens) if budget.left() is not None else 0.0, card.name)
        return await super().hold(card, request, tokens)

    def _left(self) -> float:
        found = budget.left()
        return float("inf") if found is None else found

    def _take(self, amount: float) -> None:
        budget.set_aside(amount)

    def _give_back(self, amount: float) -> None:
        budget.release(amount)

    def _passed(self, cost: float, request: Request) -> BudgetError:
        return budget.passed(cost)
