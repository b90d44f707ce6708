"""The one adapter for hosted services, on the `openai` client.

What the interfaces of services have in common is here; what differs is a `Wire`. The client
sends; the answer's bytes are decoded here (`sse`), since a chunk need not become
a pydantic object on its way to an event: that is most of the client's own cost of a stream.
Retries are the pipeline's, where they can be seen.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import aclosing
from typing import Any

from ..config.settings import check_allowed
from ..core.backend import Vectors, Whole, estimate_tokens
from ..core.errors import FmnbError
from ..core.events import Event, Notice, Waiting
from ..core.types import ModelCard, Request, TokenCount, Usage
from . import answer_cost, embeddings, prices
from .http import client, transport
from .http.client import find_key
from .images import base as images
from .images import models as images_models
from .model_lists import afind_local, find_local, models
from .profiles import Profile, endpoint, for_model
from .read_complete import whole
from .read_stream import events_of
from .send import refused_before, send
from .wire.base import Wire
from .wire.finish import bad_end
from .wire.select import pick, through
from .wire.sse import Answer

__all__ = ["OpenAICompatible", "afind_local", "backend", "find_key", "find_local", "models"]

_PATIENCE = 2.0  # seconds without an answer before the wait is explained


def backend(profile: Profile, model: str) -> OpenAICompatible:
    """The model at that service. Sends nothing yet; a missing key is found when it is asked.

    Raises LockedError when an administrator's lock forbids the address.
    """
    if profile.base_url.endswith("/"):
        profile = dataclasses.replace(profile, base_url=profile.base_url.rstrip("/"))
    check_allowed("urls", profile.base_url)
    return OpenAICompatible(for_model(profile, model), model)


class OpenAICompatible:
    """A Backend for one model of one service. Keeps nothing of a stream."""

    interfaces = True
    batch = embeddings.BATCH

    def __init__(self, profile: Profile, model: str):
        self.profile = profile
        self.model = model
        self._card: ModelCard | None = None
        self._reached: dict[str, tuple[Wire, Profile]] = {}

    @functools.cached_property
    def host(self) -> str:
        """Whose limits the calls count against; servers on this machine are told apart by their port."""
        return self.profile.base_url if self.profile.loopback else self.profile.usual_host

    def __repr__(self) -> str:
        return f"OpenAICompatible({self.profile.name}:{self.model} at {self.profile.usual_host})"

    @property
    def card(self) -> ModelCard:
        """What is known before the call. The first use reads the price table; a missing key is looked for each time."""
        p = self.profile
        if self._card is not None and not self._card.missing:
            return self._card
        into, out = prices.per_million(p, self.model)
        self._card = ModelCard(
            name=f"{p.name}:{self.model}",
            provider=p.name,
            where=p.where,
            local=p.local,
            context=prices.context(p, self.model),
            inputs=("text", *(["image"] if p.images else []), *(["file"] if p.files or self._reach("")[0].files else [])),
            price_in=into,
            price_out=out,
            missing=f"a key: `%fm key set {p.name}`" if p.needs_key and find_key(self._reach("")[1]) is None else "",
            source="profile" if into is None or p.local else "fmnb.toml" if p.own_prices else "price table",
        )
        self._card = images_models.card(p, self.model, self._card)
        return self._card

    def count(self, request: Request) -> TokenCount:
        """An estimate: the service's tokenizer is not here."""
        return estimate_tokens(request)

    def deterministic(self, request: Request) -> bool:
        """Temperature 0 or a seed, where the service honours them as far as is known."""
        if images_models.makes(self.profile, self.model):
            return images_models.seeded(self.profile, self.model, request)
        if request.temperature != 0 and request.seed is None:
            return False
        wire, p = self._reach(request.api)
        unheard = {*p.ignores, *wire.lacks, *refused_before(endpoint(p, wire.path, self.model), self.model)}
        return (request.temperature == 0 and "temperature" not in unheard) or (request.seed is not None and "seed" not in unheard)

    def _reach(self, api: str) -> tuple[Wire, Profile]:
        """The interface to use, and the profile as it is reached; found once for each name."""
        wire = pick(self.profile, self.model, api)
        return self._reached.setdefault(api, (wire, through(self.profile, wire)))

    def embed(self, texts: Sequence[str], quant: str = "", dimensions: int | None = None) -> AsyncIterator[Event | Vectors]:
        """Vectors of the texts, where the service makes any."""
        return embeddings.embed(self.profile, self.model, texts, quant, dimensions)

    def stream(self, request: Request) -> AsyncIterator[Event]:
        """Answer one request; closing the iterator closes the socket."""
        return Stream(self, request)

    async def events(self, request: Request, stream: Stream) -> AsyncIterator[Event]:
        """Events of one request, for `stream`, which is shown the answer as it comes."""
        model = self.model
        if images_models.makes(self.profile, model):
            async with aclosing(images.stream(self.profile, model, request)) as events:
                async for event in events:
                    yield event
            return
        wire, p = self._reached.get(request.api) or self._reach(request.api)
        secret = await client.secret(p)
        sending = send(wire, p, model, request, transport.connect(p, secret))
        if p.slow:
            sent = asyncio.ensure_future(sending)
            try:
                async for wait in _patience(p, sent):
                    yield wait
                reply, lost = sent.result()
            finally:
                sent.cancel()
        else:
            reply, lost = await sending
        answer = wire.answer(p, model, request)
        stream.reads(p, answer)
        error: FmnbError | None = None
        try:
            for name in lost:
                yield Notice(kind="not_applied", text=name)
            async for event in events_of(wire, p, model, reply, answer, secret):
                yield event
        except FmnbError as e:
            error = e
        finally:
            await reply.aclose()
        error = error or bad_end(p, model, answer, secret)
        used = await (answer_cost.owed(p, model, answer, request, error) if error else answer_cost.used(p, model, answer, request))
        if used is not None:
            yield used
        if error is not None:
            raise error
        yield answer.finished()

    @functools.cached_property
    def _makes_images(self) -> bool:
        return bool(images_models.makes(self.profile, self.model))

    @functools.cached_property
    def bulk(self) -> Any:
        """The service's batch jobs, or None where it has none."""
        from .batch_jobs.select import bulk_of

        return bulk_of(self.profile, self.model)

    async def whole(self, request: Request) -> Whole:
        """Answer one request in one piece."""
        if self._makes_images:
            return Whole([event async for event in self.stream(request)], {})
        wire, p = self._reached.get(request.api) or self._reach(request.api)
        return await whole(wire, p, self.model, request, await transport.cached_connection(p))


class Stream:
    """The events of one call, and what it has used until now."""

    def __init__(self, model: OpenAICompatible, request: Request):
        self._model, self._request = model.model, request
        self._read: tuple[Profile, Answer] | None = None
        self._events = model.events(request, self)

    def __aiter__(self) -> Stream:
        return self

    def __anext__(self) -> Awaitable[Event]:
        return self._events.__anext__()

    async def aclose(self) -> None:
        """Stop, and close the socket."""
        await self._events.aclose()  # type: ignore[attr-defined]

    def reads(self, p: Profile, answer: Answer) -> None:
        """The service has begun to answer."""
        self._read = p, answer

    def so_far(self) -> Usage | None:
        """What the call has used until now; None while the service has not begun to answer."""
        return answer_cost.so_far(self._read[0], self._model, self._read[1], self._request) if self._read else None


async def _patience(p: Profile, sent: asyncio.Future[Any]) -> AsyncIterator[Waiting]:
    """Why nothing comes yet, again and again until something does: a container that starts, a model that is loaded."""
    began = time.monotonic()
    while True:
        await asyncio.wait({sent}, timeout=_PATIENCE)
        if sent.done():
            return
        yield Waiting(reason=f"{p.slow} ({time.monotonic() - began:.0f} s so far)")
