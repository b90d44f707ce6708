"""A condition on rows: a value, a threshold, a period, missing values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Relation: TypeAlias = Literal["=", "!=", "in", ">", ">=", "<", "<=", "period", "month", "quarter", "missing", "known"]
Value: TypeAlias = "str | float | int | bool | tuple[str, str] | tuple[str | float, ...] | None"


@dataclass(frozen=True)
class Condition:
    """One condition, and where the sentence states it.

    Two conditions are equal if they keep the same rows.
    `value` is a number, a text, two ISO dates for a period, or several values for `in`.
    """

    column: str
    relation: Relation
    value: Value
    start: int = field(default=-1, compare=False)
    end: int = field(default=-1, compare=False)

    def __str__(self) -> str:
        if self.relation == "missing":
            return f"{self.column} is missing"
        if self.relation == "known":
            return f"{self.column} is known"
        if self.relation == "period" and isinstance(self.value, tuple):
            low, high = map(str, self.value)
            if low[:4] == high[:4] and low[4:] == "-01-01" and high[4:] == "-12-31":
                return f"{self.column} in {low[:4]}"
            if low.startswith("1000"):
                return f"{self.column} up to {high}"
            if high.startswith("9999"):
                return f"{self.column} from {low}"
            return f"{self.column} = {low}" if low == high else f"{self.column} from {low} to {high}"
        if self.relation in ("month", "quarter"):
            return f"{self.relation} of {self.column} = {self.value}"
        value = f"{self.value:g}" if isinstance(self.value, float) else repr(self.value)
        return f"{self.column} {self.relation} {value}"

    def to_list(self) -> list[object]:
        """The condition as JSON: column, relation, value."""
        return [self.column, self.relation, list(self.value) if isinstance(self.value, tuple) else self.value]
