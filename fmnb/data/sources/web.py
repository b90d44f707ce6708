"""`fm.web_source`: an address that answers with JSON, text or a calendar as a source of live facts.

address with {placeholders} ─ arguments, escaped ─► safe GET ─► JSON path, calendar or text ─► value
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from ...config import keys
from ...config.confirm import secret
from ...config.environment import set_here
from ...core.errors import FmnbError, UnexpectedResponseError, UsageError
from ...core.event_loop import run_sync
from ...providers import profiles
from ...providers.http.safe_get import Fetched, safe_get
from ...schemas.spec import identity
from . import calendars
from .json_path import at_path, steps_of
from .parameters import Parameter
from .source import LiveSource, value_from
from .times import seconds_of
from .values import Value

_PLACE = re.compile(r"\{(\w+)\}")
_LONGEST = 40_000  # characters of a text: about 10,000 tokens
_WAIT, _LONGEST_WAIT = 0.5, 3.0  # seconds before the one retry


def web_source(
    url: str,
    *,
    ttl: str | float | timedelta,
    name: str = "",
    path: str = "",
    key: str = "",
    header: str = "",
    description: str = "",
    stale: bool = False,
    private: bool = False,
    environment_proxy: bool = False,
) -> LiveSource[..., str]:
    """Make a source of live facts from an address, for `--with`.

        air = fm.web_source("https://air.example.com/v1/{city}?token={key}", path="$.now.pm25", ttl="10m", key="AIR_KEY")

    It is fetched with a GET of at most 10 MB and 10 seconds. What comes is read by its type: JSON, a calendar
    (iCal), or text.

    Args:
        url: An http or https address. The model fills in its `{placeholders}` from the prompt; they may not be
            in the host. `{key}` is the key.
        ttl: How long a result is true, as in `fm.source`.
        name: The name for `--with`; by default, the first part of the host.
        path: The part of a JSON answer to use, such as `$.current.temp`, `$.items[0]` or `$.items[*].name`.
        key: The name of the key: a stored one, which you are asked for the first time, or a variable that a cell
            has set. It is sent to this host alone.
        header: The header for the key; by default, `Authorization: Bearer`.
        description: What the source says, for the model that fills in placeholders.
        stale: Whether an expired result is used, marked STALE, if the fetch fails.
        private: Whether this host may be in a private network.
        environment_proxy: Whether to use the proxy that the environment names.

    Returns:
        The source; a call with the placeholders as arguments returns the current text.

    Raises:
        UsageError: An argument is invalid.

    >>> web_source("https://rates.example.com/{currency}", ttl="1h").name
    'rates'
    """
    options = {"private": private, "environment_proxy": environment_proxy, "from_settings": False}
    return make_web_source(url, ttl=ttl, name=name, path=path, key=key, header=header, description=description, stale=stale, **options)


def make_web_source(
    url: str,
    *,
    ttl: str | float | timedelta,
    name: str = "",
    path: str = "",
    key: str = "",
    header: str = "",
    description: str = "",
    stale: bool = False,
    private: bool = False,
    environment_proxy: bool = False,
    from_settings: bool = True,
) -> LiveSource[..., str]:
    """The source of a row of `fmnb.toml`, whose key may be a variable that no cell has set."""
    seconds, host = seconds_of(ttl), _check_url(url, key)
    if path:
        steps_of(path)
    if header and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", header):
        raise UsageError("That is not the name of a header", detail=repr(header)[:60])
    known = name or host.partition(".")[0]
    allow = [host] if private else []

    def fetch(arguments: Mapping[str, Any], value: Value | None) -> Value:
        secret_value = _key(key, url, private and not environment_proxy, from_settings) if key else ""
        at = _fill(url, {**arguments, "key": secret_value})
        sent = _header(header, secret_value) if secret_value and "{key}" not in url else {}
        etag, modified = (value.etag, value.last_modified) if value is not None else ("", "")
        found = run_sync(_get(at, headers=sent, etag=etag, last_modified=modified, allow=allow, environment_proxy=environment_proxy))
        if found.unchanged and value is not None:
            return replace(value, at=time.time())
        return _read(found, known, path, host)

    def text(**arguments: str) -> str:
        return fetch(arguments, None).text

    text.__name__ = text.__qualname__ = known
    text.__doc__ = description or None
    places = [p for p in dict.fromkeys(_PLACE.findall(url)) if p != "key"]
    return LiveSource(
        text,
        name=known,
        ttl=seconds,
        stale=stale,
        parameters=tuple(Parameter(p, {"type": "string"}, identity, shown=f"{p}: str") for p in places),
        identity=hashlib.sha256("\n".join([url, path, key, header]).encode("utf-8", "surrogatepass")).hexdigest(),
        fetch=fetch,
    )


def _check_url(url: str, key: str) -> str:
    """The host of an address with placeholders."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except (ValueError, AttributeError, TypeError):
        raise UsageError("That is not an address", detail=type(url).__name__) from None
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError("Only http and https addresses can be a source", hint="For example https://api.example.com/{place}.")
    if set("{}") & set(parts.netloc):
        raise UsageError("The host of a source cannot be filled in", detail=parts.netloc[:80], hint="Write it out.")
    if set("{}") & set(_PLACE.sub("", url)):
        raise UsageError("A placeholder is a name in braces", hint="For example https://api.example.com/{place}.")
    if "{key}" in url and not key:
        raise UsageError("{key} is the key, and none is named", hint='Name its variable: key="MY_KEY".')
    if key and not re.fullmatch(r"[A-Za-z]\w{0,60}", key):
        raise UsageError("That is not the name of a key", detail=repr(key)[:80], hint="Use letters, digits and _.")
    return host


def _fill(url: str, arguments: Mapping[str, Any]) -> str:
    """The address with the arguments, escaped so that each stays one segment or one value."""

    def value(m: re.Match[str]) -> str:
        given = str(arguments[m[1]])
        if given.strip(".") == "" and given:  # a path segment of dots names another folder
            raise UsageError("An argument cannot be dots alone", detail=m[1])
        return quote(given, safe="")

    missing = [p for p in _PLACE.findall(url) if p not in arguments]
    if missing:
        raise UsageError("An argument is missing", detail=missing[0])
    return _PLACE.sub(value, url)


def _header(name: str, value: str) -> dict[str, str]:
    return {name: value} if name else {"Authorization": f"Bearer {value}"}


def _key(name: str, url: str, plain: bool, from_settings: bool) -> str:
    """The key of this name for the address's host: from the environment, the key store, or the person.

    An address in a cell gets no variable from outside the notebook: somebody else may have written the cell.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not plain:
        raise UsageError("A key is sent over https alone", detail=host)
    if owner := profiles.key_belongs_elsewhere(name, host):
        raise UsageError(f"{name} is the key of {owner}", detail=f"it is not sent to {host}", hint="Give the source a key of its own.")
    where = f"{host}:{parts.port}" if parts.port else host
    variables = [name] if from_settings or set_here(name) else []
    found = keys.find(variables, f"source {name}", host, own_hosts=[host], address=where)
    if found is not None:
        return found.value
    typed = secret(
        f"Key {name} (goes to {where}):",
        f"Run this in a live notebook, or set {name} before the kernel starts and name the source in your fmnb.toml.",
    )
    keys.set_key(f"source {name}", typed, where)
    return typed.strip()


async def _get(url: str, **options: Any) -> Fetched:
    """One GET, and another if the first one failed in a way that may pass."""
    try:
        return await safe_get(url, **options)
    except FmnbError as e:
        wait = _WAIT if e.retry_after is None else e.retry_after
        if not e.retryable or wait > _LONGEST_WAIT:
            raise
    await asyncio.sleep(wait)
    return await safe_get(url, **options)


def get_json(url: str, allow: Collection[str] = ()) -> Any:
    """The JSON that an address answers with.

    Raises:
        FmnbError: The request failed, or the answer is not JSON.
    """
    return _json(run_sync(_get(url, allow=allow)))


def _json(found: Fetched) -> Any:
    try:
        return json.loads(found.body)
    except (ValueError, RecursionError):
        raise UnexpectedResponseError(f"{urlsplit(found.url).hostname} did not answer with JSON", detail=found.media_type) from None


def _read(found: Fetched, name: str, path: str, host: str) -> Value:
    """An answer as a value, by its type."""
    more = {"location": host, "etag": found.etag, "last_modified": found.last_modified}
    start = found.body[:200].lstrip(b"\xef\xbb\xbf \t\r\n")
    if path or "json" in found.media_type or start[:1] in (b"{", b"["):
        data = at_path(_json(found), path) if path else _json(found)
        scalar = path and isinstance(data, (str, int, float, bool, type(None)))
        return value_from(f"{path.lstrip('$.')}: {json.dumps(data, ensure_ascii=False)}" if scalar else data, name, **more)
    if start.startswith(b"BEGIN:VCALENDAR"):
        return value_from(calendars.upcoming(found.body.decode("utf-8", "replace")), name, **more)
    if found.media_type == "text/html" or start[:1] == b"<":
        raise UnexpectedResponseError(f"{host} answers with a web page", hint="Give an address of JSON, text or a calendar.")
    try:
        text = found.body.decode(found.charset)
    except (LookupError, UnicodeDecodeError):
        raise UnexpectedResponseError(f"{host} does not answer with text", detail=found.media_type) from None
    if len(text) > _LONGEST:
        raise UnexpectedResponseError(f"{host} answers with too long a text", detail=f"{len(text):,} characters of at most {_LONGEST:,}")
    return value_from(text, name, **more)
