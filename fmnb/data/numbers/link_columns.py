"""The columns that a sentence names: by words, short forms, acronyms, aliases, adjectives."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from .columns import Column, long_form
from .number_words import ORDINALS
from .table import Table
from .vocabulary import GENERIC, SYNONYMS
from .words import Word, stem

SURE = 0.75  # from this score on, a column counts as named
_POSSIBLE = 0.5
_MAXIMUM = {"maximum", "highest", "high", "highs", "hottest", "warmest"}
_MINIMUM = {"minimum", "lowest", "low", "lows", "coldest", "coolest"}
_BOTH = {"hottest", "warmest", "coldest", "coolest"}
_POSITION = re.compile(r"\b(first|second|third|fourth|fifth|sixth|last) column\b", re.I)
_ENDINGS = {"", "e", "ed", "es", "ing", "ion", "or", "er", "ment", "ance", "able", "y", "ery", "al"}
_NO_PREFIX = {"min", "max", "day", "air", "car", "rat"}


@dataclass(frozen=True)
class ColumnMention:
    """A column, where the sentence names it, and how sure that is."""

    column: Column
    start: int
    end: int
    score: float


def link_columns(text: str, tokens: list[Word], table: Table) -> list[ColumnMention]:
    """The columns that a sentence names, each once, at its best place.

    Args:
        text: The sentence.
        tokens: Its words.
        table: The table.

    Returns:
        Mentions; where several columns claim the same words, those that fit better.
    """
    found = [m for c in table.columns.values() if (m := _best(text, tokens, c, table)) and m.score >= _POSSIBLE]
    found += _by_position(text, table)
    kept: list[ColumnMention] = []
    for mention in sorted(found, key=lambda m: -m.score):
        rivals = [k for k in kept if k.start < mention.end and mention.start < k.end]
        if not any(_better(rival, mention) for rival in rivals):
            kept.append(mention)
    return kept


def _by_position(text: str, table: Table) -> list[ColumnMention]:
    """Columns that are named by their place: the second column."""
    columns = list(table.columns.values())
    found = []
    for m in _POSITION.finditer(text):
        place = -1 if m.group(1).lower() == "last" else ORDINALS[m.group(1).lower()] - 1
        if place < len(columns):
            found.append(ColumnMention(columns[place], m.start(), m.end(), 1.3))
    return found


def _better(rival: ColumnMention, mention: ColumnMention) -> bool:
    longer = len(rival.column.words) > len(mention.column.words) and rival.column.kind == mention.column.kind
    return rival.score > mention.score + 0.09 or (longer and rival.score >= mention.score - 0.05)


def _best(text: str, tokens: list[Word], column: Column, table: Table) -> ColumnMention | None:
    best: ColumnMention | None = None

    def offer(start: int, end: int, score: float) -> None:
        nonlocal best
        if best is None or score > best.score + 1e-9:
            best = ColumnMention(column, start, end, score)

    low = text.lower()
    for alias in column.aliases:
        if (at := re.search(rf"(?<!\w){re.escape(alias)}(?!\w)", low)) is not None:
            offer(at.start(), at.end(), 1.3)
    exact = re.search(rf"(?<!\w){re.escape(column.name)}(?!\w)", text)
    if exact and (len(column.name) > 3 or re.search(r"[A-Z]{2}|\d", column.name)):
        offer(exact.start(), exact.end(), 1.3)
    for word in tokens:
        if column.acronym and word.lower == column.acronym:
            offer(word.start, word.end, 1.0)
        if len(column.words) > 1 and "_".join(w for w in column.words) in SYNONYMS.get(word.lower, ()):
            offer(word.start, word.end, 0.85)
    _windows(tokens, column, table, offer)
    return best


def _windows(tokens: list[Word], column: Column, table: Table, offer: Callable[[int, int, float], None]) -> None:
    """Offers each stretch of the sentence that holds words of the column's name."""
    core = column.words
    hits: list[list[tuple[int, float]]] = [[] for _ in core]
    for i, word in enumerate(tokens):
        for j, part in enumerate(core):
            if score := fit(part, word, core):
                hits[j].append((i, score))
    for first in sorted({i for places in hits for i, _ in places}):
        chosen = [max(((s, -abs(i - first), i) for i, s in places if first <= i <= first + len(core) + 4), default=None) for places in hits]
        used = [c[2] for c in chosen if c]
        if not used:
            continue
        score = sum(c[0] for c in chosen if c) / len(core)
        matched = [part for part, c in zip(core, chosen, strict=True) if c]
        distinctive = all(table.word_columns[p] == 1 and len(p) >= 4 and p not in GENERIC for p in matched)
        if score < SURE and distinctive and len(set(used)) == len(used):
            score = 0.8
        if not any(tokens[i].lower in _BOTH for i in used):  # hottest is temperature and maximum at once
            score *= len(set(used)) / len(used)
        score -= 0.05 * max(0, max(used) - min(used) - len(core))
        if score > 0:
            offer(tokens[min(used)].start, tokens[max(used)].end, score + 0.001 * len(set(used)))


def fit(part: str, word: Word, core: tuple[str, ...]) -> float:
    """How well a word of a sentence fits a part of a column's name, from 0 to 1.

    >>> from .words import words
    >>> [fit("generation", w, ("net", "generation")) for w in words("generated generations degenerate")]
    [0.85, 1.0, 0]
    """
    return _fit(part, word.lower, word.stem, core)


@lru_cache(maxsize=16384)
def _fit(part: str, lower: str, own: str, core: tuple[str, ...]) -> float:
    if part in (own, lower) or stem(part) == own:
        return 1.0
    if part == "max":
        return 1.0 if len(core) > 1 and lower in _MAXIMUM else 0
    if part == "min":
        return 1.0 if len(core) > 1 and lower in _MINIMUM else 0
    whole = long_form(part)
    if whole != part and stem(whole) == own:
        return 0.95
    if len(part) >= 4 and len(own) > len(part) and own.startswith(part) and part not in _NO_PREFIX:
        return 0.9
    if len(own) >= 4 and part.startswith(own) and len(part) - len(own) <= 7:
        return 0.9
    if _same_root(part, own):
        return 0.85
    names = SYNONYMS.get(lower) or SYNONYMS.get(own) or ()
    full = "_".join(core)
    return 0.8 if any(n in (part, full) or ("_" in n and n.replace("_", "") == full.replace("_", "")) for n in names) else 0


def _same_root(part: str, word: str) -> bool:
    """Whether two long words differ in their ending alone: generated, generation."""
    shared = 0
    for a, b in zip(part, word, strict=False):
        if a != b:
            break
        shared += 1
    return shared >= 6 and part[shared:] in _ENDINGS and word[shared:] in _ENDINGS
