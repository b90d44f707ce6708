"""End an answer before its stop string, whatever its service or engine left in the text."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ...core.events import Event
from ...core.stop_text import cut_at_stop
from ..call import Call
from .base import Proceed


def end_at_stop(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
    """The answer up to its first stop string."""
    return cut_at_stop(proceed(call), call.request.stop) if call.request.stop else proceed(call)
