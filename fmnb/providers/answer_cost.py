"""The cost of an answer: reported by the service, or estimated from the received part.

A service charges for an answer that is interrupted, fails or is stopped, but reports usage only at
the end. So the latest reported counts are used; later text is estimated, and so is the prompt if
its tokens were not reported.
"""

from __future__ import annotations

import dataclasses

from ..core.backend import estimate_output_tokens, estimate_tokens
from ..core.errors import FmnbError
from ..core.events import UsageReported
from ..core.types import Request, Usage
from . import prices
from .profiles import Profile
from .wire.sse import Answer


async def usage_of(p: Profile, model: str, answer: Answer, request: Request) -> UsageReported | None:
    """The usage of a complete answer; None if the service reports none and the model is local."""
    await _load_prices(p, answer.usage)
    if answer.usage is None:
        return None if p.local else UsageReported(usage=usage_so_far(p, model, answer, request))
    billed = answer.billed or answer.usage
    return UsageReported(usage=dataclasses.replace(answer.usage, cost=_cost(p, model, answer, billed)))


async def usage_of_failed(p: Profile, model: str, answer: Answer, request: Request, error: FmnbError) -> UsageReported | None:
    """The usage of an answer that ended in an error.

    None if nothing is known about it: then the budget counts the most that it may have cost.
    """
    billed = getattr(error, "billed", None) is True
    if answer.usage is None and not answer.events and not billed:
        return None
    await _load_prices(p, answer.usage)
    return UsageReported(usage=usage_so_far(p, model, answer, request))


def usage_so_far(p: Profile, model: str, answer: Answer, request: Request) -> Usage:
    """The usage of an answer so far.

    >>> answer = Answer()
    >>> usage_so_far(Profile("p", base_url="https://x.example/v1"), "m", answer, Request("m", ()))
    Usage(input_tokens=0, output_tokens=0, cached_tokens=None, reasoning_tokens=None, cost=None, estimated=True)
    """
    reported = answer.usage or Usage()
    later_tokens = estimate_output_tokens(answer.events[answer.reported_events :])
    if answer.usage is not None and not later_tokens and reported.input_tokens is not None and reported.output_tokens is not None:
        return dataclasses.replace(reported, cost=_cost(p, model, answer, answer.billed or reported))
    input_tokens = estimate_tokens(request).tokens if reported.input_tokens is None else reported.input_tokens
    usage = dataclasses.replace(
        reported, input_tokens=input_tokens, output_tokens=(reported.output_tokens or 0) + later_tokens, cost=None, estimated=True
    )
    cost = _cost(p, model, answer, usage)
    return dataclasses.replace(usage, cost=reported.cost if cost is None else max(cost, reported.cost or 0.0))


def _cost(p: Profile, model: str, answer: Answer, usage: Usage) -> float | None:
    cost = prices.cost(p, answer.model or model, usage, cache_write_tokens=answer.cache_write_tokens)
    if cost is None:  # a service may report a model name that has no price
        cost = prices.cost(p, model, usage, cache_write_tokens=answer.cache_write_tokens)
    return cost


async def _load_prices(p: Profile, usage: Usage | None) -> None:
    if p.prices and not p.local and (usage is None or usage.cost is None):
        await prices.load()
