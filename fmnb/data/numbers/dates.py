"""Dates, months, quarters, years and decades in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .figure_text import FigureText, Grain, When

_NAMES = "january february march april may june july august september october november december".split()
MONTHS = {name: i + 1 for i, name in enumerate(_NAMES)} | {name[:3]: i + 1 for i, name in enumerate(_NAMES)} | {"sept": 9}
_MONTH = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_QUARTER = {"first": 1, "second": 2, "third": 3, "fourth": 4, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "last": 4}
_FORMS: list[tuple[Grain, re.Pattern[str]]] = [
    ("day", re.compile(r"\b(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})\b")),
    ("day", re.compile(rf"(?<![\d.,])\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {_MONTH}\.?,? (?P<year>\d{{4}})\b", re.I)),
    ("day", re.compile(rf"\b{_MONTH}\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year>\d{{4}})\b", re.I)),
    ("month", re.compile(rf"\b{_MONTH}\.?,?(?: of)? (?P<year>\d{{4}})\b", re.I)),
    ("month", re.compile(r"\b(?P<year>\d{4})-(?P<month>0[1-9]|1[0-2])\b(?!-)")),
    ("quarter", re.compile(r"\bQ(?P<quarter>[1-4])(?: of)?[ -]?(?P<year>\d{4})\b", re.I)),
    ("quarter", re.compile(r"\b(?P<quarter>first|second|third|fourth|last|[1-4](?:st|nd|rd|th)) quarter(?: of)? (?P<year>\d{4})\b", re.I)),
    ("day", re.compile(rf"\b{_MONTH}\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?!,? \d{{4}})(?![.,]\d)", re.I)),
    ("decade", re.compile(r"\b(?:the )?(?P<year>\d{3}0)s\b")),
    ("century", re.compile(r"\b(?P<century>1\d|20|21)(?:st|th) century\b", re.I)),
    (
        "quarter of any year",
        re.compile(
            r"\b(?:Q(?P<quarter>[1-4])\b|(?P<word>first|second|third|fourth|last|[1-4](?:st|nd|rd|th)) quarter\b)(?! of an?\b)", re.I
        ),
    ),
]
_BARE_MONTH = re.compile(r"\b(?P<name>January|February|April|June|July|August|September|October|November|December)s?\b")
_ODD_MONTH = re.compile(r"\b(?:in|during|for|of|every|each|since|by|from|to|until)\s(?P<name>March|May)\b")
_YEAR = re.compile(r"(?<![\d.,$€£])\b(?P<year>1[5-9]\d\d|20\d\d)\b(?![.,]\d|%|\s?(?:percent|points?)\b)")
_BEFORE_YEAR = re.compile(
    r"(?:\b(?:in|of|since|by|from|to|until|till|during|years?|between|and|through|after|before|for|early|late|mid|around|against|vs\.?|versus|than"
    r"|into|over|as of|was|the|opened|closed|started|ended|entered|with|fiscal|fy|season|both|across)[\s-]|[-–—(/,:]\s?|^\s*(?:[-*•]\s)?"
    r"(?:\*\*)?)$",
    re.I,
)
_VERB_AFTER = re.compile(
    r"\s(?:had|has|was|were|saw|beat|and|to|brought|is|mean|average|median|level|value|figure|total|crop|season|harvest|sales|revenue)\b",
    re.I,
)


def dates(text: str) -> Iterator[FigureText]:
    """The dates of a sentence, years alone included.

    >>> [(d.text, d.when.grain) for d in dates("In May 2015 and since Q3 2016, as in the 1990s.")]
    [('May 2015', 'month'), ('Q3 2016', 'quarter'), ('the 1990s', 'decade')]
    """
    found: list[FigureText] = []
    for grain, form in _FORMS:
        for m in form.finditer(text):
            if _free(found, m.start(), m.end()) and (when := _when(grain, m)):
                found.append(_written(m.group(), m.start(), when))
    for form in (_BARE_MONTH, _ODD_MONTH):
        for m in form.finditer(text):
            if _free(found, *m.span("name")):
                found.append(_written(m.group("name"), m.start("name"), When("month of any year", month=MONTHS[m.group("name").lower()])))
    for m in _YEAR.finditer(text):
        before = text[max(0, m.start() - 14) : m.start()]
        stands = _BEFORE_YEAR.search(before) or _VERB_AFTER.match(text, m.end()) or text[m.end() : m.end() + 2] in ("'s", "’s")
        if stands and _free(found, *m.span()):
            found.append(_written(m.group(), m.start(), When("year", int(m.group("year")))))
    yield from sorted(found, key=lambda d: d.start)


def _free(found: list[FigureText], start: int, end: int) -> bool:
    return not any(d.start < end and start < d.end for d in found)


def _written(text: str, start: int, when: When) -> FigureText:
    value = float(when.year or when.month)
    return FigureText(text, start, start + len(text), value, value, value, kind="date", whole_end=start + len(text), when=when)


def _when(grain: Grain, m: re.Match[str]) -> When | None:
    parts = m.groupdict()
    year, month, day = int(parts.get("year") or 0), int(parts.get("month") or 0), int(parts.get("day") or 0)
    if name := parts.get("name"):
        if name.islower() and name.lower() in ("may", "mar", "march"):
            return None  # a verb
        month = MONTHS[name.lower()]
    if quarter := parts.get("quarter") or parts.get("word"):
        month = 3 * (_QUARTER.get(quarter.lower()) or int(quarter)) - 2
    if parts.get("century"):
        year = 100 * (int(parts["century"]) - 1)
    if month > 12 or day > 31 or (grain == "day" and not month):
        return None
    return When(grain, year, month, day)
