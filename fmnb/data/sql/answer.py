"""`SqlAnswer`: a question, the query that answers it, and its rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from ...core.inert_text import inert
from ...core.records import Rows
from ...core.types import Label, Usage
from ...prompts.describe import literal, short
from ...views.colors import MUTED
from ...views.html import code
from .frames import head

SHOWN = 20  # rows
_TEXT = 6_000  # characters of the rows as text for a model
_BARS = 40


@dataclass(frozen=True, slots=True)
class SqlAnswer:
    """What `fm.sql` returns: the query, its rows, and how it came about.

    Attributes:
        question: What was asked.
        sql: The query as it ran.
        df: Its rows, as a frame of the kind that went in.
        rows: Their number.
        truncated: Whether the query has more rows than the limit.
        seconds: Time of the query, without the model.
        repairs: How often the model had to write it again.
        run: Id of the run in the log.
        runs: Ids of the calls of the model.
        model: The model that wrote the query.
        tables: The tables that the query reads.
        notes: Notes for the reader.
        usage: Tokens and cost of the calls of the model.
    """

    question: str
    sql: str
    df: Any = field(repr=False)
    rows: int
    truncated: bool = False
    seconds: float = 0.0
    repairs: int = 0
    run: str = ""
    runs: tuple[str, ...] = ()
    model: str = ""
    tables: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    label: Label | None = field(default=None, repr=False)
    kind: str = field(default="pandas", repr=False)
    source: str = field(default="", repr=False)
    usage: Usage = field(default=Usage(), repr=False)

    @property
    def cell(self) -> str:
        """The query as the text of a cell, to edit and run."""
        return f'import fmnb as fm\n\nresult = {self.source}.sql("""\n{_in_quotes(self.sql)}\n""")\nresult'

    @property
    def chart(self) -> str:
        """A chart of the rows as the text of a cell, or "" where no chart is obvious.

        One text and one number make bars, one date and one number a line. The code is never run by itself.
        """
        rows = head(self.df, self.kind, _BARS + 1)
        shape = _shape(rows)
        if not shape:
            return ""
        x, y, dated = shape
        lines = [
            "import matplotlib.pyplot as plt",
            self.cell.removesuffix("\nresult"),
            "",
            f"x, y = {_column(self.kind, x)}, {_column(self.kind, y)}",
            "fig, ax = plt.subplots()",
            "ax.plot(x, y)" if dated else "ax.barh([str(v) for v in x], y)",
            f"ax.set(xlabel={(x if dated else y)!r}, ylabel={(y if dated else x)!r}, title={short(self.question, 80)!r})",
        ]
        lines += ["fig.autofmt_xdate()"] if dated else ["ax.invert_yaxis()"]
        return "\n".join([*lines, "plt.show()"])

    def text(self, limit: int = _TEXT) -> str:
        """The rows as text for a model, up to `limit` characters, with a line for what is left out."""
        rows = head(self.df, self.kind, 1_000)
        lines = [" | ".join(short(name, 80) for name in rows[0])] if rows else ["no rows"]
        size, shown = len(lines[0]), 0
        for row in rows:
            line = " | ".join(short(literal(v), 200) for v in row.values())
            if size + len(line) > limit and shown:
                break
            lines.append(line)
            size, shown = size + len(line) + 1, shown + 1
        if shown < self.rows or self.truncated:
            lines.append(f"… {shown:,} of {'more than ' * self.truncated}{self.rows:,} rows are shown")
        return "\n".join(lines)

    def __str__(self) -> str:
        return f"{self.sql}\n\n{self._table()}\n{self._footer()}"

    def __repr__(self) -> str:
        return f"SqlAnswer({short(self.sql, 70)!r}, rows={self.rows}, run={self.run!r})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        notes = "".join(f'<div style="color:{MUTED}">{inert(n)}</div>' for n in self.notes)
        footer = f'<div style="color:{MUTED};font-size:.9em;margin-top:.3em">{inert(self._footer())}</div>'
        return f"{code(self.sql, 'sql')}{self._table()._repr_html_()}{footer}{notes}"

    def _table(self) -> Rows:
        rows = head(self.df, self.kind, SHOWN)
        more = f"{len(rows)} of {self.rows:,} rows" if self.rows > len(rows) else "no rows" * (not rows)
        return Rows(rows, tuple(rows[0]) if rows else (), more)

    def _footer(self) -> str:
        rows = f"{self.rows:,} row{'s' * (self.rows != 1)}"
        facts = [f"{rows}, truncated: the query has more" if self.truncated else rows, f"query {_time(self.seconds)}", self.model]
        facts += [f"repaired {self.repairs} time{'s' * (self.repairs != 1)}"] * bool(self.repairs)
        return " · ".join(f for f in facts if f)


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _in_quotes(sql: str) -> str:
    """A query inside of three double quotes."""
    return sql.replace("\\", "\\\\").replace('"""', '\\"\\"\\"') + " " * sql.endswith('"')


def _column(kind: str, name: str) -> str:
    match kind:
        case "arrow":
            return f"result[{name!r}].to_pylist()"
        case "dicts":
            return f"[row[{name!r}] for row in result]"
        case "duckdb":
            return f"[row[0] for row in result.select({chr(34) + name + chr(34)!r}).fetchall()]"
        case _:
            return f"list(result[{name!r}])"


def _shape(rows: list[dict[str, Any]]) -> tuple[str, str, bool] | None:
    """The columns of an obvious chart, and whether the first holds dates."""
    if not 2 <= len(rows) or len(rows[0]) != 2:
        return None
    x, y = rows[0]
    numbers = all(isinstance(r[y], (int, float, Decimal)) and not isinstance(r[y], bool) for r in rows)
    if not numbers:
        return None
    if all(isinstance(r[x], date) for r in rows):
        return x, y, True
    if len(rows) <= _BARS and all(isinstance(r[x], str) for r in rows):
        return x, y, False
    return None
