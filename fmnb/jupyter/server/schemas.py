"""Values that the server responds with; TypeScript types are generated from them.

`labextension/make_types.py` generates them. Numbers are bytes, seconds (since the epoch for
times), tokens and US dollars; None means unknown. No value here ever contains a key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...calls.download import Plan
from ...catalog.better_model import Offer
from ...catalog.entries import Entry
from ...catalog.hub_search import HubFile, HubModel, HubSearch


@dataclass(frozen=True, slots=True)
class About:
    """Version, settings and memory of the server: `GET about`.

    `locks` are the administrator's locks, by name, with what they allow.
    """

    protocol: int
    version: str
    host: str
    default_model: str
    offline: bool
    locks: dict[str, Any] = field(default_factory=dict)
    memory_total: int | None = None
    memory_free: int | None = None
    models_dir: str = ""
    disk_free: int | None = None


@dataclass(frozen=True, slots=True)
class Models:
    """The catalog: `GET models?q=WORDS&ask=1`.

    `unreachable` maps a provider to the reason; `more` is how many further models a search word would list.
    `offers` are models that would answer better than the embedded one, best first; empty in a search.
    """

    entries: tuple[Entry, ...]
    more: dict[str, int] = field(default_factory=dict)
    unreachable: dict[str, str] = field(default_factory=dict)
    offers: tuple[Offer, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyState:
    """A provider's key: its source ("" without one), hosts and variables. Never the key."""

    provider: str
    title: str
    source: str
    hosts: tuple[str, ...]
    variables: tuple[str, ...]
    stored: bool = False
    locked: str = ""


@dataclass(frozen=True, slots=True)
class KeyTest:
    """The result of one cheap call with the key: `POST keys/PROVIDER/test`."""

    ok: bool
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Spending:
    """Calls, tokens and cost of a period or notebook; `unknown` calls had no known price."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the log."""

    run: str
    kind: str
    started: float
    model: str
    prompt: str
    text: str
    finish_reason: str
    source: str
    error: str | None = None
    seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    notebook: str = ""


@dataclass(frozen=True, slots=True)
class Activity:
    """Recent runs: `GET activity?q=WORDS&notebook=PATH&limit=N`.

    `logging` is False if the log is off.
    """

    today: Spending
    notebook: Spending
    runs: tuple[RunRow, ...]
    budget: float | None = None
    logging: bool = True


@dataclass(frozen=True, slots=True)
class RunDetail:
    """One run: `GET runs/RUN`. `events` are dicts of `event_to_dict`."""

    row: RunRow
    request: dict[str, Any] | None
    events: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class PromptRow:
    """A saved prompt: `GET prompts`."""

    name: str
    text: str
    system: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True)
class Tutorial:
    """A tutorial that comes with fmnb: `GET tutorials`."""

    name: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class TutorialCopy:
    """The path of a tutorial's copy in the server's root: `POST tutorials/NAME`."""

    path: str


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The body of every error: message, detail, hint.

    `upgrade` names the side to upgrade, "" if none.
    """

    message: str
    detail: str = ""
    hint: str = ""
    upgrade: str = ""


ALL = (
    Entry,
    Offer,
    About,
    Models,
    HubFile,
    HubModel,
    HubSearch,
    KeyState,
    KeyTest,
    Spending,
    RunRow,
    Activity,
    RunDetail,
    PromptRow,
    Plan,
    Tutorial,
    TutorialCopy,
    ErrorBody,
)
