"""The columns of any table as numpy arrays, each with what its name says about it."""

from __future__ import annotations

import datetime
import decimal
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from ...core.errors import UsageError
from ...prompts.dataframes import table_of
from .units import NAME_UNITS, UNITS, canonical, unit_in_brackets
from .vocabulary import SHORT_FORMS
from .words import name_words

ColumnKind: TypeAlias = Literal["number", "text", "date", "flag"]
_SMALL_WORDS = {"in", "per", "the", "of", "a", "and", "by", "for"}
_PERCENT_WORDS = {"pct", "percent", "percentage", "share", "rate"}
_DAY_FORMS = ("%b %d %Y", "%B %d %Y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%Y/%m/%d")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ].*)?|\d{4}-\d{2}")
_YES_NO = [{"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"}]


@dataclass(frozen=True, eq=False)
class Column:
    """One column: its values by kind, distinct values as codes, and the words of its name.

    `codes` are -1 where a value is missing. `numbers` has NaN there, `days` NaT.
    """

    name: str
    kind: ColumnKind
    words: tuple[str, ...]
    unit: str | None
    acronym: str
    aliases: tuple[str, ...]
    codes: np.ndarray
    labels: tuple[Any, ...]
    numbers: np.ndarray | None = None
    days: np.ndarray | None = None
    whole: bool = False
    year: bool = False
    month: bool = False
    percent: bool = False
    identifier: bool = False
    few: frozenset[float] = field(default=frozenset())

    @property
    def measured(self) -> bool:
        """Whether its numbers are amounts, not years, months or identifiers."""
        return self.kind == "number" and not (self.year or self.month or self.identifier)


def columns_of(table: object, units: Mapping[str, str], aliases: Mapping[str, str]) -> list[Column]:
    """The columns of a table of any kind that a prompt accepts.

    Raises UsageError if the value is no table, or a lazy one.
    """
    found: list[tuple[str, Any]] = []
    for name, values in _values(table):
        same = sum(1 for other, _ in found if other == name or other.startswith(f"{name} ("))
        found.append((f"{name} ({same + 1})" if any(other == name for other, _ in found) else name, values))
    stated = {**_stated_units(table), **units}
    names = [name for name, _ in found]
    return [
        _column(name, values, names, stated.get(name), tuple(a.lower() for a, c in aliases.items() if c == name)) for name, values in found
    ]


def _stated_units(table: object) -> dict[str, str]:
    attrs = getattr(table, "attrs", None)
    units = attrs.get("units") if isinstance(attrs, dict) else None
    return {str(k): str(v) for k, v in units.items()} if isinstance(units, dict) else {}


def _values(table: Any) -> Iterable[tuple[str, Any]]:
    root = type(table).__module__.split(".")[0]
    if root == "pandas" and hasattr(table, "columns"):
        index = table.index
        plain = type(index).__name__ == "RangeIndex" and index.name is None
        levels = [] if plain else [index.get_level_values(i) for i in range(index.nlevels)]
        for i, level in enumerate(levels):
            yield str(level.name if level.name is not None else f"index{i or ''}"), level.to_series().reset_index(drop=True)
        for i, name in enumerate(table.columns):
            yield " / ".join(map(str, name)) if isinstance(name, tuple) else str(name), table.iloc[:, i]
        return
    view = table_of(table)
    if view is None:
        raise UsageError(
            f"check_numbers needs tables, not {type(table).__name__}. Pass DataFrames of pandas or polars, Arrow tables, or lists of dicts."
        )
    if view.rows is None:
        raise UsageError(f"check_numbers needs the rows of a table, and a {view.kind} has none yet. Call .collect() first.")
    rows = view.take(list(range(view.rows)), view.columns)
    for i, name in enumerate(view.names):
        yield name, [row[i] for row in rows]


def _column(name: str, values: Any, names: list[str], stated: str | None, aliases: tuple[str, ...]) -> Column:
    kind, cells, numbers, days = _typed(values)
    codes, labels = _codes(cells if numbers is None else numbers, numeric=numbers is not None)
    bare = re.sub(r"\s*[\[(][^\[\]()]*[\])]\s*$", "", name) or name
    parts = name_words(bare)
    core = [w for w in parts if w not in _SMALL_WORDS] or parts
    unit = canonical(stated) or stated if stated else unit_in_brackets(name)
    siblings = {tuple(name_words(other)[:-1]) for other in names if other != name}
    while len(core) > 1 and core[-1] in NAME_UNITS and not (core[-1] == "min" and tuple(parts[:-1]) in siblings):
        last = core.pop()
        unit = unit or canonical(last)
    acronym = "".join(w[0] for w in parts) if len(parts) >= 3 else ""
    if not unit and acronym in UNITS:
        unit = acronym
    more: dict[str, Any] = {}
    if numbers is not None:
        more = _number_facts(numbers, labels, core, unit)
    elif kind == "text" and {str(label).lower() for label in labels} in _YES_NO:
        kind = "flag"
    return Column(name, kind, tuple(core), unit, acronym, aliases, codes, labels, numbers, days, **more)


def _number_facts(numbers: np.ndarray, labels: tuple[Any, ...], core: Sequence[str], unit: str | None) -> dict[str, Any]:
    known = numbers[np.isfinite(numbers)]
    if not known.size:
        return {}
    whole = bool(np.all(known == np.round(known)))
    low, high, distinct = float(known.min()), float(known.max()), len(labels)
    year = whole and low >= 1000 and high <= 2200 and ("year" in core or "yr" in core or (low >= 1700 and high <= 2100 and distinct < 150))
    few = whole and distinct <= 0.5 * len(numbers) and (distinct <= 12 or distinct <= min(60, 0.3 * len(numbers)))
    return {
        "whole": whole,
        "year": year,
        "month": whole and "month" in core and low >= 1 and high <= 12,
        "percent": bool(_PERCENT_WORDS & set(core)) or unit == "%",
        "identifier": whole and bool({"id", "key"} & set(core)) and distinct > 0.5 * len(known),
        "few": frozenset(float(v) for v in labels) if few else frozenset(),
    }


def _typed(values: Any) -> tuple[ColumnKind, list[Any], np.ndarray | None, np.ndarray | None]:
    """Kind, cells (None where missing), numbers, days."""
    dtype = getattr(values, "dtype", None)
    kind = getattr(dtype, "kind", "O")
    if kind in "iuf":
        return "number", [], np.asarray(values.to_numpy(dtype=float, na_value=np.nan), dtype=float), None
    if kind == "M":
        zone = getattr(dtype, "tz", None)
        plain = values.dt.tz_localize(None) if zone is not None else values
        days = plain.to_numpy().astype("datetime64[D]")
        return "date", [None if np.isnat(d) else d for d in days], None, days
    cells = [None if _missing(v) else v for v in (values.tolist() if hasattr(values, "tolist") else list(values))]
    present = [v for v in cells if v is not None]
    if present and all(isinstance(v, (bool, np.bool_)) for v in present):
        return "flag", [None if v is None else bool(v) for v in cells], None, None
    if present and all(isinstance(v, (int, float, decimal.Decimal, np.number)) and not isinstance(v, bool) for v in present):
        return "number", [], np.array([math.nan if v is None else float(v) for v in cells]), None
    if present and all(isinstance(v, (datetime.date, np.datetime64)) for v in present):
        days = np.array([None if v is None else _day(v) for v in cells], dtype="datetime64[D]")
        return "date", [None if np.isnat(d) else d for d in days], None, days
    texts = [None if v is None else str(v) for v in cells]
    parsed = _text_days(texts)
    if parsed is not None:
        return "date", [None if np.isnat(d) else d for d in parsed], None, parsed
    return "text", texts, None, None


def _missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)


def _day(value: Any) -> Any:
    return np.datetime64(value.replace(tzinfo=None) if isinstance(value, datetime.datetime) else value, "D")


def _text_days(texts: list[str | None]) -> np.ndarray | None:
    """A column of texts as days, if all are dates in one form."""
    distinct = {t for t in texts if t is not None}
    probe = sorted(distinct)[:: max(1, len(distinct) // 20)]
    if not probe or not all(6 < len(t) < 40 and t[:40].count(" ") < 4 and any(c.isdigit() for c in t) for t in probe):
        return None
    read: dict[str | None, Any] = {None: np.datetime64("NaT", "D")}
    try:
        if all(_ISO.fullmatch(t) for t in probe):
            read.update({t: np.datetime64(t[:10], "D") for t in distinct})
        else:
            form = next(f for f in _DAY_FORMS if all(_fits(t, f) for t in distinct))
            read.update({t: np.datetime64(datetime.datetime.strptime(t.strip(), form), "D") for t in distinct})
    except (ValueError, StopIteration):
        return None
    return np.array([read[t] for t in texts], dtype="datetime64[D]")


def _fits(text: str, form: str) -> bool:
    try:
        datetime.datetime.strptime(text.strip(), form)
    except ValueError:
        return False
    return True


def _codes(cells: Any, *, numeric: bool) -> tuple[np.ndarray, tuple[Any, ...]]:
    """A code for each cell, -1 where it is missing, and the distinct values in order of their codes."""
    if numeric:
        known = np.isfinite(cells)
        labels, inverse = np.unique(cells[known], return_inverse=True)
        codes = np.full(len(cells), -1)
        codes[known] = inverse
        return codes, tuple(labels.tolist())
    order: dict[Any, int] = {}
    codes = np.array([-1 if v is None else order.setdefault(v, len(order)) for v in cells], dtype=int)
    return codes, tuple(order)


def long_form(word: str) -> str:
    """The word that a short form in a column's name stands for.

    >>> long_form("qty"), long_form("price")
    ('quantity', 'price')
    """
    return SHORT_FORMS.get(word, word)
