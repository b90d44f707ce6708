"""The budget of one batch, and its share of the kernel's budget.

Neither is exceeded, however long answers are. Before a call is sent, its maximum cost is reserved;
when it ends, its actual cost is counted. The length of an answer is not known in advance, so
without `--max-tokens` the reservation covers

    no answer seen yet     the longest answer the model can write
    n answers seen         twice the longest of them, and at first some thousand tokens in any case
    less money than that   everything that remains, for a single call of the model, provided it
                           covers the longest answer seen

and the service is sent that limit (`Reservation.max_tokens`), unless any answer would be covered.
An answer that is truncated there is retried with a higher limit while money remains. Where the
model's longest answer is unknown, 32,000 tokens are assumed and limits above 4,096 are not sent.
The cost of a prompt is based on what the model's last answers were billed for theirs
(`billed_tokens`); until the first answer, one call of the model runs alone unless there is ample
money. Runs on the background event loop only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from ..core.errors import BudgetError
from ..core.types import ModelInfo, Request
from . import billed_tokens, budget

_ROUNDING = 1e-9  # rounding error of sums of prices
_DEFAULT_MAX_OUTPUT = 32_000  # tokens, where the model's longest answer is unknown
_LENGTH_MARGIN = 2  # factor over the longest answer seen; an answer beyond it is retried, so it is paid twice
_FIRST_RESERVATION = 4_096  # tokens reserved at least after one answer; half of it after two
_AMPLE_CALLS = 64  # number of calls of any length the budget must cover for no limit to be sent
_MAX_TOKENS_PARAMS = ("max_tokens", "max_completion_tokens", "max_output_tokens")  # names of max_tokens in `extra`
_MIN_TOKENS = 16  # smallest limit that services accept


@dataclass(frozen=True)
class Reservation:
    """US dollars reserved for one call, and the output tokens that they cover.

    The tokens are None if any answer is covered.
    """

    amount: float
    model: str
    max_tokens: int | None = None


@dataclass(frozen=True)
class _AnswerLengths:
    """Number of a model's answers, and tokens of the longest."""

    count: int = 0
    longest: int = 0


@dataclass(frozen=True, eq=False)
class _Waiter:
    """A call that waits for money reserved for other calls."""

    info: ModelInfo
    request: Request
    tokens: int
    turn: asyncio.Future[Reservation]


class BatchBudget:
    """The budget of one batch, in US dollars."""

    def __init__(self, limit: float):
        self.limit = limit
        self.spent = self.uncertain_cost = 0.0
        self.uncertain_calls = 0  # failed calls that may have been billed
        self._reservations: list[Reservation] = []  # of the calls in flight
        self._seen: dict[str, _AnswerLengths] = {}
        self._waiting: deque[_Waiter] = deque()

    async def reserve(self, info: ModelInfo, request: Request, tokens: int) -> Reservation:
        """Reserve what this call may cost, for `settle`. Waits for calls in flight.

        Raises BudgetError when the call would exceed the budget even after them.
        """
        if (
            all(w.info.name != info.name for w in self._waiting)
            and (reservation := self._reservation_for(info, request, tokens)) is not None
        ):
            return self._add(reservation)
        turn: asyncio.Future[Reservation] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiter(info, request, tokens, turn))
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # it was admitted already
                self.settle(turn.result(), 0.0, 0)
            raise

    def settle(
        self, reservation: Reservation, cost: float, output_tokens: int, uncertain_calls: int = 0, uncertain_cost: float = 0.0
    ) -> None:
        """Release a reservation, and count the cost of the call and the length of its answer (0: no answer).

        `uncertain_calls` is the number of failed attempts that may have been billed, up to
        `uncertain_cost` in all. That amount is counted as spent.
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

    def _add(self, reservation: Reservation) -> Reservation:
        if reservation.amount:
            self._reservations.append(reservation)
            self._reserve_outside(reservation.amount)
        return reservation

    def _admit_waiting(self) -> None:
        """Admit waiting calls in order of arrival. Calls of one model do not wait for those of another."""
        waiting: deque[_Waiter] = deque()
        full_models: set[str] = set()  # models whose next call must wait
        unaffordable: dict[str, BudgetError] = {}  # models whose next call cannot be paid; they get no more calls
        for w in self._waiting:
            if w.turn.done():  # cancelled
                continue
            try:
                reservation = (
                    None if w.info.name in full_models | unaffordable.keys() else self._reservation_for(w.info, w.request, w.tokens)
                )
            except BudgetError as e:
                unaffordable[w.info.name], reservation = e, None
            if w.info.name in unaffordable:
                w.turn.set_exception(unaffordable[w.info.name])
                continue
            if reservation is None:
                full_models.add(w.info.name)
                waiting.append(w)
            else:
                w.turn.set_result(self._add(reservation))
        self._waiting = waiting

    def _reservation_for(self, info: ModelInfo, request: Request, tokens: int) -> Reservation | None:
        """The reservation for a call; None while it has to wait. BudgetError when waiting cannot help."""
        left = self._remaining() + _ROUNDING
        most, careful, least = self._lengths(info, request)
        prompt = billed_tokens.expected(info, request, tokens)
        in_flight = any(a.model == info.name for a in self._reservations)
        input_tokens = prompt.tokens
        if not prompt.learned and self._price(info, input_tokens, most) * _AMPLE_CALLS > left:
            too_expensive = self._price(info, input_tokens, least) > left
            if in_flight and (too_expensive or info.name not in self._seen):
                return None  # the answer in flight will show what prompts cost
            input_tokens = prompt.counted if too_expensive else input_tokens
        longest_cost, careful_cost, least_cost = (self._price(info, input_tokens, out) for out in (most, careful, least))
        if longest_cost * _AMPLE_CALLS <= left or (careful_cost == longest_cost <= left):
            return Reservation(longest_cost, info.name)
        if careful_cost <= left:
            return Reservation(careful_cost, info.name, _max_tokens_to_send(info, input_tokens, careful))
        if least_cost <= left and not in_flight:  # one call of each model may run, or the model with more answers would use up the budget
            if most == least:
                return Reservation(least_cost, info.name)
            if self._reservations:
                return Reservation(least_cost, info.name, _max_tokens_to_send(info, input_tokens, least))
            dearer = billed_tokens.cost_factor(info)
            affordable_tokens = (left / dearer - (info.price_in or 0.0) * input_tokens / 1e6) / (info.price_out or 0.0) * 1e6
            return Reservation(left - _ROUNDING, info.name, _max_tokens_to_send(info, input_tokens, max(least, int(affordable_tokens))))
        if self._reservations:
            return None
        raise self._exceeded(least_cost, request, least)

    def _lengths(self, info: ModelInfo, request: Request) -> tuple[int, int, int]:
        """Output tokens to reserve: with ample money, with little, and at least."""
        seen = self._seen.get(info.name, _AnswerLengths())
        requested = next((request.extra[k] for k in _MAX_TOKENS_PARAMS if isinstance(request.extra.get(k), int)), request.max_tokens)
        if requested is not None or request.format == "image":
            tokens_asked = max(
                (requested or budget.assumed_output_tokens(info, request)) + billed_tokens.tokens_beyond_limit(info, limited=True),
                seen.longest,
            )
            return tokens_asked, tokens_asked, tokens_asked
        most = max(info.max_output or _DEFAULT_MAX_OUTPUT, seen.longest)
        if "thinking" in request.extra:  # it has its own token budget, which max_tokens must not be below
            return most, most, most
        careful = max(seen.longest * _LENGTH_MARGIN, _FIRST_RESERVATION // seen.count, _MIN_TOKENS) if seen.count else most
        return most, min(most, careful), min(most, max(seen.longest or budget.assumed_output_tokens(info, request), _MIN_TOKENS))

    def _price(self, info: ModelInfo, tokens: int, out: int) -> float:
        price = budget.price(info, tokens, out)
        if price is None:
            raise BudgetError(
                "The price of this model is unknown, so a budget cannot be kept",
                detail=info.name,
                hint="Omit --budget, or name another model.",
            )
        return price * billed_tokens.cost_factor(info)

    def _remaining(self) -> float:
        return self.limit - self.spent - self.uncertain_cost - sum(a.amount for a in self._reservations)

    def _reserve_outside(self, amount: float) -> None:
        """Also reserve the amount in the budget this one belongs to."""

    def _release_outside(self, amount: float) -> None:
        """Undo `_reserve_outside`."""

    def _exceeded(self, cost: float, request: Request, out: int) -> BudgetError:
        assumed = request.format != "image" and request.max_tokens is None and not any(k in request.extra for k in _MAX_TOKENS_PARAMS)
        remedies = [
            *([] if self.spent or self.uncertain_cost else ["a larger --budget"]),
            *([f"a --max-tokens below {out:,}"] if assumed else []),
        ]
        return BudgetError(
            f"The next row would exceed the budget of ${self.limit:g}",
            detail=f"${self.spent:.4f} spent{budget.uncertain_text(self.uncertain_calls, self.uncertain_cost)}, the next may cost ${cost:.4f}"
            + (f" (an answer of {out:,} tokens is assumed)" if assumed else ""),
            hint=f"Give it {', or '.join(remedies)}." if remedies else "",
        )


def _max_tokens_to_send(info: ModelInfo, tokens: int, longest: int) -> int | None:
    """The limit to send; None where it could exceed the model's own, which some services reject."""
    room = min(info.max_output or _FIRST_RESERVATION, (info.context or _DEFAULT_MAX_OUTPUT) - tokens)
    return longest if longest <= room else None


class SessionBudget(BatchBudget):
    """The kernel's budget for the calls of one batch, which wait for each other instead of failing."""

    def __init__(self) -> None:
        super().__init__(0.0)

    async def reserve(self, info: ModelInfo, request: Request, tokens: int) -> Reservation:
        """As in `BatchBudget`. Nothing is reserved without a limit, or where unknown prices are allowed."""
        if budget.remaining() is None or budget.price(info, 0, 0) is None:
            return Reservation(budget.reserve(info, request, tokens) if budget.remaining() is not None else 0.0, info.name)
        return await super().reserve(info, request, tokens)

    def _remaining(self) -> float:
        price = budget.remaining()
        return float("inf") if price is None else price

    def _reserve_outside(self, amount: float) -> None:
        budget.reserve_amount(amount)

    def _release_outside(self, amount: float) -> None:
        budget.release(amount)

    def _exceeded(self, cost: float, request: Request, out: int) -> BudgetError:
        return budget.exceeded(cost)


class CallBudget(BatchBudget):
    """The kernel's budget for a single call, which is refused instead of waiting."""

    def __init__(self) -> None:
        super().__init__(0.0)

    async def reserve(self, info: ModelInfo, request: Request, tokens: int) -> Reservation:
        """Reserve what the call may cost; BudgetError if it could exceed the limit."""
        return Reservation(budget.reserve(info, request, tokens), info.name)

    def settle(
        self, reservation: Reservation, cost: float, output_tokens: int, uncertain_calls: int = 0, uncertain_cost: float = 0.0
    ) -> None:
        """Release the reservation; `budget.add` counts the cost."""
        budget.release(reservation.amount)
