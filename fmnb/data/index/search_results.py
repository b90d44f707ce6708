"""Found passages as a table of their text and origin."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from ...core.inert_text import inert, inert_with_code, printable
from ...core.optional import require
from ...core.sources import Passage
from ...views.colors import BORDER, MUTED
from .query import words

if TYPE_CHECKING:
    import pandas

_SHOWN = 700  # characters of a passage that are shown unfolded


@dataclass(frozen=True)
class SearchResults(Sequence[Passage]):
    """Passages, best first, as a sequence.

    Attributes:
        question: What was searched for.
        passages: The passages.
        notes: Notes for the reader, such as that the index has no vectors.
    """

    question: str
    passages: tuple[Passage, ...]
    notes: tuple[str, ...] = ()

    @overload
    def __getitem__(self, i: int) -> Passage: ...
    @overload
    def __getitem__(self, i: slice) -> tuple[Passage, ...]: ...
    def __getitem__(self, i: int | slice) -> Passage | tuple[Passage, ...]:
        return self.passages[i]

    def __len__(self) -> int:
        return len(self.passages)

    def __iter__(self) -> Iterator[Passage]:
        return iter(self.passages)

    @property
    def df(self) -> pandas.DataFrame:
        """The passages as a pandas DataFrame: text, title, path, location, headings, time and score.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        pandas = require("pandas", "frames", "to make a DataFrame")
        rows = [
            {
                "text": p.text,
                "title": p.title,
                "path": p.path,
                "location": p.location,
                "headings": " > ".join(p.headings),
                "time": datetime.datetime.fromtimestamp(p.time) if p.time else None,
                "score": p.score,
                **p.details.get("columns", {}),
            }
            for p in self.passages
        ]
        return pandas.DataFrame(rows, columns=None if rows else ["text", "title", "path", "location", "headings", "time", "score"])

    def __repr__(self) -> str:
        lines = [printable(n) for n in self.notes]
        for n, p in enumerate(self.passages, 1):
            lines += [f"[{n}] {printable(origin(p))}", *("    " + printable(line) for line in p.text.splitlines() if line.strip()), ""]
        return "\n".join(lines).rstrip() or "nothing found"

    def _repr_html_(self) -> str:
        pattern = re.compile("|".join(rf"\b{re.escape(w)}\w*" for w in words(self.question)) or r"(?!)", re.IGNORECASE)
        cards = "".join(_card(n, p, pattern) for n, p in enumerate(self.passages, 1)) or "<p>nothing found</p>"
        notes = "".join(f'<p style="color:{MUTED}">{inert_with_code(n)}</p>' for n in self.notes)
        return f'<div style="max-width:100%">{cards}{notes}</div>'


def origin(passage: Passage) -> str:
    """Title, location and headings of a passage in one line."""
    parts = [passage.title, passage.location, " > ".join(passage.headings)]
    return " · ".join(" ".join(p.split()) for p in parts if p)


def _card(n: int, p: Passage, pattern: re.Pattern[str]) -> str:
    date = datetime.datetime.fromtimestamp(p.time).strftime("%Y-%m-%d") if p.time else ""
    head = f'<div><b>{n}. {inert(p.title)}</b> <span style="color:{MUTED}">{inert(" · ".join(filter(None, (p.location, " > ".join(p.headings), date))))}</span></div>'
    body = _marked(p.text[:_SHOWN], pattern)
    rest = f"<details><summary>more</summary>{_marked(p.text[_SHOWN:], pattern)}</details>" if len(p.text) > _SHOWN else ""
    box = f"border:1px solid {BORDER};border-radius:4px;padding:6px 10px;margin:6px 0;overflow-wrap:anywhere"
    return f'<div style="{box}">{head}<div style="white-space:pre-wrap">{body}</div>{rest}</div>'


def _marked(text: str, pattern: re.Pattern[str]) -> str:
    """A text with the words that were searched for marked; all of it inert."""
    parts, at = [], 0
    for m in pattern.finditer(text):
        parts += [inert(text[at : m.start()]), f"<mark>{inert(m[0])}</mark>"]
        at = m.end()
    return "".join([*parts, inert(text[at:])])
