"""The endings of an answer: the shortest completion, and the maximum number of tokens for an ending."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from os.path import commonprefix

from .expressions import EMPTY, SPREAD, Expression, alt, max_bytes, seq, shortest_completions

Count = Callable[[str], int]
_MAX_EXACT = 400  # characters of alternatives up to which tokens are counted exactly; beyond, bytes are counted


def in_bytes(text: str) -> int:
    """The number of bytes: an upper bound for every tokenizer."""
    return len(text.encode("utf-8", "replace"))


class Endings:
    """Endings of answers, measured in tokens of one tokenizer."""

    def __init__(self, count: Count):
        """`count` counts the tokens of a text."""
        self._count = count
        self._token_counts: dict[str, int] = {"": 0}

    def tokens(self, text: str) -> int:
        """The number of tokens of a text."""
        if text not in self._token_counts:
            self._token_counts[text] = min(self._count(text), in_bytes(text))
        return self._token_counts[text]

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
        if _is_small(e.parts):
            return min((p.text for p in e.parts), key=lambda t: (self.tokens(t), len(t)))
        return self.shortest(min(e.parts, key=lambda p: p.min_bytes))

    def max_tokens(self, e: Expression) -> int:
        """The maximum tokens of a text of a closed expression, if forced text is inserted directly."""
        if e.kind == "lit":
            return self.tokens(e.text)
        if e.kind == "seq":
            return sum(self.max_tokens(p) for p in e.parts)
        if e.kind == "rep":
            return e.high * self.max_tokens(e.parts[0])
        if e.kind == "alt" and _is_small(e.parts):
            return min(max_bytes(e), self._max_label_tokens(tuple(p.text for p in e.parts)))
        if e.kind == "scalar" and e.parts[0].kind == "alt" and _is_small(e.parts[0].parts):
            return min(e.closing_bytes, self._max_label_tokens(tuple(p.text for p in e.parts[0].parts)))
        return e.closing_bytes

    def within(self, e: Expression, remaining: int) -> Expression | None:
        """The shortest completions within `remaining` tokens; None if none fits.

        As many choices as fit stay open. If the limit cannot be guaranteed, scalars stay open, and
        may be truncated or rolled back.
        """
        spread = SPREAD
        end = neutral_ending(e)
        if end is not None and self.tokens(end) <= remaining:
            return shortest_completions(e)  # text that does not fit is rolled back
        while True:
            completions = shortest_completions(e, spread)
            if self.max_tokens(completions) <= remaining:
                return completions
            if not spread:
                break
            spread //= 2
        return completions if self.tokens(self.shortest(e)) <= remaining else None

    def _max_label_tokens(self, labels: Sequence[str]) -> int:
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
                inner = self._max_label_tokens(some) if len(some) > 1 else max(self.tokens(some[0][k:]) for k in range(len(some[0]) + 1))
                behind = max(behind, in_bytes(first) + inner)
        return most + behind + (1 if len(groups) > 1 and len(shared) > 1 else 0)


@lru_cache(maxsize=16384)
def neutral_ending(e: Expression) -> str | None:
    """The shortest ending without invented values.

    None if a scalar or a character of a text is still required.

    >>> from fmnb.engines.constrained.expressions import alt, chars, lit, rep, scalar, seq
    >>> number = scalar(rep(chars([(48, 57)]), 1, 9), 8)
    >>> neutral_ending(seq(lit('"n": '), alt(number, lit("null")))), neutral_ending(seq(lit('"n": '), number))
    ('"n": null', None)
    """
    if e.kind == "lit":
        return e.text
    if e.kind == "seq":
        endings = [neutral_ending(p) for p in e.parts]
        return None if None in endings else "".join(t for t in endings if t is not None)
    if e.kind == "rep":
        inner = neutral_ending(e.parts[0]) if e.low else ""
        return None if inner is None else inner * e.low
    if e.kind == "alt":
        endings_of_parts = [t for p in e.parts if (t := neutral_ending(p)) is not None]
        return next((t for t in endings_of_parts if t.startswith("null")), min(endings_of_parts, key=len, default=None))
    return None


def after_scalar(e: Expression) -> Expression:
    """The continuations after the current scalar."""
    if e.kind == "scalar" and e.nullable:
        return EMPTY
    if e.kind == "seq":
        return seq(after_scalar(e.parts[0]), *e.parts[1:])
    return alt(*map(after_scalar, e.parts)) if e.kind == "alt" else e


def at_choice(e: Expression) -> bool:
    """Whether the next character may be one that a shorter ending excludes."""
    for p in e.parts if e.kind == "seq" else (e,):
        if p.kind != "scalar":
            return p.kind != "lit"
        if not p.nullable:
            return False
    return False


def forced_prefix(e: Expression) -> str:
    """The forced text that must come next.

    >>> from fmnb.engines.constrained.expressions import alt, lit, seq
    >>> forced_prefix(seq(lit('"a": '), alt(lit('"red"'), lit('"green"'))))
    '"a": "'
    """
    if e.kind == "lit":
        return e.text
    if e.kind == "alt":
        return commonprefix([forced_prefix(p) for p in e.parts])
    if e.kind == "seq":
        out = ""
        for p in e.parts:
            out += forced_prefix(p)
            if p.kind != "lit":
                break
        return out
    if e.kind == "scalar" or (e.kind == "rep" and e.low):
        return forced_prefix(e.parts[0])
    return ""


def _is_small(parts: Sequence[Expression]) -> bool:
    return all(p.kind == "lit" for p in parts) and sum(len(p.text) for p in parts) <= _MAX_EXACT
