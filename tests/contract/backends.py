"""Every backend the contract suite runs against. A new one is one row.

A row gives a name and a function that, with a loopback server at hand, returns a Backend
which answers the last user message with some text, and one that fails with a rate limit
(None for engines, which have no rate).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fmnb.catalog import weights
from fmnb.core.backend import Backend
from fmnb.core.registry import ENGINES, load
from fmnb.providers import echo, hosted
from fmnb.providers.profiles import Profile, names, profile
from tests.wire import anthropic, cohere, responses  # noqa: F401  the interfaces the server can play

# Services whose address is the customer's own: any address will do, it is replaced.
OWN_ADDRESS = {
    "azure": "AZURE_OPENAI_BASE_URL",
    "databricks": "DATABRICKS_BASE_URL",
    "modal": "MODAL_BASE_URL",
    "beam": "BEAM_BASE_URL",
    "saturn": "SATURN_DEPLOYMENT_URL",
}


@dataclass(frozen=True)
class Row:
    """`answers(server)` repeats; `obeys(server)` gives an object for a schema; `slow(server)` takes seconds; `fails(server)` is limited.

    `api` is the interface it is asked by where that is not its usual one. An `engine` runs the embedded model: it answers in its own words, and greedily when nothing else is asked.
    """

    name: str
    module: str
    answers: Callable[[Any], Backend]
    obeys: Callable[[Any], Backend]
    slow: Callable[[Any], Backend]
    fails: Callable[[Any], Backend] | None = None
    wire: bool = False
    engine: bool = False
    api: str = ""
    aiohttp: bool = True  # whether requests go through aiohttp, or through the `openai` client

    @property
    def brief(self) -> dict[str, int]:
        """Options that end an answer soon: a small model goes on and on."""
        return {"max_tokens": 24} if self.engine else {}


def loopback(name: str, url: str) -> Profile:
    """The profile of that name, pointed at a loopback server that may have its key."""
    return dataclasses.replace(profile(name), base_url=url, native_url="", key_hosts=("127.0.0.1",))


def _hosted(name: str, api: str = "", *, aiohttp: bool = True) -> Row:
    def at(model: str) -> Callable[[Any], Backend]:
        def backend(server: Any) -> Backend:
            p = loopback(name, server.url)
            return hosted.backend(dataclasses.replace(p, api=api) if api else p, model)

        return backend

    return Row(name, "fmnb.providers.hosted", at("repeat"), at("obey"), at("slow"), at("rate-limit"), wire=True, api=api, aiohttp=aiohttp)


def _engine(name: str) -> Row:
    """The embedded model on that engine, from the folder the suite keeps it in."""

    def at(server: Any) -> Backend:
        path = weights.locate("embedded")
        assert path is not None
        return load(ENGINES[name])(path, f"{name}:embedded")

    return Row(name, ENGINES[name].partition(":")[0], at, at, at, engine=True)


ROWS = [
    Row(
        "echo",
        "fmnb.providers.echo",
        lambda server: echo.backend(""),
        lambda server: echo.backend(""),
        lambda server: echo.backend("slow=20,huge=200"),
        lambda server: echo.backend("fail=rate_limit"),
    ),
    *(_engine(name) for name in ENGINES if name not in ("diffusers", "vectors")),  # which write no text
    *(
        _hosted(name) for name in sorted({*names(), *OWN_ADDRESS} - {"runway"})
    ),  # which writes no text: tests/providers/images/test_images.py
    _hosted("vllm", aiohttp=False),
    *(_hosted(name, api) for name, api in (("openai", "responses"), ("anthropic", "chat"), ("cohere", "chat"))),
]
