"""DuckDB's own reading of a query, checked before it is bound.

`json_serialize_sql` returns the tree that DuckDB's parser makes, so no other parser can read the
query differently. Only what this file knows may be in the tree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from .functions import LITERAL, SERIES, SIZED, TABLE_FUNCTIONS, refused, size_problem
from .gate import refusal

_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
_HARMLESS = re.compile(
    r"\w+_MODIFIER|\w+_TYPE_INFO|ORDER_DEFAULT|ASCENDING|DESCENDING"
)  # parts of a query that are no expression and read nothing
_FROM = {"BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EMPTY", "EXPRESSION_LIST", "PIVOT"}
_UNLISTED = {"unnest", "count_star", "->", "->>", "[]", "row", "grouping", "columns"}  # of the parser, not in the catalog
_UNLISTED |= set(
    "row_number rank dense_rank rank_dense percent_rank cume_dist ntile lag lead first_value last_value nth_value fill".split()
)


def check(connection: Any, query: str, tables: Iterable[str], functions: frozenset[str]) -> None:
    """Raise QueryError unless DuckDB reads one SELECT over these tables, calling known functions.

    `functions` are those that DuckDB itself brings, see `own_functions`.
    """
    known = list(tables)
    kinds = [s.type.name for s in connection.extract_statements(query)]
    if kinds != ["SELECT"]:
        what = "no statement" if not kinds else kinds[0] if len(kinds) == 1 else f"{len(kinds)} statements"
        hint = " (write sums over CASE instead of PIVOT)" if kinds == ["MULTI"] else ""
        raise refusal(f"DuckDB reads {what} instead of one SELECT{hint}", query)
    try:
        read = json.loads(connection.execute("SELECT json_serialize_sql(?)", [query]).fetchone()[0])
        if read["error"] or len(read["statements"]) != 1:
            raise refusal(f"DuckDB cannot show how it reads it ({str(read.get('error_message', ''))[:120]})", query)
        _Walk(query, known, functions).node(read["statements"][0]["node"], frozenset())
    except RecursionError:
        raise refusal("it is nested too deeply", query) from None


def own_functions(connection: Any) -> frozenset[str]:
    """The functions and operators that come with DuckDB, without those for tables and settings."""
    kinds = "('scalar', 'aggregate', 'window', 'macro')"
    rows = connection.execute(
        f"SELECT DISTINCT function_name FROM duckdb_functions() WHERE internal AND function_type IN {kinds}"
    ).fetchall()
    return frozenset({str(name).lower() for (name,) in rows} | _UNLISTED)


class _Walk:
    """Goes through the tree with the names that WITH has defined so far."""

    def __init__(self, query: str, known: list[str], functions: frozenset[str]):
        self.query, self.shown, self.functions = query, known, functions
        self.known = {n.lower() for n in known}

    def node(self, node: dict[str, Any], visible: frozenset[str]) -> None:
        """A SELECT, a union or a recursion."""
        kind = str(node.get("type"))
        if kind not in _NODES:
            raise refusal(f"it contains {kind}", self.query)
        for entry in (node.get("cte_map") or {}).get("map", []):
            self.node(self._inner(entry["value"]), visible)
            visible = visible | {str(entry["key"]).lower()}
        if kind == "RECURSIVE_CTE_NODE":
            self.node(node["left"], visible)
            self.node(node["right"], visible | {str(node["cte_name"]).lower()})
        elif kind == "CTE_NODE":
            self.node(self._inner(node["query"] if "query" in node else node), visible)
            self.node(self._inner(node["child"]), visible | {str(node["cte_name"]).lower()})
        else:
            self.rest({k: v for k, v in node.items() if k not in ("cte_map", "type")}, visible)

    @staticmethod
    def _inner(value: dict[str, Any]) -> dict[str, Any]:
        """The node of a subquery: newer versions name it query_node."""
        value = value.get("query_node") or value.get("query") or value
        return value.get("node", value)

    def rest(self, value: Any, visible: frozenset[str]) -> None:
        """Anything inside of a node."""
        if isinstance(value, list):
            for item in value:
                self.rest(item, visible)
        elif isinstance(value, dict):
            kind = value.get("type")
            if isinstance(kind, str) and "class" in value:
                self.expression(value, kind, visible)
            elif isinstance(kind, str) and kind.endswith("_NODE"):
                self.node(value, visible)
            elif "table_name" in value or (isinstance(kind, str) and not _HARMLESS.fullmatch(kind)):
                self.source(value, str(kind), visible)  # also what a later version of DuckDB may add: it is refused
            else:
                for item in value.values():
                    self.rest(item, visible)

    def source(self, value: dict[str, Any], kind: str, visible: frozenset[str]) -> None:
        """What stands in FROM."""
        if kind not in _FROM:
            raise refusal("it describes tables instead of reading them" if kind == "SHOW_REF" else f"it reads from {kind}", self.query)
        if kind == "BASE_TABLE":
            self.table(value, visible)
        if kind == "TABLE_FUNCTION":
            function = value["function"]
            name = str(function.get("function_name", "")).lower()
            if name not in TABLE_FUNCTIONS:
                raise refusal(f"the function {name} in FROM is not allowed", self.query)
            self.rest(function.get("arguments") or function.get("children") or [], visible)
            value = {k: v for k, v in value.items() if k != "function"}
        for key, item in value.items():
            if key != "qualified_name":
                self.rest(item, visible)

    def table(self, value: dict[str, Any], visible: frozenset[str]) -> None:
        """A table by its name, with its schema if that is given."""
        path = [str(value.get(k) or "") for k in ("catalog_name", "schema_name", "table_name")]
        name = ".".join(p for p in path if p)
        if name.lower().removeprefix("main.") in self.known or (not path[0] and not path[1] and name.lower() in visible):
            return
        raise refusal(f"it reads the table {name}", self.query, self.shown, name)

    def expression(self, value: dict[str, Any], kind: str, visible: frozenset[str]) -> None:
        """A function, a subquery, a constant, ..."""
        if value["class"] == "PARAMETER":
            raise refusal("it has a parameter", self.query)
        name = str(value.get("function_name", "")).lower()
        if name:
            self.function(name, value)
        for key, item in value.items():
            if key != "qualified_name":
                self.rest(item, visible)

    def function(self, name: str, value: dict[str, Any]) -> None:
        """A function by its name."""
        schema = value.get("catalog") or value.get("schema")
        if schema and schema != "main":  # before DuckDB 2, the parser itself writes main.list_value for [1, 2]
            raise refusal(f"the function {schema}.{name} is not allowed", self.query)
        if problem := refused(name):
            raise refusal(problem, self.query)
        if name not in self.functions:
            raise refusal(f"there is no function {name}", self.query)
        if name in SIZED or name in LITERAL or name in SERIES:
            arguments = [a.get("expression", a) for a in value.get("arguments") or value.get("children") or []]
            if problem := size_problem(name, [_literal(a) for a in arguments]):
                raise refusal(problem, self.query)


def _literal(value: dict[str, Any]) -> object:
    """The value of a constant, or None."""
    if value.get("class") != "CONSTANT":
        return None
    literal = value.get("literal")
    if literal is None:  # DuckDB before 2
        constant = value.get("value") or {}
        return constant.get("value")
    text = literal.get("text")
    if literal.get("kind") == "STRING":
        return text
    try:
        return float(text)
    except (TypeError, ValueError):
        return text
