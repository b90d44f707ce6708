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
    await _ready(p, answer.usage)
    if answer.usage is None:
        return None if p.local else UsageReported(usage=usage_so_far(p, model, answer, request))
    paid = answer.billed or answer.usage
    return UsageReported(usage=dataclasses.replace(answer.usage, cost=_cost(p, model, answer, paid)))


async def usage_of_failed(p: Profile, model: str, answer: Answer, request: Request, error: FmnbError) -> UsageReported | None:
    """The usage of an answer that ended in an error.

    None if nothing is known about it: then the budget counts the most that it may have cost.
    """
    read = getattr(error, "billed", None) is True
    if answer.usage is None and not answer.events and not read:
        return None
    await _ready(p, answer.usage)
    return UsageReported(usage=usage_so_far(p, model, answer, request))


def usage_so_far(p: Profile, model: str, answer: Answer, request: Request) -> Usage:
    """The usage of an answer so far.

    >>> answer = Answer()
    >>> usage_so_far(Profile("p", base_url="https://x.example/v1"), "m", answer, Request("m", ()))
    Usage(input_tokens=0, output_tokens=0, cached_tokens=None, reasoning_tokens=None, cost=None, estimated=True)
    """
    heard = answer.usage or Usage()
    more = estimate_output_tokens(answer.events[answer.reported_events :])
    if answer.usage is not None and not more and heard.input_tokens is not None and heard.output_tokens is not None:
        return dataclasses.replace(heard, cost=_cost(p, model, answer, answer.billed or heard))
    into = estimate_tokens(request).tokens if heard.input_tokens is None else heard.input_tokens
    found = dataclasses.replace(heard, input_tokens=into, output_tokens=(heard.output_tokens or 0) + more, cost=None, estimated=True)
    cost = _cost(p, model, answer, found)
    return dataclasses.replace(found, cost=heard.cost if cost is None else max(cost, heard.cost or 0.0))


def _cost(p: Profile, model: str, answer: Answer, paid: Usage) -> float | None:
    cost = prices.cost(p, answer.model or model, paid, written=answer.cache_write_tokens)
    if cost is None:  # a service may report a model name that has no price
        cost = prices.cost(p, model, paid, written=answer.cache_write_tokens)
    return cost


async def _ready(p: Profile, usage: Usage | None) -> None:
    if p.prices and not p.local and (usage is None or usage.cost is None):
        await prices.load()
