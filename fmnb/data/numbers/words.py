"""Words of a sentence and of a column's name, with simple stems."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"[^\W\d_]+(?:['’][a-z]+)?|\d[\d,.]*\d|\d")
_PIECES = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Word:
    """A word with its place in the sentence."""

    text: str
    start: int
    end: int
    lower: str
    stem: str


def words(text: str) -> list[Word]:
    """The words and numbers of a text.

    >>> [w.stem for w in words("Countries' 12 averages")]
    ['country', '12', 'average']
    """
    found = []
    for m in _WORD.finditer(text):
        low = m.group().lower()
        found.append(Word(m.group(), m.start(), m.end(), low, stem(low)))
    return found


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """The word without its plural and its possessive.

    >>> [stem(w) for w in ("Japan's", "cities", "boxes", "glass", "days")]
    ['japan', 'city', 'box', 'glass', 'day']
    """
    word = re.sub(r"'s?$", "", word.lower().replace("’", "'"))
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and re.search(r"(ss|x|ch|sh)es$", word):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def phrase(text: str) -> str:
    """A text as the key by which it is looked up: the stems of its words.

    >>> phrase("Office chairs")
    'office chair'
    """
    return " ".join(w.stem for w in words(text))


def name_words(name: str) -> list[str]:
    """The words of a column's name, whichever way they are joined.

    >>> name_words("Weight_in_lbs"), name_words("unitPrice"), name_words("Order date")
    (['weight', 'in', 'lbs'], ['unit', 'price'], ['order', 'date'])
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [m.group() for m in _PIECES.finditer(spaced.lower())]
