"""Figures in the passages that were sent: the same value beside the same words."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .figure_text import FigureText
from .matching import matches
from .parse import figures
from .sentences import split
from .units import UNITS
from .words import stem, words

MOST_TEXT = 400_000  # characters of all passages that are read
_LEAST = 2.0  # weight of shared words from which a figure counts as the same one
_FIELD = re.compile(r"\s(?=:[A-Z][\w ]{2,40}:)|\s[-*•]\s(?=\S)|\s\|\s")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_COMMON = frozenset(
    (
        "the a an of in on it is are be by for to and or not as at that this with from was were has have had its their which can may will also "
        "than then when if but so do does about over under more less each all any such into there only up out just"
    ).split()
)


@dataclass(frozen=True)
class _Around:
    """The words near a figure: left, right, and the nearest that say something."""

    left: frozenset[str]
    right: frozenset[str]
    key: str
    left_key: str
    noun: str = ""


@dataclass(frozen=True)
class Occurrence:
    """A figure in a passage, with its sentence.

    `own` are the words between the figure's neighbors that belong to it, `leading` those before the
    first figure of the sentence, which others may share.
    """

    passage: int
    start: int
    figure: FigureText
    sentence: str
    stems: frozenset[str]
    around: _Around
    own: frozenset[str]
    leading: frozenset[str]

    def quote(self) -> str:
        """The figure with forty characters on either side."""
        low, high = max(0, self.figure.start - 40), min(len(self.sentence), self.figure.end + 40)
        before, after = "…" if low else "", "…" if high < len(self.sentence) else ""
        return before + self.sentence[low:high].strip() + after


@dataclass(frozen=True)
class Found:
    """What passages say about a figure: where the same value stands, and whether another fits better."""

    same: Occurrence | None
    best: Occurrence | None
    looked_at: int
    traced: bool


class Passages:
    """The figures of all passages, with the words around them."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.occurrences: list[Occurrence] = []
        frequency: dict[str, int] = {}
        self.sentences = 0
        left = MOST_TEXT
        self.complete = sum(map(len, texts)) <= MOST_TEXT
        kept = []
        for number, text in enumerate(texts):
            text, left = text[:left], max(0, left - len(text))
            kept.append({w.stem for w in words(text)})
            for start, sentence in split(text):
                for offset, part in _parts(sentence):
                    stems = {w.stem for w in words(part)}
                    self.sentences += 1
                    for word in stems:
                        frequency[word] = frequency.get(word, 0) + 1
                    plain = frozenset(s for s in stems if not s[0].isdigit())
                    found = figures(part)
                    for figure in found:
                        around, (leading, own) = _around(figure, part), _shares(figure, found, part)
                        self.occurrences.append(Occurrence(number, start + offset, figure, part, plain, around, own, leading))
        self.frequency = frequency
        self.vocabularies = kept
        spread: dict[str, int] = {}
        for vocabulary in kept:
            for word in vocabulary:
                spread[word] = spread.get(word, 0) + 1
        self.topic = {w: math.log((len(texts) + 1) / (n + 0.5)) for w, n in spread.items() if w not in _COMMON}

    def weight(self, word: str) -> float:
        """How much a word says: rare ones more."""
        return 0.05 if word in _COMMON else math.log((self.sentences + 1) / (self.frequency.get(word, 0) + 0.5))

    def find(self, figure: FigureText, text: str) -> Found:
        """Where the passages state a figure.

        Args:
            figure: A figure of an answer.
            text: Its sentence.

        Returns:
            The same value in the most similar context, and the best context with any value.
        """
        stems = {w.stem for w in words(text) if not w.stem[0].isdigit()}
        around = _around(figure, text)
        topics = [sum(self.topic.get(w, 0) for w in stems & v) for v in self.vocabularies]
        best: tuple[float, Occurrence | None] = (0.0, None)
        same: tuple[float, Occurrence | None, float] = (0.0, None, 0.0)
        best_local, looked_at = 0.0, 0
        years = set() if figure.kind in ("year", "date") else set(_YEAR.findall(text))
        for occurrence in self.occurrences:
            if years and (others := set(_YEAR.findall(occurrence.sentence))) and not years & others:
                continue  # it is said of another year
            if _sort(occurrence.figure) != _sort(figure) or not _same_unit(figure, occurrence.figure):
                continue
            looked_at += 1
            local = self._local(around, occurrence.around)
            score = local + sum(self.weight(w) for w in stems & occurrence.stems) + 0.8 * topics[occurrence.passage]
            if score > best[0]:
                best, best_local = (score, occurrence), local
            if score > same[0] and _same_value(figure, occurrence.figure):
                same = (score, occurrence, local)
        at, other = same[1], best[1]
        traced = at is not None and same[0] >= _LEAST and (same[0] >= 0.8 * best[0] or same[2] >= best_local or _together(at, other))
        if at is not None and traced:
            leading, own = _shares(figure, figures(text), text)
            traced = not any(self._better(leading | own, rival, at) for rival in self.occurrences if _together(rival, at))
        return Found(at, other if best[0] >= _LEAST else None, looked_at, traced)

    def _better(self, said: frozenset[str], rival: Occurrence, at: Occurrence) -> bool:
        """Whether the words around a figure belong to another figure of the passage's sentence."""
        if rival is at or _sort(rival.figure) != _sort(at.figure) or _same_value(rival.figure, at.figure):
            return False
        one, other = at.own | at.leading, rival.own | rival.leading
        nouns = {at.around.noun, rival.around.noun}  # the second of two figures often goes without its noun
        if self._weigh(said & (rival.own - one) - nouns) > self._weigh(said & (at.own - other) - nouns):
            return True
        return not self._weigh(said & (one - other)) and self._weigh(said & (other - one)) > 0

    def _weigh(self, stems: frozenset[str]) -> float:
        return sum(self.weight(w) for w in stems if w not in _COMMON)

    def _local(self, one: _Around, other: _Around) -> float:
        both, others = one.left | one.right, other.left | other.right
        score = 1.5 * sum(self.weight(w) for w in both & others)
        score += 0.8 * sum(self.weight(w) for w in (*(one.right & other.right), *(one.left & other.left)))
        if one.key and one.key == other.key:
            score += 2.5 * self.weight(one.key)
        elif one.key and one.key in others:
            score += 0.8 * self.weight(one.key)
        elif one.key and other.key:
            score -= 0.5 * self.weight(one.key)
        if one.left_key and one.left_key == other.left_key and one.left_key != one.key:
            score += 2.0 * self.weight(one.left_key)
        return score


def _parts(sentence: str) -> list[tuple[int, str]]:
    cuts = [0, *(m.end() for m in _FIELD.finditer(sentence)), len(sentence)]
    return [(a, sentence[a:b]) for a, b in zip(cuts, cuts[1:], strict=False) if sentence[a:b].strip()]


_CUT = re.compile(r"[,;:]\s|\s(?:and|but|while|whereas|or|compared with|compared to|against|versus)\s|\s[—–]\s")


def _shares(figure: FigureText, every: Sequence[FigureText], text: str) -> tuple[frozenset[str], frozenset[str]]:
    """The words before the figure if it is the first, and its others up to its neighbors."""
    every = [f for f in every if f.start == figure.start or (_sort(f) == _sort(figure) and not (f.in_words and f.value == 1))]
    place = next((k for k, f in enumerate(every) if f.start == figure.start), 0)
    low, high = 0, len(text)
    if place > 0:
        cut = _CUT.search(text, every[place - 1].end, figure.start)
        low = cut.end() if cut else every[place - 1].end
    if place + 1 < len(every):
        cut = _CUT.search(text, figure.end, every[place + 1].start)
        high = cut.start() if cut else every[place + 1].start
    tokens = [w for w in words(text) if low <= w.start and w.end <= high and not w.stem[0].isdigit()]
    first = place == 0
    return (
        frozenset(w.stem for w in tokens if first and w.end <= figure.start),
        frozenset(w.stem for w in tokens if not (first and w.end <= figure.start)),
    )


def _together(one: Occurrence | None, other: Occurrence | None) -> bool:
    """Whether two figures stand in the same sentence of a passage."""
    return one is not None and other is not None and (one.passage, one.start, one.sentence) == (other.passage, other.start, other.sentence)


def _around(figure: FigureText, text: str, reach: int = 4) -> _Around:
    tokens = [w for w in words(text) if not w.stem[0].isdigit()]
    left = [w.stem for w in tokens if w.end <= figure.start][-reach:]
    right = [w.stem for w in tokens if w.start >= figure.end][:reach]
    key = next((w for w in right[:2] if w not in _COMMON), "")
    before = re.search(r"([\w'-]+)\s?(:|=)?\s?[$€£(]?$", text[max(0, figure.start - 40) : figure.start])
    left_key = stem(before.group(1)) if before and not before.group(1)[0].isdigit() else ""
    left_key = "" if left_key in _COMMON else left_key
    if before and before.group(2):
        key = left_key
    elif re.match(r"\s?[,.;)]", text[figure.end : figure.end + 2]):
        key = left_key or key
    return _Around(frozenset(left), frozenset(right), key, left_key, "" if not right or right[0] in _COMMON else right[0])


def _sort(figure: FigureText) -> str:
    return figure.when.grain if figure.when else figure.kind


def _same_unit(one: FigureText, other: FigureText) -> bool:
    if one.unit and other.unit and one.unit != other.unit:
        return one.unit in UNITS and other.unit in UNITS and UNITS[one.unit] == UNITS[other.unit]
    if bool(one.unit) != bool(other.unit):
        return not (one.unit or other.unit or "").isupper()  # a currency is never left out
    return True


def _same_value(figure: FigureText, other: FigureText) -> bool:
    if figure.when or other.when:
        return figure.when == other.when
    return figure.low <= other.value <= figure.high or bool(figure.bound and not other.bound and matches(figure, other.value))
