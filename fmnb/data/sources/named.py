"""Sources by name: rows `[source.NAME]` of `fmnb.toml`, and ready-made ones.

    [source.air]     url = "https://air.example.com/{city}"   path = "$.now.pm25"   ttl = "10m"   key = "AIR_KEY"
    [source.open]    database = "shop.db"   tables = ["orders"]   sql = "select count(*) n from orders"   ttl = "1m"

Rows count in your own file, an administrator's, and in a project's that you trusted.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from ...config.settings import settings
from ...core.errors import FmnbError, SettingsError
from .exchange_rates import exchange_rates_source
from .source import LiveSource, value_from
from .times import seconds_of
from .values import Value
from .weather import weather_source
from .web import make_web_source

_WEB: dict[str, type] = {
    **dict.fromkeys(("url", "path", "key", "header", "description"), str),
    **dict.fromkeys(("stale", "private", "environment_proxy"), bool),
}
_SQL: dict[str, type] = {"database": str, "tables": list, "sql": str, "key": str, "stale": bool, "description": str}
READY: dict[str, Callable[[], LiveSource[..., str]]] = {"weather": weather_source, "exchange_rates": exchange_rates_source}


def rows() -> dict[str, Any]:
    """The rows `[source.NAME]` that apply, by name."""
    found = settings().get("source", {})
    return found if isinstance(found, dict) else {}


def named_source(name: str) -> LiveSource[..., str] | None:
    """The source of a row; None if no row has this name.

    Raises:
        SettingsError: The row is invalid.
    """
    row = rows().get(name)
    if row is None:
        return None
    if not isinstance(row, dict):
        raise SettingsError(f"source.{name} is not a table", hint=f"Write [source.{name}], and its fields below.")
    fields = _SQL if "sql" in row else _WEB
    for field, value in row.items():
        if field != "ttl" and field not in fields:
            near = difflib.get_close_matches(field, [*fields, "ttl"], 1)
            raise SettingsError(f"[source.{name}] has an unknown field", detail=field, hint=f"Did you mean {near[0]}?" if near else "")
        if field != "ttl" and type(value) is not fields[field]:
            raise SettingsError(f"[source.{name}] has the wrong kind of value", detail=f"{field} = {value!r}"[:80])
    if missing := [f for f in ("ttl", "url" if fields is _WEB else "database") if f not in row]:
        raise SettingsError(f"[source.{name}] lacks a field", detail=missing[0])
    try:
        return _by_sql(name, row) if fields is _SQL else make_web_source(name=name, **row)
    except SettingsError:
        raise
    except FmnbError as e:
        raise SettingsError(f"[source.{name}] is invalid", detail=f"{e.message}: {e.detail}".strip(": "), hint=e.hint) from None


def _by_sql(name: str, row: Mapping[str, Any]) -> LiveSource[..., str]:
    """The rows of a fixed query to a database of the user's own."""
    from ..sql.tables import Tables

    def fetch(arguments: Mapping[str, Any], known: Value | None) -> Value:
        with Tables(database=row["database"], tables=row.get("tables", ()), key=row.get("key", ""), name=name) as tables:
            return value_from(tables.sql(row["sql"]), name)

    def text() -> str:
        return fetch({}, None).text

    text.__name__ = text.__qualname__ = name
    text.__doc__ = row.get("description")
    stale = row.get("stale", False)
    return LiveSource(text, name=name, ttl=seconds_of(row["ttl"]), stale=stale, identity=repr(sorted(row.items())), fetch=fetch)
