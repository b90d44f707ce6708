"""A small table: a list of dicts that displays as a table and converts to a DataFrame."""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from .inert_text import inert, inert_with_code, printable
from .optional import require

if TYPE_CHECKING:
    import pandas

_WIDE = 60
_SHORT = 24  # letters
_LONG = 200  # rows shown


class Bytes(int):
    """A number of bytes that displays in readable form.

    >>> str(Bytes(98_362_432)), Bytes(3) + 1
    ('98 MB', 4)
    """

    def __str__(self) -> str:
        return f"{self / 1e9:,.1f} GB" if self >= 1e9 else f"{self / 1e6:,.0f} MB" if self >= 1e6 else f"{self / 1e3:,.0f} kB"


class FormattedFloat(float):
    """A number with a text of its own, such as a share in percent: subclasses define `__str__`."""


class Rows(list[dict[str, Any]]):
    """Rows with the same columns.

    >>> print(Rows([{"model": "echo:", "tokens": 3}]))
    model  tokens
    echo:       3
    """

    whole = False  # also of rows pickled by earlier versions

    def __init__(self, rows: Iterable[dict[str, Any]], columns: tuple[str, ...] = (), note: str = "", *, whole: bool = False):
        """With `whole`, long texts wrap; otherwise they are cut."""
        super().__init__(rows)
        self.whole = whole
        self.columns = columns or tuple(dict.fromkeys(k for r in self for k in r))
        self.note = note

    @property
    def df(self) -> pandas.DataFrame:
        """The rows as a pandas DataFrame."""
        return require("pandas", "frames", "to make a DataFrame").DataFrame(list(self), columns=list(self.columns))

    def _shown(self) -> list[str]:
        """Columns with at least one value."""
        return [c for c in self.columns if any(not _empty(r.get(c)) for r in self)] or list(self.columns)

    def __str__(self) -> str:
        if not self:
            return printable(self.note) or "nothing"
        shown = self._shown()
        cells = [line for r in self[:_LONG] for line in self._lines([self._cell(r.get(c)) for c in shown])]
        widths = [max(len(_cell(c)), *(len(row[i]) for row in cells)) for i, c in enumerate(shown)]
        right = [self._numbers(c) for c in shown]
        lines = [
            "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, right, strict=True)).rstrip()
            for row in [list(map(_cell, shown)), *cells]
        ]
        return "\n".join([*lines, *map(printable, self._notes())])

    def _cell(self, value: Any) -> str:
        return _cell(value, None if self.whole else _WIDE)

    def _lines(self, cells: list[str]) -> Iterator[list[str]]:
        """The lines of a row of text: one, or as many as its longest text wraps to."""
        if not self.whole:
            yield cells
            return
        for line in zip_longest(
            *(textwrap.wrap(c, _WIDE, break_long_words=False, break_on_hyphens=False) or [""] for c in cells), fillvalue=""
        ):
            yield list(line)

    def _numbers(self, column: str) -> bool:
        """Whether all values of a column are numbers."""
        return all(isinstance(r.get(column), (int, float)) or _missing(r.get(column)) for r in self)

    def _notes(self) -> list[str]:
        more = [f"and {len(self) - _LONG} more; name fewer, or take `.df`"] if len(self) > _LONG else []
        return [*more, *([self.note] if self.note else [])]

    __repr__ = __str__

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>{inert_with_code(self.note or 'nothing')}</p>"
        shown = self._shown()
        style = {c: f"text-align:{'right' if self._numbers(c) else 'left'}" for c in shown}
        head = "".join(f'<th scope="col" style="{style[c]}">{inert(c)}</th>' for c in shown)
        body = "".join("<tr>" + "".join(_html(self._cell(r.get(c)), style[c]) for c in shown) + "</tr>" for r in self[:_LONG])
        note = "".join(f'<p style="opacity:.75">{inert_with_code(n)}</p>' for n in self._notes())
        scroll = '<div tabindex="0" role="region" aria-label="Table" style="overflow-x:auto;max-width:100%">'
        return f"{scroll}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}"


def _missing(value: Any) -> bool:
    """Whether a value is missing, including pandas' own markers, which cannot be compared."""
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _empty(value: Any) -> bool:
    return _missing(value) or (isinstance(value, str) and not value)


def _html(text: str, style: str) -> str:
    """A cell of the table; short values stay on one line."""
    whole = ";white-space:nowrap" if len(text) <= _SHORT else ""
    return f'<td style="{style}{whole}">{inert(text)}</td>'


def _cell(value: Any, width: int | None = _WIDE) -> str:
    if _missing(value):
        return ""
    if isinstance(value, float):
        return str(value) if isinstance(value, FormattedFloat) else f"{value:.4g}"
    if type(value) is int and abs(value) >= 10_000:
        return f"{value:,}"
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, (list, tuple)):
        value = ", ".join(map(str, value))
    text = " ".join(printable(str(value)).split())
    return text if width is None or len(text) <= width else text[: width - 1] + "…"
