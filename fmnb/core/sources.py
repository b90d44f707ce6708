"""What an answer is drawn from: passages, each with its origin, and the tables behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from .types import Label

UNTRUSTED = Label(untrusted=True)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text that an answer can cite.

    `source` names what it comes from (an index, a table, a live source), `title` the document,
    `location` the place in it ("page 3", "lines 10-24"), `headings` the headings above it. `time` is
    when the content was changed or fetched, in seconds since the epoch; `stale` content has
    expired. `details` is JSON for the reader, such as the SQL behind a table.
    """

    text: str
    source: str
    title: str = ""
    location: str = ""
    headings: tuple[str, ...] = ()
    path: str = ""
    time: float | None = None
    stale: bool = False
    score: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    label: Label = field(default=UNTRUSTED, repr=False)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What a source found for a question: passages, best first, and the frames that they were read from.

    `notes` are for the user, such as that an index has no vectors.
    """

    passages: tuple[Passage, ...] = ()
    frames: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@runtime_checkable
class Source(Protocol):
    """Anything that `--with` accepts: an index, tables, a live source."""

    name: str

    def retrieve(self, question: str, *, limit: int = 8, model: Any = None) -> Retrieved:
        """The passages for a question. `model` is the model of the answer, for sources that need one."""
        ...
