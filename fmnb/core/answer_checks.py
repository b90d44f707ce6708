"""The figures of an answer checked against its sources; the check itself is on a higher floor."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any, Protocol

from .registry import CHECKERS, load
from .sources import passages_from


class CheckedFigure(Protocol):
    """A figure of an answer: its place, whether it claims something, and where it comes from.

    `state` is `exact`, `recomputed`, `passage`, `differs` or `untraced` for a figure that `counts`.
    """

    text: str
    span: tuple[int, int]
    state: str
    explanation: str

    @property
    def counts(self) -> bool:
        """Whether it claims something."""

    @property
    def traced(self) -> bool:
        """Whether it leads back to the data."""


class NumberChecks(Protocol):
    """The figures of an answer, each with its state: what `fm.check_numbers` returns."""

    @property
    def figures(self) -> Sequence[CheckedFigure]:
        """The figures in order."""

    @property
    def coverage(self) -> str:
        """How many were traced, such as "11 of 14 figures traced"; "" without figures."""


def check_answer(text: str, sources: Any, tables: Any) -> NumberChecks | None:
    """The figures of an answer whose sources and tables are stored in this form; None without sources."""
    return _check(text, json.dumps([sources, tables], default=str)) if sources else None


@functools.lru_cache(maxsize=64)  # body, footer and sources of one answer are drawn apart
def _check(text: str, stored: str) -> NumberChecks | None:
    sources, tables = json.loads(stored)
    passages = list(passages_from(sources).values())
    frames = {name: rows for name, t in tables.items() if (rows := _rows(t))} if isinstance(tables, dict) else {}
    if not passages:
        return None
    found: NumberChecks = load(CHECKERS["numbers"])(text, frames, passages)
    return found


def _rows(table: Any) -> list[dict[str, Any]]:
    """A stored table as rows; [] for another form."""
    if not isinstance(table, dict) or not isinstance(table.get("columns"), list) or not isinstance(table.get("rows"), list):
        return []
    names = [str(c) for c in table["columns"]]
    return [dict(zip(names, row, strict=True)) for row in table["rows"] if isinstance(row, list) and len(row) == len(names)]
