"""Reads and checks one settings file: tables, types of values, and strictly an administrator's locks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.errors import SettingsError, alternatives
from . import lock_patterns

TABLES = ("default", "alias", "provider", "source", "log", "models", "lock")


def check_administrators(data: dict[str, Any], path: Path) -> None:
    """Raise SettingsError for invalid locks; nothing can be used until the file is corrected."""
    lock = data.get("lock", {})
    seen, todo = "", ""
    if unknown := sorted(set(data) - set(TABLES)):
        seen, todo = f"{unknown[0]!r} is not a known table", f"The tables are {', '.join(f'[{t}]' for t in TABLES)}."
    elif unknown := sorted(set(lock) - set(_LOCKS)):
        seen, todo = f"lock.{unknown[0]} is not a known lock", f"The locks are {', '.join(_LOCKS)}."
    for name in ("providers", "models", "urls"):
        patterns = lock.get(name, ())
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            if why := "it is not a string" if not isinstance(pattern, str) else lock_patterns.pattern_error(name, pattern):
                seen, todo = f"lock.{name} holds {pattern!r}: {why}", "Correct the pattern."
    for name in ("budget", "keep_days"):
        if name in lock and not 0 <= lock[name] < float("inf"):
            seen, todo = f"lock.{name} is {lock[name]}", "Give it a number that is not negative."
    if seen:
        raise SettingsError(
            f"The administrator's file {path} is invalid, and everything is locked until it is corrected", detail=seen, hint=todo
        )


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a dict. Raises SettingsError with file and line for a broken one."""
    import tomllib

    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as e:
        raise SettingsError(
            f"The settings file {path} cannot be read", detail=str(e), hint="Fix that line, or move the file away."
        ) from None
    for table, name, kinds in _KINDS:
        value = data.get(table, {}) if not name else data[table].get(name) if isinstance(data.get(table), dict) else None
        if value is not None and not (isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))):
            said = f"{table}.{name}" if name else f"[{table}]"
            raise SettingsError(
                f"The settings file {path} has the wrong kind of value",
                detail=f"{said} is {value!r}",
                hint=f"{said} must be {alternatives(dict.fromkeys(_TYPE_NAMES[k] for k in kinds))}.",
            )
    return data


_LOCKS = ("providers", "models", "urls", "budget", "models_dir", "keep_days")
_TYPE_NAMES = {dict: "a table", str: "a string", int: "a number", float: "a number", bool: "true or false", list: "a list"}
_KINDS: tuple[tuple[str, str, tuple[type, ...]], ...] = (
    *((table, "", (dict,)) for table in TABLES),
    ("default", "model", (str,)),
    ("default", "temperature", (int, float)),
    ("default", "max_tokens", (int,)),
    ("log", "enabled", (bool,)),
    ("log", "keep_days", (int, float)),
    ("models", "dir", (str,)),
    ("models", "shared", (list,)),
    ("lock", "providers", (str, list)),
    ("lock", "models", (str, list)),
    ("lock", "urls", (str, list)),
    ("lock", "budget", (int, float)),
    ("lock", "models_dir", (str,)),
    ("lock", "keep_days", (int, float)),
)
