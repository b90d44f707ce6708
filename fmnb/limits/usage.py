"""What one call has used, where it does not come to its end: its service's own count as far as it came, else an estimate from its text.

A call that ends says what it used in a `Used` event. One that is stopped cannot: who stops it
asks here, from whatever thread, and it is counted once.
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
)  # the service may have gone on writing
_TOKENS_IN_TRANSIT = 64  # tokens a service may have written of an answer that is closed here, and that had not come yet


class UsageMeter:
    """What the call of one run has used so far.

    `uncertain_calls` are the tries that failed without a word on whether they are billed, and `uncertain_cost` is what they may
    have cost at most, in US dollars, with what an answer that was cut may have cost beyond the estimate from its text.
    """

    def __init__(self, run: str = "") -> None:
        self.run = run
        self.tries = self.uncertain_calls = 0
        self.uncertain_cost = 0.0
        self._backend: Backend | None = None
        self._request: Request | None = None
        self._stream: Any = None
        self._texts: list[Event] = []
        self._counted_usage: Usage | None = None  # what is counted of this try, in whole or in part
        self._unreported = False  # something may be owed that no event has said
        self._prompt_counted = False  # the prompt is counted already
        self._stopped: Usage | None = None
        self._prompt_count: tuple[Request, int] | None = None
        self.sent_at = 0.0  # seconds since the epoch
        self.rate_limits: Any = None  # what the service said of its limits, by the answer or the error that came last

    def prompt_tokens(self, backend: Backend, request: Request) -> int:
        """Tokens of the prompt as they are counted here; a request that differs in its options alone is counted once."""
        if self._prompt_count is None or self._prompt_count[0].messages is not request.messages:
            self._prompt_count = request, backend.count(request).tokens
        return self._prompt_count[1]

    def begin(self, backend: Backend, request: Request, stream: AsyncIterator[Any] | None = None) -> None:
        """The call is sent now, or sent again."""
        self._backend, self._request, self._stream = backend, request, stream
        self._texts, self._unreported, self._prompt_counted, self._counted_usage = [], True, False, None
        self.tries += 1
        self.sent_at, self.rate_limits = time.time(), None

    def take(self, event: Any) -> bool:
        """See an event go by; False for usage that was counted when the call was stopped."""
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
        """The call has ended, and its events say what it used."""
        self._unreported = False

    def add_uncertain(self, error: BaseException) -> bool:
        """A try has failed; whether nobody knows what it was billed. The cap counts what it may have cost.

        Of an answer that was cut, that is what its longest answer costs beyond what is counted of it.
        """
        if self._stopped is not None or self._backend is None or self._backend.info.local:
            return False
        billed = getattr(error, "billed", False)
        said = self._counted_usage or (self._unreported_usage() if self._texts or billed is True else None)
        if said is None:
            if not self._unreported or billed is not None:
                return False
            self._unreported, amount = False, self._max_cost()
        elif isinstance(error, ContentFilterError) or not (said.estimated or isinstance(error, _INTERRUPTIONS)):
            return False
        elif not (amount := self._uncounted_cost(said)):
            return False
        self.uncertain_calls += 1
        self.uncertain_cost += amount
        budget.add_uncertain(amount)
        return True

    def closed(self, said: Usage | None) -> None:
        """The answer was closed here, by a stop or in a loop. The cap counts what may have been on its way, too.

        Of one that was to come in one piece that may be all of it.
        """
        backend = self._backend
        if said is None or backend is None:
            return
        on_the_way = (budget.price(backend.info, 0, _TOKENS_IN_TRANSIT) or 0.0) * billed_tokens.cost_factor(backend.info)
        beyond = self._uncounted_cost(said)
        if amount := beyond if self._stream is None else min(on_the_way, beyond):
            self.uncertain_cost += amount
            budget.add_uncertain(amount, failed=False)

    @property
    def is_stopped(self) -> bool:
        """Whether somebody stopped the call, and what it had used is counted."""
        return self._stopped is not None

    def failed(self, error: BaseException) -> Usage | None:
        """What a call has used that failed and did not say so; None where nothing came of it."""
        owed = self._unreported_usage() if self._texts or getattr(error, "billed", False) is True else None
        self._unreported = False
        return owed

    def stopped(self) -> Usage | None:
        """What a call has used that somebody stopped; the first who asks has it counted against the budget."""
        with _lock:
            if self._stopped is None and self._unreported:
                self._stopped, self._unreported = self._unreported_usage(), False
                if self._stopped is not None:
                    budget.add(self._stopped.cost)
                    self.closed(self._stopped)
            return self._stopped

    def _max_cost(self) -> float:
        """US dollars this try may have cost, as far as is known; 0 where the price is not."""
        backend, request = self._backend, self._request
        if backend is None or request is None:
            return 0.0
        return budget.max_cost(backend.info, request, backend.count(request).tokens) or 0.0

    def _uncounted_cost(self, said: Usage) -> float:
        """What of that is more than is counted."""
        return 0.0 if said.cost is None else max(0.0, self._max_cost() - said.cost)

    def _unreported_usage(self) -> Usage | None:
        backend, request = self._backend, self._request
        if not self._unreported or backend is None or request is None or backend.info.local:
            return None
        so_far = getattr(self._stream, "so_far", None)
        if so_far is not None and not self._prompt_counted and (said := so_far()) is not None:
            return said  # type: ignore[no-any-return]
        into, out = 0 if self._prompt_counted else backend.count(request).tokens, estimate_output_tokens(self._texts)
        return Usage(into, out, cost=budget.price(backend.info, into, out), estimated=True)
