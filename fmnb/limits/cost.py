"""Cost of one call, length of its answer, and whether the answer was truncated at its reservation."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.backend import estimate_output_tokens
from ..core.events import Event, Finished, Notice, UsageReported
from ..core.types import ModelInfo, Request, Usage
from . import budget

_NEAR = 0.9  # of a limit: services count tokens near it differently


def cost_and_tokens(info: ModelInfo, request: Request, tokens: int, events: Sequence[Event]) -> tuple[float | None, int]:
    """Cost in US dollars and output tokens, as reported by the service or else counted by fmnb.

    The cost is None where the price is unknown. `tokens` are those of the prompt, counted before it was sent.
    """
    used = total_usage(events)
    out = used.output_tokens or estimate_output_tokens(events)
    if not out and events and isinstance(events[-1], Finished):
        out = budget.assumed_output_tokens(info, request)  # an image, or hidden reasoning
    if used.cost is None and not out:
        return 0.0, 0  # it failed before any output
    return (budget.price(info, used.input_tokens or tokens, out) if used.cost is None else used.cost), out


def total_usage(events: Sequence[Event]) -> Usage:
    """Usage of all attempts together."""
    return sum((e.usage for e in events if isinstance(e, UsageReported)), Usage())


def is_truncated(events: Sequence[Event], most: int | None) -> bool:
    """Whether the answer was truncated at `most` tokens, and not at a lower limit of the service."""
    if most is None or any(ignores_max_tokens(e) for e in events):
        return False
    out = total_usage(events).output_tokens
    ended = [e.reason for e in events if isinstance(e, Finished)]
    if out is None:
        return ended == ["length"]
    return ended in ([], ["length"]) and out >= _NEAR * most


def ignores_max_tokens(event: Event) -> bool:
    """Whether the event reports that the service ignored max_tokens."""
    return isinstance(event, Notice) and (event.kind, event.text) == ("not_applied", "max_tokens")
