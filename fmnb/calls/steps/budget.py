"""The budget step: reserves the maximum cost of each attempt, and counts its actual cost.

The reservation is made before the attempt is sent; the actual cost is counted when it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace

from ...core.backend import Backend
from ...core.errors import EmptyAnswerError
from ...core.event_loop import aclose
from ...core.events import Event, Finished, Notice, Restarted, UsageReported
from ...limits import billed_tokens, budget
from ...limits import cost as costs
from ...limits.batch_budget import BatchBudget, CallBudget, Reservation
from ..call import Call
from .base import Proceed, Step

_TOO_LONG = "the answer was longer than the budget had set aside for it"


def kernel_budget() -> list[BatchBudget]:
    """The budgets of an interactive call: the kernel's, if there is one.

    A call over budget is refused and does not wait.
    """
    return [CallBudget()] if budget.budget().limit is not None else []


def within_budget(budgets: Callable[[], Sequence[BatchBudget]]) -> Step:
    """The step that charges each attempt to all `budgets`.

    An answer truncated by its reservation is retried with a higher one.
    """

    def pay(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
        return rows(call, proceed) if call.is_row else _Attempt(call, budgets()).run(proceed)

    async def rows(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
        attempt = None
        while attempt is None or attempt.too_long:
            attempt = _Attempt(call, budgets(), retried=attempt is not None)
            stream = attempt.run(proceed)
            try:
                async for event in stream:
                    yield event
            finally:
                await aclose(stream)

    return pay


@dataclass
class _Attempt:
    """One attempt: its reservations and its events."""

    call: Call
    budgets: Sequence[BatchBudget]
    retried: bool = False  # the attempt before was longer than its reservation
    too_long: bool = False
    _events: list[Event] = field(default_factory=list)
    _reservations: list[tuple[BatchBudget, Reservation]] = field(default_factory=list)
    _max_output: int | None = None  # output tokens that the reservation pays for
    _settled: bool = False
    _warning: Notice | None = None

    async def run(self, proceed: Proceed) -> AsyncIterator[Event]:
        """The events of the attempt; without the end if it is longer than its reservation."""
        call, meter = self.call, self.call.meter
        backend = call.target.open()
        tokens = meter.prompt_tokens(backend, call.request) if self.budgets or not backend.info.local else 0
        before = meter.uncertain_calls, meter.uncertain_cost
        end: Finished | None = None
        stream: AsyncIterator[Event] | None = None
        try:
            for purse in self.budgets:
                self._reservations.append((purse, await purse.reserve(backend.info, call.request, tokens)))
            self._max_output = min((a.max_tokens for _, a in self._reservations if a.max_tokens is not None), default=None)
            if self.retried:  # not before: without money left the truncated answer stands
                yield Restarted(reason=_TOO_LONG)
            stream = proceed(
                call if self._max_output is None else replace(call, request=replace(call.request, max_tokens=self._max_output))
            )
            async for event in stream:
                self._events.append(event)
                if isinstance(event, Finished):
                    end = event
                elif not (self._max_output and costs.ignores_max_tokens(event)):
                    yield event
            self.too_long = costs.is_truncated(self._events, self._max_output)
        except EmptyAnswerError:  # nothing but reasoning up to there
            self.too_long = costs.is_truncated(self._events, self._max_output)
            if not self.too_long:
                if warning := self._settle(backend, tokens, before):
                    yield warning
                raise
        except (GeneratorExit, asyncio.CancelledError):
            if (owed := meter.stopped()) is not None:  # counted there
                self._events.append(UsageReported(usage=owed))
            raise
        except Exception as e:
            if (owed := meter.failed(e)) is not None:
                self._events.append(UsageReported(usage=owed))
                yield self._events[-1]
            if warning := self._settle(backend, tokens, before):
                yield warning
            raise
        finally:
            self._settle(backend, tokens, before)
            if stream is not None:
                await aclose(stream)
        if warning := self._warning:
            yield warning
        if end is not None and not self.too_long:
            yield end

    def _settle(self, backend: Backend, tokens: int, before: tuple[int, float]) -> Notice | None:
        """Count the cost of the attempt, once, and release its reservations.

        Returns a warning if most of the budget is spent.
        """
        if self._settled:
            return None
        self._settled = True
        events, meter = self._events, self.call.meter
        used = any(isinstance(e, UsageReported) for e in events)
        cost, out = costs.cost_and_tokens(backend.info, self.call.request, tokens, events)
        if (used or self.budgets) and events and not meter.is_stopped:
            text = budget.add(cost, local=backend.info.local)
            self._warning = Notice(kind="warning", text=text) if text else None
        self._record_prompt_tokens(backend, tokens)
        out = max(out, self._max_output) if self.too_long and self._max_output else out
        for batch_budget, reservation in self._reservations:  # which lets others go that want to know what was learned
            batch_budget.settle(reservation, cost or 0.0, out, meter.uncertain_calls - before[0], meter.uncertain_cost - before[1])
        return self._warning

    def _record_prompt_tokens(self, backend: Backend, tokens: int) -> None:
        """Remember the billed tokens of the prompt, if the answer reports them."""
        said = [e.usage for e in self._events if isinstance(e, UsageReported) and not e.usage.estimated]
        for usage in said:
            billed_tokens.learn(backend.info, self.call.request, tokens, usage, self._max_output)
        if not said and self._events and isinstance(self._events[-1], Finished):
            billed_tokens.learn(backend.info, self.call.request, tokens, None)
