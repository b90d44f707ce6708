"""Usage of a call that does not finish.

It is the service's own count so far, otherwise an estimate from the text.

A call that finishes reports its usage in a `UsageReported` event. A stopped call cannot. Whoever
stops it reads the usage here, from any thread, and it is counted once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from typing import Any

from ..core.backend import Backend, estimate_output_tokens
from ..core.errors import CallTimeoutError, ConnectionFailedError, ContentFilterError, StreamInterruptedError, UnexpectedResponseError
from ..core.events import Event, Finished, ReasoningDelta, TextDelta, ToolCallDelta, UsageReported
from ..core.types import Request, Usage
from . import billed_tokens, budget

_lock = threading.Lock()
_TEXT = (TextDelta, ReasoningDelta, ToolCallDelta)
_INTERRUPTIONS = (
    StreamInterruptedError,
    CallTimeoutError,
    ConnectionFailedError,
    UnexpectedResponseError,
)  # the service may have continued generating
_TOKENS_IN_TRANSIT = 64  # tokens that a service may have generated before the connection closed


class UsageMeter:
    """What the call of one run has used so far.

    `uncertain_calls` is the number of failed attempts that may have been billed; `uncertain_cost` is
    the most they may have cost in US dollars, plus what an interrupted answer may have cost beyond
    the estimate from its text.
    """

    def __init__(self, run: str = "") -> None:
        self.run = run
        self.tries = self.uncertain_calls = 0
        self.uncertain_cost = 0.0
        self._backend: Backend | None = None
        self._request: Request | None = None
        self._stream: Any = None
        self._texts: list[Event] = []
        self._counted_usage: Usage | None = None  # what is counted of this attempt, complete or not
        self._unreported = False  # there may be usage that no event has reported
        self._prompt_counted = False  # the prompt is already counted
        self._stopped: Usage | None = None
        self._prompt_count: tuple[Request, int] | None = None
        self.sent_at = 0.0  # seconds since the epoch
        self.rate_limits: Any = None  # limits reported with the last answer or error

    def prompt_tokens(self, backend: Backend, request: Request) -> int:
        """Prompt tokens as counted by fmnb; a request that differs only in its options is counted once."""
        if self._prompt_count is None or self._prompt_count[0].messages is not request.messages:
            self._prompt_count = request, backend.count(request).tokens
        return self._prompt_count[1]

    def begin(self, backend: Backend, request: Request, stream: AsyncIterator[Any] | None = None) -> None:
        """The call is sent, or sent again."""
        self._backend, self._request, self._stream = backend, request, stream
        self._texts, self._unreported, self._prompt_counted, self._counted_usage = [], True, False, None
        self.tries += 1
        self.sent_at, self.rate_limits = time.time(), None

    def take(self, event: Any) -> bool:
        """Take in an event; False for usage that was already counted when the call was stopped."""
        if isinstance(event, _TEXT):
            self._texts.append(event)
            self._unreported = True
        elif isinstance(event, UsageReported):
            with _lock:
                self._texts, self._unreported, self._prompt_counted = [], False, True
                self._counted_usage = event.usage if self._counted_usage is None else self._counted_usage + event.usage
                return self._stopped is None
        elif isinstance(event, Finished):
            self._unreported = False
        return True

    def end(self) -> None:
        """The call has ended, and its events report its usage."""
        self._unreported = False

    def add_uncertain(self, error: BaseException) -> bool:
        """Count what a failed attempt may have cost against the budget; False if its cost is known.

        For an interrupted answer that is the cost of its longest answer beyond what is counted.
        """
        if self._stopped is not None or self._backend is None or self._backend.info.local:
            return False
        billed = getattr(error, "billed", False)
        reported = self._counted_usage or (self._unreported_usage() if self._texts or billed is True else None)
        if reported is None:
            if not self._unreported or billed is not None:
                return False
            self._unreported, amount = False, self._max_cost()
        elif isinstance(error, ContentFilterError) or not (reported.estimated or isinstance(error, _INTERRUPTIONS)):
            return False
        elif not (amount := self._uncounted_cost(reported)):
            return False
        self.uncertain_calls += 1
        self.uncertain_cost += amount
        budget.add_uncertain(amount)
        return True

    def closed(self, reported: Usage | None) -> None:
        """Count tokens in transit when fmnb closes an answer (stopped, or stuck in a loop).

        For a non-streamed answer that may be all of it.
        """
        backend = self._backend
        if reported is None or backend is None:
            return
        in_transit = (budget.price(backend.info, 0, _TOKENS_IN_TRANSIT) or 0.0) * billed_tokens.cost_factor(backend.info)
        uncounted = self._uncounted_cost(reported)
        if amount := uncounted if self._stream is None else min(in_transit, uncounted):
            self.uncertain_cost += amount
            budget.add_uncertain(amount, failed=False)

    @property
    def is_stopped(self) -> bool:
        """Whether the call was stopped and its usage counted."""
        return self._stopped is not None

    def failed(self, error: BaseException) -> Usage | None:
        """Usage of a failed call that reported none; None where there was no output."""
        unreported = self._unreported_usage() if self._texts or getattr(error, "billed", False) is True else None
        self._unreported = False
        return unreported

    def stopped(self) -> Usage | None:
        """Usage of a stopped call; the first caller has it counted against the budget."""
        with _lock:
            if self._stopped is None and self._unreported:
                self._stopped, self._unreported = self._unreported_usage(), False
                if self._stopped is not None:
                    budget.add(self._stopped.cost)
                    self.closed(self._stopped)
            return self._stopped

    def _max_cost(self) -> float:
        """The most this attempt may have cost in US dollars; 0 where the price is unknown."""
        backend, request = self._backend, self._request
        if backend is None or request is None:
            return 0.0
        return budget.max_cost(backend.info, request, backend.count(request).tokens) or 0.0

    def _uncounted_cost(self, reported: Usage) -> float:
        """The part of the maximum cost that is not counted yet."""
        return 0.0 if reported.cost is None else max(0.0, self._max_cost() - reported.cost)

    def _unreported_usage(self) -> Usage | None:
        backend, request = self._backend, self._request
        if not self._unreported or backend is None or request is None or backend.info.local:
            return None
        so_far = getattr(self._stream, "so_far", None)
        if so_far is not None and not self._prompt_counted and (reported := so_far()) is not None:
            return reported  # type: ignore[no-any-return]
        into, out = 0 if self._prompt_counted else backend.count(request).tokens, estimate_output_tokens(self._texts)
        return Usage(into, out, cost=budget.price(backend.info, into, out), estimated=True)
