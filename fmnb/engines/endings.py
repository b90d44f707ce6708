"""How an answer can end: the shortest text that may follow, and how many tokens an end takes at most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from os.path import commonprefix

from .regular import CHOICES, Expression, closed, lit

Count = Callable[[str], int]
_FEW = 400  # characters of alternatives whose tokens are counted one by one; more are counted in bytes


def in_bytes(text: str) -> int:
    """Bytes: no tokenizer takes more tokens than that."""
    return len(text.encode("utf-8", "replace"))


class Endings:
    """Ends of answers, measured in the tokens of one tokenizer."""

    def __init__(self, count: Count):
        """`count` says how many tokens a text takes."""
        self._count = count
        self._known: dict[str, int] = {"": 0}

    def tokens(self, text: str) -> int:
        """How many tokens a text takes."""
        if text not in self._known:
            self._known[text] = min(self._count(text), in_bytes(text))
        return self._known[text]

    def shortest(self, e: Expression) -> str:
        """A text of an expression that takes as few tokens as any.

        >>> from fmnb.engines.regular import alt, rep, seq
        >>> Endings(in_bytes).shortest(seq(lit("["), rep(lit("x"), 0, 9), alt(lit("yes"), lit("no")), lit("]")))
        '[no]'
        """
        if e.kind == "lit":
            return e.text
        if e.kind == "chars":
            return chr(e.ranges[0][0])
        if e.kind == "rep":
            return self.shortest(e.parts[0]) * e.low
        if e.kind == "seq":
            return "".join(self.shortest(p) for p in e.parts)
        if _few(e.parts):
            return min((p.text for p in e.parts), key=lambda t: (self.tokens(t), len(t)))
        return self.shortest(min(e.parts, key=lambda p: p.least))

    def most(self, e: Expression) -> int:
        """How many tokens a text of a closed expression takes at most, where what is certain is not left to the model."""
        if e.kind == "lit":
            return self.tokens(e.text)
        if e.kind == "seq":
            return sum(self.most(p) for p in e.parts)
        if e.kind == "rep":
            return e.high * self.most(e.parts[0])
        if e.kind == "alt" and _few(e.parts):
            return min(longest(e), self._labels(tuple(p.text for p in e.parts)))
        return longest(e)

    def within(self, e: Expression, left: int) -> Expression | None:
        """The texts that end soonest and take `left` tokens at most, with as many choices open as fit; None where none does."""
        spread = CHOICES
        while True:
            found = closed(e, spread)
            if self.most(found) <= left:
                return found
            if not spread:
                break
            spread //= 2
        text = self.shortest(e)
        return lit(text) if self.tokens(text) <= left else None

    def _labels(self, labels: Sequence[str]) -> int:
        """Tokens of the longest label: the model chooses at each fork, and may stop anywhere behind it."""
        shared = commonprefix(list(labels))
        most = self.tokens(shared)
        groups: dict[str, list[str]] = {}
        for label in labels:
            rest = label[len(shared) :]
            groups.setdefault(rest[:1], []).append(rest[1:])
        behind = 0
        for first, some in groups.items():
            if first:
                inner = self._labels(some) if len(some) > 1 else max(self.tokens(some[0][k:]) for k in range(len(some[0]) + 1))
                behind = max(behind, in_bytes(first) + inner)
        return most + behind + (1 if len(groups) > 1 and len(shared) > 1 else 0)


@lru_cache(maxsize=4096)
def longest(e: Expression) -> int:
    """The length in bytes of the longest text of an expression."""
    if e.kind in ("lit", "chars"):
        return e.closing
    if e.kind == "seq":
        return sum(longest(p) for p in e.parts)
    if e.kind == "rep":
        return e.high * longest(e.parts[0])
    return max((longest(p) for p in e.parts), default=0)


def certain(e: Expression) -> str:
    """The text that must come next.

    >>> from fmnb.engines.regular import alt, seq
    >>> certain(seq(lit('"a": '), alt(lit('"red"'), lit('"green"'))))
    '"a": "'
    """
    if e.kind == "lit":
        return e.text
    if e.kind == "alt":
        return commonprefix([certain(p) for p in e.parts])
    if e.kind == "seq":
        out = ""
        for p in e.parts:
            out += certain(p)
            if p.kind != "lit":
                break
        return out
    if e.kind == "rep" and e.low:
        return certain(e.parts[0])
    return ""


def _few(parts: Sequence[Expression]) -> bool:
    return all(p.kind == "lit" for p in parts) and sum(len(p.text) for p in parts) <= _FEW
