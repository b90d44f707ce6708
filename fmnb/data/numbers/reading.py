"""One way to read a figure: what would have to be computed, and the value that it gives."""

from __future__ import annotations

from dataclasses import dataclass

from .condition import Condition


@dataclass(frozen=True)
class Reading:
    """A recomputation that a sentence names.

    `tier` is 0 if all of it is named, 1 if one thing is implied, 2 and more if it is a guess, which
    counts only where chance is small. `guess` marks those where no
    column is named. `parts` are the two values of a difference, growth or ratio.
    """

    tier: int
    operation: str
    what: str
    value: float
    column: str | None = None
    conditions: tuple[Condition, ...] = ()
    rows: int = 0
    parts: tuple[float, float] | None = None
    table: str = ""
    guess: bool = False

    @property
    def cell(self) -> bool:
        """Whether it is a value of the table as it stands there."""
        return self.operation in ("value", "first", "last")

    def __str__(self) -> str:
        where = " and ".join(map(str, self.conditions))
        rows = f" ({self.rows:,} {'row' if self.rows == 1 else 'rows'})" if self.rows else ""
        return f"{self.what}{f' where {where}' if where else ''} = {self.value:,.6g}{rows}"
