"""The gate: one SELECT over the named tables, or a refusal that says what was seen.

sqlglot reads the query, so this works for every engine. DuckDB's own reading is checked in
`duckdb_tree.py`, SQLite's in its authorizer: what runs is judged by the engine that runs it.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ...core.errors import QueryError
from ...core.optional import require
from .functions import LITERAL, SERIES, SIZED, TABLE_FUNCTIONS, refused, size_problem

LONGEST = 20_000  # characters of a query
DEEPEST = 40  # SELECTs within one query
_QUERIES = ("Select", "Union", "Intersect", "Except", "Values", "Subquery")
_FORBIDDEN = (
    "Insert Update Delete Merge Drop Create Alter AlterColumn TruncateTable Copy Command Into Lock Attach Detach Set SetItem Pragma Use"
    " Transaction Commit Rollback Kill Describe Summarize Show Cache Uncache Refresh LoadData Analyze Execute Comment Grant Revoke"
    " Parameter SessionParameter Placeholder Hint Export Install StagedFilePath DirectoryStage"
).split()
SERVERS = ("postgres", "mysql", "tsql", "oracle", "snowflake", "bigquery", "redshift")
_SPELLED = ("explode", "exploding_generate_series", "json_each")  # table functions under sqlglot's or another engine's name
# Functions that sqlglot has no class for, and that only compute.
_PLAIN = frozenset(
    """
    age btrim initcap to_char to_number to_date to_timestamp date_format strftime date_bin make_date make_interval justify_days percentile_cont
    percentile_disc mode ntile cume_dist percent_rank width_bucket regexp_match regexp_matches regexp_replace regexp_count regexp_substr
    split_part string_agg array_length cardinality num_nulls num_nonnulls bool_and bool_or every corr covar_pop covar_samp regr_slope
    regr_intercept regr_r2 stddev_pop stddev_samp var_pop var_samp numrange julianday unixepoch total group_concat printf instr ifnull iif
    likely unlikely json_extract json_each datetime time date
    """.split()
)


def check(query: str, tables: Iterable[str], dialect: str = "duckdb") -> Any:
    """Raise QueryError unless the query is one SELECT over these tables; return sqlglot's tree of it.

    `dialect` is sqlglot's name of the language. A table with a schema is named "schema.table".

    >>> check("select count(*) from sales", ["sales"]).sql()
    'SELECT COUNT(*) FROM sales'
    >>> check("select * from secret", ["sales"])
    Traceback (most recent call last):
      ...
    fmnb.core.errors.QueryError: The query was refused: it reads the table secret. The tables are sales.
    """
    known = list(tables)
    glot = require("sqlglot", "sql", "to check queries")
    if not query.strip():
        raise refusal("it is empty", query)
    if len(query) > LONGEST:
        raise refusal(f"it has {len(query):,} characters, more than {LONGEST:,}", query[:200])
    if "\x00" in query:
        raise refusal("it has a null character", query)
    try:
        with _quiet():
            statements = [s for s in glot.parse(query, read=dialect) if s is not None and type(s).__name__ != "Semicolon"]
    except Exception as e:  # of sqlglot's own, and whatever else its parser raises on text that is no SQL
        raise refusal(f"it cannot be read ({_first_line(e)})", query) from None
    if len(statements) != 1:
        raise refusal(f"it has {len(statements)} statements instead of one", query)
    tree = statements[0]
    if type(tree).__name__ not in _QUERIES:
        raise refusal(f"it is not a SELECT but {_word(tree)}", query)
    try:
        _check_nodes(glot.exp, tree, query, dialect)
    except RecursionError:
        raise refusal("it is nested too deeply", query) from None
    for name in _outside(glot.exp, tree, {n.lower() for n in known}):
        raise refusal(f"it reads the table {name}", query, known, name)
    return tree


def written(tree: Any, dialect: str) -> str:
    """The checked query in its language, without comments, which a server could execute.

    Raises QueryError for one that is nested too deeply.

    >>> written(check("select 1 /*! into outfile 'x' */", [], "mysql"), "mysql")
    'SELECT 1'
    """
    try:
        return str(tree.sql(dialect=dialect, comments=False))
    except RecursionError:
        raise refusal("it is nested too deeply", "") from None


def refusal(reason: str, query: str, known: Iterable[str] = (), name: str = "") -> QueryError:
    """The error for a refused query; with the table that is nearest to `name`."""
    known = list(known)
    near = difflib.get_close_matches(name.lower(), [k.lower() for k in known], 1) if name else []
    hint = f"The tables are {', '.join(known[:20])}." if known else "Write one SELECT over the tables."
    if near and near[0] != name.lower():
        hint = f"Did you mean {near[0]}? {hint}"
    return QueryError("The query was refused", detail=reason, hint=hint, sql=query)


def _check_nodes(exp: Any, tree: Any, query: str, dialect: str) -> None:
    """Refuse statements, locks, parameters and functions inside of a query."""
    forbidden = tuple(getattr(exp, name) for name in _FORBIDDEN if hasattr(exp, name))
    selects = 0
    for node in tree.walk():
        selects += isinstance(node, exp.Select)
        if isinstance(node, forbidden):
            raise refusal(f"it contains {_word(node)}", query)
        if isinstance(node, exp.Func):
            _check_function(exp, node, query, dialect)
    if selects > DEEPEST:
        raise refusal(f"it has {selects} SELECTs, more than {DEEPEST}", query)


def _check_function(exp: Any, node: Any, query: str, dialect: str) -> None:
    names = [str(node.this).lower()] if isinstance(node, (exp.Anonymous, exp.AnonymousAggFunc)) else [n.lower() for n in node.sql_names()]
    in_from = isinstance(node.parent, exp.Table) or (isinstance(node.parent, exp.Lateral) or isinstance(node, exp.Unnest))
    for name in names:
        if problem := refused(name):
            raise refusal(problem, query)
    if in_from and not set(names) & {*TABLE_FUNCTIONS, *_SPELLED} and isinstance(node.parent, exp.Table):
        raise refusal(f"the function {names[0]} in FROM is not allowed", query)
    if isinstance(node, exp.Anonymous) and dialect in SERVERS and names[0] not in _PLAIN:
        raise refusal(f"the function {names[0]} is not known to be harmless", query)
    for name in names:
        if name in SIZED or name in LITERAL or (name in SERIES and not in_from):
            arguments = node.expressions if isinstance(node, exp.Anonymous) else list(node.iter_expressions())
            if problem := size_problem(name, [_literal(exp, a) for a in arguments]):
                raise refusal(problem, query)


def _literal(exp: Any, node: Any) -> object:
    """The value of a literal, or None."""
    if isinstance(node, exp.Literal):
        if node.is_string:
            return str(node.this)
        try:
            return float(node.this)
        except ValueError:
            return None
    return None


def _outside(exp: Any, tree: Any, known: set[str]) -> Iterator[str]:
    """The tables that are neither known nor defined by WITH where they stand."""
    waiting: list[tuple[Any, frozenset[str]]] = [(tree, frozenset())]
    while waiting:
        node, visible = waiting.pop()
        if isinstance(node, exp.Table):
            if isinstance(node.this, exp.Func):
                waiting.append((node.this, visible))
            elif node.name or node.db or node.catalog:
                name = ".".join(part for part in (node.catalog, node.db, node.name) if part)
                if name.lower().removeprefix("main.") not in known and not (name.lower() in visible and not node.db):
                    yield name
        inner = visible
        if (clause := node.args.get("with_") or node.args.get("with")) is not None:
            for cte in clause.expressions:
                own = {cte.alias.lower()}
                recursive = bool(clause.args.get("recursive")) and isinstance(cte.this, exp.SetOperation)
                waiting.append((cte.this, inner | own if recursive else inner))
                inner = inner | own
        for key, value in node.args.items():
            if key in ("with_", "with"):
                continue
            waiting += [(v, inner) for v in (value if isinstance(value, list) else [value]) if isinstance(v, exp.Expression)]


def _word(node: Any) -> str:
    """A statement's own word: INSERT, CREATE, ..."""
    name = type(node).__name__
    return str(node.this).upper() if name == "Command" else name.upper()


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0][:160] if text else type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """sqlglot warns about statements that it does not know; they are refused anyway."""
    logger = logging.getLogger("sqlglot")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
