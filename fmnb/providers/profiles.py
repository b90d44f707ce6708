"""Which services there are and what each does differently: one row of a table, no code.

The rows are `profiles.toml`; a `[provider.NAME]` table of the user's `fmnb.toml` adds one or
changes one. Knows nothing of HTTP.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from ..config import set_here, settings
from ..errors import EndedServiceError, SettingsError, UnknownModelError


@dataclass(frozen=True)
class Profile:
    """How one service is reached and where it departs from the common form.

    Times are seconds. `auth` is "bearer" or the name of the header that carries the key;
    `ignores` lists options the service accepts and does not act on; `key_hosts` are the hosts
    (patterns as in a shell) to which the key found in `key_env` may go, and what `header_env`
    (header -> variable) names; `slow` says why a first answer may be long in coming; `offers`
    are patterns of the names in its price table that this address serves, `vision_models` of
    models that are known to see (others may, and are not kept from trying).

    `api` is the interface used when none is asked for (chat, responses, native), `apis` all that
    the service has (empty: that one alone). `native` says whose own interface "native" is
    (anthropic, cohere), `native_url` where it is if not at `base_url`, `native_auth` the header
    of its key if that differs there. `responses_models` are patterns of models that need the
    responses interface. `api_version` makes the address that of Azure's dated interface;
    `api_version_env` are variables that hold it, read where the address is a bare endpoint
    from the environment. `bulk` says whose form of batch jobs the service takes.
    """

    name: str
    title: str = ""
    base_url: str = ""
    base_url_env: tuple[str, ...] = ()
    needs_key: bool = True
    key_env: tuple[str, ...] = ()
    key_hosts: tuple[str, ...] = ()
    auth: str = "bearer"
    api: str = "chat"
    apis: tuple[str, ...] = ()
    native: str = ""
    native_url: str = ""
    native_auth: str = ""
    responses_models: tuple[str, ...] = ()
    api_version: str = ""
    api_version_env: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    header_env: dict[str, str] = field(default_factory=dict)
    max_tokens_field: str = "max_tokens"
    stream_options: bool = True
    reasoning_fields: tuple[str, ...] = ("reasoning_content", "reasoning")
    images: bool = True
    files: bool = False
    schema: str = "json_schema"
    ignores: tuple[str, ...] = ()
    embeds: bool = True
    base64_vectors: bool = False
    models_shape: str = "data"
    models: tuple[str, ...] = ()
    vision_models: tuple[str, ...] = ()
    port: int | None = None
    start_hint: str = ""
    slow: str = ""
    connect_timeout: float = 15
    read_timeout: float = 300
    prices: str = ""
    offers: tuple[str, ...] = ("*",)
    notes: str = ""
    ended: str = ""
    successor: str = ""
    image_api: str = ""
    image_models: tuple[str, ...] = ()
    video_models: tuple[str, ...] = ()
    image_fields: dict[str, str] = field(default_factory=lambda: {"size": "size", "n": "n"})
    image_format: str = ""
    image_edits: str = ""
    image_hosts: tuple[str, ...] = ()
    bulk: str = ""

    @property
    def host(self) -> str:
        """Host name of the base URL.

        >>> Profile("mine", base_url="https://ai.example.com/v1").host
        'ai.example.com'
        """
        return urlsplit(self.base_url).hostname or ""

    @property
    def usual_host(self) -> str:
        """Host name of the interface used when none is asked for.

        >>> Profile("p", base_url="https://a.example/v1", api="native", native="cohere", native_url="https://b.example/v2").usual_host
        'b.example'
        """
        return urlsplit(self.native_url if self.api == "native" and self.native_url else self.base_url).hostname or ""

    @property
    def served(self) -> tuple[str, ...]:
        """The interfaces the service has."""
        return self.apis or (self.api,)

    @property
    def local(self) -> bool:
        """Whether requests stay on this machine."""
        return is_loopback(self.usual_host)

    @property
    def where(self) -> str:
        """Who sees a request: "stays here", or the host."""
        return "stays here" if self.local else self.usual_host

    @property
    def label(self) -> str:
        """The name people know."""
        return self.title or self.name


_FIELDS = {f.name: f for f in dataclasses.fields(Profile)}
_APIS = ("chat", "responses", "native")
_CHOICES = {
    "api": _APIS,
    "apis": _APIS,
    "native": ("", "anthropic", "cohere"),
    "max_tokens_field": ("max_tokens", "max_completion_tokens"),
    "schema": ("json_schema", "json_object", "none"),
    "models_shape": ("data", "list", "none"),
    "image_api": ("", "openai", "gemini", "huggingface", "runway"),
    "bulk": ("", "openai", "anthropic", "mistral", "gemini"),
    "image_edits": ("", "multipart", "json", "reference"),
}


def profile(name: str) -> Profile:
    """The profile of that name, with the user's row and the environment's address applied.

    Raises EndedServiceError for a service that closed, UnknownModelError for a name nobody
    knows, SettingsError for a row that cannot be used.

    >>> profile("openai").host
    'api.openai.com'
    """
    row = _user_rows().get(name)
    built_in = _built_in().get(name)
    if row is None and built_in is None:
        near = difflib.get_close_matches(name, names(), 3, 0.6)
        raise UnknownModelError(
            "No provider of that name",
            seen=f"'{name}'",
            todo=f"Did you mean {' or '.join(near)}?"
            if near
            else f"Known: {', '.join(names())}. Add a [provider.{name}] table to fmnb.toml.",
        )
    found = built_in or Profile(name)
    if row is not None:
        found = _with_row(found, row)
    elif found.ended:
        raise EndedServiceError(f"{found.label} has ended", seen=found.ended, todo=found.successor)
    found = _with_environment(found)
    if not found.key_hosts and found.host:
        found = dataclasses.replace(found, key_hosts=_hosts(found))
    return found


def names(*, ended: bool = False) -> list[str]:
    """Names that `profile` accepts, sorted; services that ended only when asked for."""
    rows = _user_rows()
    return sorted({n for n, p in _built_in().items() if ended or not p.ended} | set(rows))


def serving(api: str) -> list[str]:
    """Names of the providers that have this interface.

    >>> serving("native")
    ['anthropic', 'cohere']
    """
    found = []
    for name in names():
        try:
            p, row = _built_in().get(name, Profile(name)), _user_rows().get(name)
            if api in (_with_row(p, row) if row is not None else p).served:
                found.append(name)
        except SettingsError:  # said when somebody names that provider
            pass
    return found


def endpoint(p: Profile, path: str, model: str = "") -> str:
    """The whole address of one of the service's paths, such as "/chat/completions".

    With an `api_version` it is that of Azure's dated interface, where the path of a model
    goes through its deployment.

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
        if model and path != "/responses":  # the one path that takes the deployment's name in the body
            base += f"/deployments/{quote(model, safe='')}"
    return f"{base}{path}?api-version={quote(p.api_version, safe='')}"


def _hosts(p: Profile) -> tuple[str, ...]:
    """The hosts of a profile's addresses."""
    return tuple(dict.fromkeys(h for h in (p.host, urlsplit(p.native_url).hostname) if h))


def is_original(p: Profile) -> bool:
    """Whether the keys of this profile are those of a service the package itself names, reached there by https."""
    own = _built_in().get(p.name)
    return own is not None and own.base_url.startswith("https://")


@functools.cache
def _built_in() -> dict[str, Profile]:
    import tomllib

    rows = tomllib.loads((Path(__file__).parent / "profiles.toml").read_text("utf-8"))
    return {name: _from_row(Profile(name), row) for name, row in rows.items()}


def _user_rows() -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = settings().get("provider", {})
    for name, row in rows.items():
        if not isinstance(row, dict):
            raise SettingsError(
                "A provider in fmnb.toml is not a table", seen=f"provider.{name}", todo=f"Write [provider.{name}] and its fields."
            )
    return rows


def _with_row(base: Profile, row: dict[str, Any]) -> Profile:
    """A user's row over a built-in one. A new address takes no key that was meant for the old one."""
    new = _from_row(base, row)
    for key in ("base_url", "native_url"):
        if key in row and not urlsplit(row[key]).hostname:
            raise SettingsError(
                f"The {key} of a provider is not an address", seen=f"{base.name}: {row[key]!r}", todo='Write it as "https://host/v1".'
            )
    if "base_url" in row and "native_url" not in row:
        new = dataclasses.replace(new, native_url="")  # the old one belongs to the old address
    if "base_url" in row or "native_url" in row:
        # key variables named in the same row are meant for this address; inherited ones are not
        owned = _hosts(new) if "key_env" in row or not base.key_hosts and not base.base_url else base.key_hosts or _hosts(base)
        new = dataclasses.replace(new, key_hosts=tuple(row.get("key_hosts", owned)), ended="")
    if "base_url" in row:
        new = dataclasses.replace(new, base_url_env=())
    _check_apis(new)
    if not new.base_url and not new.base_url_env:
        raise SettingsError("A provider in fmnb.toml has no address", seen=base.name, todo='Add base_url = "https://host/v1" to its table.')
    return new


def _check_apis(p: Profile) -> None:
    if p.api not in p.served:
        raise SettingsError(
            "A provider's usual interface is not among those it has",
            seen=f"provider.{p.name}.api = {p.api!r}, apis = {list(p.apis)}",
            todo=f"Add it: apis = {[*p.apis, p.api]}.",
        )
    if "native" in p.served and not p.native:
        raise SettingsError(
            "A provider's native interface has no name", seen=f"provider.{p.name}", todo='Add native = "anthropic" or native = "cohere".'
        )


def _from_row(base: Profile, row: dict[str, Any]) -> Profile:
    values: dict[str, Any] = {}
    for key, value in row.items():
        if key not in _FIELDS or key == "name":
            near = difflib.get_close_matches(key, [f for f in _FIELDS if f != "name"], 1, 0.5)
            raise SettingsError(
                "A provider's table has a field fmnb does not know",
                seen=f"provider.{base.name}.{key}",
                todo=f"Did you mean {near[0]}?" if near else f"Fields: {', '.join(f for f in _FIELDS if f != 'name')}.",
            )
        values[key] = _typed(base.name, key, value)
    return dataclasses.replace(base, **values)


def _typed(name: str, key: str, value: Any) -> Any:
    kind = str(_FIELDS[key].type)
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
            "A provider's field has the wrong kind of value", seen=f"provider.{name}.{key} = {value!r}", todo=f"It takes {kind}."
        )
    if key in _CHOICES and not set(value if isinstance(value, tuple) else (value,)) <= set(_CHOICES[key]):
        raise SettingsError(
            "A provider's field has a value fmnb does not know",
            seen=f"provider.{name}.{key} = {value!r}",
            todo=f"One of {', '.join(c for c in _CHOICES[key] if c)}.",
        )
    return value


def _with_environment(p: Profile) -> Profile:
    """The address from the environment, where the service's own tools read it too (OLLAMA_HOST and the like)."""
    for variable in p.base_url_env:
        if text := os.environ.get(variable, "").strip():
            url = complete_url(text, p)
            host = urlsplit(url).hostname or ""
            bare = "/" not in (text.partition("://")[2] or text).strip("/")
            dated = next((v for n in p.api_version_env if (v := os.environ.get(n, "").strip())), "") if bare else ""
            own = p.key_hosts or _hosts(p) or ("",)
            return dataclasses.replace(
                p,
                base_url=url,
                native_url="",
                key_hosts=own if _lured(variable, p) else (*own, host),
                api_version=p.api_version or dated,
            )
    if not urlsplit(p.base_url).hostname:
        raise SettingsError(
            f"{p.label} has an address of its own for every customer",
            seen="none is set",
            todo=f"Set {p.base_url_env[0]}, or base_url in a [provider.{p.name}] table of fmnb.toml.",
        )
    return p


def _lured(variable: str, p: Profile) -> bool:
    """Whether a notebook set the address and somebody else the keys. Whoever sets both may send one to the other."""
    secrets = [n for n in (*p.key_env, *p.header_env.values()) if os.environ.get(n)]
    return set_here(variable) and not all(map(set_here, secrets))


@functools.lru_cache(maxsize=64)  # asked of the same few hosts for every row of a batch
def is_loopback(host: str) -> bool:
    """Whether a host name means this machine.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost.example.com")
    (True, False)
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def complete_url(text: str, p: Profile) -> str:
    """A full base URL from what people write: a host, host and port, or a URL without its path.

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
