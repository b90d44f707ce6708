"""A small table of results: a list of dicts that shows itself well and becomes a DataFrame on request."""

from __future__ import annotations

import datetime
import html
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ._require import require

if TYPE_CHECKING:
    import pandas

_WIDE = 60


class Rows(list[dict[str, Any]]):
    """Rows with the same columns.

    >>> print(Rows([{"model": "echo:", "tokens": 3}]))
    model  tokens
    echo:       3
    """

    def __init__(self, rows: Iterable[dict[str, Any]], columns: tuple[str, ...] = (), note: str = ""):
        super().__init__(rows)
        self.columns = columns or tuple(dict.fromkeys(k for r in self for k in r))
        self.note = note

    @property
    def df(self) -> pandas.DataFrame:
        """The same as a pandas DataFrame."""
        return require("pandas", "frames", "to make a DataFrame").DataFrame(list(self), columns=list(self.columns))

    def _shown(self) -> list[str]:
        """Columns that hold something."""
        return [c for c in self.columns if any(r.get(c) not in (None, "") for r in self)] or list(self.columns)

    def __str__(self) -> str:
        if not self:
            return self.note or "nothing"
        shown = self._shown()
        cells = [[_cell(r.get(c)) for c in shown] for r in self]
        widths = [max(len(c), *(len(row[i]) for row in cells)) for i, c in enumerate(shown)]
        right = [all(isinstance(r.get(c), (int, float)) or r.get(c) is None for r in self) for c in shown]
        lines = [
            "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, right, strict=True)).rstrip()
            for row in [shown, *cells]
        ]
        return "\n".join([*lines, *([self.note] if self.note else [])])

    __repr__ = __str__

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>{html.escape(self.note or 'nothing')}</p>"
        shown = self._shown()
        head = "".join(f'<th scope="col" style="text-align:left">{html.escape(c)}</th>' for c in shown)
        body = "".join(
            "<tr>" + "".join(f'<td style="text-align:left">{html.escape(_cell(r.get(c)))}</td>' for c in shown) + "</tr>" for r in self
        )
        note = f'<p style="opacity:.75">{html.escape(self.note)}</p>' if self.note else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    text = " ".join(str(value).split())
    return text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"
