"""Numeric answers: the last number of the text against the target, within a tolerance."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from ...core.errors import UsageError
from .base import Case, Score, Scorer, answer_text

_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?(?:\s*/\s*\d+)?%?")
_MINUS = str.maketrans({"\u2212": "-", "\ufe63": "-", "\uff0d": "-", "\uff0b": "+"})  # as typesetting and full-width text have them


def numeric(tolerance: str = "") -> Scorer:
    """The last number of the answer equals the target, to `tolerance` (absolute; relative with a %; exact to 1 in a million without one)."""
    relative = tolerance.endswith("%")
    try:
        allowed = float(tolerance.rstrip("%")) / (100 if relative else 1) if tolerance else 1e-6
    except ValueError:
        raise UsageError("A tolerance is a number", detail=tolerance, hint="`numeric:0.01`, or `numeric:5%`.") from None
    relative = relative or not tolerance

    def score(case: Case) -> Score:
        found = last_number(answer_text(case))
        goals = [last_number(t) for t in (case.target if isinstance(case.target, (list, tuple)) else [case.target])]
        if all(g is None for g in goals):
            return Score(None, error="the target is no number")
        if found is None:
            return Score(0.0, explanation="no number in the answer")
        right = any(g is not None and abs(found - g) <= (allowed * max(abs(g), 1e-12) if relative else allowed) for g in goals)
        return Score(float(right), f"{found:g}")

    return Scorer("numeric", score, description="the last number equals the target")


def last_number(text: Any) -> float | None:
    """The number that answers: the last one said, commas and percent signs read as people write them.

    >>> last_number("It is \u22123.5 degrees")
    -3.5
    >>> last_number("That makes 1,200 + 34 = 1,234."), last_number("3/4 of it"), last_number("none")
    (1234.0, 0.75, None)
    """
    if isinstance(text, (int, float)):
        return float(text)
    found = _NUMBER.findall(str(text).translate(_MINUS))
    for raw in reversed(found):
        word = raw.replace(",", "").replace(" ", "").rstrip(".")
        word = word.rstrip("%")  # 45% is read as 45: a target is written as the answer is
        over, _, under = word.partition("/")
        try:
            value = float(Decimal(over)) / (float(under) if under else 1)
        except (InvalidOperation, ValueError, ZeroDivisionError, OverflowError):
            continue
        return value
    return None
