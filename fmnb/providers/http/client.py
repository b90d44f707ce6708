"""The `openai` client for an address and key, cached, and the key that may be sent there.

The client handles transport, TLS, proxies and authentication. It does not retry and follows no
redirect. Exceptions of the HTTP stack become fmnb's errors here.
"""

from __future__ import annotations

import asyncio
import fnmatch
import importlib
import os
import sys
from typing import Any

from ...config import keys
from ...core.errors import FmnbError
from ...core.event_loop import to_thread
from ...core.optional import require
from ..profiles import Profile, is_original
from . import connection_errors, errors, network

_clients: dict[tuple[Any, ...], tuple[Any, Any]] = {}
# A change of one of these takes effect in the same kernel: it makes a new client.
_ENVIRONMENT = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)
# The client describes this machine in headers of every request; no service needs them, and they cost time.
_TELEMETRY = ("Lang", "Package-Version", "OS", "Arch", "Runtime", "Runtime-Version", "Async")


def find_key(p: Profile) -> keys.Key | None:
    """The key that may be sent to the profile's address, or None."""
    if not p.encrypted and not p.loopback and is_original(p):
        return None  # a key meant for https is not sent unencrypted
    return keys.find(p.key_env, p.name, p.host, own_hosts=p.key_hosts, address=p.address)


def missing(p: Profile) -> str:
    """What a call would lack: "", or a key with what to do about it."""
    if not p.needs_key or find_key(p) is not None:
        return ""
    error = errors.missing_key(p, withheld=any(os.environ.get(v) for v in p.key_env) or keys.stored(p.name))
    return f"{error.message}: {error.hint}"


async def secret(p: Profile) -> str:
    """The key, or "" where none is needed. Raises KeyMissingError."""
    in_environment = any(os.environ.get(v) for v in p.key_env)
    # a keyring may open a dialog: never on the event loop
    key = find_key(p) if in_environment or keys.is_cached(p.name) else await to_thread(lambda: find_key(p))
    if key is None and p.needs_key:
        raise errors.missing_key(p, withheld=in_environment or await to_thread(lambda: keys.stored(p.name)))
    return key.value if key else ""


async def connect(p: Profile, secret: str) -> tuple[Any, Any]:
    """The client and the options of each of its requests. It belongs to the running event loop."""
    environment = network_environment()
    headers = (*p.headers.items(), *headers_from_environment(p))
    ident = (
        id(asyncio.get_running_loop()),
        os.getpid(),
        p.base_url,
        p.auth,
        secret,
        headers,
        p.connect_timeout,
        p.read_timeout,
        environment,
    )
    cached = _clients.get(ident)
    if cached is None:
        if "openai" not in sys.modules:  # takes half a second
            await to_thread(lambda: importlib.import_module("openai"))
        cached = _clients[ident] = _new(p, secret, dict(headers))
    return cached


def network_environment() -> tuple[str | None, ...]:
    """The environment variables that a connection depends on."""
    return tuple(map(os.environ.get, _ENVIRONMENT))


def headers_from_environment(p: Profile) -> list[tuple[str, str]]:
    """Headers whose values are secrets from the environment.

    They are sent only to hosts that may receive the key.
    """
    if not p.header_env or not any(fnmatch.fnmatchcase(p.host, pattern) for pattern in p.key_hosts):
        return []
    if not p.encrypted and not p.loopback:
        return []
    return [(header, value) for header, variable in p.header_env.items() if (value := os.environ.get(variable, "").strip())]


def _new(p: Profile, secret: str, own: dict[str, str]) -> tuple[Any, Any]:
    openai = require("openai", "all", "to call hosted models")
    import httpx2

    bearer = bool(secret) and p.auth == "bearer"
    headers: dict[str, Any] = {f"X-Stainless-{n}": openai.Omit() for n in _TELEMETRY}
    headers["User-Agent"] = "fmnb"
    if secret and not bearer:
        headers[p.auth] = secret
    if p.name != "openai" or p.host not in p.key_hosts:  # the client would send the values of these variables to any service
        lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").splitlines()
        named = [n for line in lines if (n := line.partition(":")[0].strip()) and n.lower() != "authorization"]
        headers |= {n: openai.Omit() for n in ("OpenAI-Organization", "OpenAI-Project", *named)}
        if bearer:
            headers["Authorization"] = f"Bearer {secret}"
    timeout = httpx2.Timeout(p.read_timeout, connect=p.connect_timeout, pool=None)
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=60)
    client = openai.AsyncOpenAI(
        api_key=secret or "none",
        base_url=p.base_url,
        max_retries=0,
        timeout=timeout,
        default_headers={**headers, **own},
        http_client=httpx2.AsyncClient(
            timeout=timeout,
            limits=limits,
            follow_redirects=False,  # a redirect must not carry a key to another host
            **_route(p, secret, limits),
        ),
    )
    omitted = ["x-stainless-retry-count", "x-stainless-read-timeout", *([] if bearer else ["Authorization"])]
    return client, {"headers": dict.fromkeys(omitted, openai.Omit())}


def _route(p: Profile, secret: str, limits: Any) -> dict[str, Any]:
    """Certificates and proxy of the client."""
    import httpx2

    tls = network.tls_context(p, secret) if p.encrypted else True
    if p.loopback:
        return {"transport": httpx2.AsyncHTTPTransport(verify=tls, limits=limits)}  # no proxy for this machine
    if p.encrypted or network.follows_cell(p, secret):
        return {"verify": tls}
    return {"trust_env": False, "proxy": network.proxy(p, secret)}


def error_from(p: Profile, model: str, e: Exception, secret: str, known_models: tuple[str, ...] = ()) -> FmnbError:
    """fmnb's error for an exception of the HTTP stack; any other exception is raised unchanged."""
    if isinstance(e, FmnbError):
        return e
    response = getattr(e, "response", None)
    if response is not None:
        return errors.from_status(p, model, response.status_code, body_of(response), response.headers, secret, known_models)
    if not is_transport(e):
        raise e
    return connection_errors.from_exception(p, e, None, secret)


def is_transport(e: BaseException) -> bool:
    """Whether the exception comes from the HTTP stack rather than from a bug in fmnb."""
    return type(e).__module__.split(".")[0] in ("httpx2", "httpcore2", "openai", "anyio", "aiohttp", "ssl") or isinstance(e, OSError)


def body_of(response: Any) -> Any:
    """A response's JSON, or its text."""
    try:
        return response.json()
    except ValueError:
        return response.text
