"""A GET of an address that a setting, a notebook or a model names, which reaches public hosts alone.

    address ─ scheme, lock ─► host ─ all its IP addresses are checked ─► connection to one of them ─► body, limited
       ▲                                                                       │
       └──────────────────────────── redirect ─────────────────────────────────┘

The name is resolved once for each connection, and the connection goes to what was checked, so a name
that resolves to another address later reaches nothing. Errors name the host alone: path, query and
headers may hold keys.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from ...config.environment import initial
from ...config.settings import allowed
from ...core.errors import (
    AuthenticationError,
    BadRequestError,
    CallTimeoutError,
    ConnectionFailedError,
    FmnbError,
    LockedError,
    RateLimitError,
    ServerError,
    TLSError,
    UnexpectedResponseError,
    UsageError,
)
from ...core.event_loop import to_thread
from .addresses import is_metadata, not_public

BYTES = 10_000_000
SECONDS = 10.0
REDIRECTS = 3
_NEXT_ADDRESS = 2.5  # seconds after which the next address of a host is tried
Resolve = Callable[[str, int], Sequence[str]]
_PATH, _QUERY = "/%:@!$&'()*+,;=~-._", "/%:@!$&'()*+,;=~-._?[]"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address answered with status 200, or that it is unchanged.

    `etag` and `last_modified` are for the next request; with `unchanged`, there is no body.
    """

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    media_type: str = ""
    charset: str = "utf-8"
    etag: str = ""
    last_modified: str = ""
    unchanged: bool = False


def system_addresses(host: str, port: int) -> list[str]:
    """The IP addresses of a name, from the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))


async def safe_get(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    etag: str = "",
    last_modified: str = "",
    allow: Collection[str] = (),
    environment_proxy: bool = False,
    max_bytes: int = BYTES,
    seconds: float = SECONDS,
    resolve: Resolve = system_addresses,
    tls: ssl.SSLContext | None = None,
) -> Fetched:
    """Fetch a public http or https address, within limits.

    Args:
        url: The address.
        headers: Headers to send, such as a key. A redirect to another host does not get them.
        etag: The `etag` of an earlier answer, to get a body only if it has changed.
        last_modified: The `last_modified` of an earlier answer, likewise.
        allow: Hosts ("intranet.example.com", "localhost:8000") that may be in private networks. A cloud's
            metadata service must be named by its IP address.
        environment_proxy: Whether to use the proxy that the environment names. The proxy then resolves the
            name; addresses in private networks can be refused only if they are written as IP addresses.
        max_bytes: The largest body, both as sent and decompressed.
        seconds: The time limit for everything: names, redirects, the body.
        resolve: A function from host and port to IP addresses.
        tls: The certificates to trust; by default `SSL_CERT_FILE` as the process started with it, or those of the system.

    Returns:
        The body, or that it is unchanged.

    Raises:
        UsageError: The address is refused.
        LockedError: An administrator's lock forbids it.
        CallError: The request failed, by the kind of failure.
    """
    at = urlsplit("")
    try:
        async with asyncio.timeout(seconds):
            at, sent = _parts(url), {k: v for k, v in (("If-None-Match", etag), ("If-Modified-Since", last_modified)) if v}
            sent |= headers or {}
            for _ in range(REDIRECTS + 1):
                target = await _once(at, sent, allow, environment_proxy, max_bytes, resolve, tls)
                if isinstance(target, Fetched):
                    return target
                to = _parts(urljoin(at.geturl(), target))
                if at.scheme == "https" and to.scheme == "http":
                    raise _refused(to, "it is a redirect from https to http")
                if _origin(to) != _origin(at):
                    sent = {}
                at = to
        raise UnexpectedResponseError(f"{_origin(at)} redirects too often", detail=f"more than {REDIRECTS} redirects")
    except TimeoutError:
        raise CallTimeoutError(f"{at.hostname or 'The address'} did not answer in time", detail=f"{seconds:g} s") from None


def _parts(url: str) -> SplitResult:
    """The parts of an address with an ASCII host, path and query.

    Raises UsageError for what is no http address.
    """
    try:
        if not isinstance(url, str) or "\\" in url or any(ord(c) <= 32 or ord(c) == 127 for c in url):
            raise ValueError
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if ":" not in host:
            host = host.rstrip(".").encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        raise UsageError("That is not an address", hint="Use one such as https://api.example.com/data.") from None
    if parts.scheme not in _PORTS or not host:
        raise UsageError("Only http and https addresses can be fetched", detail=f"{parts.scheme or 'no scheme'}")
    if "@" in parts.netloc:
        raise UsageError("An address must not hold a user name or password", detail=host, hint="Use a key.")
    shown = f"[{host}]" if ":" in host else host
    netloc = f"{shown}:{port}" if port not in (None, _PORTS[parts.scheme]) else shown
    return SplitResult(parts.scheme, netloc, quote(parts.path or "/", safe=_PATH), quote(parts.query, safe=_QUERY), "")


def _origin(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc}"


def _refused(parts: SplitResult, why: str, hint: str = "") -> UsageError:
    return UsageError("The address is refused", detail=f"{_origin(parts)}: {why}", hint=hint)


async def _once(
    at: SplitResult,
    headers: Mapping[str, str],
    allow: Collection[str],
    environment_proxy: bool,
    max_bytes: int,
    resolve: Resolve,
    tls: ssl.SSLContext | None,
) -> Fetched | str:
    """One request: what it got, or the address that it is redirected to."""
    if not allowed("urls", f"{_origin(at)}{at.path}"):
        raise LockedError("An administrator's lock forbids this address", detail=_origin(at), hint="Ask the administrator.")
    import httpcore2  # of the openai client; half of the first request's time

    host, port = at.hostname or "", at.port or _PORTS[at.scheme]
    context = tls or _tls_context() if at.scheme == "https" else None
    proxy = (getproxies().get(at.scheme) or "") if environment_proxy and not proxy_bypass(host) else ""
    if proxy:
        _check_literal(at, host, port, allow)
        pool: Any = httpcore2.AsyncHTTPProxy(proxy, ssl_context=context)
    else:
        addresses = await _checked(at, host, port, allow, resolve)
        network: Any = _Pinned(addresses)
        pool = httpcore2.AsyncConnectionPool(ssl_context=context, network_backend=network)
    given = {"Host": at.netloc, "User-Agent": "fmnb", "Accept": "*/*", "Accept-Encoding": "gzip", "Connection": "close", **headers}
    target = f"{at.path}?{at.query}" if at.query else at.path
    try:
        async with pool:
            url = httpcore2.URL(scheme=at.scheme.encode(), host=host.encode(), port=port, target=target.encode())
            async with pool.stream("GET", url, headers=[(k.encode(), v.encode()) for k, v in given.items()]) as response:
                return await _read(at, response, max_bytes)
    except FmnbError:
        raise
    except Exception as e:
        if not type(e).__module__.startswith(("httpcore2", "anyio")) and not isinstance(e, OSError):
            raise
        raise _failed(at, e) from None


def _check_literal(at: SplitResult, host: str, port: int, allow: Collection[str]) -> None:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    _check(at, host, port, [host], allow)


async def _checked(at: SplitResult, host: str, port: int, allow: Collection[str], resolve: Resolve) -> list[str]:
    """The IP addresses of a host, all of which may be reached."""
    try:
        found = list(await to_thread(lambda: resolve(host, port)))
    except OSError:
        found = []
    if not found:
        raise ConnectionFailedError(f"The host name {host} was not found", detail="DNS failure", hint="Check the address and the network.")
    _check(at, host, port, found, allow)
    return found


def _check(at: SplitResult, host: str, port: int, addresses: Sequence[str], allow: Collection[str]) -> None:
    """Raise UsageError if one of the addresses is not public and the host is not allowed."""
    is_allowed = host in allow or f"{host}:{port}" in allow or at.netloc in allow
    for address in addresses:
        why = not_public(address)
        if why and not (is_allowed and (address == host or not is_metadata(address))):
            raise _refused(at, f"its IP address {address} is {why}", "If you trust it, allow the host by its name.")


class _Pinned:
    """The network of httpcore, with connections to the checked IP addresses alone.

    TLS still checks the host's name.
    """

    def __init__(self, addresses: Sequence[str]):
        self._addresses = addresses

    async def connect_tcp(self, host: str, port: int, **options: Any) -> Any:
        import httpcore2

        network = httpcore2.AnyIOBackend()
        for address in self._addresses[:-1]:
            try:
                return await network.connect_tcp(address, port, **{**options, "timeout": _NEXT_ADDRESS})
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await network.connect_tcp(self._addresses[-1], port, **options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _tls_context() -> ssl.SSLContext:
    """The certificates to trust; a cell cannot add one."""
    import httpx2

    file, folder = initial("SSL_CERT_FILE"), initial("SSL_CERT_DIR")
    if file or folder:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    return httpx2.create_ssl_context(trust_env=False)


async def _read(at: SplitResult, response: Any, max_bytes: int) -> Fetched | str:
    """The answer's body, or the address that it redirects to."""
    headers = {k.decode("latin1").lower(): v.decode("latin1") for k, v in response.headers}
    status = response.status
    validators = {"etag": headers.get("etag", ""), "last_modified": headers.get("last-modified", "")}
    if status == 304:
        return Fetched(at.geturl(), b"", unchanged=True, **validators)
    if status in (301, 302, 303, 307, 308) and (location := headers.get("location")):
        return location
    if status != 200:
        raise _status_error(at, status, headers)
    media_type, _, rest = headers.get("content-type", "").partition(";")
    charset = next((v.strip().strip('"') for k, _, v in (p.partition("=") for p in rest.split(";")) if k.strip().lower() == "charset"), "")
    body = await _body(at, response, headers.get("content-encoding", "").strip().lower(), max_bytes)
    return Fetched(at.geturl(), body, media_type.strip().lower(), charset or "utf-8", **validators)


async def _body(at: SplitResult, response: Any, encoding: str, max_bytes: int) -> bytes:
    """The body, decompressed piece by piece, so that neither side of it exceeds the limit."""
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise UnexpectedResponseError(f"{_origin(at)} answered in an encoding that was not asked for", detail=encoding[:40])
    inflate = zlib.decompressobj(31) if "gzip" in encoding else None
    body, received = bytearray(), 0
    try:
        async for data in response.aiter_stream():
            received += len(data)
            while data and received <= max_bytes and len(body) <= max_bytes:
                if inflate is None:
                    body += data
                    break
                body += inflate.decompress(data, max_bytes + 1 - len(body))
                data = inflate.unused_data or inflate.unconsumed_tail
                if inflate.eof:  # another member may follow
                    inflate = zlib.decompressobj(31)
            if received > max_bytes or len(body) > max_bytes:
                raise UnexpectedResponseError(f"{_origin(at)} sent too much", detail=f"more than {max_bytes / 1e6:g} MB")
    except zlib.error:
        raise UnexpectedResponseError(f"{_origin(at)} sent a damaged body", detail="gzip") from None
    return bytes(body)


def _status_error(at: SplitResult, status: int, headers: Mapping[str, str]) -> FmnbError:
    detail = f"HTTP {status}"
    if status in (401, 403):
        return AuthenticationError(f"{_origin(at)} does not allow this request", detail=detail, hint="Check the key.")
    if status == 429:
        wait = headers.get("retry-after", "")
        return RateLimitError(
            f"{_origin(at)} has had too many requests", detail=detail, retry_after=float(wait) if wait.isdigit() else None
        )
    if status >= 500:
        return ServerError(f"{_origin(at)} failed", detail=detail, hint="Try again later.")
    return BadRequestError(f"{_origin(at)} has no such data", detail=detail, hint="Check the address.")


def _failed(at: SplitResult, error: BaseException) -> FmnbError:
    """The error of a connection that failed.

    Messages of libraries are left out: they may hold the address.
    """
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    if tls := next((e for e in chain if isinstance(e, ssl.SSLError)), None):
        return TLSError(f"No secure connection to {_origin(at)}", detail=str(getattr(tls, "verify_message", "") or tls.reason or "TLS"))
    name = type(error).__name__
    if "Connect" in name or isinstance(error, OSError):
        return ConnectionFailedError(
            f"No connection to {_origin(at)}", detail="connection failed", hint="Check the address and the network."
        )
    if name == "ProxyError":
        return ConnectionFailedError("The proxy rejected the request", detail=_origin(at), hint="Check HTTPS_PROXY and NO_PROXY.")
    if name in ("RemoteProtocolError", "LocalProtocolError"):
        return UnexpectedResponseError(f"{_origin(at)} did not answer with complete HTTP", detail=name)
    return ConnectionFailedError(f"{_origin(at)} closed the connection without a complete answer", detail=name, hint="Try again.")
