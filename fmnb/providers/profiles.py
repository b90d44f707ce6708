"""The known services and their differences: one table row each, no code.

The rows are in `profiles.toml`; a `[provider.NAME]` table in the user's `fmnb.toml` adds or
changes one. This module sends nothing.
"""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import functools
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from ..config.environment import set_here
from ..config.settings import settings
from ..core.errors import ServiceDiscontinuedError, SettingsError, UnknownModelError, alternatives
from .profile import Price, Profile, for_model, is_loopback, own_price
from .profile_rows import from_row, hosts, with_row

__all__ = ["Price", "Profile", "at_own_address", "endpoint", "for_model", "is_loopback", "names", "own_price", "profile", "serving"]


def profile(name: str) -> Profile:
    """The profile of that name, with the user's settings and the address from the environment applied.

    Raises ServiceDiscontinuedError for a discontinued service, UnknownModelError for an unknown
    name, SettingsError for an invalid row.

    >>> profile("openai").host
    'api.openai.com'
    """
    row = _user_rows().get(name)
    built_in = _built_in().get(name)
    if row is None and built_in is None:
        near = difflib.get_close_matches(name, names(), 3, 0.6)
        raise UnknownModelError(
            "No provider of that name",
            detail=f"'{name}'",
            hint=f"Did you mean {alternatives(near)}?"
            if near
            else f"Known: {', '.join(names())}. Add a [provider.{name}] table to fmnb.toml.",
        )
    result = built_in or Profile(name)
    if row is not None:
        result = with_row(result, row)
    elif result.ended:
        raise ServiceDiscontinuedError(f"{result.label} has ended", detail=result.ended, hint=result.successor)
    result = _with_environment(result)
    if result.loopback and not result.runs_here and "prices" not in (row or {}):
        result = dataclasses.replace(result, prices="")  # the price table need not apply to that address
    if not at_own_address(result) and "models" not in (row or {}):
        result = dataclasses.replace(result, models=())  # the models of our table are those of the service, not of that address
    if not result.key_hosts and result.host:
        result = dataclasses.replace(result, key_hosts=hosts(result))
    return result


def names(*, ended: bool = False) -> list[str]:
    """The names that `profile` accepts, sorted; includes discontinued services if `ended`."""
    rows = _user_rows()
    return sorted({n for n, p in _built_in().items() if ended or not p.ended} | set(rows))


def serving(api: str) -> list[str]:
    """Names of the providers that have this interface.

    >>> serving("native")
    ['anthropic', 'cohere']
    """
    serving_names = []
    for name in names():
        try:
            p, row = _built_in().get(name, Profile(name)), _user_rows().get(name)
            if api in (with_row(p, row) if row is not None else p).served:
                serving_names.append(name)
        except SettingsError:  # reported when that provider is used
            pass
    return serving_names


def key_belongs_elsewhere(variable: str, host: str) -> str:
    """The provider whose key a variable holds, if the key may not go to a host; "" otherwise.

    >>> key_belongs_elsewhere("OPENAI_API_KEY", "example.com"), key_belongs_elsewhere("MY_KEY", "example.com")
    ('OpenAI', '')
    """
    owner = ""
    for name in names(ended=True):
        p, row = _built_in().get(name, Profile(name)), _user_rows().get(name)
        try:
            p = with_row(p, row) if row is not None else p
        except SettingsError:  # reported when that provider is used
            pass
        if variable not in (*p.key_env, *p.header_env.values()):
            continue
        if any(fnmatch.fnmatchcase(host, pattern) for pattern in p.key_hosts or (hosts(p) if p.host else ())):
            return ""
        owner = owner or p.label
    return owner


def endpoint(p: Profile, path: str, model: str = "") -> str:
    """The full URL of one of the service's paths, such as "/chat/completions".

    With an `api_version` it is a URL of Azure's dated interface, where the path of a model
    includes its deployment.

    >>> endpoint(Profile("p", base_url="https://a.example/v1"), "/models")
    'https://a.example/v1/models'
    >>> endpoint(Profile("azure", base_url="https://r.example/openai/v1", api_version="2024-10-21"), "/embeddings", "small")
    'https://r.example/openai/deployments/small/embeddings?api-version=2024-10-21'
    """
    base = p.base_url.rstrip("/")
    if not p.api_version:
        return base + path
    if p.api_version[:1].isdigit():
        base = base.removesuffix("/v1").removesuffix("/openai") + "/openai"
        if model and path != "/responses":  # the only path with the deployment's name in the body
            base += f"/deployments/{quote(model, safe='')}"
    return f"{base}{path}?api-version={quote(p.api_version, safe='')}"


def is_original(p: Profile) -> bool:
    """Whether the profile has the name of a built-in service whose address uses https."""
    own = _built_in().get(p.name)
    return own is not None and own.base_url.startswith("https://")


def at_own_address(p: Profile) -> bool:
    """Whether the address is one of the built-in service itself, possibly of a region.

    Also true where there is no such address: for model servers, services with an address for each
    customer, and the user's own providers.

    >>> at_own_address(Profile("openai", base_url="https://eu.api.openai.com/v1"))
    True
    >>> at_own_address(Profile("openai", base_url="https://gateway.example/v1"))
    False
    """
    own = _built_in().get(p.name)
    if own is None or own.runs_here or not own.host:
        return True
    return p.host == own.host or p.host.endswith("." + ".".join(own.host.split(".")[-2:]))


@functools.cache
def _built_in() -> dict[str, Profile]:
    import tomllib

    rows = tomllib.loads((Path(__file__).parent / "profiles.toml").read_text("utf-8"))
    return {name: from_row(Profile(name), row) for name, row in rows.items()}


def _user_rows() -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = settings().get("provider", {})
    for name, row in rows.items():
        if not isinstance(row, dict):
            raise SettingsError(
                "A provider in fmnb.toml is not a table", detail=f"provider.{name}", hint=f"Write [provider.{name}] and its fields."
            )
    return rows


def _with_environment(p: Profile) -> Profile:
    """Apply the address from the variable that the service's own tools read (such as OLLAMA_HOST)."""
    for variable in p.base_url_env:
        if text := os.environ.get(variable, "").strip():
            url = complete_url(text, p)
            host = urlsplit(url).hostname or ""
            bare = "/" not in (text.partition("://")[2] or text).strip("/")
            dated = next((v for n in p.api_version_env if (v := os.environ.get(n, "").strip())), "") if bare else ""
            own = p.key_hosts or hosts(p) or ("",)
            return dataclasses.replace(
                p,
                base_url=url,
                native_url="",
                key_hosts=own if _address_set_by_notebook(variable, p) else (*own, host),
                api_version=p.api_version or dated,
            )
    if not urlsplit(p.base_url).hostname:
        raise SettingsError(
            f"{p.label} has a separate address for each customer",
            detail="none is set",
            hint=f"Set {p.base_url_env[0]}, or base_url in a [provider.{p.name}] table of fmnb.toml.",
        )
    return p


def _address_set_by_notebook(variable: str, p: Profile) -> bool:
    """Whether a notebook set the address but not the keys; setting both is allowed."""
    secrets = [n for n in (*p.key_env, *p.header_env.values()) if os.environ.get(n)]
    return set_here(variable) and not all(map(set_here, secrets))


def complete_url(text: str, p: Profile) -> str:
    """Complete a base URL from a host, host and port, or a URL without a path.

    >>> complete_url("0.0.0.0:11434", Profile("ollama", base_url="http://localhost:11434/v1"))
    'http://localhost:11434/v1'
    """
    usual = urlsplit(p.base_url)
    url = urlsplit(text if "://" in text else f"{usual.scheme or 'http'}://{text}")
    host = "localhost" if url.hostname in ("0.0.0.0", "::") else url.hostname or "localhost"
    host = f"[{host}]" if ":" in host else host
    port = url.port or (p.port if url.scheme == "http" else None)
    path = url.path.rstrip("/") or usual.path.rstrip("/")
    return f"{url.scheme}://{host}{f':{port}' if port else ''}{path}"
