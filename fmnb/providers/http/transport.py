"""One POST to a service and its response, whose body can be streamed or read at once.

Uses aiohttp if installed (a third of the CPU time of the `openai` client), otherwise the `openai`
client. Both send the same key and headers, honor the same timeouts and proxies, and
follow no redirect.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from ..profiles import Profile
from . import client, network

_CACHE_SECONDS = 5.0  # how long rows reuse key, environment and proxies without checking again
_sessions: dict[tuple[Any, ...], Any] = {}
_connections: dict[tuple[int, str, str], tuple[float, Connection]] = {}
_proxies: dict[str, tuple[float, str | None]] = {}


@dataclass(frozen=True)
class Connection:
    """How to reach a service: the key, and aiohttp's session (None to use the `openai` client)."""

    secret: str
    session: Any = None
    proxy: str | None = None


@dataclass
class Reply:
    """A response whose body is not read yet. `chunks` are its bytes, decompressed."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]
    aclose: Callable[[], Awaitable[None]]  # closes the socket if the body was not read to its end


class BodyInterruptedError(Exception):
    """The connection was lost while the body was read; `data` is what arrived.

    The cause is the transport's exception.
    """

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes):
        super().__init__(status)
        self.status, self.headers, self.data = status, headers, data


def connect(p: Profile, secret: str) -> Connection:
    """The connection to a service with this key."""
    if not _has_aiohttp() or any(os.environ.get(n) for n in ("ALL_PROXY", "all_proxy")):  # aiohttp does not support SOCKS
        return Connection(secret)
    return Connection(secret, _session(p, secret), _proxy(p, secret))


async def cached_connection(p: Profile) -> Connection:
    """The connection to a service, cached for a few seconds, since a batch has thousands of rows.

    Raises KeyMissingError if the key is missing.
    """
    ident = (id(asyncio.get_running_loop()), p.base_url, p.name)
    at, connection = _connections.get(ident, (0.0, None))
    now = time.monotonic()
    if connection is None or now - at > _CACHE_SECONDS:
        connection = connect(p, await client.secret(p))
        _connections[ident] = now, connection
    return connection


async def post(p: Profile, connection: Connection, url: str, content: bytes) -> Reply:
    """Send a request; returns the response, whatever its status. Raises the HTTP stack's exceptions."""
    if connection.session is None:
        return await _post_with_client(p, connection.secret, url, content)
    response = await connection.session.post(url, data=content, allow_redirects=False, proxy=connection.proxy)

    async def aclose() -> None:
        response.close()

    return Reply(response.status, response.headers, response.content.iter_any(), aclose)


async def read(reply: Reply) -> bytes:
    """Read the whole body and close the response.

    Raises BodyInterruptedError with the received part if the connection is lost.
    """
    parts: list[bytes] = []
    try:
        async for data in reply.chunks:
            parts.append(data)
    except Exception as e:
        if not client.is_transport(e):
            raise
        raise BodyInterruptedError(reply.status, reply.headers, b"".join(parts)) from e
    finally:
        await reply.aclose()
    return b"".join(parts)


def clear() -> None:
    """Clear the cached connections; the next call opens new ones."""
    _connections.clear()
    _proxies.clear()


@functools.cache
def _has_aiohttp() -> bool:
    return find_spec("aiohttp") is not None


def _proxy(p: Profile, secret: str) -> str | None:
    """The proxy of an address, cached, since asking the system's settings takes longer than a row."""
    at, found = _proxies.get(p.base_url, (0.0, None))
    now = time.monotonic()
    if not at or now - at > _CACHE_SECONDS:
        found = network.proxy(p, secret)
        _proxies[p.base_url] = now, found
    return found


def _session(p: Profile, secret: str) -> Any:
    """The session for an address, created once and kept alive. It belongs to the running event loop."""
    own = (*p.headers.items(), *client.headers_from_environment(p))
    address = (id(asyncio.get_running_loop()), os.getpid(), p.base_url, p.auth, secret, own, p.connect_timeout, p.read_timeout)
    ident = (*address, client.network_environment())
    session = _sessions.get(ident)
    if session is not None and not session.closed:
        return session
    import aiohttp

    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "fmnb"}
    if secret:
        headers |= {"Authorization": f"Bearer {secret}"} if p.auth == "bearer" else {p.auth: secret}
    session = _sessions[ident] = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0, keepalive_timeout=30, ssl=network.tls_context(p, secret) if p.base_url.startswith("https:") else False
        ),
        headers={**headers, **_account_headers(p), **dict(own)},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=p.connect_timeout, sock_read=p.read_timeout),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    atexit.register(_close, session, asyncio.get_running_loop())
    return session


def _close(session: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Close the sockets when Python ends."""
    if not loop.is_closed():
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(session.close(), loop).result(0.5)


def _account_headers(p: Profile) -> dict[str, str]:
    """Organization and project headers, which the `openai` client sends only to OpenAI."""
    if p.name != "openai" or p.host not in p.key_hosts:
        return {}
    headers = {"OpenAI-Organization": os.environ.get("OPENAI_ORG_ID", ""), "OpenAI-Project": os.environ.get("OPENAI_PROJECT_ID", "")}
    for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip().lower() != "authorization":
            headers[name.strip()] = value.strip()
    return {name: value for name, value in headers.items() if value}


async def _post_with_client(p: Profile, secret: str, url: str, content: bytes) -> Reply:
    sender, options = await client.connect(p, secret)
    import httpx2
    from openai import AsyncStream

    try:
        response = await sender.post(url, cast_to=httpx2.Response, content=content, options=options, stream=True, stream_cls=AsyncStream)
    except Exception as e:
        response = getattr(e, "response", None)  # for a status above 299, whose body the client has read
        if response is None:
            raise
        return Reply(response.status_code, response.headers, _one(response.content), response.aclose)
    compressed = "content-encoding" in response.headers
    chunks = response.aiter_bytes() if compressed else response.aiter_raw()
    return Reply(response.status_code, response.headers, chunks, response.aclose)


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data
