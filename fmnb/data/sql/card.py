"""The schema card: what a model is told about tables before it writes a query.

Name and number of rows, and for each column its type, the share of nulls, the range of numbers and dates
and up to five values. Ranges are of the whole table, values of an evenly spread sample. A card has a limit
in tokens: columns that have nothing to do with the question lose their values first, then their place.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from ...core.backend import estimate_text_tokens
from ...core.labels import UNTRUSTED, column_label, text_of
from ...core.types import Label, Text
from ...prompts.describe import literal, short
from .engine import Engine
from .watch import Limits

TOKENS = 1_500  # of a card
SAMPLE = 10_000  # rows that values are taken from
VALUES = 5  # shown of a column
_KEPT = 12  # columns that the question is about, which keep their values longest
_CELLS = 400_000  # of a sample of a wide table
_WHOLE = 5_000_000  # rows; ranges of a longer table are those of its sample
_PRIVATE = ("personal", "secret")
_TIME = Limits(seconds=10.0)


@dataclass(frozen=True)
class ColumnProfile:
    """A column: `nulls` is a share, `low` and `high` its range, `values` some of it, as text."""

    name: str
    type: str
    nulls: float = 0.0
    low: str = ""
    high: str = ""
    values: tuple[str, ...] = ()
    label: Label = UNTRUSTED


@dataclass(frozen=True)
class TableProfile:
    """A table and its columns; `rows` is None if counting takes too long."""

    name: str
    rows: int | None
    columns: tuple[ColumnProfile, ...]


def profile(engine: Engine, attributes: Mapping[str, Mapping[str, Any]] = {}, samples: bool | None = None) -> tuple[TableProfile, ...]:
    """What a card says of each table.

    `attributes` are the `attrs` of DataFrames by table. Without `samples`, no value of a column is read; by
    default, they are read unless the frame's data class is personal or secret.
    """
    found = []
    for table in engine.tables:
        marks = attributes.get(table, {})
        private = str(marks.get("data_class") or "").strip().lower() in _PRIVATE
        found.append(_profile(engine, table, marks, not private if samples is None else samples))
    return tuple(found)


def _profile(engine: Engine, table: str, marks: Mapping[str, Any], samples: bool) -> TableProfile:
    columns = engine.columns[table]
    source = engine.quote(table)
    counted = engine.rows(f"SELECT count(*) FROM {source}", _TIME)
    rows = int(counted[0][0]) if counted else None
    size = max(100, min(SAMPLE, _CELLS // max(1, len(columns))))
    sample = engine.rows(engine.spread(table, rows, size), _TIME)
    whole: list[tuple[Any, ...]] = []
    if rows is not None and rows <= _WHOLE:
        asked = ", ".join(f"count({q}), min({q}), max({q})" for q in (engine.quote(c.name) for c in columns))
        whole = engine.rows(f"SELECT {asked} FROM {source}", _TIME) if samples else []
        if not whole:  # a type without an order, or values that must not be read
            nulls = engine.rows(f"SELECT {', '.join(f'count({engine.quote(c.name)})' for c in columns)} FROM {source}", _TIME)
            whole = [tuple(v for n in nulls[0] for v in (n, None, None))] if nulls else []
    found = []
    for i, c in enumerate(columns):
        values = [r[i] for r in sample if not _missing(r[i])]
        share = 1 - len(values) / len(sample) if sample else 0.0
        low = high = None
        if whole and rows:
            share, low, high = 1 - whole[0][3 * i] / rows, whole[0][3 * i + 1], whole[0][3 * i + 2]
        elif samples:
            low, high = _range(values)
        ranged = samples and _ordered(low) and _ordered(high)
        shown = _values(values, ranged) if samples else ()
        ends = (_end(low), _end(high)) if ranged else ("", "")
        found.append(ColumnProfile(c.name, c.type, share, *ends, shown, column_label(marks, [c.name])))
    return TableProfile(table, rows, tuple(found))


def card(engine: Engine, profiles: Sequence[TableProfile], question: str = "", tokens: int = TOKENS) -> Text:
    """The card as text, with the label of each column on what it says of it."""
    scores = _scores(profiles, question)
    details = {key: VALUES for key in scores}
    text = _write(engine, profiles, details)
    if estimate_text_tokens(text.text) > tokens:
        details = dict.fromkeys(scores, 2)
        text = _write(engine, profiles, details)
    ranked = sorted(scores, key=lambda key: (scores[key], -key[0], -key[1]))  # the least relevant first
    asked_for = [key for key in ranked[-_KEPT:] if scores[key] > 0]
    others = [key for key in ranked if key not in asked_for]
    for detail, keys in ((0, others), (-1, others), (0, asked_for), (-1, asked_for)):  # first without values, then left out
        left, steps = list(keys), max(1, len(keys) // 24)
        while estimate_text_tokens(text.text) > tokens and left:
            details.update(dict.fromkeys(left[:steps], detail))
            left = left[steps:]
            text = _write(engine, profiles, details)
    return text


def _write(engine: Engine, profiles: Sequence[TableProfile], details: Mapping[tuple[int, int], int]) -> Text:
    """The text of the columns: with this many values, without any (0), or not at all (-1)."""
    pieces: list[tuple[str, Label | None]] = []
    for t, table in enumerate(profiles):
        rows = "" if table.rows is None else f" ({table.rows:,} row{'s' * (table.rows != 1)})"
        pieces.append((f"{'' if not t else chr(10)}table {_name(engine, table.name)}{rows}\n", None))
        left = 0
        for i, c in enumerate(table.columns):
            values = details[t, i]
            if values < 0:
                left += 1
                continue
            pieces.append((f"- {_name(engine, c.name)} {short(c.type, 60)}{_facts(c, values) if values else ''}\n", c.label))
        if left:
            pieces.append((f"- … {left:,} more column{'s' * (left != 1)}, not listed\n", None))
    return text_of(pieces)


def _facts(c: ColumnProfile, values: int) -> str:
    """What is said of a column beside its type."""
    facts = [f"{c.low} to {c.high}"] if c.low else []
    facts += [f"such as {', '.join(c.values[:values])}"] if c.values else []
    facts += [f"{max(1, round(100 * c.nulls))}% null"] if c.nulls > 0 else []
    return f": {'; '.join(facts)}" if facts else ""


def _name(engine: Engine, name: str) -> str:
    """A name as it is written in a query."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?", name) else short(engine.quote(name), 120)


def _scores(profiles: Sequence[TableProfile], question: str) -> dict[tuple[int, int], float]:
    """How much each column has to do with the question: rare words in common count more, as in BM25."""
    asked = _words([question])
    texts = {(t, i): _words([c.name, *c.values]) for t, table in enumerate(profiles) for i, c in enumerate(table.columns)}
    frequency = Counter(w for words in texts.values() for w in words)
    n = len(texts)
    weight = {w: math.log(1 + (n - frequency[w] + 0.5) / (frequency[w] + 0.5)) for w in asked & set(frequency)}
    tables = [len(asked & _words([table.name])) for table in profiles]
    return {key: sum(weight.get(w, 0.0) for w in words) + 0.5 * tables[key[0]] for key, words in texts.items()}


def _words(texts: Iterable[str]) -> set[str]:
    """The words of names and values; "unitPrice" has two, plurals are singular.

    >>> sorted(_words(["unitPrice_EUR", "Regions"]))
    ['eur', 'price', 'region', 'unit']
    """
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", " ".join(texts))
    words = re.findall(r"[^\W_]+", parted.lower())
    return {_singular(w) for w in words if len(w) > 1}


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _values(values: list[Any], ranged: bool) -> tuple[str, ...]:
    """The most frequent values; none of numbers and dates that differ a lot, whose range says enough."""
    counts = Counter(short(literal(v), 40) for v in values)
    if ranged and len(counts) > VALUES:
        return ()
    return tuple(v for v, _ in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))[:VALUES])


def _range(values: list[Any]) -> tuple[Any, Any]:
    ordered = [v for v in values if _ordered(v)]
    try:
        return (min(ordered), max(ordered)) if ordered and len(ordered) == len(values) else (None, None)
    except TypeError:
        return None, None


def _end(value: Any) -> str:
    """One end of a range, with six digits."""
    return f"{value:.6g}" if isinstance(value, float) else short(literal(value), 40)


def _ordered(value: Any) -> bool:
    """Whether a range of such values says something: numbers, dates, times."""
    return isinstance(value, (int, float, Decimal, date, datetime, time)) and not isinstance(value, bool)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
