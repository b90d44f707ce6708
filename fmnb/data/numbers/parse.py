"""The figures of a sentence: in digits, in words, as fractions, multiples, ordinals and dates.

Every expression runs on one sentence, which `sentences` keeps short.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from . import hedges
from .dates import dates
from .figure_text import FigureText, Kind, interval
from .number_words import DENOMINATORS, FRACTION, MULTIPLE, ONES, ORDINAL, ORDINALS, RUN, multiple_of, number_of
from .units import CURRENCIES, ONE_LETTER, UNITS, canonical

_NUMBER = (
    r"(?:\d{1,3}(?:[,\u2009\u202f\u00a0]\d{3})+(?!\d)(?:\.\d+)?|\d{1,3}(?: \d{3}){2,}(?!\d)(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d+"
    r"|\d+(?:\.\d+)?(?:[eE][-+]?\d{1,2}(?!\w))?|\.\d+)"
)
_DIGITS = re.compile(
    r"(?P<bracket>\((?=[$€£¥]?[\d,.]+\)))?(?P<sign>(?:(?<![\w)])[-+−–])|(?:\b(?:minus|negative) ))?\s?"
    r"(?:(?P<money>US\$|[$€£¥]|\b(?:USD|EUR|GBP|CHF)\s)(?P<inner>[-−])?)?(?P<number>" + _NUMBER + r")"
    r"(?:(?P<suffix>(?:k|K|m|M|bn|B|tn|mn)(?![A-Za-z]))|[ -](?P<scale>hundred thousand|thousand|million|billion|trillion|bn|mn)\b)?"
    r"(?P<ordinal>(?:st|nd|rd|th)\b)?"
    r"(?P<percent>\s?(?:%|percent\b|per cent\b|pct\b)(?P<points>[ -]?(?:points?|pts?)\b)?"
    r"|[ -]?(?:percentage[ -]points?|pp|ppts?|p\.p\.|points?|pts)(?!\w))?"
    r"(?P<multiple>\s?[x×](?!\w)|[ -]times\b|[ -]?fold\b)?"
)
_SCALES = {
    **{"k": 1e3, "K": 1e3, "m": 1e6, "M": 1e6, "mn": 1e6, "bn": 1e9, "B": 1e9, "tn": 1e12},
    **{"thousand": 1e3, "hundred thousand": 1e5, "million": 1e6, "billion": 1e9, "trillion": 1e12},
}
# What holds digits and is no figure: code, addresses, names such as A320, versions, times of day, PG-13.
_NO_FIGURE = re.compile(
    r"`[^`]*`|https?://\S+|\bv\d+(?:\.\d+)+\b|\b[A-Za-z_]+\d+[\w-]*|\b\d+[A-Za-z_]+\d\w*|\bv?\d+(?:\.\d+){2,}\b|\b\d{1,2}:\d{2}(?::\d\d)?\b"
    r"|(?<![\d.][eE])(?<=[A-Za-z])[-_]\d+\b|#\w*[a-z]\w*|\bNo\. ?\d+"
)
_LONGEST = 24  # characters of a number
_QUARTER_NAME = re.compile(r"Q[1-4]")
_NAMES = sorted([*UNITS, *(c for c in CURRENCIES if c.isalpha())], key=len, reverse=True)
_UNIT = re.compile(r"\s?-?(" + "|".join(map(re.escape, _NAMES)) + r")(?!\w)", re.I)
_OF_A_SPAN = re.compile(
    r" (?:an? |of (?:an? )?)?(?:century|decade|year|hour|day|ton|dozen|million|mile|minute|degree|point|week|month)\b", re.I
)
_TO_ONE = re.compile(r"\s(?:to|:)\s1\b(?![.,]\d)")


class _Taken:
    """Which characters of the sentence already belong to a figure."""

    def __init__(self, length: int) -> None:
        self.marks = bytearray(length + 1)

    def free(self, start: int, end: int) -> bool:
        return not any(self.marks[start:end])

    def take(self, start: int, end: int) -> None:
        self.marks[start:end] = b"\x01" * (end - start)


def figures(text: str) -> list[FigureText]:
    """The figures of a sentence, in order.

    >>> [(f.text, f.value, f.kind) for f in figures("About 12.5% of 1.2 million, a third, and 3rd.")]
    [('12.5%', 12.5, 'percent'), ('1.2 million', 1200000.0, 'number'), ('a third', 0.3333333333333333, 'fraction'), ('3rd', 3.0, 'ordinal')]
    """
    taken = _Taken(len(text))
    for m in _NO_FIGURE.finditer(text):
        if not _QUARTER_NAME.fullmatch(m.group()):
            taken.take(*m.span())
    found: list[FigureText] = []
    for find in (dates, _fractions, partial(_digits, taken=taken), _multiples, _in_words, _ordinals):
        for figure in find(text):
            if taken.free(figure.start, figure.end):
                taken.take(figure.start, figure.end)
                found.append(figure)
    return sorted(found, key=lambda f: f.start)


def _digits(text: str, taken: _Taken) -> Iterator[FigureText]:
    for m in _DIGITS.finditer(text):
        start, end, at = m.start(), m.end(), m.start("number")
        if at and (text[at - 1].isalpha() or text[at - 1] == "_"):
            continue
        number = m.group("number")
        if len(number) > _LONGEST or not taken.free(at, m.end("number")):
            continue  # an identifier, or part of something else
        scale_name = m.group("suffix") or m.group("scale") or ""
        scale = _SCALES.get(scale_name, 1.0)
        marked = m.group("suffix") or m.group("ordinal") or m.group("percent") or m.group("multiple")
        unit_match = _UNIT.match(text, end)
        if not marked and m.end("number") < len(text) and text[m.end("number")].isalpha() and not unit_match:
            continue  # the digits begin a name, such as 3D
        plain, places = _plain(number)
        if abs(places) > _LONGEST:
            continue
        step = 10.0**-places * scale
        value = plain * scale * _sign(text, m)
        kind: Kind = "number"
        if m.group("ordinal"):
            kind = "ordinal"
        elif m.group("percent"):
            kind = "points" if m.group("points") or re.search(r"point|pp|p\.p|pts", m.group("percent")) else "percent"
        elif m.group("multiple") or _TO_ONE.match(text, end):
            kind = "multiple"
        if m.group("bracket"):
            start = at - (len(m.group("money")) if m.group("money") else 0)
        else:
            start += len(text[start:end]) - len(text[start:end].lstrip())
        unit, whole_end = canonical(m.group("money")) if m.group("money") else None, end
        if not unit and kind == "number" and unit_match:
            unit, whole_end = _unit(text, end, unit_match)
        if text[max(0, at - 1) : at] == "#" and kind == "number":
            kind = "ordinal"
        hedged, bound = hedges.before(text, start, end, unit)
        low, high = interval(value, step, hedged=hedged, zeros=_trailing(plain, places, scale))
        yield FigureText(text[start:end].rstrip(), start, end, value, low, high, step, kind, unit, hedged, bound, False, scale, whole_end)


def _plain(number: str) -> tuple[float, int]:
    """The value of digits and how many decimal places they have."""
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+", number):  # 1.234,5
        whole, decimals = number.split(",")
        return float(f"{whole.replace('.', '')}.{decimals}"), len(decimals)
    plain = re.sub(r"[, \u2009\u202f\u00a0]", "", number)
    mantissa, _, exponent = plain.lower().partition("e")
    places = len(mantissa.partition(".")[2]) - int(exponent or 0)
    return float(plain), places


def _sign(text: str, m: re.Match[str]) -> float:
    sign = (m.group("sign") or "").strip()
    if sign in ("–", "-") and m.start() and text[m.start() - 1].isdigit():
        return 1.0  # a range
    return -1.0 if sign in ("-", "−", "–", "minus", "negative") or m.group("inner") else 1.0


def _trailing(plain: float, places: int, scale: float) -> float:
    """The place of the last digit of a whole number that ends in two zeros or more, else 0."""
    if places > 0 or scale != 1 or plain < 100:
        return 0.0
    digits = str(int(plain))
    zeros = len(digits) - len(digits.rstrip("0"))
    return 10.0**zeros if zeros >= 2 else 0.0


def _unit(text: str, end: int, found: re.Match[str]) -> tuple[str | None, int]:
    name = found.group(1)
    low = name.lower()
    if low in ONE_LETTER and not (name in ("C", "F") or text[end : end + 1] != " "):
        return None, end
    if low == "m" or low == "in":
        return None, end
    return canonical(low), found.end()


def _fractions(text: str) -> Iterator[FigureText]:
    for m in FRACTION.finditer(text):
        count, name = (m.group(1) or "").lower(), m.group(2).lower()
        single = name.rstrip("s") if name != "halves" else "half"
        if not count and not (single == "half" or name.endswith("s")):
            continue  # "third" alone is an ordinal
        if single != "half" and name.endswith("s") and not count:
            continue
        before = text[max(0, m.start() - 24) : m.start()]
        if _OF_A_SPAN.match(text, m.end()) or (single == "half" and re.search(r"\b(?:first|second|other|latter) $", before, re.I)):
            continue
        value = (ONES[count] if count in ONES else 1) / DENOMINATORS[single]
        hedged, bound = hedges.before(text, m.start(), m.end(), None)
        half = 0.04 if hedged else 0.015
        yield FigureText(m.group(), m.start(), m.end(), value, value - half, value + half, 0.01, "fraction", None, hedged, bound, True)


def _multiples(text: str) -> Iterator[FigureText]:
    for m in MULTIPLE.finditer(text):
        value = multiple_of(m.group())
        hedged, bound = hedges.before(text, m.start(), m.end(), None)
        yield FigureText(m.group(), m.start(), m.end(), value, value * 0.95, value * 1.05, 0.1, "multiple", None, hedged, bound, True)


def _in_words(text: str) -> Iterator[FigureText]:
    for m in RUN.finditer(text):
        value = number_of(m.group())
        if value is None:
            continue
        after = text[m.end() : m.end() + 20].lower()
        kind: Kind = "number"
        half = 1e-9
        if re.match(r"[ -]times\b|[ -]?fold\b", after):
            kind, half = "multiple", value * 0.05
        elif re.match(r" ?(?:percentage points?|percent points?|points?)\b", after):
            kind, half = "points", 0.5
        elif re.match(r" ?(?:percent|per cent)\b", after):
            kind, half = "percent", 0.5
        extra = re.match(r"[ -](?:times|fold|percentage points?|points?|percent|per cent)\b", after)
        end = m.end() + (extra.end() if extra and kind in ("percent", "points", "multiple") else 0)
        found = _UNIT.match(text, end)
        unit = canonical(found.group(1)) if found and kind == "number" and found.group(1).lower() not in ONE_LETTER else None
        hedged, bound = hedges.before(text, m.start(), end, unit)
        low, high = interval(value, 1, hedged=hedged) if value >= 20 and kind == "number" else (value - half, value + half)
        whole_end = found.end() if found and unit else end
        yield FigureText(text[m.start() : end], m.start(), end, value, low, high, 1, kind, unit, hedged, bound, True, 1.0, whole_end)


def _ordinals(text: str) -> Iterator[FigureText]:
    for m in ORDINAL.finditer(text):
        value = float(ORDINALS[m.group().lower()])
        yield FigureText(m.group(), m.start(), m.end(), value, value, value, 1, "ordinal", in_words=True)
