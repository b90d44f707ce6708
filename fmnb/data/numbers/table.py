"""A table as the tracer asks it: rows by conditions, aggregates, groups, names of values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from .columns import Column, columns_of
from .condition import Condition
from .vocabulary import COMMON
from .words import phrase

MOST_VALUES = 60_000  # distinct texts of a column that sentences can name
_MOST_MASKS = 2_000


class Table:
    """One table with what was computed of it, for all sentences of an answer."""

    def __init__(self, name: str, table: object, units: Mapping[str, str] | None = None, aliases: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.columns: dict[str, Column] = {c.name: c for c in columns_of(table, units or {}, aliases or {})}
        self.rows = len(next(iter(self.columns.values())).codes) if self.columns else 0
        self.shortened = [c.name for c in self.columns.values() if c.kind == "text" and len(c.labels) > MOST_VALUES]
        self.phrases = _phrases(self.columns.values())
        self.longest = min(10, max((p.count(" ") + 1 for p in self.phrases), default=1))
        self.first_words = {p.split()[0] for p in self.phrases}
        self.single_words = [p for p in self.phrases if " " not in p and len(p) >= 3]
        self.partial = _partial(self)
        self.acronyms = _acronyms(self)
        self.word_columns = _word_columns(self.columns.values())
        self._masks: dict[Condition, np.ndarray] = {}
        self._sums: dict[tuple[frozenset[Condition], str, str], float] = {}

    def distinct(self, column: str) -> int:
        """How many distinct values a column has."""
        return len(self.columns[column].labels)

    def mask(self, conditions: Iterable[Condition]) -> np.ndarray:
        """The rows that meet all conditions."""
        found = np.ones(self.rows, dtype=bool)
        for condition in conditions:
            known = self._masks.get(condition)
            if known is None:
                if len(self._masks) >= _MOST_MASKS:
                    self._masks.clear()
                known = self._masks[condition] = _mask(self.columns[condition.column], condition)
            found &= known
        return found

    def aggregate(self, operation: str, column: str | None, conditions: Iterable[Condition]) -> float:
        """One number about the rows that meet all conditions; NaN where there is none."""
        key = (frozenset(conditions), operation, column or "")
        if key not in self._sums:
            if len(self._sums) >= _MOST_MASKS:
                self._sums.clear()
            self._sums[key] = _aggregate(self, operation, column, self.mask(key[0]))
        return self._sums[key]

    def groups(self, operation: str, by: str, column: str | None, conditions: Iterable[Condition]) -> dict[int, float]:
        """The aggregate of each group, by the code of the group's value."""
        group = self.columns[by]
        mask = self.mask(conditions) & (group.codes >= 0)
        values = self.columns[column].numbers if column else None
        if values is not None:
            mask = mask & np.isfinite(values)
        codes = group.codes[mask]
        if not codes.size:
            return {}
        counts = np.bincount(codes)
        present = np.nonzero(counts)[0]
        if operation == "count" or values is None:
            return {int(c): float(counts[c]) for c in present}
        x = values[mask]
        if operation in ("sum", "mean"):
            sums = np.bincount(codes, weights=x)
            return {int(c): float(sums[c] / counts[c] if operation == "mean" else sums[c]) for c in present}
        order = np.argsort(codes, kind="stable")
        parts = np.split(x[order], np.cumsum(counts[present])[:-1])
        return {int(c): _reduced(operation, part) for c, part in zip(present, parts, strict=True)}


def _reduced(operation: str, values: np.ndarray) -> float:
    match operation:
        case "median":
            return float(np.median(values))
        case "max":
            return float(values.max())
    return float(values.min())


def _mask(column: Column, condition: Condition) -> np.ndarray:
    value = condition.value
    match condition.relation:
        case "=":
            return column.codes == _code(column, value)
        case "!=":
            return (column.codes != _code(column, value)) & (column.codes >= 0)
        case "in":
            return (
                np.isin(column.codes, [_code(column, v) for v in value]) if isinstance(value, tuple) else np.zeros(len(column.codes), bool)
            )
        case "missing":
            return column.codes < 0
        case "known":
            return column.codes >= 0
        case "month" | "quarter":
            if column.days is None:
                return np.zeros(len(column.codes), bool)
            months = column.days.astype("datetime64[M]").astype(int) % 12 + 1
            wanted = months if condition.relation == "month" else (months - 1) // 3 * 3 + 1
            return (wanted == value) & (column.codes >= 0)
        case "period":
            assert isinstance(value, tuple)
            low, high = map(str, value)
            if column.days is not None:
                return (column.days >= np.datetime64(low)) & (column.days <= np.datetime64(high))
            assert column.numbers is not None
            return (column.numbers >= int(low[:4])) & (column.numbers <= int(high[:4]))
        case _:
            assert column.numbers is not None and isinstance(value, (int, float))
            compare = {">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal}[condition.relation]
            return np.asarray(compare(column.numbers, value))


def _code(column: Column, value: object) -> int:
    try:
        return column.labels.index(value)
    except ValueError:
        return -2


def _aggregate(table: Table, operation: str, column: str | None, mask: np.ndarray) -> float:
    if operation == "count":
        return float(mask.sum())
    assert column is not None
    source = table.columns[column]
    if operation == "known":
        return float((mask & (source.codes >= 0)).sum())
    if operation == "distinct":
        codes = source.codes[mask]
        return float(len(np.unique(codes[codes >= 0])))
    if source.numbers is None:
        return math.nan
    x = source.numbers[mask]
    x = x[np.isfinite(x)]
    if not x.size:
        return math.nan
    match operation:
        case "mean":
            return float(x.mean())
        case "median":
            return float(np.median(x))
        case "sum":
            return float(x.sum())
        case "max":
            return float(x.max())
        case "min":
            return float(x.min())
        case "range":
            return float(x.max() - x.min())
        case "std":
            return float(x.std(ddof=1)) if x.size > 1 else math.nan
        case "value":  # a cell needs one row, or equal values
            return float(x[0]) if x.size == 1 or np.ptp(x) == 0 else math.nan
    return math.nan


def _phrases(columns: Iterable[Column]) -> dict[str, list[tuple[str, object]]]:
    """Column and value by the stems of the value's words."""
    found: dict[str, list[tuple[str, object]]] = {}
    for column in columns:
        if column.kind != "text":
            continue
        for label in column.labels[:MOST_VALUES]:
            if key := phrase(str(label)):
                found.setdefault(key, []).append((column.name, label))
    return found


def _partial(table: Table) -> dict[str, tuple[str, object]]:
    """Values by a word that belongs to one of them alone: Rossi for Chiara Rossi."""
    found: dict[str, list[tuple[str, object]]] = {}
    for key, places in table.phrases.items():
        parts = key.split()
        if not 2 <= len(parts) <= 3 or len(places) != 1:
            continue
        column = table.columns[places[0][0]]
        if len(column.labels) >= 0.5 * max(1, table.rows) and len(column.labels) > 40:
            continue
        for word in {parts[-1], *(parts[:1] if len(column.labels) <= 40 else [])}:
            if len(word) >= 4 and word.isalpha() and word not in COMMON and word not in table.phrases:
                found.setdefault(word, []).append(places[0])
    return {word: places[0] for word, places in found.items() if len(places) == 1}


def _acronyms(table: Table) -> dict[str, tuple[str, object]]:
    """Values of two to four words by their initials, where these belong to one value alone."""
    found: dict[str, list[tuple[str, object]]] = {}
    for places in table.phrases.values():
        for name, label in places:
            parts = [w for w in str(label).split() if w[:1].isalpha()]
            if 2 <= len(parts) <= 4 and all(w[0].isupper() for w in parts if w not in ("of", "and", "the")) and table.distinct(name) <= 300:
                found.setdefault("".join(w[0] for w in parts if w[0].isupper()), []).append((name, label))
    return {word: places[0] for word, places in found.items() if len(places) == 1 and len(word) >= 2}


def _word_columns(columns: Iterable[Column]) -> dict[str, int]:
    """How many columns' names hold a word."""
    found: dict[str, int] = {}
    for column in columns:
        for word in set(column.words):
            found[word] = found.get(word, 0) + 1
    return found
