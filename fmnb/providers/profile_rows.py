"""Converts tables of `profiles.toml` and the user's `fmnb.toml` to profiles; validates every field."""

from __future__ import annotations

import dataclasses
import difflib
from typing import Any
from urllib.parse import urlsplit

from ..core.errors import SettingsError
from .profile import Price, Profile

FIELDS = {"local" if f.name == "runs_here" else f.name: f for f in dataclasses.fields(Profile)}
_OURS = ("name", "own_prices", "sent_on")  # fields that a table cannot set
_EARLIER = {"bulk": "batch_api"}  # names of fields in earlier versions
_PRICE = tuple(f.name for f in dataclasses.fields(Price))
_APIS = ("chat", "responses", "native")
_CHOICES = {
    "api": _APIS,
    "apis": _APIS,
    "native": ("", "anthropic", "cohere"),
    "max_tokens_field": ("max_tokens", "max_completion_tokens"),
    "schema": ("json_schema", "json_object", "none"),
    "models_shape": ("data", "list", "none"),
    "image_api": ("", "openai", "gemini", "huggingface", "runway"),
    "batch_api": ("", "openai", "anthropic", "mistral", "gemini"),
    "image_edits": ("", "multipart", "json", "reference"),
}


def hosts(p: Profile) -> tuple[str, ...]:
    """The hosts in the addresses of a profile."""
    return tuple(dict.fromkeys(h for h in (p.host, urlsplit(p.native_url).hostname) if h))


def with_row(base: Profile, row: dict[str, Any]) -> Profile:
    """Apply a user's row to a built-in profile. Keys for the old address are not sent to a new one."""
    new = from_row(base, row)
    for key in ("base_url", "native_url"):
        if key in row and not urlsplit(row[key]).hostname:
            raise SettingsError(
                f"The {key} of a provider is not an address", detail=f"{base.name}: {row[key]!r}", hint='Write it as "https://host/v1".'
            )
    if "base_url" in row and "native_url" not in row:
        new = dataclasses.replace(new, native_url="")  # it belongs to the old address
    if "base_url" in row or "native_url" in row:
        # key variables named in the same row are meant for this address; inherited ones are not
        owned = hosts(new) if "key_env" in row or not base.key_hosts and not base.base_url else base.key_hosts or hosts(base)
        new = dataclasses.replace(new, key_hosts=tuple(row.get("key_hosts", owned)), ended="")
    if "base_url" in row:
        new = dataclasses.replace(new, base_url_env=())
    if row.get("local") and new.base_url and not new.loopback:
        raise SettingsError(
            "A local provider has a remote address",
            detail=f"{base.name}: {new.base_url}",
            hint="local = true is for a server that runs its models on this machine. For a remote server, set `prices`: "
            "prices = { input = 0, output = 0 } if it costs nothing.",
        )
    check_apis(new)
    if not new.base_url and not new.base_url_env:
        raise SettingsError(
            "A provider in fmnb.toml has no address", detail=base.name, hint='Add base_url = "https://host/v1" to its table.'
        )
    return new


def check_apis(p: Profile) -> None:
    """Raise SettingsError for an inconsistent set of interfaces."""
    if p.api not in p.served:
        raise SettingsError(
            "A provider's default interface is not in its list of interfaces",
            detail=f"provider.{p.name}.api = {p.api!r}, apis = {list(p.apis)}",
            hint=f"Add it: apis = {[*p.apis, p.api]}.",
        )
    if "native" in p.served and not p.native:
        raise SettingsError(
            "A provider's native interface has no name", detail=f"provider.{p.name}", hint='Add native = "anthropic" or native = "cohere".'
        )


def from_row(base: Profile, row: dict[str, Any]) -> Profile:
    """The profile with the fields of a table.

    Raises SettingsError for an unknown field or an invalid value.
    """
    values: dict[str, Any] = {}
    for key, value in row.items():
        key = _EARLIER.get(key, key)
        if key == "prices" and isinstance(value, dict):
            values["own_prices"], values["prices"] = _own_prices(base.name, value), ""
            continue
        if key not in FIELDS or key in _OURS:
            near = difflib.get_close_matches(key, [f for f in FIELDS if f not in _OURS], 1, 0.5)
            raise SettingsError(
                "A provider's table has an unknown field",
                detail=f"provider.{base.name}.{key}",
                hint=f"Did you mean {near[0]}?" if near else f"Fields: {', '.join(f for f in FIELDS if f not in _OURS)}.",
            )
        values[FIELDS[key].name] = _typed(base.name, key, value)
    return dataclasses.replace(base, **values)


def _typed(name: str, key: str, value: Any) -> Any:
    kind = str(FIELDS[key].type)
    if kind.startswith("tuple"):
        value = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
        good = isinstance(value, tuple) and all(isinstance(v, str) for v in value)
    elif kind.startswith("dict"):
        good = isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
    elif kind == "bool":
        good = isinstance(value, bool)
    elif kind.startswith(("int", "float")):
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
    else:
        good = isinstance(value, str)
    if not good:
        raise SettingsError(
            "A provider's field has the wrong kind of value", detail=f"provider.{name}.{key} = {value!r}", hint=f"It takes {kind}."
        )
    if key in _CHOICES and not set(value if isinstance(value, tuple) else (value,)) <= set(_CHOICES[key]):
        raise SettingsError(
            "A provider's field has an unknown value",
            detail=f"provider.{name}.{key} = {value!r}",
            hint=f"One of {', '.join(c for c in _CHOICES[key] if c)}.",
        )
    return value


def _own_prices(name: str, table: dict[str, Any]) -> dict[str, Price]:
    """The prices in a table: one for all models, or one for each pattern of names."""
    if table and set(table) <= set(_PRICE):
        table = {"*": table}
    prices = {}
    for pattern, price in table.items():
        good = isinstance(price, dict) and {"input", "output"} <= set(price) <= set(_PRICE)
        if not good or not all(isinstance(v, (int, float)) and not isinstance(v, bool) and 0 <= v < 1e9 for v in price.values()):
            raise SettingsError(
                "A price in a provider's table cannot be read",
                detail=f"provider.{name}.prices: {pattern} = {price!r}",
                hint='US dollars per million tokens: prices = { "model-*" = { input = 0.5, output = 1.5 } }, '
                "with cached = 0.05 where tokens from a prompt cache cost less.",
            )
        prices[pattern] = Price(**{k: float(v) for k, v in price.items()})
    return prices
