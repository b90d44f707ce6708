"""The values that a sentence names: by words, plurals, demonyms, parts of names, initials."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .table import Table
from .vocabulary import COMMON, DEMONYMS
from .words import Word, stem

Places = list[tuple[str, object]]
_PEOPLE = ("n", "ns", "an", "ans", "ian", "ians", "ese", "i", "is", "ish")
_LIKE = ("y", "ny", "gy", "ing", "ed", "ly", "ish", "an", "n", "ian", "er", "ers")
_FEW = 40  # distinct values up to which loose forms of a word count


@dataclass(frozen=True)
class ValueMention:
    """Words of a sentence that name a value, with the columns that hold it."""

    places: tuple[tuple[str, object], ...]
    start: int
    end: int


def link_values(text: str, tokens: list[Word], table: Table) -> list[ValueMention]:
    """The values that a sentence names, the longest names first, without overlaps."""
    found, i = [], 0
    stems = [_stem_of_a_value(w, table) for w in tokens]
    while i < len(tokens):
        length, places = _exact(text, tokens, stems, i, table)
        if not places:
            length, places = _loose(tokens, stems, i, table)
        if places:
            found.append(ValueMention(tuple(places[:4]), tokens[i].start, tokens[i + length - 1].end))
        i += max(1, length)
    return found


def _stem_of_a_value(word: Word, table: Table) -> str:
    """The stem, or the word without its s alone: Adelies is Adelie, not Adely."""
    plain = word.lower[:-1]
    return plain if word.stem not in table.first_words and word.lower.endswith("ies") and plain in table.first_words else word.stem


def _exact(text: str, tokens: list[Word], stems: list[str], i: int, table: Table) -> tuple[int, Places]:
    if stems[i] not in table.first_words:
        return 0, []
    for length in range(min(table.longest, len(tokens) - i), 0, -1):
        key = " ".join(stems[i : i + length])
        if key not in table.phrases:
            continue
        raw = text[tokens[i].start : tokens[i + length - 1].end]
        places = [(c, v) for c, v in table.phrases[key] if _named(raw, stems[i], str(v), table.distinct(c), length, at_start=i == 0)]
        if places:
            return length, places
    return 0, []


def _named(raw: str, word: str, value: str, distinct: int, length: int, *, at_start: bool) -> bool:
    """Whether the words are a name here, and not ordinary words that happen to be a value."""
    if length == 2:
        return distinct <= 500 or raw[:1].isupper()
    if length > 2:
        return True
    if raw[:1].isdigit() or (len(value) <= 3 and value.isupper() and not raw.isupper()):
        return False
    if (value.lower() in COMMON or word in COMMON) and distinct > 12 and not (raw[:1].isupper() and not at_start and value[:1].isupper()):
        return False
    if len(value) == 1 and not (raw == value and not at_start):
        return False
    return not (value[:1].isupper() and raw.islower() and distinct > _FEW)


def _loose(tokens: list[Word], stems: list[str], i: int, table: Table) -> tuple[int, Places]:
    word = tokens[i]
    pair = f"{word.lower} {tokens[i + 1].lower}" if i + 1 < len(tokens) else ""
    for candidate, length in ((pair, 2), (word.lower, 1)):
        if candidate == "us" and word.text != "US":
            continue
        for key in (DEMONYMS.get(candidate) or DEMONYMS.get(stem(candidate)) or "").split("|"):
            if key and key in table.phrases:
                return length, table.phrases[key]
    if len(word.text) >= 2 and word.text.isupper() and word.text in table.acronyms:
        return 1, [table.acronyms[word.text]]
    if len(word.lower) < 4:
        return 1, []
    if places := _formed(word, stems[i], table):
        return 1, places
    place = table.partial.get(stems[i])
    if place and (word.text[:1].isupper() or table.distinct(place[0]) <= _FEW):
        return 1, [place]
    return 1, []


def _formed(word: Word, own: str, table: Table) -> Places:
    """A form of a value: Norwegian, rainy, foggy, and the beginning of a long word."""
    low = word.lower
    if word.text[:1].isupper():
        for ending in _PEOPLE:
            base = low[: -len(ending)]
            if low.endswith(ending) and len(base) >= 4:
                for key in (base, base + "a"):
                    if key in table.phrases:
                        return table.phrases[key]
    for ending in _LIKE:
        for form in (low, own):
            base = form[: -len(ending)]
            if form.endswith(ending) and len(base) >= 3 and (places := _few(base, table)):
                return places
    if len(own) < 5 or low in DEMONYMS:
        return []
    for key in table.single_words:
        swapped = len(key) == len(low) and key[:-1] == low[:-1] and {key[-1], low[-1]} <= {"e", "y"}
        begun = len(key) > len(own) and key.startswith(own) and len(key) - len(own) <= 4 and key not in COMMON
        longer = len(key) >= 5 and len(own) > len(key) and own.startswith(key) and len(own) - len(key) <= 3 and key not in COMMON
        if (swapped or begun or longer) and (places := _few(key, table)):
            return places
    return []


def _few(key: str, table: Table) -> Places:
    return [place for place in table.phrases.get(key, []) if table.distinct(place[0]) <= _FEW] if " " not in key else []


_NAME_SIDES = {
    "from": re.compile("orig|from|src|dep|source|sender", re.I),
    "to": re.compile("dest|to|arr|target|receiver", re.I),
}


def side(text: str, mention: ValueMention) -> tuple[tuple[str, object], ...]:
    """The places of a value that several columns hold, as far as a preposition tells them apart."""
    before = text[max(0, mention.start - 12) : mention.start].lower()
    if re.search(r"\b(?:from|leaving|out of|departing)\s$", before):
        return tuple(p for p in mention.places if _NAME_SIDES["from"].search(p[0])) or mention.places
    if re.search(r"\b(?:to|into|for|bound)\s$", before):
        return tuple(p for p in mention.places if _NAME_SIDES["to"].search(p[0])) or mention.places
    return mention.places
