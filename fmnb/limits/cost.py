"""What one call came to: its price, its answer's length, and whether that was cut where the money set aside for it ended."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.backend import estimate_output_tokens
from ..core.events import Event, Finished, Notice, UsageReported
from ..core.types import ModelInfo, Request, Usage
from . import budget

_NEAR = 0.9  # of a limit: services count the tokens at it differently


def cost_and_tokens(info: ModelInfo, request: Request, tokens: int, events: Sequence[Event]) -> tuple[float | None, int]:
    """US dollars, and tokens of the answer: as its service says, else as they are counted here. None where the price is unknown.

    `tokens` are the prompt's, as counted before it was sent.
    """
    used = total_usage(events)
    out = used.output_tokens or estimate_output_tokens(events)
    if not out and events and isinstance(events[-1], Finished):
        out = budget.assumed_output_tokens(info, request)  # a picture, or thoughts that are not shown
    if used.cost is None and not out:
        return 0.0, 0  # it failed before anything came
    return (budget.price(info, used.input_tokens or tokens, out) if used.cost is None else used.cost), out


def total_usage(events: Sequence[Event]) -> Usage:
    """What was used, of all its tries together."""
    return sum((e.usage for e in events if isinstance(e, UsageReported)), Usage())


def is_truncated(events: Sequence[Event], most: int | None) -> bool:
    """Whether the answer ended because it had `most` tokens; not where its service does not know that limit, or has a lower one."""
    if most is None or any(ignores_max_tokens(e) for e in events):
        return False
    out = total_usage(events).output_tokens
    ended = [e.reason for e in events if isinstance(e, Finished)]
    if out is None:
        return ended == ["length"]
    return ended in ([], ["length"]) and out >= _NEAR * most


def ignores_max_tokens(event: Event) -> bool:
    """Whether it says that the service does not know a longest length."""
    return isinstance(event, Notice) and (event.kind, event.text) == ("not_applied", "max_tokens")
