"""The settings of one service: its address, and its differences from the standard. Sends nothing."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens; `cached` is for cached prompt tokens, None if they cost the same."""

    input: float
    output: float
    cached: float | None = None


@dataclass(frozen=True)
class Profile:
    """The address of one service and its differences from the standard.

    Times are in seconds. `auth` is "bearer" or the name of the header that carries the key.
    `ignores` lists options that the service accepts and ignores. `key_hosts` are the hosts
    (shell patterns) that may receive the key from `key_env` and the values from `header_env`
    (header -> variable). `slow` explains why the first answer may take long. `offers` are
    patterns of the models in its price table that this address serves; `vision_models` are
    patterns of models known to accept images (other models are not blocked). With
    `returns_reasoning`, the service expects the reasoning of earlier turns back.

    `runs_here` (`local` in a table) marks a server that runs its models itself: at an address of
    this machine, no data leaves the machine and calls are free. `elsewhere` maps patterns of models
    that such a server forwards to the host that answers. At any other loopback address there may
    be a gateway or a tunnel, so the price is unknown. `prices` is the service whose price table
    applies; `own_prices` (a table under `prices`) are prices set by the user: patterns of model
    names, and US dollars per million tokens.

    `api` is the default interface (chat, responses, native), `apis` are all interfaces of the
    service (empty: only `api`). `native` is the vendor of the "native" interface (anthropic,
    cohere), `native_url` its address if not `base_url`, `native_auth` its key header if different.
    `responses_models` are patterns of models that need the Responses API. `api_version` selects
    Azure's dated interface; `api_version_env` are variables that hold it, read if the address is
    a bare endpoint from the environment. `batch_api` names the format of the service's batch jobs.
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
    returns_reasoning: bool = False
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
    runs_here: bool = False
    elsewhere: dict[str, str] = field(default_factory=dict)
    sent_on: str = ""  # the host of this model, if the server forwards it
    prices: str = ""
    own_prices: dict[str, Price] = field(default_factory=dict)
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
    batch_api: str = ""

    @property
    def host(self) -> str:
        """Host name of the base URL.

        >>> Profile("mine", base_url="https://ai.example.com/v1").host
        'ai.example.com'
        """
        return urlsplit(self.base_url).hostname or ""

    @property
    def encrypted(self) -> bool:
        """Whether requests are sent over TLS.

        >>> Profile("mine", base_url="HTTPS://ai.example.com").encrypted, Profile("mine", base_url="HTTP://ai.example.com").encrypted
        (True, False)
        """
        return urlsplit(self.base_url).scheme == "https"

    @property
    def usual_host(self) -> str:
        """Host name of the default interface.

        >>> Profile("p", base_url="https://a.example/v1", api="native", native="cohere", native_url="https://b.example/v2").usual_host
        'b.example'
        """
        return urlsplit(self._usual_url).hostname or ""

    @property
    def served(self) -> tuple[str, ...]:
        """The interfaces the service has."""
        return self.apis or (self.api,)

    @property
    def loopback(self) -> bool:
        """Whether requests go to this machine first: to a model, or to a server that forwards them."""
        return is_loopback(self.usual_host)

    @property
    def local(self) -> bool:
        """Whether the models run on this machine.

        >>> Profile("p", base_url="http://localhost:11434/v1", runs_here=True).local
        True
        >>> Profile("p", base_url="http://localhost:4000/v1").local  # a gateway, perhaps
        False
        """
        return self.runs_here and self.loopback

    @property
    def recipient(self) -> str:
        """The recipient of a request: "local", or the host that answers it."""
        if self.local:
            return "local"
        return self.sent_on or (self.usual_address if self.loopback else self.usual_host)

    @property
    def usual_address(self) -> str:
        """Host and port of the default interface."""
        return _address(self._usual_url)

    @property
    def address(self) -> str:
        """Host of the base URL, and its port unless it is the usual one.

        >>> Profile("a", base_url="https://me:pw@A.example:443/v1").address, Profile("b", base_url="http://localhost:8000").address
        ('a.example', 'localhost:8000')
        """
        return _address(self.base_url)

    @property
    def shown_url(self) -> str:
        """The base URL as messages show it: without the user name and password that it may contain.

        >>> Profile("a", base_url="https://me:pw@a.example/v1").shown_url
        'https://a.example/v1'
        """
        parts = urlsplit(self.base_url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    @property
    def _usual_url(self) -> str:
        return self.native_url if self.api == "native" and self.native_url else self.base_url

    @property
    def label(self) -> str:
        """The display name."""
        return self.title or self.name


def _address(url: str) -> str:
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2].lower()
    usual = {"https": ":443", "http": ":80"}.get(parts.scheme, "")
    return netloc.removesuffix(usual) if usual else netloc


def for_model(p: Profile, model: str) -> Profile:
    """The profile for one model: a local server may forward some models to another host.

    >>> ollama = Profile("p", base_url="http://localhost:11434/v1", runs_here=True, elsewhere={"*-cloud": "ollama.com"})
    >>> for_model(ollama, "gpt-oss:120b-cloud").recipient, for_model(ollama, "gemma3").recipient
    ('ollama.com', 'local')
    """
    host = next((host for pattern, host in p.elsewhere.items() if fnmatch.fnmatchcase(model.lower(), pattern)), "")
    return dataclasses.replace(p, sent_on=host, runs_here=False, elsewhere={}) if host else p


def own_price(p: Profile, model: str) -> Price | None:
    """The price that the user set for a model: the first matching pattern.

    >>> own_price(Profile("p", own_prices={"big-*": Price(3, 15), "*": Price(0.5, 1.5)}), "small").output
    1.5
    """
    return next((price for pattern, price in p.own_prices.items() if fnmatch.fnmatchcase(model, pattern)), None)


@functools.lru_cache(maxsize=64)  # called for the same few hosts in every row of a batch
def is_loopback(host: str) -> bool:
    """Whether a host name refers to this machine.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost.example.com")
    (True, False)
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
