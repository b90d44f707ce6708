"""A model of a hosted service, as a backend.

What all interfaces of services share is here; a `Wire` has what differs. `send` sends the
request, `read_stream` and `read_complete` turn the response into events. Retries belong to the
pipeline, where users can see them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any

from ..config.settings import check_allowed
from ..core.backend import CompleteResponse, Vectors, estimate_tokens
from ..core.errors import FmnbError
from ..core.events import Event, Notice, Waiting
from ..core.types import ModelInfo, Request, TokenCount, Usage
from . import answer_cost, embeddings, prices
from .http import client, transport
from .http.client import find_key, missing
from .images import base as images
from .images import models as images_models
from .model_lists import afind_local, find_local, model_names
from .profiles import Profile, endpoint, for_model
from .read_complete import complete
from .read_stream import events_of
from .send import refused_options, send
from .wire.base import Wire
from .wire.finish import error_at_end
from .wire.select import pick, through
from .wire.sse import Answer

__all__ = ["HostedModel", "afind_local", "backend", "find_key", "find_local", "model_names"]

_EXPLAIN_AFTER = 2.0  # seconds without a response before the wait is explained


def backend(profile: Profile, model: str) -> HostedModel:
    """A model of that service. Nothing is sent; a missing key is an error of the first call.

    Raises LockedError when an administrator's lock forbids the address.
    """
    if profile.base_url.endswith("/"):
        profile = dataclasses.replace(profile, base_url=profile.base_url.rstrip("/"))
    check_allowed("urls", profile.base_url)
    return HostedModel(for_model(profile, model), model)


class HostedModel:
    """A Backend for one model of one service. It keeps no state of a stream."""

    supports_api_choice = True
    batch = embeddings.BATCH

    def __init__(self, profile: Profile, model: str):
        self.profile = profile
        self.model = model
        self._info: ModelInfo | None = None
        self._wires: dict[str, tuple[Wire, Profile]] = {}

    @functools.cached_property
    def host(self) -> str:
        """The host whose rate limits the calls count against; servers on this machine differ by their port."""
        return self.profile.base_url if self.profile.loopback else self.profile.usual_host

    def __repr__(self) -> str:
        return f"HostedModel({self.profile.name}:{self.model} at {self.profile.usual_host})"

    @property
    def info(self) -> ModelInfo:
        """Facts about the model. The first use reads the price table; a missing key is looked up each time."""
        p = self.profile
        if self._info is not None and not self._info.missing:
            return self._info
        into, out = prices.per_million(p, self.model)
        self._info = ModelInfo(
            name=f"{p.name}:{self.model}",
            provider=p.name,
            host=p.recipient,
            local=p.local,
            context=prices.context(p, self.model),
            inputs=("text", *(["image"] if p.images else []), *(["file"] if p.files or self._wire_for("")[0].files else [])),
            price_in=into,
            price_out=out,
            missing=missing(self._wire_for("")[1]),
            source="profile" if into is None or p.local else "fmnb.toml" if p.own_prices else "price table",
        )
        self._info = images_models.info(p, self.model, self._info)
        return self._info

    def count(self, request: Request) -> TokenCount:
        """Estimated tokens of a request: the service's tokenizer is not available here."""
        return estimate_tokens(request)

    def deterministic(self, request: Request) -> bool:
        """Whether the request has temperature 0 or a seed, and the service honors it as far as is known."""
        if images_models.media_kinds(self.profile, self.model):
            return images_models.is_deterministic(self.profile, self.model, request)
        if request.temperature != 0 and request.seed is None:
            return False
        wire, p = self._wire_for(request.api)
        ignored = {*p.ignores, *wire.unsupported, *refused_options(endpoint(p, wire.path, self.model), self.model)}
        return (request.temperature == 0 and "temperature" not in ignored) or (request.seed is not None and "seed" not in ignored)

    def _wire_for(self, api: str) -> tuple[Wire, Profile]:
        """The interface for `api`, and the profile with its address; cached for each name."""
        wire = pick(self.profile, self.model, api)
        return self._wires.setdefault(api, (wire, through(self.profile, wire)))

    def embed(self, texts: Sequence[str], quant: str = "", dimensions: int | None = None) -> AsyncIterator[Event | Vectors]:
        """Embed texts, where the service has embeddings."""
        return embeddings.embed(self.profile, self.model, texts, quant, dimensions)

    def stream(self, request: Request) -> AsyncIterator[Event]:
        """Answer one request; closing the iterator closes the socket."""
        if images_models.media_kinds(self.profile, self.model):
            return images.stream(self.profile, self.model, request)
        return HostedStream(self, request)

    async def events(self, request: Request, stream: HostedStream) -> AsyncIterator[Event]:
        """Events of one request.

        `stream` receives the answer while it is read, so that it knows the usage so far.
        """
        model = self.model
        wire, p = self._wires.get(request.api) or self._wire_for(request.api)
        secret = await client.secret(p)
        sending = send(wire, p, model, request, transport.connect(p, secret))
        if p.slow:
            sent = asyncio.ensure_future(sending)
            try:
                async for wait in _explain_wait(p, sent):
                    yield wait
                reply, ignored = sent.result()
            finally:
                sent.cancel()
        else:
            reply, ignored = await sending
        answer = wire.answer(p, model, request)
        stream.begin_reading(p, answer)
        error: FmnbError | None = None
        try:
            for name in ignored:
                yield Notice(kind="not_applied", text=name)
            async for event in events_of(wire, p, model, reply, answer, secret):
                yield event
        except FmnbError as e:
            error = e
        finally:
            await reply.aclose()
        error = error or error_at_end(p, model, answer, secret)
        used = await (
            answer_cost.usage_of_failed(p, model, answer, request, error) if error else answer_cost.usage_of(p, model, answer, request)
        )
        if used is not None:
            yield used
        if error is not None:
            raise error
        yield answer.finished()

    @functools.cached_property
    def _makes_images(self) -> bool:
        return bool(images_models.media_kinds(self.profile, self.model))

    @functools.cached_property
    def bulk(self) -> Any:
        """The service's batch jobs, or None where it has none."""
        from .batch_jobs.select import batch_jobs_of

        return batch_jobs_of(self.profile, self.model)

    async def complete(self, request: Request) -> CompleteResponse:
        """Answer one request with a complete response, not a stream."""
        if self._makes_images:
            return CompleteResponse([event async for event in self.stream(request)], {})
        wire, p = self._wires.get(request.api) or self._wire_for(request.api)
        return await complete(wire, p, self.model, request, await transport.cached_connection(p))


class HostedStream:
    """The events of one call, and its usage so far."""

    def __init__(self, model: HostedModel, request: Request):
        self._model, self._request = model.model, request
        self._read: tuple[Profile, Answer] | None = None
        self._events = model.events(request, self)

    def __aiter__(self) -> HostedStream:
        return self

    def __anext__(self) -> Awaitable[Event]:
        return self._events.__anext__()

    async def aclose(self) -> None:
        """Stop, and close the socket."""
        await self._events.aclose()  # type: ignore[attr-defined]

    def begin_reading(self, p: Profile, answer: Answer) -> None:
        """The response has begun; `answer` collects it."""
        self._read = p, answer

    def so_far(self) -> Usage | None:
        """Usage so far; None before the response began."""
        return answer_cost.usage_so_far(self._read[0], self._model, self._read[1], self._request) if self._read else None


async def _explain_wait(p: Profile, sent: asyncio.Future[Any]) -> AsyncIterator[Waiting]:
    """Explain every few seconds why there is no response yet: a container starts, or a model loads."""
    began = time.monotonic()
    while True:
        await asyncio.wait({sent}, timeout=_EXPLAIN_AFTER)
        if sent.done():
            return
        yield Waiting(reason=f"{p.slow} ({time.monotonic() - began:.0f} s so far)")
