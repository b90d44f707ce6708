"""What one batch may spend: its own budget, and its part of the kernel's. Neither is passed, however long the answers are.

Before a call is sent its price at most is set aside; when it ends what it cost is counted. How
long an answer will be nobody knows, so without `--max-tokens` what is set aside pays for

    nothing known        the longest answer there may be
    n answers known      twice the longest of them, and at first some thousand tokens in any case
    that is not left     what is left, for one call of a model alone, if the longest seen is paid for by it

and the service is told to write no more than that (`Reservation.max_tokens`), unless it pays for any
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
from ..core.types import ModelInfo, Request
from . import billed_tokens, budget

_ROUNDING = 1e-9  # what sums of prices may be off by
_DEFAULT_MAX_OUTPUT = 32_000  # tokens an answer may have where the model's longest is not known
_LENGTH_MARGIN = 2  # an answer may be longer than the longest seen so far by this: longer ones are paid twice
_FIRST_RESERVATION = 4_096  # tokens set aside in any case while one answer is known; half of it with two
_AMPLE_CALLS = 64  # calls of any length that must be left for not naming a limit
_MAX_TOKENS_PARAMS = ("max_tokens", "max_completion_tokens", "max_output_tokens")  # as services name it, where `extra` says it
_MIN_TOKENS = 16  # tokens a service can be told to keep to


@dataclass(frozen=True)
class Reservation:
    """What is set aside for one call to a model, in US dollars, and the tokens of answer this pays for; None where no answer is longer."""

    amount: float
    model: str
    max_tokens: int | None = None


@dataclass(frozen=True)
class _AnswerLengths:
    """Answers of a model: how many, and the longest one's tokens."""

    count: int = 0
    longest: int = 0


@dataclass(frozen=True, eq=False)
class _Waiter:
    """A call that waits for money that is set aside for others."""

    info: ModelInfo
    request: Request
    tokens: int
    turn: asyncio.Future[Reservation]


class BatchBudget:
    """US dollars of one batch."""

    def __init__(self, limit: float):
        self.limit = limit
        self.spent = self.uncertain_cost = 0.0
        self.uncertain_calls = 0  # calls that failed, of which nobody knows whether they are billed
        self._reservations: list[Reservation] = []  # of the calls under way
        self._seen: dict[str, _AnswerLengths] = {}
        self._waiting: deque[_Waiter] = deque()

    async def reserve(self, info: ModelInfo, request: Request, tokens: int) -> Reservation:
        """Set aside what this call may cost, for `settle`; waits for calls under way, BudgetError when it would not fit after them."""
        if all(w.info.name != info.name for w in self._waiting) and (aside := self._reservation_for(info, request, tokens)) is not None:
            return self._add(aside)
        turn: asyncio.Future[Reservation] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiter(info, request, tokens, turn))
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # it was let in already
                self.settle(turn.result(), 0.0, 0)
            raise

    def settle(
        self, reservation: Reservation, cost: float, output_tokens: int, uncertain_calls: int = 0, uncertain_cost: float = 0.0
    ) -> None:
        """A call has ended: what was held is given back, what it cost is counted, and how long its answer was (0: it had none).

        `uncertain_calls` are tries of it that failed and may have been billed `uncertain_cost` in all: that is counted as gone.
        """
        if reservation.amount:
            self._reservations.remove(reservation)
            self._release_outside(reservation.amount)
        self.spent += cost
        self.uncertain_calls, self.uncertain_cost = self.uncertain_calls + uncertain_calls, self.uncertain_cost + uncertain_cost
        if output_tokens:
            seen = self._seen.get(reservation.model, _AnswerLengths())
            self._seen[reservation.model] = _AnswerLengths(seen.count + 1, max(seen.longest, output_tokens))
        self._admit_waiting()

    def _add(self, aside: Reservation) -> Reservation:
        if aside.amount:
            self._reservations.append(aside)
            self._reserve_outside(aside.amount)
        return aside

    def _admit_waiting(self) -> None:
        """Who waits, in the order of coming; the calls of one model do not wait for those of another."""
        still: deque[_Waiter] = deque()
        full: set[str] = set()  # models whose next call must wait
        over: dict[str, BudgetError] = {}  # models for whose next call there is no money: they are not asked any more
        for w in self._waiting:
            if w.turn.done():  # given up
                continue
            try:
                aside = None if w.info.name in full | over.keys() else self._reservation_for(w.info, w.request, w.tokens)
            except BudgetError as e:
                over[w.info.name], aside = e, None
            if w.info.name in over:
                w.turn.set_exception(over[w.info.name])
                continue
            if aside is None:
                full.add(w.info.name)
                still.append(w)
            else:
                w.turn.set_result(self._add(aside))
        self._waiting = still

    def _reservation_for(self, info: ModelInfo, request: Request, tokens: int) -> Reservation | None:
        """What is to be set aside now; None while it is better to wait. BudgetError when waiting helps nothing."""
        left = self._remaining() + _ROUNDING
        most, careful, least = self._lengths(info, request)
        prompt = billed_tokens.expected(info, request, tokens)
        mine = any(a.model == info.name for a in self._reservations)
        into = prompt.tokens
        if not prompt.learned and self._price(info, into, most) * _AMPLE_CALLS > left:
            dear = self._price(info, into, least) > left
            if mine and (dear or info.name not in self._seen):
                return None  # the answer that is under way will tell
            into = prompt.counted if dear else into
        whole, part, some = (self._price(info, into, out) for out in (most, careful, least))
        if whole * _AMPLE_CALLS <= left or (part == whole <= left):
            return Reservation(whole, info.name)
        if part <= left:
            return Reservation(part, info.name, _max_tokens_to_send(info, into, careful))
        if some <= left and not mine:  # one of each model may go: else the model that is known better would take it all
            if most == least:
                return Reservation(some, info.name)
            if self._reservations:
                return Reservation(some, info.name, _max_tokens_to_send(info, into, least))
            dearer = billed_tokens.cost_factor(info)
            pays_for = (left / dearer - (info.price_in or 0.0) * into / 1e6) / (info.price_out or 0.0) * 1e6
            return Reservation(left - _ROUNDING, info.name, _max_tokens_to_send(info, into, max(least, int(pays_for))))
        if self._reservations:
            return None
        raise self._exceeded(some, request, least)

    def _lengths(self, info: ModelInfo, request: Request) -> tuple[int, int, int]:
        """Tokens of answer that are set aside if there is enough, if not, and at least."""
        seen = self._seen.get(info.name, _AnswerLengths())
        said = next((request.extra[k] for k in _MAX_TOKENS_PARAMS if isinstance(request.extra.get(k), int)), request.max_tokens)
        if said is not None or request.format == "image":
            asked = max(
                (said or budget.assumed_output_tokens(info, request)) + billed_tokens.tokens_beyond_limit(info, limited=True), seen.longest
            )
            return asked, asked, asked
        most = max(info.max_output or _DEFAULT_MAX_OUTPUT, seen.longest)
        if "thinking" in request.extra:  # its own allowance, which a limit must not be below
            return most, most, most
        careful = max(seen.longest * _LENGTH_MARGIN, _FIRST_RESERVATION // seen.count, _MIN_TOKENS) if seen.count else most
        return most, min(most, careful), min(most, max(seen.longest or budget.assumed_output_tokens(info, request), _MIN_TOKENS))

    def _price(self, info: ModelInfo, tokens: int, out: int) -> float:
        found = budget.price(info, tokens, out)
        if found is None:
            raise BudgetError(
                "The price of this model is unknown, so a budget cannot be kept",
                detail=info.name,
                hint="Leave --budget out, or name another model.",
            )
        return found * billed_tokens.cost_factor(info)

    def _remaining(self) -> float:
        return self.limit - self.spent - self.uncertain_cost - sum(a.amount for a in self._reservations)

    def _reserve_outside(self, amount: float) -> None:
        """Set aside elsewhere, too."""

    def _release_outside(self, amount: float) -> None:
        """Undo `_reserve_outside`."""

    def _exceeded(self, cost: float, request: Request, out: int) -> BudgetError:
        assumed = request.format != "image" and request.max_tokens is None and not any(k in request.extra for k in _MAX_TOKENS_PARAMS)
        helps = [
            *([] if self.spent or self.uncertain_cost else ["a larger --budget"]),
            *([f"a --max-tokens below {out:,}"] if assumed else []),
        ]
        return BudgetError(
            f"The budget of ${self.limit:g} would be passed by the next row",
            detail=f"${self.spent:.4f} spent{budget.uncertain_text(self.uncertain_calls, self.uncertain_cost)}, the next may cost ${cost:.4f}"
            + (f" (an answer of {out:,} tokens is assumed)" if assumed else ""),
            hint=f"Give it {', or '.join(helps)}." if helps else "",
        )


def _max_tokens_to_send(info: ModelInfo, tokens: int, longest: int) -> int | None:
    """The limit as the service is told it; None where it could be above the model's own, which some services refuse."""
    room = min(info.max_output or _FIRST_RESERVATION, (info.context or _DEFAULT_MAX_OUTPUT) - tokens)
    return longest if longest <= room else None


class SessionBudget(BatchBudget):
    """The kernel's cap, for the calls of one batch: they wait for each other where a single call is refused."""

    def __init__(self) -> None:
        super().__init__(0.0)

    async def reserve(self, info: ModelInfo, request: Request, tokens: int) -> Reservation:
        """As with a purse of its own. Without a cap, or with a price that is unknown and may be, nothing is set aside."""
        if budget.remaining() is None or budget.price(info, 0, 0) is None:
            return Reservation(budget.reserve(info, request, tokens) if budget.remaining() is not None else 0.0, info.name)
        return await super().reserve(info, request, tokens)

    def _remaining(self) -> float:
        found = budget.remaining()
        return float("inf") if found is None else found

    def _reserve_outside(self, amount: float) -> None:
        budget.reserve_amount(amount)

    def _release_outside(self, amount: float) -> None:
        budget.release(amount)

    def _exceeded(self, cost: float, request: Request, out: int) -> BudgetError:
        return budget.exceeded(cost)


class CallBudget(BatchBudget):
    """The kernel's cap, for one call: it is refused rather than made to wait."""

    def __init__(self) -> None:
        super().__init__(0.0)

    async def reserve(self, info: ModelInfo, request: Request, tokens: int) -> Reservation:
        """Reserve what the call may cost; BudgetError if it could pass the cap."""
        return Reservation(budget.reserve(info, request, tokens), info.name)

    def settle(
        self, reservation: Reservation, cost: float, output_tokens: int, uncertain_calls: int = 0, uncertain_cost: float = 0.0
    ) -> None:
        """Release what was reserved; the cost is counted by `budget.add`."""
        budget.release(reservation.amount)
