"""The last step of an embedding: vectors of the texts of a request, paid and metered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from ...core.backend import Embedder, estimate_tokens
from ...core.errors import CallError
from ...core.event_loop import aclose
from ...core.events import Notice, UsageReported
from ...limits import billed_tokens, budget
from ..call import Call


async def embed_texts(call: Call) -> AsyncIterator[Any]:
    """The vectors, then usage: one text for each message of the request."""
    backend, request, meter = call.target.open(), call.request, call.meter
    assert isinstance(backend, Embedder)
    info = replace(backend.info, price_out=backend.info.price_out or 0.0)  # there is no output to pay
    tokens = estimate_tokens(request).tokens
    reserved = budget.reserve(info, request, tokens) if budget.budget().limit is not None else 0.0
    stream = backend.embed([m.text for m in request.messages], request.quant, **request.extra)
    if not info.local:
        meter.begin(backend, request, stream)  # type: ignore[arg-type]
    try:
        async for item in stream:
            meter.take(item)
            yield item
            if isinstance(item, UsageReported):
                billed_tokens.learn(info, request, tokens, item.usage)
                if warning := budget.add(item.usage.cost, local=info.local):
                    yield Notice(kind="warning", text=warning)
        meter.end()
    except CallError as e:
        if not info.local:
            meter.add_uncertain(e)
        raise
    finally:
        budget.release(reserved)
        await aclose(stream)
