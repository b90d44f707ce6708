"""What answers queries: a database that is opened read-only and has its own check."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from ...core.errors import QueryError
from .watch import Limits


@dataclass(frozen=True)
class Column:
    """A column of a table, with the database's own name of its type."""

    name: str
    type: str


@dataclass(frozen=True)
class Result:
    """The rows of a query as a frame. `truncated` says that the query has more."""

    frame: Any = field(repr=False)
    kind: str
    rows: int
    truncated: bool
    seconds: float
    sql: str  # as it ran


class Engine(Protocol):
    """A database over which one SELECT at a time runs.

    `dialect` is sqlglot's name of its language, `language` the name that a model knows; `tables` are
    the only tables that a query may read.
    """

    dialect: str
    language: str
    tables: tuple[str, ...]
    columns: dict[str, tuple[Column, ...]]

    def run(self, query: str, limits: Limits) -> Result:
        """Check and run a query. Raises QueryError."""
        ...

    def rows(self, query: str, limits: Limits) -> list[tuple[Any, ...]]:
        """The rows of a query of ours, which is not checked; none if it fails or takes too long."""
        ...

    def spread(self, table: str, rows: int | None, size: int) -> str:
        """A query of about `size` rows of a table of `rows` rows; the same rows every time."""
        ...

    def quote(self, name: str) -> str:
        """A name as an identifier."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def stopped(reason: str, query: str) -> QueryError:
    """The error for a query that exceeded a limit."""
    hint = "Ask for less: filter rows, or aggregate them. A longer time is `seconds=`." if "still running" in reason else ""
    return QueryError("The query was stopped", detail=reason, hint=hint, sql=query)
