"""Models that a service lists, and model servers that run on this machine."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..core.errors import FmnbError
from ..core.event_loop import run_sync
from .http import connection_errors
from .http import errors as faults
from .http.client import body_of, connect, error_from, secret
from .profiles import Profile, names, profile
from .wire.select import pick, through

_TIMEOUT = 10.0
_last_lists: dict[str, tuple[str, ...]] = {}  # address -> models of its last list


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model as its service lists it; missing facts are None or empty.

    Prices are US dollars per million tokens.
    """

    name: str
    context: int | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    price_in: float | None = None
    price_out: float | None = None


async def model_names(p: Profile, timeout: float = _TIMEOUT) -> list[str]:
    """Names of the models a service lists, within `timeout` seconds; the curated ones if it lists none.

    Raises the errors of a call: no key, no connection, ...
    """
    return [m.name for m in await list_models(p, timeout)] or list(p.models)


async def list_models(p: Profile, timeout: float = _TIMEOUT) -> list[ListedModel]:
    """The models a service lists, with its facts; empty if it lists none. Raises the errors of a call."""
    if p.models_shape == "none":
        return []
    p = through(p, pick(p, ""))
    key = await secret(p)
    try:
        async with asyncio.timeout(timeout):
            client, options = await connect(p, key)
            import httpx2

            response = await client.get(f"{p.base_url.rstrip('/')}/models", cast_to=httpx2.Response, options=options)
    except TimeoutError:
        raise connection_errors.no_answer(p, timeout) from None
    except Exception as e:
        raise error_from(p, "", e, key) from None
    document = body_of(response)
    rows = (
        document if isinstance(document, list) else document.get("data") or document.get("models") if isinstance(document, dict) else None
    )
    if rows is None:
        if isinstance(document, dict) and ("data" in document or "models" in document):
            return []  # an empty list
        raise faults.unexpected_response(p, response.text, 0, key)
    models_listed = [_listed_model(r) for r in rows if isinstance(r, dict) and (r.get("id") or r.get("name"))]
    _last_lists[p.base_url] = tuple(m.name for m in models_listed)
    return models_listed


def _listed_model(row: dict[str, Any]) -> ListedModel:
    """One entry of a list.

    The fields are those of OpenRouter, Together, Groq, vLLM and LM Studio; each service fills some.
    """
    kinds: dict[str, Any] = found if isinstance(found := row.get("architecture"), dict) else {}
    price: dict[str, Any] = found if isinstance(found := row.get("pricing"), dict) else {}
    context = next((v for k in ("context_length", "context_window", "max_model_len", "max_context_length") if (v := row.get(k))), None)
    per_token = 1e6 if "prompt" in price else 1.0  # OpenRouter prices are per token, Together's per million
    return ListedModel(
        name=str(row.get("id") or row.get("name")).removeprefix("models/"),
        context=context if isinstance(context, int) else None,
        inputs=_strings(kinds.get("input_modalities")),
        outputs=_strings(kinds.get("output_modalities")),
        price_in=_price(price.get("prompt", price.get("input")), per_token),
        price_out=_price(price.get("completion", price.get("output")), per_token),
    )


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def _price(value: Any, times: float) -> float | None:
    """A price; services write -1 if it varies."""
    try:
        price = float(value) * times
    except (TypeError, ValueError):
        return None
    return price if 0 <= price < float("inf") else None


async def suggestions(p: Profile) -> tuple[str, ...]:
    """Models to suggest for an unknown name: the last list, a local server's models, or the curated ones."""
    names_listed = _last_lists.get(p.base_url, ())
    if not names_listed and p.loopback:
        names_listed = await _probe(p, 1.0) or ()
    return names_listed or p.models


def find_local(timeout: float = 0.3) -> dict[str, tuple[str, ...]]:
    """Model servers running on this machine, with their models; `timeout` seconds each, concurrently.

    For synchronous code; on the background loop await `afind_local`.
    """
    return run_sync(afind_local(timeout))


async def afind_local(timeout: float = 0.3) -> dict[str, tuple[str, ...]]:
    """Async version of `find_local`."""
    rows = [p for p in map(_with_port, names()) if p is not None]
    lists = await asyncio.gather(*(_probe(p, timeout) for p in rows))
    return {p.name: listed for p, listed in zip(rows, lists, strict=True) if listed is not None}


def _with_port(name: str) -> Profile | None:
    try:
        p = profile(name)
    except FmnbError:  # an invalid row raises its error when it is used
        return None
    return p if p.local and urlsplit(p.base_url).port is not None else None


async def _probe(p: Profile, timeout: float) -> tuple[str, ...] | None:
    """Models of a local server, or None. Without the client library, which would be slow to import."""
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
    except (OSError, ValueError, TypeError, KeyError):  # no server, or another one
        return None
