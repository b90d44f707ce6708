"""What the tracer found: one record for each figure of a text, as objects, frame and JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from ...core.optional import require

if TYPE_CHECKING:
    import pandas as pd

State: TypeAlias = Literal["exact", "recomputed", "passage", "differs", "untraced", "condition", "label", "no_claim"]
TRACED = frozenset({"exact", "recomputed", "passage"})
WEAK = 0.05  # chance from which a match is said to be weak


@dataclass(frozen=True)
class Origin:
    """Where a figure comes from: a computation over a table, or a place in a passage.

    `conditions` are lists of column, relation and value, for JSON.
    """

    table: str = ""
    rows: int = 0
    operation: str = ""
    column: str = ""
    conditions: tuple[tuple[object, ...], ...] = ()
    passage: int | None = None
    start: int | None = None
    quote: str = ""


@dataclass(frozen=True)
class Figure:
    """One figure of a text.

    `state` is `exact` (a cell), `recomputed`, `passage`, `differs` (the table gives another value),
    `untraced`, or, for what is no claim, `condition`, `label` and `no_claim`. `interval` bounds the
    values that round to what is written. `chance` is the probability that a random figure of the
    same size would have been traced as well.
    """

    text: str
    span: tuple[int, int]
    value: float
    interval: tuple[float, float]
    unit: str | None
    state: State
    source: Origin | None = None
    computed: float | None = None
    chance: float = 0.0
    explanation: str = ""

    @property
    def traced(self) -> bool:
        """Whether it leads back to the data."""
        return self.state in TRACED

    @property
    def counts(self) -> bool:
        """Whether it claims something, and so counts in the coverage."""
        return self.traced or self.state in ("differs", "untraced")

    @property
    def weak(self) -> bool:
        """Whether it was traced but could easily be a coincidence."""
        return self.traced and self.chance > WEAK

    def to_dict(self) -> dict[str, object]:
        """The record as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class NumberReport:
    """The figures of a text, each with its state and source; made by `fm.check_numbers`.

    Attributes:
        figures: The figures in order.
        notes: What was not searched, and why.

    Example:
        >>> import fmnb as fm
        >>> report = fm.check_numbers("The mean price is 15.31.", {"shop": [{"price": 10.25}, {"price": 20.37}]})
        >>> report.coverage
        '1 of 1 figures traced'
        >>> report.figures[0].explanation
        'traced to your data: mean of price in shop = 15.31 (2 rows)'
    """

    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def traced(self) -> tuple[Figure, ...]:
        """The figures that lead back to the data.

        Returns:
            Figures of the states `exact`, `recomputed` and `passage`.

        Example:
            >>> NumberReport().traced
            ()
        """
        return tuple(f for f in self.figures if f.traced)

    @property
    def coverage(self) -> str:
        """How many of the figures that claim something were traced, as a sentence.

        Returns:
            Such as "11 of 14 figures traced"; empty without figures.

        Example:
            >>> NumberReport().coverage
            ''
        """
        claims = sum(f.counts for f in self.figures)
        return f"{len(self.traced)} of {claims} figures traced" if claims else ""

    @property
    def df(self) -> pd.DataFrame:
        """The figures as a DataFrame, one row each.

        Returns:
            Columns text, start, end, value, unit, state, computed, chance, table, operation, column, explanation.

        Example:
            >>> len(NumberReport().df)
            0
        """
        pandas = require("pandas", "frames", "to make a DataFrame")
        names = ["text", "start", "end", "value", "unit", "state", "computed", "chance", "table", "operation", "column", "explanation"]
        rows = []
        for f in self.figures:
            source = f.source or Origin()
            where = (source.table, source.operation, source.column)
            rows.append((f.text, *f.span, f.value, f.unit, f.state, f.computed, f.chance, *where, f.explanation))
        return pandas.DataFrame(rows, columns=names)

    def to_dict(self) -> dict[str, object]:
        """The report as JSON, for logs and tapes.

        Returns:
            `figures` as dicts, `notes`, and the `coverage`.

        Example:
            >>> NumberReport().to_dict()["figures"]
            []
        """
        return {"figures": [f.to_dict() for f in self.figures], "notes": list(self.notes), "coverage": self.coverage}
