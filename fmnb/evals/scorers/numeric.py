"""Scores numeric answers: compares the last number of the answer with the target."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from ...core.errors import UsageError
from .base import Case, Score, Scorer, answer_text

_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?(?:\s*/\s*\d+)?%?")
_MINUS = str.maketrans({"\u2212": "-", "\ufe63": "-", "\uff0d": "-", "\uff0b": "+"})  # as typesetting and full-width text have them


def numeric(tolerance: str = "") -> Scorer:
    """Correct if the last number of the answer equals the target within `tolerance`.

    The tolerance is absolute, or relative with a %; without one it is 1 in a million, relative.
    """
    relative = tolerance.endswith("%")
    try:
        allowed = float(tolerance.rstrip("%")) / (100 if relative else 1) if tolerance else 1e-6
    except ValueError:
        raise UsageError("The tolerance must be a number", detail=tolerance, hint="`numeric:0.01`, or `numeric:5%`.") from None
    relative = relative or not tolerance

    def score(case: Case) -> Score:
        number = last_number(answer_text(case))
        target_numbers = [last_number(t) for t in (case.target if isinstance(case.target, (list, tuple)) else [case.target])]
        if all(g is None for g in target_numbers):
            return Score(None, error="the target is not a number")
        if number is None:
            return Score(0.0, explanation="no number in the answer")
        correct = any(g is not None and abs(number - g) <= (allowed * max(abs(g), 1e-12) if relative else allowed) for g in target_numbers)
        return Score(float(correct), f"{number:g}")

    return Scorer("numeric", score, description="the last number equals the target")


def last_number(text: Any) -> float | None:
    """The last number in a text, with thousands separators and percent signs.

    >>> last_number("It is \u22123.5 degrees")
    -3.5
    >>> last_number("That makes 1,200 + 34 = 1,234."), last_number("3/4 of it"), last_number("none")
    (1234.0, 0.75, None)
    """
    if isinstance(text, (int, float)):
        return float(text)
    matches = _NUMBER.findall(str(text).translate(_MINUS))
    for raw in reversed(matches):
        digits = raw.replace(",", "").replace(" ", "").rstrip(".")
        digits = digits.rstrip("%")  # 45% is read as 45: a target is written as the answer is
        numerator, _, denominator = digits.partition("/")
        try:
            value = float(Decimal(numerator)) / (float(denominator) if denominator else 1)
        except (InvalidOperation, ValueError, ZeroDivisionError, OverflowError):
            continue
        return value
    return None
