"""The guards of the Runtime as steps of the pipeline."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from ...core.events import Event
from ...core.guard import Destination, Guard, guards
from ..call import Call
from .base import Proceed, Step


def guard_steps() -> list[Step]:
    """One step for each guard, the outermost first."""
    return [guard_step(guard) for guard in guards()]


def guard_step(guard: Guard) -> Step:
    """A step that lets a guard look at the request and at the events."""

    def step(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
        destination = Destination(call.target.name, call.target.host, call.target.local)
        return guard(call.request, destination, lambda request: proceed(replace(call, request=request)))

    return step
