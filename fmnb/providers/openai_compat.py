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
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from .._names import load
from ..backend import Vectors, Whole, estimate_tokens
from ..config import check_allowed
from ..errors import CallError, FmnbError, UnknownModelError
from ..events import Event, Notice, Used, Waiting
from ..types import ModelCard, Request, TokenCount
from . import allowance, client, embeddings, faults, images, plain_post, prices
from .apis import pick, through
from .client import find_key
from .discover import afind_local, find_local, models, nearby
from .endings import bad_end
from .profiles import Profile, endpoint
from .sse import DONE, Answer, Frames
from .wire import Wire, drop_ignored, encode, mend, refused_option

__all__ = ["OpenAICompatible", "afind_local", "backend", "find_key", "find_local", "models"]

_PATIENCE = 2.0  # seconds without an answer before the wait is explained
_refused: dict[tuple[str, str], dict[str, str]] = {}  # (path's address, model) -> options it refused before, and their values


def backend(profile: Profile, model: str) -> OpenAICompatible:
    """The model at that service. Sends nothing yet; a missing key is found when it is asked.

    Raises LockedError when an administrator's lock forbids the address.
    """
    if profile.base_url.endswith("/"):
        profile = dataclasses.replace(profile, base_url=profile.base_url.rstrip("/"))
    check_allowed("urls", profile.base_url)
    return OpenAICompatible(profile, model)


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
        return self.profile.base_url if self.profile.local else self.profile.usual_host

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
            source="price table" if into is not None and not p.local else "profile",
        )
        self._card = images.card(p, self.model, self._card)
        return self._card

    def count(self, request: Request) -> TokenCount:
        """An estimate: the service's tokenizer is not here."""
        return estimate_tokens(request)

    def deterministic(self, request: Request) -> bool:
        """Temperature 0 or a seed, where the service honours them as far as is known."""
        if images.makes(self.profile, self.model):
            return images.seeded(self.profile, self.model, request)
        if request.temperature != 0 and request.seed is None:
            return False
        wire, p = self._reach(request.api)
        unheard = {*p.ignores, *wire.lacks, *_refused.get((endpoint(p, wire.path, self.model), self.model), ())}
        return (request.temperature == 0 and "temperature" not in unheard) or (request.seed is not None and "seed" not in unheard)

    def _reach(self, api: str) -> tuple[Wire, Profile]:
        """The interface to use, and the profile as it is reached; found once for each name."""
        wire = pick(self.profile, self.model, api)
        return self._reached.setdefault(api, (wire, through(self.profile, wire)))

    def embed(self, texts: Sequence[str], quant: str = "", dimensions: int | None = None) -> AsyncIterator[Event | Vectors]:
        """Vectors of the texts, where the service makes any."""
        return embeddings.embed(self.profile, self.model, texts, quant, dimensions)

    async def stream(self, request: Request) -> AsyncIterator[Event]:
        """Answer one request; closing the iterator closes the socket."""
        model = self.model
        if images.makes(self.profile, model):
            async with aclosing(images.stream(self.profile, model, request)) as events:
                async for event in events:
                    yield event
            return
        wire, p = self._reached.get(request.api) or self._reach(request.api)
        secret = await client.secret(p)
        sending = _send(wire, p, model, request, secret)
        if p.slow:
            sent = asyncio.ensure_future(sending)
            try:
                async for wait in _patience(p, sent):
                    yield wait
                response, lost = sent.result()
            finally:
                sent.cancel()
        else:
            response, lost = await sending
        answer = wire.answer(p, model, request)
        try:
            for name in lost:
                yield Notice(kind="not_applied", text=name)
            async for event in _events(wire, p, model, response, answer, secret):
                yield event
        finally:
            await response.aclose()
        if answer.usage is not None:
            yield await _used(p, model, answer)
        if error := bad_end(p, model, answer, secret):
            raise error
        yield answer.finished()

    @functools.cached_property
    def _makes_images(self) -> bool:
        return bool(images.makes(self.profile, self.model))

    @functools.cached_property
    def bulk(self) -> Any:
        """The service's batch jobs, or None where it has none."""
        return load("fmnb.providers.bulk:of")(self.profile, self.model)

    async def whole(self, request: Request) -> Whole:
        """Answer one request in one piece."""
        if self._makes_images:
            return Whole([event async for event in self.stream(request)], {})
        wire, p = self._reached.get(request.api) or self._reach(request.api)
        return await _whole(wire, p, self.model, request, await plain_post.line(p))


async def _patience(p: Profile, sent: asyncio.Future[Any]) -> AsyncIterator[Waiting]:
    """Why nothing comes yet, again and again until something does: a container that starts, a model that is loaded."""
    began = time.monotonic()
    while True:
        await asyncio.wait({sent}, timeout=_PATIENCE)
        if sent.done():
            return
        yield Waiting(reason=f"{p.slow} ({time.monotonic() - began:.0f} s so far)")


async def _send(wire: Wire, p: Profile, model: str, request: Request, secret: str) -> tuple[Any, list[str]]:
    """The response, its body unread, and what of the request is not applied. An option the service refuses is left out once."""
    out = _Outgoing(wire, p, model, request)
    sender, options = await client.connect(p, secret)
    import httpx2
    from openai import AsyncStream

    while True:
        try:
            response = await sender.post(
                out.url,
                cast_to=httpx2.Response,
                content=encode(out.body),
                options=options,
                stream=True,
                stream_cls=AsyncStream,
            )
            return response, out.lost
        except Exception as e:
            status = getattr(e, "status_code", None)
            if status not in (400, 422) or not out.mended(client.body(e.response)):  # type: ignore[attr-defined]
                raise client.fault(p, model, e, secret, await nearby(p) if status in (400, 404) else ()) from None


class _Outgoing:
    """A request's body on its way: what the service refused of it is left out, and said in `lost`."""

    def __init__(self, wire: Wire, p: Profile, model: str, request: Request, *, stream: bool = True):
        self.wire, self.model, self.request = wire, model, request
        self.body, self.lost = wire.body(p, model, request)
        if not stream:
            for name in ("stream", "stream_options"):
                if name not in request.extra:
                    self.body.pop(name, None)
        drop_ignored(p, self.body)
        self.url = endpoint(p, wire.path, model)  # whole, so that the client need not build it each time
        for option, value in _refused.get((self.url, model), {}).items():
            if option in self.body and json.dumps(self.body[option], default=str) == value:
                self._leave_out(option)

    def mended(self, error: Any) -> bool:
        """Whether a refusal was about one option, which is now left out."""
        option = refused_option(self.body, error)
        if option:
            _refused.setdefault((self.url, self.model), {})[option] = json.dumps(self.body[option], default=str)
            self._leave_out(option)
        return bool(option)

    def _leave_out(self, option: str) -> None:
        name = mend(self.wire, self.body, option, self.request)
        if name and name not in self.lost:
            self.lost.append(name)


async def _whole(wire: Wire, p: Profile, model: str, request: Request, line: plain_post.Line) -> Whole:
    """One answer in one piece; a service that streams all the same is read as it does."""
    secret = line.secret
    out = _Outgoing(wire, p, model, request, stream=False)
    while True:
        try:
            status, headers, data = await plain_post.post(p, line, out.url, encode(out.body))
        except Exception as e:
            raise client.fault(p, model, e, secret) from None
        if status < 300:
            break
        error = _document(data)
        if status in (400, 422) and out.mended(error):
            continue
        refusal = faults.from_status(p, model, status, error, headers, secret)
        if isinstance(refusal, UnknownModelError):  # the list is asked for only then: thousands of rows may be refused
            refusal = faults.from_status(p, model, status, error, headers, secret, await nearby(p))
        refusal.allowed = allowance.read(headers)
        raise refusal
    lost = [Notice(kind="not_applied", text=name) for name in out.lost]
    try:
        return Whole([*lost, *await read_whole(wire, p, model, request, data, secret)], allowance.read(headers))
    except CallError as e:
        e.events, e.allowed = [*lost, *e.events], allowance.read(headers)
        raise


async def read_whole(wire: Wire, p: Profile, model: str, request: Request, data: bytes, secret: str, *, share: float = 1.0) -> list[Event]:
    """Events of an answer that came in one piece; `share` of its price is paid. Raises when it is none."""
    answer, frames = wire.answer(p, model, request), Frames()
    document = _document(data)
    events: list[Event] = []
    if isinstance(document, dict) and document.get("error"):
        raise faults.from_stream_error(p, model, document["error"], 0, secret)
    if isinstance(document, dict) and document.get(wire.whole):
        events += _taken(answer, document, frames)
    elif data.lstrip().startswith((b"data:", b"event:", b":", b"id:", b"retry:")):
        for part in [*frames.feed(data), *frames.end()]:
            if part is not DONE:
                if part.get("error"):
                    raise faults.from_stream_error(p, model, part["error"], answer.characters, secret)
                events += _taken(answer, part, frames)
    else:
        frames.junk = data.decode("utf-8", "replace").strip()[:2000] or "nothing"
    events += answer.end()
    if frames.junk and not answer.characters and not answer.tools:
        raise faults.junk(p, frames.junk, answer.characters, secret)
    if answer.usage is not None:
        used = await _used(p, model, answer)
        if share != 1.0 and used.usage.cost is not None:
            used = Used(usage=dataclasses.replace(used.usage, cost=used.usage.cost * share))
        events.append(used)
    if error := bad_end(p, model, answer, secret):
        error.events = events
        raise error
    end = answer.finished()
    return [*events, dataclasses.replace(end, extra={**end.extra, "streamed": False})]


def _document(data: bytes) -> Any:
    """A body's JSON, or its text."""
    try:
        return json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")


async def _events(wire: Wire, p: Profile, model: str, response: Any, answer: Answer, secret: str) -> AsyncIterator[Event]:
    """Events of the body, then what was held back; raises when the body ended too early or was none."""
    frames = Frames()
    done = False
    error: FmnbError | None = None
    chunks = response.aiter_bytes() if "content-encoding" in response.headers else response.aiter_raw()
    try:
        if "event-stream" not in response.headers.get("content-type", ""):
            chunks = await _sniffed(chunks, frames, wire.whole)
        async for data in chunks:
            for document in frames.feed(data):
                if document is DONE:
                    done = True
                elif document.get("error"):
                    raise faults.from_stream_error(p, model, document["error"], answer.characters, secret)
                else:
                    for event in _taken(answer, document, frames):
                        yield event
    except FmnbError as e:
        error = e
    except Exception as e:
        if not client.is_transport(e):
            raise
        if not (done or answer.reason):  # a connection torn after the last word does no harm
            error = faults.from_exception(p, e, answer.characters, secret)
    for document in frames.end():
        done = done or document is DONE
        if document is not DONE:
            for event in _taken(answer, document, frames):
                yield event
    for event in answer.end():
        yield event
    if error is not None:
        raise error
    silent = not answer.characters and not answer.tools
    if frames.junk and (silent or not (done or answer.reason)):
        raise faults.junk(p, frames.junk, answer.characters, secret)
    if not (done or answer.reason):
        raise faults.cut(p, answer.characters)


def _taken(answer: Answer, document: dict[str, Any], frames: Frames) -> list[Event]:
    """Events of one document; one whose parts are not what the interface says is junk like any other."""
    try:
        return answer.take(document)
    except (AttributeError, LookupError, TypeError, ValueError):
        frames.junk = frames.junk or json.dumps(document)[:2000]
        return []


async def _sniffed(chunks: AsyncIterator[bytes], frames: Frames, whole: str) -> AsyncIterator[bytes]:
    """A body that is not called an event stream: one after all, or a whole answer, which is then framed as one event."""
    head = b""
    async for data in chunks:
        head += data
        if head.lstrip().startswith((b"data:", b"event:", b":", b"id:", b"retry:")):
            return _joined(head, chunks)
    try:
        document = json.loads(head)
        head = b"data: " + json.dumps(document).encode() + b"\n\n"
        if not isinstance(document, dict) or not (document.get(whole) or document.get("error")):
            frames.junk = head.decode()[6:2000]
    except ValueError:
        frames.junk, head = head.decode("utf-8", "replace")[:2000], b""
    return _joined(head, None)


async def _joined(head: bytes, rest: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
    yield head
    if rest is not None:
        async for data in rest:
            yield data


async def _used(p: Profile, model: str, answer: Answer) -> Used:
    assert answer.usage is not None
    if answer.usage.cost is None and p.prices and not p.local:
        await prices.load()
    paid = answer.billed or answer.usage
    cost = prices.cost(p, answer.model or model, paid, written=answer.written)
    if cost is None:  # a service may answer under a name of its own
        cost = prices.cost(p, model, paid, written=answer.written)
    return Used(usage=dataclasses.replace(answer.usage, cost=cost))
