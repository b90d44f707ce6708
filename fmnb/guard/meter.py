"""What one call has used, where it does not come to its end: its service's own count as far as it came, else an estimate from its text.

A call that ends says what it used in a `Used` event. One that is stopped cannot: who stops it
asks here, from whatever thread, and it is counted once.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from typing import Any

from ..backend import Backend, written_tokens
from ..events import Event, Finished, ReasoningDelta, TextDelta, ToolCallDelta, Used
from ..types import Request, Usage
from . import budget

_lock = threading.Lock()
_TEXT = (TextDelta, ReasoningDelta, ToolCallDelta)


class Meter:
    """What the call of one run has used so far.

    `doubts` are the tries that failed without a word on whether they are billed, and `doubtful` is what they may
    have cost at most, in US dollars.
    """

    def __init__(self, run: str = "") -> None:
        self.run = run
        self.tries = self.doubts = 0
        self.doubtful = 0.0
        self._backend: Backend | None = None
        self._request: Request | None = None
        self._stream: Any = None
        self._texts: list[Event] = []
        self._open = False  # something may be owed that no event has said
        self._read = False  # the prompt is counted already
        self._stopped: Usage | None = None

    def begin(self, backend: Backend, request: Request, stream: AsyncIterator[Any] | None = None) -> None:
        """The call is sent now, or sent again."""
        self._backend, self._request, self._stream = backend, request, stream
        self._texts, self._open, self._read = [], True, False
        self.tries += 1

    def take(self, event: Any) -> bool:
        """See an event go by; False for usage that was counted when the call was stopped."""
        if isinstance(event, _TEXT):
            self._texts.append(event)
            self._open = True
        elif isinstance(event, Used):
            with _lock:
                self._texts, self._open, self._read = [], False, True
                return self._stopped is None
        elif isinstance(event, Finished):
            self._open = False
        return True

    def end(self) -> None:
        """The call has ended, and its events say what it used."""
        self._open = False

    def doubt(self, error: BaseException) -> bool:
        """A try has failed; whether nobody knows what it was billed. The cap counts what it may have cost."""
        backend, request = self._backend, self._request
        if not self._open or self._texts or self._read or backend is None or request is None or backend.card.local:
            return False
        if getattr(error, "billed", False) is not None:
            return False
        self._open = False
        amount = budget.at_most(backend.card, request, backend.count(request).tokens) or 0.0
        self.doubts += 1
        self.doubtful += amount
        budget.doubt(amount)
        return True

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
            return self._stopped

    def _owed(self) -> Usage | None:
        backend, request = self._backend, self._request
        if not self._open or backend is None or request is None or backend.card.local:
            return None
        so_far = getattr(self._stream, "so_far", None)
        if so_far is not None and not self._read and (said := so_far()) is not None:
            return said  # type: ignore[no-any-return]
        into, out = 0 if self._read else backend.count(request).tokens, written_tokens(self._texts)
        return Usage(into, out, cost=budget.price(backend.card, into, out), estimated=True)
