"""The `pattern` keyword of a JSON schema as an expression over the characters of a JSON string."""

from __future__ import annotations

import re
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from .expressions import EMPTY, NONE, Expression, alt, chars, rep, seq

# Characters that need no escape in a JSON string: no control characters, quotes, backslashes, surrogates.
PLAIN = ((0x20, 0x21), (0x23, 0x5B), (0x5D, 0x7E), (0xA0, 0xD7FF), (0xE000, 0xFFFD), (0x10000, 0x10FFFF))
_MAX_AROUND = 50  # characters allowed before and after an unanchored pattern
_MAX_STAR = 200  # repetitions if a pattern has no limit
_CLASSES = {
    "CATEGORY_DIGIT": ((48, 57),),
    "CATEGORY_WORD": ((48, 57), (65, 90), (95, 95), (97, 122)),
    "CATEGORY_SPACE": ((32, 32),),
}


class NotRegularError(Exception):
    """The schema cannot be a bounded regular expression."""


def pattern(text: str) -> Expression:
    """The strings that match a pattern.

    Raises NotRegularError for look-around, backreferences and the like.

    >>> from fmnb.engines.constrained.expressions import as_regex
    >>> as_regex(pattern("^[A-C]{2}-[0-9]$"))
    '[A-C]{2,2}\\\\-[0-9]'
    """
    try:
        tree = list(_parser.parse(text))
    except (re.error, OverflowError, RecursionError) as e:
        raise NotRegularError(f"pattern {text!r}: {e}") from None
    free = rep(chars(PLAIN), 0, _MAX_AROUND)
    starts, ends = _has_anchor(tree[:1], "AT_BEGINNING"), _has_anchor(tree[-1:], "AT_END")
    body = _sequence(tree[1 if starts else 0 : len(tree) - 1 if ends else len(tree)])
    return seq(EMPTY if starts else free, body, EMPTY if ends else free)


def _has_anchor(some: list[Any], name: str) -> bool:
    return bool(some) and str(some[0][0]) == "AT" and str(some[0][1]).startswith(name)


def _sequence(tree: Any) -> Expression:
    return seq(*(_node(op, arg) for op, arg in tree))


def _node(op: Any, arg: Any) -> Expression:
    if op is sre.LITERAL:
        return _in_ranges(((arg, arg),))
    if op is sre.NOT_LITERAL:
        return _outside_ranges(((arg, arg),))
    if op is sre.ANY:
        return chars(PLAIN)
    if op is sre.IN:
        return _class(arg)
    if op is sre.BRANCH:
        return alt(*(_sequence(branch) for branch in arg[1]))
    if op is sre.SUBPATTERN:
        if arg[1] or arg[2]:  # flags
            raise NotRegularError("flags in a pattern")
        return _sequence(arg[3])
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        low, high, inner = arg
        return rep(_sequence(inner), low, max(low, _MAX_STAR) if high is sre.MAXREPEAT else high)
    raise NotRegularError(f"{op} in a pattern")


def _class(items: Any) -> Expression:
    ranges: list[tuple[int, int]] = []
    negated = False
    for op, arg in items:
        if op is sre.NEGATE:
            negated = True
        elif op is sre.LITERAL:
            ranges.append((arg, arg))
        elif op is sre.RANGE:
            ranges.append(arg)
        elif op is sre.CATEGORY and str(arg) in _CLASSES:
            ranges += _CLASSES[str(arg)]
        else:
            raise NotRegularError(f"{op} {arg} in a pattern")
    return _outside_ranges(tuple(ranges)) if negated else _in_ranges(tuple(ranges))


def _in_ranges(ranges: tuple[tuple[int, int], ...]) -> Expression:
    allowed = chars((max(a, c), min(b, d)) for a, b in ranges for c, d in PLAIN)
    if allowed is NONE:
        raise NotRegularError("a pattern of characters that JSON escapes")
    return allowed


def _outside_ranges(ranges: tuple[tuple[int, int], ...]) -> Expression:
    remaining = list(PLAIN)
    for a, b in ranges:
        remaining = [part for c, d in remaining for part in ((c, min(d, a - 1)), (max(c, b + 1), d)) if part[0] <= part[1]]
    return chars(remaining)
