"""What one call has used, where it does not come to its end: its service's own count as far as it came, else an estimate from its text.

A call that ends says what it used in a `Used` event. One that is stopped cannot: who stops it
asks here, from whatever thread, and it is counted once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from typing import Any

from ..core.backend import Backend, written_tokens
from ..core.errors import CallTimeoutError, ConnectionFailedError, ContentFilterError, StreamInterruptedError, UnexpectedResponseError
from ..core.events import Event, Finished, ReasoningDelta, TextDelta, ToolCallDelta, Used
from ..core.types import Request, Usage
from . import billed_tokens, budget

_lock = threading.Lock()
_TEXT = (TextDelta, ReasoningDelta, ToolCallDelta)
_CUT = (StreamInterruptedError, CallTimeoutError, ConnectionFailedError, UnexpectedResponseError)  # the service may have gone on writing
_ON_THE_WAY = 64  # tokens a service may have written of an answer that is closed here, and that had not come yet


class Meter:
    """What the call of one run has used so far.

    `doubts` are the tries that failed without a word on whether they are billed, and `doubtful` is what they may
    have cost at most, in US dollars, with what an answer that was cut may have cost beyond the estimate from its text.
    """

    def __init__(self, run: str = "") -> None:
        self.run = run
        self.tries = self.doubts = 0
        self.doubtful = 0.0
        self._backend: Backend | None = None
        self._request: Request | None = None
        self._stream: Any = None
        self._texts: list[Event] = []
        self._said: Usage | None = None  # what is counted of this try, in whole or in part
        self._open = False  # something may be owed that no event has said
        self._read = False  # the prompt is counted already
        self._stopped: Usage | None = None
        self._counted: tuple[Request, int] | None = None
        self.sent_at = 0.0  # seconds since the epoch
        self.allowed: Any = None  # what the service said of its limits, by the answer or the error that came last

    def prompt_tokens(self, backend: Backend, request: Request) -> int:
        """Tokens of the prompt as they are counted here; a request that differs in its options alone is counted once."""
        if self._counted is None or self._counted[0].messages is not request.messages:
            self._counted = request, backend.count(request).tokens
        return self._counted[1]

    def begin(self, backend: Backend, request: Request, stream: AsyncIterator[Any] | None = None) -> None:
        """The call is sent now, or sent again."""
        self._backend, self._request, self._stream = backend, request, stream
        self._texts, self._open, self._read, self._said = [], True, False, None
        self.tries += 1
        self.sent_at, self.allowed = time.time(), None

    def take(self, event: Any) -> bool:
        """See an event go by; False for usage that was counted when the call was stopped."""
        if isinstance(event, _TEXT):
            self._texts.append(event)
            self._open = True
        elif isinstance(event, Used):
            with _lock:
                self._texts, self._open, self._read = [], False, True
                self._said = event.usage if self._said is None else self._said + event.usage
                return self._stopped is None
        elif isinstance(event, Finished):
            self._open = False
        return True

    def end(self) -> None:
        """The call has ended, and its events say what it used."""
        self._open = False

    def doubt(self, error: BaseException) -> bool:
        """A try has failed; whether nobody knows what it was billed. The cap counts what it may have cost.

        Of an answer that was cut, that is what its longest answer costs beyond what is counted of it.
        """
        if self._stopped is not None or self._backend is None or self._backend.card.local:
            return False
        billed = getattr(error, "billed", False)
        said = self._said or (self._owed() if self._texts or billed is True else None)
        if said is None:
            if not self._open or billed is not None:
                return False
            self._open, amount = False, self._at_most()
        elif isinstance(error, ContentFilterError) or not (said.estimated or isinstance(error, _CUT)):
            return False
        elif not (amount := self._beyond(said)):
            return False
        self.doubts += 1
        self.doubtful += amount
        budget.doubt(amount)
        return True

    def closed(self, said: Usage | None) -> None:
        """The answer was closed here, by a stop or in a loop. The cap counts what may have been on its way, too.

        Of one that was to come in one piece that may be all of it.
        """
        backend = self._backend
        if said is None or backend is None:
            return
        on_the_way = (budget.price(backend.card, 0, _ON_THE_WAY) or 0.0) * billed_tokens.dearer(backend.card)
        beyond = self._beyond(said)
        if amount := beyond if self._stream is None else min(on_the_way, beyond):
            self.doubtful += amount
            budget.doubt(amount, failed=False)

    @property
    def is_stopped(self) -> bool:
        """Whether somebody stopped the call, and what it had used is counted."""
        return self._stopped is not None

    def failed(self, error: BaseException) -> Usage | None:
        """What a call has used that failed and did not say so; None where nothing came of it."""
        owed = self._owed() if self._texts or getattr(error, "billed", False) is True else None
        self._open = False
        return owed

    def stopped(self) -> Usage | None:
        """What a call has used that somebody stopped; the first who asks has it counted against the budget."""
        with _lock:
            if self._stopped is None and self._open:
                self._stopped, self._open = self._owed(), False
                if self._stopped is not None:
                    budget.add(self._stopped.cost)
                    self.closed(self._stopped)
            return self._stopped

    def _at_most(self) -> float:
        """US dollars this try may have cost, as far as is known; 0 where the price is not."""
        backend, request = self._backend, self._request
        if backend is None or request is None:
            return 0.0
        return budget.at_most(backend.card, request, backend.count(request).tokens) or 0.0

    def _beyond(self, said: Usage) -> float:
        """What of that is more than is counted."""
        return 0.0 if said.cost is None else max(0.0, self._at_most() - said.cost)

    def _owed(self) -> Usage | None:
        backend, request = self._backend, self._request
        if not self._open or backend is None or request is None or backend.card.local:
            return None
        so_far = getattr(self._stream, "so_far", None)
        if so_far is not None and not self._read and (said := so_far()) is not None:
            return said  # type: ignore[no-any-return]
        into, out = 0 if self._read else backend.count(request).tokens, written_tokens(self._texts)
        return Usage(into, out, cost=budget.price(backend.card, into, out), estimated=True)
