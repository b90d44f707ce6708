"""Numbers of a JSON schema as expressions, with limited digits and within the schema's bounds."""

from __future__ import annotations

import math
from typing import Any

from .expressions import EMPTY, NONE, Expression, alt, chars, lit, optional, rep, seq
from .pattern_expression import NotRegularError

_DIGIT = chars([(48, 57)])
_FRACTION = seq(lit("."), rep(_DIGIT, 1, 10))
_DIGITS = 15  # of an integer that a float can represent exactly
_MAX_INTEGER = 10**_DIGITS - 1


def integers(schema: dict[str, Any]) -> Expression:
    """The integers of a schema.

    >>> from fmnb.engines.constrained.expressions import derivative
    >>> few = integers({"minimum": 7, "maximum": 12})
    >>> [n for n in range(20) if derivative(few, str(n)).nullable]
    [7, 8, 9, 10, 11, 12]
    """
    if "multipleOf" in schema and schema["multipleOf"] != 1:
        raise NotRegularError("multipleOf")
    low = math.ceil(schema.get("minimum", -_MAX_INTEGER))
    high = math.floor(schema.get("maximum", _MAX_INTEGER))
    if isinstance(least := schema.get("exclusiveMinimum"), (int, float)) and not isinstance(least, bool):
        low = max(low, math.floor(least) + 1)
    if isinstance(most := schema.get("exclusiveMaximum"), (int, float)) and not isinstance(most, bool):
        high = min(high, math.ceil(most) - 1)
    return between(low, high)


def between(low: int, high: int) -> Expression:
    """The integers from `low` to `high`."""
    if low > high:
        return NONE
    below = seq(lit("-"), _natural(max(1, -high), -low)) if low < 0 else NONE
    return alt(_natural(max(0, low), high) if high >= 0 else NONE, below)


def decimals(schema: dict[str, Any]) -> Expression:
    """The numbers of a schema; with bounds, only those whose integer part is certainly within them."""
    if "multipleOf" in schema:
        raise NotRegularError("multipleOf")
    if "exclusiveMinimum" in schema or "exclusiveMaximum" in schema:
        raise NotRegularError("exclusive bounds of a number")
    if "minimum" not in schema and "maximum" not in schema:
        power = seq(chars([(69, 69), (101, 101)]), optional(chars([(43, 43), (45, 45)])), rep(_DIGIT, 1, 2))
        return seq(between(-_MAX_INTEGER, _MAX_INTEGER), optional(_FRACTION), optional(power))
    low, high = schema.get("minimum", -_MAX_INTEGER), schema.get("maximum", _MAX_INTEGER)
    whole = between(math.ceil(low), math.floor(high))
    up = between(max(0, math.ceil(low)), math.floor(high) - 1)
    down = seq(lit("-"), between(max(0, math.ceil(-high)), math.floor(-low) - 1)) if low < 0 else NONE
    numbers = alt(whole, seq(up, _FRACTION), seq(down, _FRACTION))
    if numbers is NONE:
        raise NotRegularError("a range without integers")
    return numbers


def _natural(low: int, high: int) -> Expression:
    """The integers from `low` to `high`, both nonnegative, without leading zeros."""
    if low > high:
        return NONE
    alternatives = []
    for digits in range(len(str(low)), len(str(high)) + 1):
        a = max(low, 10 ** (digits - 1) if digits > 1 else 0)
        b = min(high, 10**digits - 1)
        if a <= b:
            alternatives.append(_same_length(str(a), str(b)))
    return alt(*alternatives)


def _same_length(a: str, b: str) -> Expression:
    """The integers from `a` to `b`, which have the same number of digits."""
    if not a:
        return EMPTY
    if a[0] == b[0]:
        return seq(lit(a[0]), _same_length(a[1:], b[1:]))
    rest = len(a) - 1
    if not rest:
        return chars([(ord(a), ord(b))])
    nines, zeros = "9" * rest, "0" * rest
    low = int(a[0]) + (a[1:] != zeros)
    high = int(b[0]) - (b[1:] != nines)
    alternatives = []
    if a[1:] != zeros:
        alternatives.append(seq(lit(a[0]), _same_length(a[1:], nines)))
    if low <= high:
        alternatives.append(seq(chars([(48 + low, 48 + high)]), rep(_DIGIT, rest, rest)))
    if b[1:] != nines:
        alternatives.append(seq(lit(b[0]), _same_length(zeros, b[1:])))
    return alt(*alternatives)
