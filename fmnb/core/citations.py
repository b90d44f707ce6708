"""Checks the citations of an answer by code: the passage exists, and quoted words occur in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .markdown_code import code_parts
from .sources import Passage

# [1], [1, 2], [1-3], [source 1], 【1】, [1†lines 3-4]; no link
_MARK = re.compile(
    r"[\[【](?:(?:sources?|passages?|no\.|#)\s*)?(\d{1,3}(?:\s*(?:[,;]|-|–|and)\s*\[?\d{1,3})*)(?:†[^\]】\n]{0,40})?[\]】](?!\()", re.I
)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_QUOTE = re.compile(r"“([^“”]{8,600})”|\"([^\"\n]{8,600})\"|«([^«»]{8,600})»|„([^„“”]{8,600})[“”]")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n\s*\n|\n(?=\s*[-*•\d])")
_WORDS = 3  # a quotation of fewer words is a term


@dataclass(frozen=True, slots=True)
class Citation:
    """A mark such as `[2]` in an answer.

    `start` and `end` are its place in the text. `problem` says why it is not verified, "" if it is.
    """

    numbers: tuple[int, ...]
    start: int
    end: int
    problem: str = ""


def check_citations(text: str, passages: Mapping[int, Passage]) -> tuple[Citation, ...]:
    """The citations of an answer, each checked against the passages that were sent.

    A quotation is checked with the marks of its own sentence. Numbers below the first passage
    belong to an earlier turn of the conversation and are not checked.

    >>> found = check_citations('Cats "purr when content" [1]. Dogs bark [7].', {1: Passage("Cats purr when content.", "kb")})
    >>> [(c.numbers, c.problem) for c in found]
    [((1,), ''), ((7,), 'there is no passage 7')]
    """
    first = min(passages, default=1)
    code = [*code_parts(text), *(m.span() for m in _CODE.finditer(text))]  # also where a fence is ambiguous
    found: list[Citation] = []
    for start, end in _sentences(text):
        marks = [
            m for m in _MARK.finditer(text, start, end) if not _is_definition(text, m) and not any(a <= m.start() < b for a, b in code)
        ]
        cited = {n for m in marks for n in _numbers(m[1])}
        missing = next((q for q in _quotes(text[start:end]) if cited and not _occurs(q, cited, passages)), "")
        for m in marks:
            numbers = _numbers(m[1])
            unknown = next((n for n in numbers if (n >= first or n == 0) and n not in passages), None)
            known = any(n in passages for n in numbers)
            problem = f"there is no passage {unknown}" if unknown is not None else ""
            if not problem and missing and known:
                problem = f"it does not say “{_short(missing)}”"
            found.append(Citation(numbers, m.start(), m.end(), problem))
    return tuple(found)


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    for end in _SENTENCE.finditer(text):
        if _MARK.match(text, end.end()):
            continue  # a mark behind the full stop belongs to the sentence before it
        yield at, end.start()
        at = end.end()
    yield at, len(text)


def _is_definition(text: str, mark: re.Match[str]) -> bool:
    """Whether it defines a link: `[1]: https://...` at the beginning of a line."""
    return text.startswith(":", mark.end()) and text[: mark.start()].rpartition("\n")[2].strip() == ""


def _numbers(inside: str) -> tuple[int, ...]:
    """The numbers of a mark; a range counts as all of its numbers."""
    numbers: list[int] = []
    for first, last in re.findall(r"(\d{1,3})(?:\s*[-–]\s*(\d{1,3}))?", inside):
        a, b = int(first), int(last or first)
        numbers += range(a, b + 1) if a <= b <= a + 50 else [a, b]
    return tuple(dict.fromkeys(numbers))


def _quotes(sentence: str) -> list[str]:
    quotes = (next(g for g in m.groups() if g) for m in _QUOTE.finditer(sentence))
    return [q for q in quotes if len(q.split()) >= _WORDS]


def _occurs(quote: str, cited: set[int], passages: Mapping[int, Passage]) -> bool:
    """Whether all parts of a quotation occur in the cited passages; `...` stands for omitted words."""
    texts = [_folded(passages[n].text) for n in cited if n in passages]
    if not texts:
        return True  # the mark itself is the problem
    parts = [p for p in (_folded(p) for p in re.split(r"\[?(?:\.\.\.|…)\]?", quote)) if p]
    return any(all(p in text for p in parts) for text in texts)


def _folded(text: str) -> str:
    """A text as it is compared: without case, kinds of quotes and dashes, and marks at the ends."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = re.sub(r"[‘’‚‛`´]", "'", re.sub(r"[‐‑‒–—−]", "-", plain))
    return " ".join(re.sub(r"[*_]", "", plain).split()).strip(" .,;:!?'\"")


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 60 else words[:59] + "…"
