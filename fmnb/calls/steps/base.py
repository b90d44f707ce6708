"""What a step of the pipeline is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol, TypeAlias

from ...core.events import Event
from ..call import Call

Proceed: TypeAlias = Callable[[Call], AsyncIterator[Event]]


class Step(Protocol):
    """One concern around a call: takes the call and the rest of the pipeline, and yields events.

    A step may change the call, call `proceed` again, or not at all. It closes what it leaves
    before its end. `run` stamps events, so a step yields them without run and number.
    """

    def __call__(self, call: Call, proceed: Proceed, /) -> AsyncIterator[Event]:
        """The events of the call."""
        ...
