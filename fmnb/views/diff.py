"""Word-by-word diff of two texts, marked by more than color."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from ..core.inert_text import inert
from .colors import MUTED
from .footer import escape_terminal

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_MOST = 4_000  # words in total; longer texts are compared by line, for speed
_MUCH = 100_000  # pairs of equal pieces; repetitive text has millions, which makes the search slow


@dataclass(frozen=True, slots=True)
class Change:
    """A piece of text: `kind` is same, added or removed."""

    kind: str
    text: str


def changes(base: str, other: str) -> list[Change]:
    """Changes from `base` to `other`, in reading order; adjacent changes differ in kind.

    >>> changes("a fast car", "a very fast car")
    [Change(kind='same', text='a '), Change(kind='added', text='very '), Change(kind='same', text='fast car')]
    """
    a, b = _pieces(base), _pieces(other)
    if len(a) + len(b) > _MOST:
        a, b = base.splitlines(keepends=True), other.splitlines(keepends=True)
    return list(_merged(a, b))


def _pieces(text: str) -> list[str]:
    """Words with trailing space, so that a changed sentence is one change."""
    found: list[str] = []
    for piece in _WORDS.findall(text):
        if piece.isspace() and "\n" not in piece and found:
            found[-1] += piece
        else:
            found.append(piece)
    return found


def _merged(a: list[str], b: list[str]) -> Iterator[Change]:
    start = _alike(a, b)
    end = _alike(a[start:][::-1], b[start:][::-1])
    yield from _same(a[:start])
    old, new = a[start : len(a) - end], b[start : len(b) - end]
    for tag, i, j, k, m in _search(old, new):
        if tag == "equal":
            yield from _same(old[i:j])
            continue
        if j > i:
            yield Change("removed", "".join(old[i:j]))
        if m > k:
            yield Change("added", "".join(new[k:m]))
    yield from _same(a[len(a) - end :])


def _alike(a: list[str], b: list[str]) -> int:
    """Number of equal pieces at the start."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _same(pieces: list[str]) -> Iterator[Change]:
    if pieces:
        yield Change("same", "".join(pieces))


def _search(a: list[str], b: list[str]) -> Sequence[tuple[str, int, int, int, int]]:
    """Changes from `a` to `b`; falls back to fewer matches, and finally one change, for repetitive text."""
    mine, theirs = Counter(a), Counter(b)
    rare = len(b) // 100 + 1 if len(b) >= 200 else len(b)  # difflib's threshold for pieces that are too frequent
    for often in (len(b), rare):
        if sum(mine[piece] * n for piece, n in theirs.items() if n <= often) <= _MUCH:
            return SequenceMatcher(None, a, b, autojunk=often < len(b)).get_opcodes()
    return [("replace", 0, len(a), 0, len(b))]


def diff_html(base: str, other: str) -> str:
    """The second text with changes marked: additions underlined, removals struck through, with counts."""
    found = changes(base, other)
    added, removed = (sum(len(c.text.split()) for c in found if c.kind == kind) for kind in ("added", "removed"))
    head = f"{added:,} word{'s' * (added != 1)} added, {removed:,} removed" if added or removed else "the same words"
    body = "".join(_marked(c) for c in found)
    return (
        f'<p style="font-size:12px;color:{MUTED};margin:0 0 .4em">{head}</p>\n'
        f'<div dir="auto" style="white-space:pre-wrap;overflow-wrap:anywhere">{body}</div>\n'
    )


def _marked(c: Change) -> str:
    text = inert(escape_terminal(c.text))
    if c.kind == "added":
        return f'<ins style="text-decoration:underline;text-decoration-thickness:2px;background:rgba(46,160,67,.16)">{text}</ins>'
    if c.kind == "removed":
        return f'<del style="text-decoration:line-through;background:rgba(208,60,60,.13)">{text}</del>'
    return text
