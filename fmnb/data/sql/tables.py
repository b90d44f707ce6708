"""`fm.Tables` and `fm.sql`: frames, files or a database, asked with SQL that is checked first."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from ...calls.options import CallOptions, with_options
from ...calls.prepare import options_from
from ...core.errors import QueryError, UsageError
from ...core.events import Sink
from ...core.labels import column_label, join, label_frame
from ...core.sources import Passage, Retrieved
from ...core.types import Label, Usage
from ...core.typing import DataFrame, ModelLike, TableLike
from . import ask as asking
from . import card as cards
from .answer import SqlAnswer
from .databases import open_database
from .duckdb_engine import memory_engine
from .engine import Engine, Result
from .files import is_path
from .frames import Frame, frame_of
from .watch import Limits

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine as SQLAlchemyEngine


class Tables:
    """Tables that are asked with SQL: frames and files, or a database of your own, read-only.

        tables = fm.Tables(sales=df, orders="orders.parquet")
        tables.ask("Revenue per region last quarter?").df

    A query is one SELECT over these tables: it cannot read other files, other variables or the
    network, and stops at a time limit.

    Args:
        frames: Tables by name, for names that are options of this function, such as "limit".
        database: A database of your own, opened read-only: the path of a DuckDB or SQLite file, an
            address such as "postgresql://user@host/db", or an engine of SQLAlchemy.
        tables: The tables and views of the database that may be read: "name" or "schema.name".
        key: The name of the database's password: an environment variable, or a stored key. The first time
            you are asked for it.
        limit: The most rows that a query returns.
        seconds: The time limit of a query.
        samples: Whether models see values of the columns: ranges, and up to five values. By default,
            they do unless `df.attrs["data_class"]` is personal or secret.
        name: The name in notes and sources.
        **more: Tables by name: a DataFrame of pandas or polars, an Arrow table, a DuckDB relation, a
            list of dicts, a dict of columns, or the path of a CSV, TSV, JSON, JSONL, Parquet or xlsx file.

    Raises:
        UsageError: A table cannot be read.
        MissingPackageError: duckdb or sqlglot is not installed.

    >>> Tables(sales=[{"region": "north", "qty": 3}, {"region": "south", "qty": 4}]).sql("select sum(qty) n from sales")
    [{'n': 7}]
    """

    def __init__(
        self,
        frames: Mapping[str, TableLike] | None = None,
        /,
        *,
        database: str | Path | SQLAlchemyEngine | None = None,
        tables: Sequence[str] = (),
        key: str = "",
        limit: int = 10_000,
        seconds: float = 20.0,
        samples: bool | None = None,
        name: str = "tables",
        **more: TableLike,
    ):
        self.name = name
        self._samples = samples
        self._profiles: tuple[cards.TableProfile, ...] | None = None
        self._limits = _limits(limit, seconds)
        self.notes: tuple[str, ...] = ()
        self._attributes: dict[str, Mapping[str, Any]] = {}
        self._engine: Engine
        if database is None:
            if tables or key:
                raise UsageError("`tables=` and `key=` belong to a database", hint="Name it: database=...")
            self._source = _code({**(frames or {}), **more})
            self._engine, self.notes, self._attributes = _in_memory({**(frames or {}), **more})
        elif frames or more:
            raise UsageError("Tables are either of a database or in memory", hint="Make two fm.Tables.")
        else:
            self._engine = open_database(database, tables, key)
            self._source = _database_code(database, self._engine.tables, key)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tables.

        >>> Tables(sales=[{"qty": 3}]).names
        ('sales',)
        """
        return self._engine.tables

    def sql(self, query: str, *, limit: int | None = None) -> DataFrame | list[dict[str, object]] | dict[str, list[object]]:
        """Run one SELECT and return its rows.

        Args:
            query: One SELECT over these tables, in the database's own SQL; for frames and files, DuckDB's.
            limit: The most rows to return; a warning says when there are more.

        Returns:
            A frame of the kind that went in; for files and databases, a pandas DataFrame.

        Raises:
            QueryError: The query was refused, stopped or rejected; the message says why.

        >>> Tables(sales={"qty": [3, 4]}).sql("select max(qty) most from sales")
        {'most': [4]}
        """
        limits = self._limits if limit is None else _limits(limit, self._limits.seconds)
        result = self._run(query, limits)
        if result.truncated:
            warnings.warn(f"fmnb: these are the first {result.rows:,} rows; the query has more (`limit=`)", stacklevel=2)
        return result.frame

    def card(self, question: str = "") -> str:
        """What a model is told about the tables: columns, types, nulls, ranges and some values.

        Args:
            question: Where there are too many columns, those that have to do with it are described.

        Returns:
            The text, of at most about 1,500 tokens.

        >>> print(Tables(sales=[{"region": "north", "qty": 3}]).card())
        table sales (1 row)
        - region VARCHAR: such as "north"
        - qty BIGINT: 3 to 3; such as 3
        <BLANKLINE>
        """
        return cards.card(self._engine, self._profile(), question).text

    @with_options(CallOptions)
    def ask(
        self, question: str, model: ModelLike | None = None, *, sinks: Sequence[Sink] = (), **options: Unpack[CallOptions]
    ) -> SqlAnswer:
        """Let a model write the query for a question, and run it.

        Args:
            question: What to find out.
            model: The model, as in `fm.ask`.
            sinks: Functions that receive every event of the calls.
            **options: Options of the calls: see `CallOptions`. There is no schema or format.

        Returns:
            The query, its rows as `df`, and how it came about.

        Raises:
            QueryError: No query could be made of the question; its `sql` is the last one.
            FmnbError: As `fm.ask` does.

        >>> sales = Tables(sales=[{"region": "north", "qty": 3}])
        >>> sales.ask("How many in all?", lambda prompt: "select sum(qty) n from sales").df
        [{'n': 3}]
        """
        if not isinstance(question, str) or not question.strip():
            raise UsageError("The question is empty", hint="Ask in words: tables.ask('Revenue per region?').")
        if unusable := [n for n in ("schema", "format", "values", "attach", "sources") if n in options]:
            raise UsageError(
                "This option is not used here", detail=unusable[0], hint="The answer is a query; put values into the question."
            )
        asked = asking.ask(self._engine, self._profile(), question, model, self._limits, options_from(options), sinks)
        result = asked.result
        tables = tuple(t for t in self.names if re.search(rf"(?<!\w){re.escape(t)}(?!\w)", result.sql, re.I))
        label = self._label(tables)
        if result.kind == "pandas" and label is not None:
            label_frame(result.frame.attrs, {str(c): label for c in result.frame.columns})
        return SqlAnswer(
            question=question,
            sql=result.sql,
            df=result.frame,
            rows=result.rows,
            truncated=result.truncated,
            seconds=result.seconds,
            repairs=asked.repairs,
            run=asked.run,
            runs=asked.runs,
            model=asked.model,
            tables=tables,
            notes=self.notes,
            label=label,
            kind=result.kind,
            source=self._source,
            usage=asked.usage,
        )

    def preview(self, question: str) -> Retrieved:
        """What `retrieve` would send to the model, in place of the rows; nothing is sent.

        Args:
            question: What to find out.

        Returns:
            A passage with the card of the tables.

        >>> Tables(sales=[{"qty": 3}]).preview("How many?").passages[0].text.splitlines()[0]
        '(Here the rows of a query will stand. A call before this one lets the model write it from this card:)'
        """
        text = (
            f"(Here the rows of a query will stand. A call before this one lets the model write it from this card:)\n{self.card(question)}"
        )
        return Retrieved(
            (Passage(text, self.name, title=f"{self.name}, by SQL"),),
            notes=(f"{self.name}: a query costs one call more, or two", *self.notes),
        )

    def retrieve(self, question: str, *, limit: int = 8, model: ModelLike | None = None) -> Retrieved:
        """The rows that answer a question, as a passage to cite; for `--with`.

        Args:
            question: What to find out.
            limit: The most passages; there is one.
            model: The model that writes the query.

        Returns:
            A passage with the rows as text and the query in its details, and the rows as the frame `result`.
            If no query could be made, a note says why.

        >>> sales = Tables(sales=[{"region": "north", "qty": 3}])
        >>> found = sales.retrieve("How many?", model=lambda prompt: "select sum(qty) n from sales")
        >>> found.passages[0].text, found.passages[0].details["sql"]
        ('n\\n3', 'select sum(qty) n from sales')
        """
        try:
            answer = self.ask(question, model)
        except QueryError as e:
            return Retrieved(notes=(f"{self.name}: {e}", *self.notes))
        details = {"sql": answer.sql, "rows": answer.rows, "truncated": answer.truncated, "tables": list(answer.tables), "run": answer.run}
        passage = Passage(
            text=answer.text(),
            source=self.name,
            title=f"{' and '.join(answer.tables) or self.name}, by SQL",
            location=f"{answer.rows:,} row{'s' * (answer.rows != 1)}",
            time=time.time(),
            details=details,
            label=join([Passage("", "").label, answer.label]) or Passage("", "").label,
        )
        calls = f"{len(answer.runs)} call{'s' * (len(answer.runs) != 1)} of {answer.model}"
        written = f"{self.name}: the query took {calls}{_spent(answer.usage)}"
        return Retrieved((passage,)[:limit], {"result": answer.df}, (written, *answer.notes))

    def _profile(self) -> tuple[cards.TableProfile, ...]:
        """What the card says, read once."""
        if self._profiles is None:
            self._profiles = cards.profile(self._engine, self._attributes, self._samples)
        return self._profiles

    def _label(self, tables: Sequence[str]) -> Label | None:
        """The label of what a query over these tables returns."""
        return join(column_label(self._attributes.get(t, {}), [c.name for c in self._engine.columns[t]]) for t in tables)

    def close(self) -> None:
        """Close the connection and release the frames."""
        self._engine.close()

    def __enter__(self) -> Tables:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        shown = ", ".join(self.names[:10]) + ", …" * (len(self.names) > 10)
        return f"Tables({shown})"

    def _run(self, query: str, limits: Limits) -> Result:
        if not isinstance(query, str):
            raise UsageError("The query must be a string", detail=type(query).__name__)
        return self._engine.run(query, limits)


@with_options(CallOptions)
def sql(
    question: str,
    tables: Tables | Mapping[str, TableLike] | DataFrame,
    model: ModelLike | None = None,
    *,
    sinks: Sequence[Sink] = (),
    **options: Unpack[CallOptions],
) -> SqlAnswer:
    """Answer a question about tables with a query that a model writes.

    Args:
        question: What to find out.
        tables: An `fm.Tables`, a dict of tables by name, or one frame, which the query calls "data".
        model: The model, as in `fm.ask`.
        sinks: Functions that receive every event of the calls.
        **options: Options of the calls: see `CallOptions`.

    Returns:
        The query, its rows as `df`, and how it came about.

    Raises:
        QueryError: No query could be made of the question; its `sql` is the last one.
        UsageError: A table cannot be read.
        FmnbError: As `fm.ask` does.

    >>> answer = sql("How many?", {"sales": [{"qty": 3}]}, lambda prompt: "select sum(qty) n from sales")
    >>> answer.sql, answer.df
    ('select sum(qty) n from sales', [{'n': 3}])
    """
    if isinstance(tables, Tables):
        return tables.ask(question, model, sinks=sinks, **options)
    named = tables if isinstance(tables, Mapping) and not _is_columns(tables) else {"data": tables}
    with Tables(named) as opened:  # type: ignore[arg-type]
        return opened.ask(question, model, sinks=sinks, **options)


def _is_columns(value: Mapping[str, Any]) -> bool:
    """Whether a dict is one table, of columns: its values are lists of plain cells."""
    return all(
        isinstance(v, (list, tuple)) and not any(isinstance(c, (Mapping, list, tuple)) for c in v[:20]) for v in value.values()
    ) and bool(value)


def _code(tables: Mapping[str, Any]) -> str:
    """The call that makes these tables, for a cell; a frame is called by the name of its table."""
    named = [(n, repr(str(v)) if is_path(v) else n if n.isidentifier() else "frame") for n, v in tables.items() if isinstance(n, str)]
    keywords = ", ".join(f"{n}={v}" for n, v in named if n.isidentifier())
    others = ", ".join(f"{n!r}: {v}" for n, v in named if not n.isidentifier())
    return f"fm.Tables({', '.join(p for p in (f'{{{others}}}' if others else '', keywords) if p)})"


def _spent(usage: Usage) -> str:
    """Tokens and cost of the calls that wrote a query, as far as they are known."""
    parts = [f"{n:,} tokens {way}" for n, way in ((usage.input_tokens, "in"), (usage.output_tokens, "out")) if n is not None]
    if usage.cost is not None:
        parts.append(f"${usage.cost:.4f}" if usage.cost else "free")
    return f": {', '.join(parts)}" if parts else ""


def _limits(rows: int, seconds: float) -> Limits:
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
        raise UsageError("limit must be a whole number of at least 1", detail=repr(rows))
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not 0 < seconds < 86_400:
        raise UsageError("seconds must be a number above 0", detail=repr(seconds))
    return Limits(float(seconds), rows)


def _in_memory(tables: Mapping[str, Any]) -> tuple[Engine, tuple[str, ...], dict[str, Mapping[str, Any]]]:
    """The engine over frames and files, notes, and the `attrs` of each frame."""
    if not tables:
        raise UsageError("There are no tables", hint='Name them: fm.Tables(sales=df, orders="orders.parquet").')
    _check_names(tables)
    found: dict[str, Frame | Path] = {}
    for name, value in tables.items():
        found[name] = Path(value) if is_path(value) else frame_of(value, name)
    engine, notes = memory_engine(found)
    return engine, tuple(notes), {n: f.attributes for n, f in found.items() if isinstance(f, Frame)}


def _check_names(names: Any) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not name.strip() or not name.isprintable() or '"' in name or "." in name or len(name) > 100:
            raise UsageError("That is not the name of a table", detail=repr(name)[:120], hint="Use letters, digits and _.")
        if name.lower() in seen:
            raise UsageError("Two tables have the same name", detail=f"{seen[name.lower()]}, {name}; SQL ignores case")
        seen[name.lower()] = name


def _database_code(database: Any, tables: Sequence[str], key: str) -> str:
    """The call that opens this database, for a cell; an engine is called `engine`."""
    shown = repr(str(database)) if isinstance(database, (str, Path)) else "engine"
    return f"fm.Tables(database={shown}, tables={list(tables)!r}{f', key={key!r}' if key else ''})"
