"""What one batch may spend: its own budget, and its part of the kernel's. Neither is passed, however long the answers are.

Before a call is sent its price at most is set aside; when it ends what it cost is counted. How
long an answer will be nobody knows, so without `--max-tokens` what is set aside pays for

    nothing known        the longest answer there may be
    n answers known      twice the longest of them, and at first some thousand tokens in any case
    that is not left     what is left, for one call of a model alone, if the longest seen is paid for by it

and the service is told to write no more than that (`Aside.longest`), unless it pays for any
answer there may be. An answer that is cut there is asked for again with more, as long as there
is more. Where the model's longest answer is not known, 32,000 tokens are taken for it and
limits above 4,096 are not told. A prompt is paid as the model's last answers were billed for theirs
(`billed_tokens`); while none has come, one call of the model goes alone unless there is plenty.
Belongs to the one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from ..core.errors import BudgetError
from ..core.types import ModelCard, Request
from . import billed_tokens, budget

_CENT = 1e-9  # what sums of prices may be off by
_LONGEST = 32_000  # tokens an answer may have where the model's longest is not known
_MARGIN = 2  # an answer may be longer than the longest seen so far by this: longer ones are paid twice
_AT_FIRST = 4_096  # tokens set aside in any case while one answer is known; half of it with two
_AMPLE = 64  # calls of any length that must be left for not naming a limit
_LENGTHS = ("max_tokens", "max_completion_tokens", "max_output_tokens")  # as services name it, where `extra` says it
_LEAST = 16  # tokens a service can be told to keep to


@dataclass(frozen=True)
class Aside:
    """What is set aside for one call to a model, in US dollars, and the tokens of answer this pays for; None where no answer is longer."""

    amount: float
    model: str
    longest: int | None = None


@dataclass(frozen=True)
class _Seen:
    """Answers of a model: how many, and the longest one's tokens."""

    answers: int = 0
    longest: int = 0


@dataclass(frozen=True, eq=False)
class _Waiter:
    """A call that waits for money that is set aside for others."""

    card: ModelCard
    request: Request
    tokens: int
    turn: asyncio.Future[Aside]


class Purse:
    """US dollars of one batch."""

    def __init__(self, limit: float):
        self.limit = limit
        self.spent = self.doubtful = 0.0
        self.doubts = 0  # calls that failed, of which nobody knows whether they are billed
        self._asides: list[Aside] = []  # of the calls under way
        self._seen: dict[str, _Seen] = {}
        self._waiting: deque[_Waiter] = deque()

    async def hold(self, card: ModelCard, request: Request, tokens: int) -> Aside:
        """Set aside what this call may cost, for `settle`; waits for calls under way, BudgetError when it would not fit after them."""
        if all(w.card.name != card.name for w in self._waiting) and (aside := self._aside(card, request, tokens)) is not None:
            return self._keep(aside)
        turn: asyncio.Future[Aside] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiter(card, request, tokens, turn))
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # it was let in already
                self.settle(turn.result(), 0.0, 0)
            raise

    def settle(self, held: Aside, cost: float, output_tokens: int, doubts: int = 0, doubtful: float = 0.0) -> None:
        """A call has ended: what was held is given back, what it cost is counted, and how long its answer was (0: it had none).

        `doubts` are tries of it that failed and may have been billed `doubtful` in all: that is counted as gone.
        """
        if held.amount:
            self._asides.remove(held)
            self._give_back(held.amount)
        self.spent += cost
        self.doubts, self.doubtful = self.doubts + doubts, self.doubtful + doubtful
        if output_tokens:
            seen = self._seen.get(held.model, _Seen())
            self._seen[held.model] = _Seen(seen.answers + 1, max(seen.longest, output_tokens))
        self._let_in()

    def _keep(self, aside: Aside) -> Aside:
        if aside.amount:
            self._asides.append(aside)
            self._take(aside.amount)
        return aside

    def _let_in(self) -> None:
        """Who waits, in the order of coming; the calls of one model do not wait for those of another."""
        still: deque[_Waiter] = deque()
        full: set[str] = set()  # models whose next call must wait
        over: dict[str, BudgetError] = {}  # models for whose next call there is no money: they are not asked any more
        for w in self._waiting:
            if w.turn.done():  # given up
                continue
            try:
                aside = None if w.card.name in full | over.keys() else self._aside(w.card, w.request, w.tokens)
            except BudgetError as e:
                over[w.card.name], aside = e, None
            if w.card.name in over:
                w.turn.set_exception(over[w.card.name])
                continue
            if aside is None:
                full.add(w.card.name)
                still.append(w)
            else:
                w.turn.set_result(self._keep(aside))
        self._waiting = still

    def _aside(self, card: ModelCard, request: Request, tokens: int) -> Aside | None:
        """What is to be set aside now; None while it is better to wait. BudgetError when waiting helps nothing."""
        left = self._left() + _CENT
        most, careful, least = self._lengths(card, request)
        prompt = billed_tokens.expected(card, request, tokens)
        mine = any(a.model == card.name for a in self._asides)
        into = prompt.tokens
        if not prompt.sure and self._price(card, into, most) * _AMPLE > left:
            dear = self._price(card, into, least) > left
            if mine and (dear or card.name not in self._seen):
                return None  # the answer that is under way will tell
            into = prompt.least if dear else into
        whole, part, some = (self._price(card, into, out) for out in (most, careful, least))
        if whole * _AMPLE <= left or (part == whole <= left):
            return Aside(whole, card.name)
        if part <= left:
            return Aside(part, card.name, _told(card, into, careful))
        if some <= left and not mine:  # one of each model may go: else the model that is known better would take it all
            if most == least:
                return Aside(some, card.name)
            if self._asides:
                return Aside(some, card.name, _told(card, into, least))
            dearer = billed_tokens.dearer(card)
            pays_for = (left / dearer - (card.price_in or 0.0) * into / 1e6) / (card.price_out or 0.0) * 1e6
            return Aside(left - _CENT, card.name, _told(card, into, max(least, int(pays_for))))
        if self._asides:
            return None
        raise self._passed(some, request, least)

    def _lengths(self, card: ModelCard, request: Request) -> tuple[int, int, int]:
        """Tokens of answer that are set aside if there is enough, if not, and at least."""
        seen = self._seen.get(card.name, _Seen())
        said = next((request.extra[k] for k in _LENGTHS if isinstance(request.extra.get(k), int)), request.max_tokens)
        if said is not None or request.format == "image":
            asked = max((said or budget.assumed(card, request)) + billed_tokens.beyond(card, limited=True), seen.longest)
            return asked, asked, asked
        most = max(card.max_output or _LONGEST, seen.longest)
        if "thinking" in request.extra:  # its own allowance, which a limit must not be below
            return most, most, most
        careful = max(seen.longest * _MARGIN, _AT_FIRST // seen.answers, _LEAST) if seen.answers else most
        return most, min(most, careful), min(most, max(seen.longest or budget.assumed(card, request), _LEAST))

    def _price(self, card: ModelCard, tokens: int, out: int) -> float:
        found = budget.price(card, tokens, out)
        if found is None:
            raise BudgetError(
                "The price of this model is unknown, so a budget cannot be kept",
                detail=card.name,
                hint="Leave --budget out, or name another model.",
            )
        return found * billed_tokens.dearer(card)

    def _left(self) -> float:
        return self.limit - self.spent - self.doubtful - sum(a.amount for a in self._asides)

    def _take(self, amount: float) -> None:
        """Set aside elsewhere, too."""

    def _give_back(self, amount: float) -> None:
        """Undo `_take`."""

    def _passed(self, cost: float, request: Request, out: int) -> BudgetError:
        assumed = request.format != "image" and request.max_tokens is None and not any(k in request.extra for k in _LENGTHS)
        helps = [*([] if self.spent or self.doubtful else ["a larger --budget"]), *([f"a --max-tokens below {out:,}"] if assumed else [])]
        return BudgetError(
            f"The budget of ${self.limit:g} would be passed by the next row",
            detail=f"${self.spent:.4f} spent{budget.doubt_words(self.doubts, self.doubtful)}, the next may cost ${cost:.4f}"
            + (f" (an answer of {out:,} tokens is assumed)" if assumed else ""),
            hint=f"Give it {', or '.join(helps)}." if helps else "",
        )


def _told(card: ModelCard, tokens: int, longest: int) -> int | None:
    """The limit as the service is told it; None where it could be above the model's own, which some services refuse."""
    room = min(card.max_output or _AT_FIRST, (card.context or _LONGEST) - tokens)
    return longest if longest <= room else None


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

    def _passed(self, cost: float, request: Request, out: int) -> BudgetError:
        return budget.passed(cost)


class CallPurse(Purse):
    """The kernel's cap, for one call: it is refused rather than made to wait."""

    def __init__(self) -> None:
        super().__init__(0.0)

    async def hold(self, card: ModelCard, request: Request, tokens: int) -> Aside:
        """Reserve what the call may cost; BudgetError if it could pass the cap."""
        return Aside(budget.hold(card, request, tokens), card.name)

    def settle(self, held: Aside, cost: float, output_tokens: int, doubts: int = 0, doubtful: float = 0.0) -> None:
        """Release what was reserved; the cost is counted by `budget.add`."""
        budget.release(held.amount)
