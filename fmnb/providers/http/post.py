"""One request, one answer in one piece: for rows, where nobody watches tokens come.

On aiohttp where it is installed (it costs a third of the client's time a call), else on the
`openai` client. The same key, headers, time-outs and proxies; no redirect is followed.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ..profiles import Profile
from . import client

Answer = tuple[int, Any, bytes]  # status, headers, body
_FRESH = 5.0  # seconds for which key, environment and proxies are not looked at again
_sessions: dict[tuple[Any, ...], Any] = {}
_lines: dict[tuple[int, str, str], tuple[float, Line]] = {}


@dataclass(frozen=True)
class Line:
    """How a service is reached now: its key, and aiohttp's session, or None where the client sends."""

    secret: str
    session: Any = None
    proxy: str | None = None


async def line(p: Profile) -> Line:
    """The way to an address. KeyMissingError without the key it needs."""
    ident = (id(asyncio.get_running_loop()), p.base_url, p.name)
    at, found = _lines.get(ident, (0.0, None))
    now = time.monotonic()
    if found is None or now - at > _FRESH:
        secret = await client.secret(p)
        found = Line(secret) if _without() else Line(secret, _session(p, secret), None if p.loopback else _proxy(p.base_url))
        _lines[ident] = now, found
    return found


class TornError(Exception):
    """The connection was lost while the body came; `data` is what had come of it. The cause is the transport's exception."""

    def __init__(self, status: int, headers: Any, data: bytes):
        super().__init__(status)
        self.status, self.headers, self.data = status, headers, data


async def post(p: Profile, line: Line, url: str, content: bytes) -> Answer:
    """Send; exceptions are those of the transport, and TornError once the answer had begun."""
    if line.session is None:
        return await _through_client(p, url, content, line.secret)
    async with line.session.post(url, data=content, allow_redirects=False, proxy=line.proxy) as response:
        return response.status, response.headers, await _body(response.status, response.headers, response.content.iter_any())


async def _body(status: int, headers: Any, chunks: AsyncIterator[bytes]) -> bytes:
    """The whole body. TornError with what there is when the connection is lost on the way."""
    parts: list[bytes] = []
    try:
        async for data in chunks:
            parts.append(data)
    except Exception as e:
        if not client.is_transport(e):
            raise
        raise TornError(status, headers, b"".join(parts)) from e
    return b"".join(parts)


def _without() -> bool:
    """Whether aiohttp is not there, or cannot go where the environment says (a proxy for everything may be a SOCKS one)."""
    return find_spec("aiohttp") is None or any(os.environ.get(n) for n in ("ALL_PROXY", "all_proxy"))


def _proxy(url: str) -> str | None:
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


def _session(p: Profile, secret: str) -> Any:
    """The connections to an address: made once, kept alive. Belongs to the running loop."""
    own = (*p.headers.items(), *client.from_environment(p))
    where = (id(asyncio.get_running_loop()), os.getpid(), p.base_url, p.auth, secret, own, p.connect_timeout, p.read_timeout)
    ident = (*where, client.surroundings())
    found = _sessions.get(ident)
    if found is not None and not found.closed:
        return found
    import aiohttp

    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "fmnb"}
    if secret:
        headers |= {"Authorization": f"Bearer {secret}"} if p.auth == "bearer" else {p.auth: secret}
    found = _sessions[ident] = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30, ssl=_tls() if p.base_url.startswith("https:") else False),
        headers={**headers, **_account(p), **dict(own)},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=p.connect_timeout, sock_read=p.read_timeout),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    atexit.register(_close, found, asyncio.get_running_loop())
    return found


def _close(session: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Close the sockets when Python ends."""
    if not loop.is_closed():
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(session.close(), loop).result(0.5)


def _tls() -> Any:
    """The certificates that the client trusts, too."""
    import httpx2

    return httpx2.create_ssl_context()


def _account(p: Profile) -> dict[str, str]:
    """What the client would say to OpenAI alone: organisation and project."""
    if p.name != "openai" or p.host not in p.key_hosts:
        return {}
    said = {"OpenAI-Organization": os.environ.get("OPENAI_ORG_ID", ""), "OpenAI-Project": os.environ.get("OPENAI_PROJECT_ID", "")}
    for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip().lower() != "authorization":
            said[name.strip()] = value.strip()
    return {name: value for name, value in said.items() if value}


async def _through_client(p: Profile, url: str, content: bytes, secret: str) -> Answer:
    import httpx2
    from openai import AsyncStream

    sender, options = await client.connect(p, secret)
    try:
        response = await sender.post(url, cast_to=httpx2.Response, content=content, options=options, stream=True, stream_cls=AsyncStream)
    except Exception as e:
        response = getattr(e, "response", None)  # a refusal, which the client has read
        if response is None:
            raise
        return response.status_code, response.headers, response.content
    try:
        return response.status_code, response.headers, await _body(response.status_code, response.headers, response.aiter_bytes())
    finally:
        await response.aclose()
