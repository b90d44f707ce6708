"""Which models a service lists, and which model servers answer on this machine now."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit

from .._loop import wait
from ..errors import FmnbError
from . import faults
from .client import body, connect, fault, secret
from .profiles import Profile, names, profile

_SECONDS = 10.0
_listed: dict[str, tuple[str, ...]] = {}  # address -> models it named when it was last asked


async def models(p: Profile, timeout: float = _SECONDS) -> list[str]:
    """Names of the models the service lists now, within `timeout` seconds; its curated ones where it lists none.

    Raises the errors of a call: no key, no connection, ...
    """
    if p.models_shape == "none":
        return list(p.models)
    key = await secret(p)
    try:
        async with asyncio.timeout(timeout):
            client, options = await connect(p, key)
            import httpx2

            response = await client.get(f"{p.base_url.rstrip('/')}/models", cast_to=httpx2.Response, options=options)
    except TimeoutError:
        raise faults.silent(p, timeout) from None
    except Exception as e:
        raise fault(p, "", e, key) from None
    document = body(response)
    rows = (
        document if isinstance(document, list) else document.get("data") or document.get("models") if isinstance(document, dict) else None
    )
    if rows is None:
        raise faults.junk(p, response.text, 0, key)
    found = [str(r.get("id") or r.get("name")).removeprefix("models/") for r in rows if isinstance(r, dict)]
    _listed[p.base_url] = tuple(found)
    return found or list(p.models)


async def nearby(p: Profile) -> tuple[str, ...]:
    """Models to name when one was not found: those listed before, a local server's own, else the curated ones."""
    found = _listed.get(p.base_url, ())
    if not found and p.local:
        found = await _ask(p, 1.0) or ()
    return found or p.models


def find_local(timeout: float = 0.3) -> dict[str, tuple[str, ...]]:
    """Model servers that answer on this machine now, with the models they name; all asked at once, `timeout` seconds each.

    For ordinary code; on the background loop await `afind_local`.
    """
    return wait(afind_local(timeout))


async def afind_local(timeout: float = 0.3) -> dict[str, tuple[str, ...]]:
    """`find_local`, awaited."""
    rows = [p for p in map(_with_port, names()) if p is not None]
    found = await asyncio.gather(*(_ask(p, timeout) for p in rows))
    return {p.name: listed for p, listed in zip(rows, found, strict=True) if listed is not None}


def _with_port(name: str) -> Profile | None:
    try:
        p = profile(name)
    except FmnbError:  # a row that cannot be used says so when it is used
        return None
    return p if p.port is not None and p.local else None


async def _ask(p: Profile, timeout: float) -> tuple[str, ...] | None:
    """Models a local server names, or None. By hand, so that looking around imports no client."""
    url = urlsplit(p.base_url)
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(url.hostname, url.port or 80)
            try:
                writer.write(f"GET {url.path}/models HTTP/1.0\r\nHost: {url.netloc}\r\nAccept: application/json\r\n\r\n".encode())
                answer = b""
                while more := await reader.read(1 << 20):
                    answer += more
            finally:
                writer.close()
        return tuple(str(row["id"]) for row in json.loads(answer.partition(b"\r\n\r\n")[2])["data"])
    except (OSError, ValueError, TypeError, KeyError):  # nothing there, or something else
        return None
