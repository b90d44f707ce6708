"""The endings of an answer: the shortest completion, and the maximum number of tokens for an ending."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from os.path import commonprefix

from .expressions import CHOICES, EMPTY, Expression, alt, closed, longest, seq

Count = Callable[[str], int]
_FEW = 400  # characters of alternatives up to which tokens are counted exactly; beyond, bytes are counted


def in_bytes(text: str) -> int:
    """The number of bytes: an upper bound for every tokenizer."""
    return len(text.encode("utf-8", "replace"))


class Endings:
    """Endings of answers, measured in tokens of one tokenizer."""

    def __init__(self, count: Count):
        """`count` counts the tokens of a text."""
        self._count = count
        self._known: dict[str, int] = {"": 0}

    def tokens(self, text: str) -> int:
        """The number of tokens of a text."""
        if text not in self._known:
            self._known[text] = min(self._count(text), in_bytes(text))
        return self._known[text]

    def shortest(self, e: Expression) -> str:
        """A text of the expression with the fewest tokens.

        >>> from fmnb.engines.constrained.expressions import alt, lit, rep, seq
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
        if e.kind == "scalar":
            return self.shortest(e.parts[0])
        if _few(e.parts):
            return min((p.text for p in e.parts), key=lambda t: (self.tokens(t), len(t)))
        return self.shortest(min(e.parts, key=lambda p: p.least))

    def most(self, e: Expression) -> int:
        """The maximum tokens of a text of a closed expression, if forced text is inserted directly."""
        if e.kind == "lit":
            return self.tokens(e.text)
        if e.kind == "seq":
            return sum(self.most(p) for p in e.parts)
        if e.kind == "rep":
            return e.high * self.most(e.parts[0])
        if e.kind == "alt" and _few(e.parts):
            return min(longest(e), self._labels(tuple(p.text for p in e.parts)))
        if e.kind == "scalar" and e.parts[0].kind == "alt" and _few(e.parts[0].parts):
            return min(e.closing, self._labels(tuple(p.text for p in e.parts[0].parts)))
        return e.closing

    def within(self, e: Expression, remaining: int) -> Expression | None:
        """The shortest completions within `left` tokens, with as many open choices as fit; None if none fits.

        If that cannot be guaranteed, scalars stay open, and may be truncated or rolled back.
        """
        spread = CHOICES
        end = neutral(e)
        if end is not None and self.tokens(end) <= remaining:
            return closed(e)  # text that does not fit is rolled back
        while True:
            completions = closed(e, spread)
            if self.most(completions) <= remaining:
                return completions
            if not spread:
                break
            spread //= 2
        return completions if self.tokens(self.shortest(e)) <= remaining else None

    def _labels(self, labels: Sequence[str]) -> int:
        """The tokens of the longest label.

        The model chooses at each fork, and tokens may end anywhere after it.
        """
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


@lru_cache(maxsize=16384)
def neutral(e: Expression) -> str | None:
    """The shortest ending without invented values.

    None if a scalar or a character of a text is still required.

    >>> from fmnb.engines.constrained.expressions import alt, chars, lit, rep, scalar, seq
    >>> number = scalar(rep(chars([(48, 57)]), 1, 9), 8)
    >>> neutral(seq(lit('"n": '), alt(number, lit("null")))), neutral(seq(lit('"n": '), number))
    ('"n": null', None)
    """
    if e.kind == "lit":
        return e.text
    if e.kind == "seq":
        endings = [neutral(p) for p in e.parts]
        return None if None in endings else "".join(t for t in endings if t is not None)
    if e.kind == "rep":
        inner = neutral(e.parts[0]) if e.low else ""
        return None if inner is None else inner * e.low
    if e.kind == "alt":
        endings_of_parts = [t for p in e.parts if (t := neutral(p)) is not None]
        return next((t for t in endings_of_parts if t.startswith("null")), min(endings_of_parts, key=len, default=None))
    return None


def ended(e: Expression) -> Expression:
    """The continuations after the current scalar."""
    if e.kind == "scalar" and e.empty:
        return EMPTY
    if e.kind == "seq":
        return seq(ended(e.parts[0]), *e.parts[1:])
    return alt(*map(ended, e.parts)) if e.kind == "alt" else e


def at_choice(e: Expression) -> bool:
    """Whether the next character may be one that a shorter ending excludes."""
    for p in e.parts if e.kind == "seq" else (e,):
        if p.kind != "scalar":
            return p.kind != "lit"
        if not p.empty:
            return False
    return False


def certain(e: Expression) -> str:
    """The forced text that must come next.

    >>> from fmnb.engines.constrained.expressions import alt, lit, seq
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
    if e.kind == "scalar" or (e.kind == "rep" and e.low):
        return certain(e.parts[0])
    return ""


def _few(parts: Sequence[Expression]) -> bool:
    return all(p.kind == "lit" for p in parts) and sum(len(p.text) for p in parts) <= _FEW
