"""What the server extension answers, as values: the TypeScript side is generated from them (`labextension/make_types.py`).

Numbers are bytes, seconds (since the epoch for moments), tokens and US dollars; None is not known.
No value here ever holds a key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...calls.download import Plan
from ...catalog.entries import Entry
from ...catalog.hub_search import HubFile, HubModel, HubSearch


@dataclass(frozen=True, slots=True)
class About:
    """Who answers: `GET about`. `locks` are an administrator's, by name, with what they allow."""

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
    """The catalogue: `GET models?q=WORDS&ask=1`. `silent` says why a provider could not be asked, `more` how many a word would bring."""

    entries: tuple[Entry, ...]
    more: dict[str, int] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyState:
    """One provider's key: where it was found ("" for none), where it goes, which variables are read. Never the key."""

    provider: str
    title: str
    found: str
    hosts: tuple[str, ...]
    variables: tuple[str, ...]
    stored: bool = False
    locked: str = ""


@dataclass(frozen=True, slots=True)
class KeyTest:
    """What one cheap call with the key gave: `POST keys/PROVIDER/test`."""

    good: bool
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Spent:
    """Calls, tokens and money of some time or some notebook; `unknown` calls had no known price."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run of the log."""

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
    """What was asked: `GET activity?q=WORDS&notebook=PATH&limit=N`. `logging` is False where the log is off."""

    today: Spent
    notebook: Spent
    runs: tuple[RunRow, ...]
    budget: float | None = None
    logging: bool = True


@dataclass(frozen=True, slots=True)
class RunDetail:
    """A run whole: `GET runs/RUN`. `events` are as `event_to_dict` makes them."""

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
class Trouble:
    """The body of every error: what happened, what was seen, what to do. `upgrade` names the side to upgrade, "" if none."""

    message: str
    detail: str = ""
    hint: str = ""
    upgrade: str = ""


ALL = (
    Entry,
    About,
    Models,
    HubFile,
    HubModel,
    HubSearch,
    KeyState,
    KeyTest,
    Spent,
    RunRow,
    Activity,
    RunDetail,
    PromptRow,
    Plan,
    Trouble,
)
