"""The one adapter for OpenAI-compatible services, on the `openai` client.

The client carries transport, TLS, proxies and authentication; retries are the pipeline's.
The answer's bytes are decoded here (`sse`), since a chunk need not become a pydantic object
on its way to an event: that is most of the client's own cost of a stream.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from .. import keys
from .._loop import wait, worker
from .._require import require
from ..backend import estimate_tokens
from ..config import check_allowed
from ..errors import ContentFilterError, EmptyAnswerError, FmnbError, ServerError
from ..events import Event, Notice
from ..types import ModelCard, Request, TokenCount
from . import faults, prices, wire
from .profiles import Profile, is_original, names, profile
from .sse import DONE, Answer, Frames

_clients: dict[tuple[Any, ...], Any] = {}
_refused: dict[tuple[str, str], dict[str, str]] = {}  # what a model at an address refused before: option -> value as JSON
_listed: dict[str, tuple[str, ...]] = {}  # models an address named when it was last asked
_LIST_SECONDS = 10.0


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

    def __init__(self, profile: Profile, model: str):
        self.profile = profile
        self.model = model
        self._card: ModelCard | None = None

    def __repr__(self) -> str:
        return f"OpenAICompatible({self.profile.name}:{self.model} at {self.profile.host})"

    @property
    def card(self) -> ModelCard:
        """What is known before the call; the first use reads the price table."""
        if self._card is None:
            p = self.profile
            into, out = prices.per_million(p, self.model)
            self._card = ModelCard(
                name=f"{p.name}:{self.model}",
                provider=p.name,
                where=p.where,
                local=p.local,
                context=prices.context(p, self.model),
                inputs=("text", *(["image"] if p.images else []), *(["file"] if p.files else [])),
                price_in=into,
                price_out=out,
                source="price table" if into is not None and not p.local else "profile",
            )
        missing = "" if not self.profile.needs_key or find_key(self.profile) else f"a key: `%fm key set {self.profile.name}`"
        return dataclasses.replace(self._card, missing=missing) if missing else self._card

    def count(self, request: Request) -> TokenCount:
        """An estimate: the service's tokenizer is not here."""
        return estimate_tokens(request)

    def deterministic(self, request: Request) -> bool:
        """Temperature 0, or a seed where the service honours one."""
        return request.temperature == 0 or (request.seed is not None and "seed" not in self.profile.ignores)

    def stream(self, request: Request) -> AsyncIterator[Event]:
        """Answer one request; closing the iterator closes the socket."""
        return _stream(self.profile, self.model, request)


def find_key(p: Profile) -> keys.Key | None:
    """The key that may be sent to the profile's address, or None."""
    if p.base_url.startswith("http://") and not p.local and is_original(p):
        return None  # a key meant for https does not travel in the clear
    return keys.find(p.key_env, p.name, p.host, own_hosts=p.key_hosts)


async def models(p: Profile, timeout: float = _LIST_SECONDS) -> list[str]:
    """Names of the models the service lists now, within `timeout` seconds; its curated ones where it lists none."""
    if p.models_shape == "none":
        return list(p.models)
    secret = _secret(p)
    try:
        async with asyncio.timeout(timeout):
            client, options = await _client(p, secret)
            response = await client.get(f"{p.base_url}/models", cast_to=_response_type(), options=options)
    except TimeoutError:
        raise faults._timeout(p, {"ReadTimeout"}, None) from None
    except Exception as e:
        raise await _fault(p, "", e, secret) from None
    try:
        document = response.json()
    except ValueError:
        raise faults.junk(p, response.text, 0, secret) from None
    rows = document if isinstance(document, list) else document.get("data") or document.get("models") or []
    found = [str(r.get("id") or r.get("name")).removeprefix("models/") for r in rows if isinstance(r, dict)]
    _listed[p.base_url] = tuple(found)
    return found or list(p.models)


def find_local(timeout: float = 0.3) -> dict[str, tuple[str, ...]]:
    """Model servers that answer on this machine now, with the models they name; all asked at once.

    Not for use on the background loop.
    """
    return wait(afind_local(timeout))


async def afind_local(timeout: float = 0.3) -> dict[str, tuple[str, ...]]:
    """`find_local`, awaited."""
    rows = [p for p in (profile(n) for n in names() if _has_port(n)) if p.local]
    found = await asyncio.gather(*(_ask_local(p, timeout) for p in rows))
    return {p.name: listed for p, listed in zip(rows, found, strict=True) if listed is not None}


def _has_port(name: str) -> bool:
    try:
        return profile(name).port is not None
    except FmnbError:
        return False


async def _ask_local(p: Profile, timeout: float) -> tuple[str, ...] | None:
    """Models a local server names, or None. By hand, so that looking around imports no client."""
    url = urlsplit(p.base_url)
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(url.hostname, url.port or 80)
            try:
                writer.write(f"GET {url.path}/models HTTP/1.0\r\nHost: {url.netloc}\r\nAccept: application/json\r\n\r\n".encode())
                answer = await reader.read(1 << 20)
                while more := await reader.read(1 << 20):
                    answer += more
            finally:
                writer.close()
        rows = json.loads(answer.partition(b"\r\n\r\n")[2])["data"]
        return tuple(str(r["id"]) for r in rows)
    except (OSError, ValueError, TypeError, KeyError):
        return None


async def _stream(p: Profile, model: str, request: Request) -> AsyncIterator[Event]:
    secret = _secret(p)
    body = wire.body(p, model, request)
    wire.drop_ignored(p, body)
    lost = wire.not_applied(p, request)
    for option, value in _refused.get((p.base_url, model), {}).items():
        if option in body and json.dumps(body[option], default=str) == value:
            _lose(lost, wire.mend(body, option, request))
    client, options = await _client(p, secret)
    while True:
        try:
            response = await client.post(
                f"{p.base_url}/chat/completions",  # whole, so that the client need not build it each time
                cast_to=_response_type(),
                content=wire.encode(body),
                options=options,
                stream=True,
                stream_cls=_stream_type(),
            )
            break
        except Exception as e:
            option = _refused_option(e, body)
            if not option:
                raise await _fault(p, model, e, secret) from None
            _refused.setdefault((p.base_url, model), {})[option] = json.dumps(body[option], default=str)
            _lose(lost, wire.mend(body, option, request))
    try:
        for name in lost:
            yield Notice(kind="not_applied", text=name)
        answer = Answer(p.reasoning_fields)
        async for event in _events(p, model, response, answer, secret):
            yield event
    finally:
        await response.aclose()
    used = None
    if answer.usage is not None:
        if p.prices and not p.local and answer.usage.cost is None:
            await prices.load()
        used = answer.used(prices.cost(p, answer.model or model, answer.usage) if answer.usage.cost is None else answer.usage.cost)
    if used is not None:
        yield used
    if answer.reason == "content_filter" and not answer.refused:
        raise ContentFilterError(
            f"{p.label} withheld {'the rest of ' if answer.characters else ''}the answer",
            seen="content filter",
            todo="Rephrase the prompt, or use another model.",
            billed=True,
        )
    if answer.reason == "error":
        raise ServerError(f"{p.label} failed while answering", seen="finish reason 'error'", todo="Try again.", billed=True)
    if not answer.characters and not answer.tools:
        raise _empty(p, answer)
    yield answer.finished()


async def _events(p: Profile, model: str, response: Any, answer: Answer, secret: str) -> AsyncIterator[Event]:
    """Events of the body, then what was held back; raises when the body ended too early or was none."""
    frames = Frames()
    done = False
    kind = response.headers.get("content-type", "")
    chunks = response.aiter_bytes() if "content-encoding" in response.headers else response.aiter_raw()
    try:
        if "event-stream" not in kind:
            whole, rest = await _sniff(chunks)
            if rest is None:
                for event in _whole(p, model, whole, answer, secret):
                    yield event
                done = True
            else:
                for document in frames.feed(rest):
                    for event in _document(p, model, document, answer, secret):
                        yield event
        async for data in chunks:
            for document in frames.feed(data):
                if document is DONE:
                    done = True
                    continue
                if "error" in document and document["error"]:
                    for event in answer.end():
                        yield event
                    raise faults.from_stream_error(p, model, document["error"], answer.characters, secret)
                for event in answer.take(document):
                    yield event
    except FmnbError:
        raise
    except Exception as e:
        if not _is_transport(e):
            raise
        if not (done or answer.reason):  # a connection torn after the last word does no harm
            for event in answer.end():
                yield event
            raise faults.from_exception(p, e, answer.characters, secret) from None
    for document in frames.end():
        done = done or document is DONE
        for event in _document(p, model, document, answer, secret):
            yield event
    for event in answer.end():
        yield event
    if not (done or answer.reason):
        if frames.junk:
            raise faults.junk(p, frames.junk, answer.characters, secret)
        raise faults.cut(p, answer.characters)
    if frames.junk and not answer.characters and not answer.tools:
        raise faults.junk(p, frames.junk, 0, secret)


def _document(p: Profile, model: str, document: Any, answer: Answer, secret: str) -> list[Event]:
    if document is DONE:
        return []
    if document.get("error"):
        raise faults.from_stream_error(p, model, document["error"], answer.characters, secret)
    return answer.take(document)


async def _sniff(chunks: AsyncIterator[bytes]) -> tuple[bytes, bytes | None]:
    """A body without the event-stream type: the whole of it, or None and its beginning when it is a stream after all."""
    whole = b""
    async for data in chunks:
        whole += data
        if whole.lstrip()[:1] not in (b"{", b"<", b"[", b"") and whole.lstrip().startswith((b"data:", b"event:", b":", b"id:", b"retry:")):
            return b"", whole
    return whole, None


def _whole(p: Profile, model: str, whole: bytes, answer: Answer, secret: str) -> list[Event]:
    """A completion that came in one piece, though a stream was asked for."""
    try:
        document = json.loads(whole)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise faults.junk(p, whole.decode("utf-8", "replace"), 0, secret) if whole.strip() else faults.cut(p, 0)
    if not document.get("choices") and not document.get("error"):
        raise faults.junk(p, whole.decode("utf-8", "replace"), 0, secret)
    return _document(p, model, document, answer, secret)


def _empty(p: Profile, answer: Answer) -> FmnbError:
    if answer.reason == "length":
        todo = "The whole allowance went into reasoning: raise --max-tokens." if answer.thought else "Raise --max-tokens."
    else:
        todo = "Ask again, or rephrase."
    seen = "reasoning and no answer" if answer.thought else f"finish reason '{answer.reason or 'none'}'"
    return EmptyAnswerError(f"{p.label} answered with no text", seen=seen, todo=todo, billed=True)


def _lose(lost: list[str], name: str | None) -> None:
    if name and name not in lost:
        lost.append(name)


def _refused_option(e: Exception, body: dict[str, Any]) -> str:
    if getattr(e, "status_code", None) not in (400, 422):
        return ""
    document = getattr(e, "response", None)
    return wire.refused_option(body, _body(document))


def _body(response: Any) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text


async def _fault(p: Profile, model: str, e: Exception, secret: str) -> FmnbError:
    response = getattr(e, "response", None)
    if response is None:
        if isinstance(e, FmnbError):
            return e
        if not _is_transport(e):
            raise e
        return faults.from_exception(p, e, None, secret)
    known = _listed.get(p.base_url, ()) or p.models
    if p.local and model and not known and e.status_code in (400, 404):  # type: ignore[attr-defined]
        known = await _ask_local(p, 1.0) or ()
    return faults.from_status(p, model, response.status_code, _body(response), response.headers, secret, known)


def _is_transport(e: BaseException) -> bool:
    """Whether the exception is the HTTP stack's own, and no bug of ours."""
    return type(e).__module__.split(".")[0] in ("httpx2", "httpcore2", "openai", "anyio", "ssl") or isinstance(e, OSError)


def _secret(p: Profile) -> str:
    key = find_key(p)
    if key is None and p.needs_key:
        raise faults.missing_key(p, withheld=any(os.environ.get(v, "").strip() for v in p.key_env))
    return key.value if key else ""


async def _client(p: Profile, secret: str) -> tuple[Any, Any]:
    """The client for an address and key, and the options of each request; made once, on the loop that uses it."""
    here = asyncio.get_running_loop()
    around = tuple(map(os.environ.get, _ENVIRONMENT))  # a user who mends these goes on in the same kernel
    ident = (id(here), os.getpid(), p.base_url, p.auth, secret, tuple(p.headers.items()), p.connect_timeout, p.read_timeout, around)
    found = _clients.get(ident)
    if found is None:
        if "openai" not in sys.modules:  # half a second of work: not on the loop
            async for _ in worker(lambda put, stop: importlib.import_module("openai") and None):
                pass
        found = _clients[ident] = _new_client(p, secret)
    return found


def _new_client(p: Profile, secret: str) -> tuple[Any, Any]:
    openai = require("openai", "all", "to call hosted models")
    import httpx2

    bearer = p.auth == "bearer" and secret
    headers: dict[str, Any] = {n: openai.Omit() for n in _TELEMETRY}
    headers["User-Agent"] = "fmnb"
    if secret and not bearer:
        headers[p.auth] = secret
    if p.name != "openai":  # the client would send these variables' values to any service
        headers |= {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
    omitted = ("x-stainless-retry-count", "x-stainless-read-timeout", *(() if bearer else ("Authorization",)))
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=60)
    client = openai.AsyncOpenAI(
        api_key=secret or "none",
        base_url=p.base_url,
        max_retries=0,
        default_headers={**headers, **p.headers},
        http_client=httpx2.AsyncClient(
            base_url=p.base_url,
            timeout=httpx2.Timeout(p.read_timeout, connect=p.connect_timeout, pool=None),
            limits=limits,
            follow_redirects=False,  # a redirect must not carry a key to another host
            transport=httpx2.AsyncHTTPTransport(limits=limits) if p.local else None,  # no proxy for what stays here
        ),
        timeout=httpx2.Timeout(p.read_timeout, connect=p.connect_timeout, pool=None),
    )
    return client, {"headers": dict.fromkeys(omitted, openai.Omit())}


_ENVIRONMENT = tuple(
    n for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for n in (name, name.lower())
) + ("SSL_CERT_FILE", "SSL_CERT_DIR")  # fmt: skip

# The client describes this machine in every request; no service needs that, and headers cost time.
_TELEMETRY = (
    "X-Stainless-Lang",
    "X-Stainless-Package-Version",
    "X-Stainless-OS",
    "X-Stainless-Arch",
    "X-Stainless-Runtime",
    "X-Stainless-Runtime-Version",
    "X-Stainless-Async",
)


def _response_type() -> Any:
    import httpx2

    return httpx2.Response


def _stream_type() -> Any:
    from openai import AsyncStream

    return AsyncStream
