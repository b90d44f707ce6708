"""What one batch may spend: never passed, also not by calls that are under way together.

Before a call is sent its price at most is set aside; when it ends what it cost is counted.
Belongs to the one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque

from ..errors import BudgetError
from ..types import ModelCard, Request
from .budget import estimate

_CENT = 1e-9  # what sums of prices may be off by


class Purse:
    """US dollars of one batch. `most` is the longest answer seen, where no length was asked for."""

    def __init__(self, limit: float):
        self.limit = limit
        self.spent = 0.0
        self.held = 0.0
        self.most = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def hold(self, card: ModelCard, request: Request, tokens: int) -> float:
        """Set aside what this call may cost, for `settle`; waits for calls under way, BudgetError when it would not fit after them."""
        cost = self.price(card, request, tokens)
        while self.spent + self.held + cost > self.limit + _CENT:
            if not self.held:
                raise BudgetError(
                    f"The budget of ${self.limit:g} would be passed by the next row",
                    seen=f"${self.spent:.4f} spent, the next may cost ${cost:.4f}",
                    todo="Give it a larger --budget"
                    + (", or say how long an answer may be: --max-tokens." if request.max_tokens is None else "."),
                )
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        self.held += cost
        return cost

    def price(self, card: ModelCard, request: Request, tokens: int) -> float:
        """What a call may cost at most; BudgetError where the price is unknown."""
        cost = estimate(card, request, tokens)
        if cost is None:
            raise BudgetError(
                "The price of this model is unknown, so a budget cannot be kept",
                seen=card.name,
                todo="Leave --budget out, or name another model.",
            )
        if cost and request.max_tokens is None and card.price_out is not None and self.most:
            cost = max(cost, (tokens * (card.price_in or 0.0) + self.most * card.price_out) / 1e6)
        return cost

    def settle(self, held: float, cost: float | None, output_tokens: int | None) -> None:
        """A call has ended: what was held is given back and what it cost is counted."""
        self.held = max(0.0, self.held - held)
        if self.held < 1e-12:
            self.held = 0.0
        self.spent += held if cost is None else cost  # unknown after all: as much as it may have been
        self.most = max(self.most, output_tokens or 0)
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
