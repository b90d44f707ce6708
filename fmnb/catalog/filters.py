"""The words after `%fm models`: local, free, vision, <4GB, >100k, apache, or any text.

Each word is a test; an entry is listed if it passes all tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Test = Callable[[Any], bool]

_WORDS: dict[str, tuple[str, Test]] = {
    "local": ("runs on this machine", lambda e: e.local),
    "hosted": ("runs at a service", lambda e: not e.local),
    "ready": ("is ready to answer", lambda e: e.ready in ("yes", "loaded")),
    "loaded": ("is loaded into memory", lambda e: e.ready == "loaded"),
    "free": ("costs nothing per token", lambda e: e.price_in == 0 and e.price_out == 0),
    "vision": ("sees images", lambda e: "image" in e.inputs),
    "image": ("makes images", lambda e: "image" in e.outputs),
    "video": ("makes videos", lambda e: "video" in e.outputs),
    "embed": ("makes embeddings", lambda e: "vector" in e.outputs),
    "chat": ("is a chat model", lambda e: "text" in e.outputs and e.chat),
    "base": ("completes text", lambda e: "text" in e.outputs and not e.chat),
}
_WORDS["images"] = _WORDS["image"]
_WORDS["embedding"] = _WORDS["embeddings"] = _WORDS["embed"]
_SIZE = re.compile(r"([<>]=?)(\d+(?:\.\d+)?)([kmgt])(b?)", re.I)
_TIMES = {"k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}


def tests(query: str) -> list[Test]:
    """One test per word. `<4GB` is the size on disk, `>100k` the context window in tokens.

    >>> len(tests("local <4GB apache"))
    3
    """
    return [_test(word) for word in _split(query)]


def plain_words(query: str) -> list[str]:
    """The words without a special meaning: parts of names, licenses, providers.

    >>> plain_words("vision sonnet <4GB")
    ['sonnet']
    """
    return [w for w in _split(query) if w not in _WORDS and not _SIZE.fullmatch(w)]


def _split(query: str) -> list[str]:
    """The words, in lower case; a size with spaces is one word."""
    return re.sub(r"([<>]=?)\s*(\d[\d.]*)\s*([kmgt]b?)\b", r" \1\2\3", query.lower()).split()


def words() -> dict[str, str]:
    """The words with a special meaning, and their meaning."""
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
            return False  # an unknown size is not small
        return bool(value < bound if sign == "<" else value <= bound if sign == "<=" else value > bound if sign == ">" else value >= bound)

    return test
