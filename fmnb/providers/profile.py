"""What is known of one service: how it is reached, and where it departs from the common form. Knows nothing of HTTP."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens; `cached` are tokens of the prompt that came from a cache, None where they cost the same."""

    input: float
    output: float
    cached: float | None = None


@dataclass(frozen=True)
class Profile:
    """How one service is reached and where it departs from the common form.

    Times are seconds. `auth` is "bearer" or the name of the header that carries the key;
    `ignores` lists options the service accepts and does not act on; `key_hosts` are the hosts
    (patterns as in a shell) to which the key found in `key_env` may go, and what `header_env`
    (header -> variable) names; `slow` says why a first answer may be long in coming; `offers`
    are patterns of the names in its price table that this address serves, `vision_models` of
    models that are known to see (others may, and are not kept from trying).

    `runs_here` (`local` in a table) says that this is a server which runs its models itself, so
    that at an address of this machine nothing leaves it and nothing is paid; `elsewhere` are
    patterns of its models that it passes on all the same, and the host that answers them. At
    any other loopback address there may be a gateway or a tunnel, whose price nobody knows.
    `prices` is the service whose price table holds, `own_prices` (a table under `prices`) what
    the user says that models cost: patterns of names, and US dollars per million tokens.

    `api` is the interface used when none is asked for (chat, responses, native), `apis` all that
    the service has (empty: that one alone). `native` says whose own interface "native" is
    (anthropic, cohere), `native_url` where it is if not at `base_url`, `native_auth` the header
    of its key if that differs there. `responses_models` are patterns of models that need the
    responses interface. `api_version` makes the address that of Azure's dated interface;
    `api_version_env` are variables that hold it, read where the address is a bare endpoint
    from the environment. `batch_api` names the form of batch jobs the service takes.
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
    runs_here: bool = False
    elsewhere: dict[str, str] = field(default_factory=dict)
    sent_on: str = ""  # this model's host, where the server passes it on
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
    def usual_host(self) -> str:
        """Host name of the interface used when none is asked for.

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
        """Whether requests go to this machine first, to a model or to something that passes them on."""
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
        """Who sees a request: "local", or the host that it is sent on to."""
        if self.local:
            return "local"
        return self.sent_on or (self.usual_address if self.loopback else self.usual_host)

    @property
    def usual_address(self) -> str:
        """Host and port of the interface used when none is asked for."""
        return urlsplit(self._usual_url).netloc.rpartition("@")[2]

    @property
    def _usual_url(self) -> str:
        return self.native_url if self.api == "native" and self.native_url else self.base_url

    @property
    def label(self) -> str:
        """The name people know."""
        return self.title or self.name


def for_model(p: Profile, model: str) -> Profile:
    """The profile as it is for one model: a server of this machine may pass some on to a host elsewhere.

    >>> ollama = Profile("p", base_url="http://localhost:11434/v1", runs_here=True, elsewhere={"*-cloud": "ollama.com"})
    >>> for_model(ollama, "gpt-oss:120b-cloud").recipient, for_model(ollama, "gemma3").recipient
    ('ollama.com', 'local')
    """
    host = next((host for pattern, host in p.elsewhere.items() if fnmatch.fnmatchcase(model.lower(), pattern)), "")
    return dataclasses.replace(p, sent_on=host, runs_here=False, elsewhere={}) if host else p


def own_price(p: Profile, model: str) -> Price | None:
    """What the user says that a model costs: the first pattern that fits.

    >>> own_price(Profile("p", own_prices={"big-*": Price(3, 15), "*": Price(0.5, 1.5)}), "small").output
    1.5
    """
    return next((price for pattern, price in p.own_prices.items() if fnmatch.fnmatchcase(model, pattern)), None)


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
