"""A database of the user's own, opened read-only by what its name says: DuckDB, SQLite or SQLAlchemy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...config import keys
from ...config.confirm import secret
from ...core.errors import UsageError
from .duckdb_engine import file_engine
from .engine import Engine
from .sqlalchemy_engine import sqlalchemy_engine
from .sqlite_engine import sqlite_engine

_SQLITE = b"SQLite format 3\x00"
_DUCKDB = b"DUCK"  # at byte 8


def open_database(database: Any, tables: Sequence[str], key: str = "") -> Engine:
    """The engine of a database; only these tables can be read.

    `database` is the path of a DuckDB or SQLite file, an address such as postgresql://user@host/db, or
    an engine of SQLAlchemy. `key` names the stored password.
    """
    names = [tables] if isinstance(tables, str) else list(tables)
    if not names:
        raise UsageError("Name the tables of the database that may be read", hint='For example tables=["orders", "customers"].')
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r'[^"\x00-\x1f]{1,200}', name):
            raise UsageError("That is not the name of a table", detail=repr(name)[:120])
    if isinstance(database, str) and re.match(r"[a-z][a-z0-9+_]*://", database):
        return sqlalchemy_engine(database, names, (lambda host, port: _password(key, host, port)) if key else None)
    if isinstance(database, (str, Path)):
        return _file(Path(database).expanduser(), names)
    if type(database).__module__.split(".")[0] == "sqlalchemy" and hasattr(database, "dialect"):
        return sqlalchemy_engine(database, names)
    raise UsageError(
        "That is no database",
        detail=type(database).__name__,
        hint="Give the path of a DuckDB or SQLite file, an address such as postgresql://user@host/db, or an engine of SQLAlchemy.",
    )


def _file(path: Path, tables: list[str]) -> Engine:
    try:
        with path.open("rb") as f:
            begin = f.read(16)
    except OSError as e:
        raise UsageError("The database cannot be opened", detail=f"{path}: {e.strerror}") from None
    if begin == _SQLITE:
        return sqlite_engine(path, tables)
    if begin[8:12] == _DUCKDB:
        return file_engine(path.resolve(), tables)
    raise UsageError("This file is no database of DuckDB or SQLite", detail=path.name)


def _password(name: str, host: str, port: int | None) -> str:
    """The password of this name for a host: from the environment, the key store, or the person.

    Names of their own keep the keys of providers out of reach: "warehouse" is the variable
    WAREHOUSE_PASSWORD or the stored key "database warehouse", which is bound to its host.
    """
    if not re.fullmatch(r"[A-Za-z]\w{0,60}", name):
        raise UsageError("That is not the name of a key", detail=repr(name)[:80], hint="Use letters, digits and _.")
    variable, stored, where = f"{name.upper()}_PASSWORD", f"database {name}", f"{host}:{port}" if port else host
    found = keys.find([variable], stored, host, own_hosts=[host], address=where)
    if found is not None:
        return found.value
    typed = secret(f"Password {name} (goes to {where}):", f"Set {variable} before the kernel starts, or run this in a live notebook.")
    try:
        keys.set_key(stored, typed, where)
    except UsageError:  # the store takes no spaces or unusual letters: such a password is asked for each time
        pass
    return typed
