"""The words of a question as an FTS5 query: stop words left out, each word quoted, joined by OR."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+")
_NO_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f]+")
_STOP_WORDS = frozenset(
    "a about all an and any are as at be been but by can could did do does for from had has have how i if in into is it its "
    "me my no not of on or our should so some such than that the their them then there these they this those to was we were "
    "what when where which who whom why will with would you your".split()
)


def words(question: str) -> list[str]:
    """The distinct words of a question without stop words; with them if there are no others.

    >>> words("What is the notice period for contractors?")
    ['notice', 'period', 'contractors']
    """
    found = list(dict.fromkeys(w for w in _WORD.findall(question.lower())))
    return [w for w in found if w not in _STOP_WORDS] or found


def full_text_query(words: list[str]) -> str:
    """Words as a query that finds chunks with any of them; no character of a word is an operator.

    >>> full_text_query(["notice", "near"])
    '"notice" OR "near"'
    """
    return " OR ".join('"' + _spaced(w).replace('"', '""') + '"' for w in words)


def _spaced(word: str) -> str:
    """A word of a script without spaces is a phrase of its characters."""
    return _NO_SPACES.sub(lambda m: " " + " ".join(m[0]) + " ", word).strip()
