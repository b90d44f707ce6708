"""The words after `%fm models`: local, free, vision, <4GB, >100k, apache, or any text.

Each word is a question about an entry; an entry is kept when all are answered with yes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Test = Callable[[Any], bool]

_WORDS: dict[str, tuple[str, Test]] = {
    "local": ("runs on this machine", lambda e: e.local),
    "hosted": ("runs at a service", lambda e: not e.local),
    "ready": ("can answer now", lambda e: e.ready in ("yes", "loaded")),
    "loaded": ("is in memory now", lambda e: e.ready == "loaded"),
    "free": ("costs nothing a token", lambda e: e.price_in == 0 and e.price_out == 0),
    "vision": ("sees images", lambda e: "image" in e.inputs),
    "image": ("makes images", lambda e: "image" in e.outputs),
    "video": ("makes videos", lambda e: "video" in e.outputs),
    "embed": ("makes vectors of texts", lambda e: "vector" in e.outputs),
    "chat": ("answers in a conversation", lambda e: "text" in e.outputs and e.chat),
    "base": ("completes text", lambda e: "text" in e.outputs and not e.chat),
}
_WORDS["images"] = _WORDS["image"]
_WORDS["embedding"] = _WORDS["embeddings"] = _WORDS["embed"]
_SIZE = re.compile(r"([<>]=?)(\d+(?:\.\d+)?)([kmgt])(b?)", re.I)
_TIMES = {"k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}


def tests(query: str) -> list[Test]:
    """One question a word. `<4GB` is about the size on disk, `>100k` about the context in tokens.

    >>> len(tests("local <4GB apache"))
    3
    """
    return [_test(word) for word in _split(query)]


def plain_words(query: str) -> list[str]:
    """The words that are none of ours: parts of names, licenses, providers.

    >>> plain_words("vision sonnet <4GB")
    ['sonnet']
    """
    return [w for w in _split(query) if w not in _WORDS and not _SIZE.fullmatch(w)]


def _split(query: str) -> list[str]:
    """The words, in lower case; a size that was written with spaces is one."""
    return re.sub(r"([<>]=?)\s*(\d[\d.]*)\s*([kmgt]b?)\b", r" \1\2\3", query.lower()).split()


def words() -> dict[str, str]:
    """The words that mean more than their letters, and what each asks."""
    return {w: help for w, (help, _) in _WORDS.items() if w not in ("images", "embedding", "embeddings")}


def _test(word: str) -> Test:
    if word in _WORDS:
        return _WORDS[word][1]
    if size := _SIZE.fullmatch(word):
        return _number(size[1], float(size[2]) * _TIMES[size[3].lower()], "size" if size[4] else "context")
    return lambda e: word in e.search_text


def _number(sign: str, bound: float, name: str) -> Test:
    def test(e: Any) -> bool:
        value = getattr(e, name)
        if value is None:
            return False  # not known is not small
        return bool(value < bound if sign == "<" else value <= bound if sign == "<=" else value > bound if sign == ">" else value >= bound)

    return test
