"""Which of several mentions belongs to a figure: beside it, in brackets, in turn, in its clause."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol, TypeVar

from .figure_text import FigureText

_CLAUSE = re.compile(
    r";|:\s|\s—\s|\s–\s|,?\s\b(?:while|whereas|although|though|but|compared (?:to|with)|versus|vs\.?|against|and then)\b"
    r"|,\s(?=and\b|with\b|which\b)|\)\s*,|,\s"
    r"|\sand\s(?=the\s[^,;\d]{1,60}\s(?:is|was|are|were|has|had|averages?|averaged|comes|came|stands|stood)\b)",
    re.I,
)
_STRONG = re.compile(r";|\s[—–-]\s|\bwhile\b|\bwhereas\b|,\s?but\b|\.\s")
_AFTER = re.compile(r"\s?(?:°\w|(?!and|or|but|while)[A-Za-z]+\s)?(?:(?:of|in|for|from|the|were|are|was|is)\s)?(?:the\s)?")
_BRACKET = re.compile(r"\s?[a-z%°]{0,7}\s?\((?:the |for )?")
_BEFORE = re.compile(
    r"(?:\s|:|=|\(|'s|’s|of|at|is|was|were|are|with|about|roughly|only|just|~|around|averages?|averaged|has|had|on|an?|\*\*|by|to|got|took"
    r"|stood|nearly|almost|some|reached|recorded|managed|scored|from|numbered|totall?ed|rose|fell|ones|people|staff|employees|cars|days|those|that|which)*(?:US)?[$€£]?"
)
_LINKING = re.compile(r"[^.;,\d]{0,30}?\b(?:in|for|from|at|on|among|by|of|with)\s(?:the |all |those )?")


class Spot(Protocol):
    """Anything that stands somewhere in a sentence."""

    @property
    def start(self) -> int:
        """Where it begins."""

    @property
    def end(self) -> int:
        """Where it ends."""


S = TypeVar("S", bound=Spot)


def clause(text: str, start: int, end: int) -> tuple[int, int]:
    """The clause around a place: between commas, dashes and words such as while."""
    return _around(_CLAUSE, text, start, end)


def strong_clause(text: str, start: int, end: int) -> tuple[int, int]:
    """The wider clause around a place: between semicolons, dashes, while and but."""
    return _around(_STRONG, text, start, end)


def _around(form: re.Pattern[str], text: str, start: int, end: int) -> tuple[int, int]:
    low, high = 0, len(text)
    for cut_start, cut_end in _cuts(form, text):
        if cut_end <= start:
            low = cut_end
        elif cut_start >= end:
            high = cut_start
            break
    return low, high


@lru_cache(maxsize=64)
def _cuts(form: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    return [m.span() for m in form.finditer(text)]


def bind(figure: FigureText, spots: Sequence[S], among: Sequence[FigureText], text: str) -> list[S]:
    """The mentions that a figure may belong to: one where the sentence decides, else several.

    Args:
        figure: The figure.
        spots: Mentions of one sort, such as values of one column.
        among: The figures that compete for them, in order.
        text: The sentence.

    Returns:
        Some of the mentions, at least one.
    """
    if len(spots) <= 1:
        return list(spots)
    ordered = sorted(spots, key=lambda s: s.start)
    for rule in (_respectively, _bracketed, _beside, _in_turn):
        if found := rule(figure, ordered, among, text):
            return found
    low, high = clause(text, figure.start, figure.end)
    inside = [s for s in ordered if low <= s.start and s.end <= high]
    if len(inside) == 1:
        return inside
    pool = inside or ordered
    after = [s for s in pool if s.start >= figure.end and _LINKING.fullmatch(text, figure.end, s.start)]
    before = [s for s in pool if s.end <= figure.start]
    if before and re.search(r"\(\w{0,10}\s?$", text[before[-1].end : figure.start]):
        return [before[-1]]
    if len(among) == 1:
        return list(pool)
    if after and len(after) <= 2:
        return [after[0]]
    if before:
        return [before[-1]]
    return [min(pool, key=lambda s: min(abs(s.start - figure.end), abs(figure.start - s.end)))]


def _place(figure: FigureText, among: Sequence[FigureText]) -> int:
    return next((k for k, g in enumerate(among) if g.start == figure.start), -1)


def _respectively(figure: FigureText, spots: list[S], among: Sequence[FigureText], text: str) -> list[S]:
    place = _place(figure, among) - (len(among) - len(spots))
    if place >= 0 and len(among) >= len(spots) and re.search(r"\brespectively\b", text):
        return [spots[place]]
    listed = _two_lists(spots, among)
    return [spots[_place(figure, among)]] if listed and _place(figure, among) >= 0 else []


def _two_lists(spots: list[S], among: Sequence[FigureText]) -> bool:
    """Whether all mentions come before as many figures: Iowa and Ohio have rates of 3 and 5."""
    return len(spots) == len(among) > 1 and spots[-1].end <= among[0].start


def _bracketed(figure: FigureText, spots: list[S], among: Sequence[FigureText], text: str) -> list[S]:
    found = [s for s in spots if s.start >= figure.end and _BRACKET.fullmatch(text, figure.end, s.start)]
    return found if len(found) == 1 and len(among) > 1 else []


def _beside(figure: FigureText, spots: list[S], among: Sequence[FigureText], text: str) -> list[S]:
    if len(among) < 2:
        return []
    end = max(figure.end, figure.whole_end)
    beside = [
        s
        for s in spots
        if s.start >= figure.end
        and (0 <= s.start - end <= 1 or (s.start - figure.end <= 12 and _AFTER.fullmatch(text, figure.end, s.start)))
    ]
    before = [s for s in spots if s.end <= figure.start and _BEFORE.fullmatch(text, s.end, figure.start)]
    if len(before) == 1 and not any(g.start != figure.start and 0 <= before[0].start - max(g.end, g.whole_end) <= 1 for g in among):
        return before
    return beside if len(beside) == 1 and not before else []


def _in_turn(figure: FigureText, spots: list[S], among: Sequence[FigureText], text: str) -> list[S]:
    """As many figures as mentions, one after the other in turn."""
    for figures in (among, [g for g in among if g.kind == figure.kind]):
        place = _place(figure, figures)
        if len(figures) != len(spots) or place < 0:
            continue
        order = [kind for _, kind in sorted([(s.start, 0) for s in spots] + [(g.start, 1) for g in figures])]
        if all(a != b for a, b in zip(order, order[1:], strict=False)):
            return [spots[place]]
    return []
