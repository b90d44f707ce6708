"""The first rows of a batch as a table: prompt and answer, with a column for each field of a schema.

A column is at least as wide as its longest word. If the page is too narrow for all columns, the
table scrolls.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ..core.inert_text import inert
from ..core.response import Response
from ..core.sources import without_passages
from .colors import BORDER, ERROR, MUTED
from .footer import escape_terminal

_LONG, _MANY, _SHORT = 140, 4, 80  # characters of a cell, and of one in a table with many columns
_WORD = 22  # characters; a longer word, such as an address, is broken
_LINE = 14  # characters; a longer text may be wrapped


@dataclass(frozen=True)
class PreviewRow:
    """A row: its cells, and the text that replaces the cells of a missing answer."""

    cells: tuple[str, ...]
    instead: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Preview:
    """The table; the last `answers` of its `columns` belong to the answer."""

    columns: tuple[str, ...]
    answers: int
    lines: tuple[PreviewRow, ...]

    def html(self, caption: str, quiet: bool = False) -> str:
        """As a table that scrolls if it is too wide; a `quiet` caption is only for screen readers."""
        styles = [f"{_CELL};min-width:{n}ch" for n in self._widths()]
        head = "".join(
            f'<th scope="col" style="{style};font-weight:600">{inert(name)}</th>' for style, name in zip(styles, self.columns, strict=True)
        )
        body = "".join(f'<tr style="background:none">{self._row(line, styles)}</tr>' for line in self.lines)
        words = f'<span style="{_UNSEEN}">{inert(caption)}</span>' if quiet else inert(caption)
        return (
            f'<div tabindex="0" role="region" aria-label="{escape(caption)}" style="overflow-x:auto;max-width:100%">'
            f'<table style="table-layout:auto;border-collapse:collapse;margin:.3em 0;font-size:inherit">'
            f'<caption style="caption-side:top;text-align:left;white-space:nowrap;padding:0;color:{MUTED}">{words}</caption>'
            f'<thead><tr style="background:none">{head}</tr></thead><tbody>{body}</tbody></table></div>'
        )

    def text(self) -> str:
        """As lines of text."""
        rows = [self.columns, *((*line.cells, line.instead) if line.instead else line.cells for line in self.lines)]
        return "\n".join(" | ".join(escape_terminal(c) for c in row) for row in rows)

    def _row(self, line: PreviewRow, styles: Sequence[str]) -> str:
        cells = "".join(f'<td dir="auto" style="{style}">{inert(c)}</td>' for style, c in zip(styles, line.cells, strict=False))
        if not line.instead:
            return cells
        style = f"{_CELL};min-width:{min(len(line.instead), _WORD)}ch" + (f";color:{ERROR}" if line.failed else "")
        return f'{cells}<td dir="auto" colspan="{self.answers}" style="{style}">{inert(line.instead)}</td>'

    def _widths(self) -> list[int]:
        """Minimum width of each column, in characters."""
        columns = [[name] for name in self.columns]
        for line in self.lines:
            for column, cell in zip(columns, line.cells, strict=False):
                column.append(cell)
        return [max(_least(text) for text in column) for column in columns]


_CELL = (
    f"text-align:start;vertical-align:top;padding:.2em 1em .2em 0;border-bottom:1px solid {BORDER};overflow-wrap:anywhere;max-width:60ch"
)
_UNSEEN = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap"


def preview(rows: Sequence[tuple[int, Response]], fields: Sequence[str] = (), several: bool = False) -> Preview:
    """Rows with their numbers as a table; with `several` models, a column names them.

    >>> preview([(3, Response('{"about": "ink"}', data={"about": "ink"}))], ["about"]).text()
    'row | prompt | about\\n3 |  | ink'
    """
    asked = [without_passages(r.request.messages[-1].text) if r.request else "" for _, r in rows]
    common = os.path.commonprefix(asked) if len(set(asked)) > 1 else ""
    same = max(common.rfind(" "), common.rfind("\n")) + 1  # do not break words
    columns = ("row", *(["model"] if several else []), "prompt", *(fields or ["answer"]))
    lines = []
    for (number, r), text in zip(rows, asked, strict=True):
        lead = (str(number), *([r.requested_model] if several else []), ("…" if same else "") + text[same:])
        lines.append(_line(lead, r, fields, _LONG if len(columns) <= _MANY else _SHORT))
    return Preview(tuple(_short(c, _LONG) for c in columns), len(fields) or 1, tuple(lines))


def _line(lead: Sequence[str], r: Response, fields: Sequence[str], most: int) -> PreviewRow:
    values, instead = [], ""
    if r.error:
        instead = f"✗ {r.error.get('message', '')}"
    elif not fields:
        values = [r.text]
    elif isinstance(r.data, dict):
        values = [_value(r.data.get(name)) for name in fields]
    elif r.data is not None and len(fields) == 1:
        values = [_value(r.data)]
    else:
        instead = r.text or "–"
    return PreviewRow(tuple(_short(c, most) for c in (*lead, *values)), _short(instead, most), failed=bool(r.error))


def _value(value: Any) -> str:
    """The value of a field as text.

    >>> _value(["a", "b"]), _value(None), _value({"a": 1}), _value(True)
    ('a, b', '–', '{"a": 1}', 'True')
    """
    if value is None:
        return "–"
    if isinstance(value, list) and not any(isinstance(v, (list, dict)) for v in value):
        return ", ".join(map(str, value)) or "–"
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (list, dict)) else str(value)


def _least(text: str) -> int:
    """Minimum width of the column of a text, in characters."""
    words = [len(w) for w in text.split() if len(w) <= _WORD]
    return max(*words, min(len(text), _LINE), 0) + 1


def _short(text: str, most: int) -> str:
    text = " ".join(escape_terminal(text).split())
    return text if len(text) <= most else text[: most - 1] + "…"
