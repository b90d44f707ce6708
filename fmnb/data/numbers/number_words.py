"""Numbers in words: forty-two, two thirds, twice, third."""

from __future__ import annotations

import re

ONES = {
    w: i
    for i, w in enumerate(
        (
            "zero one two three four five six seven eight nine ten eleven twelve "
            "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
        ).split()
    )
}
TENS = {w: (i + 2) * 10 for i, w in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split())}
SCALES = {"hundred": 100.0, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
ORDINALS = {
    w: i + 1
    for i, w in enumerate(
        (
            "first second third fourth fifth sixth seventh eighth ninth tenth "
            "eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
        ).split()
    )
}
DENOMINATORS = {"half": 2, "halves": 2, "third": 3, "quarter": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10}
MULTIPLES = {
    **dict.fromkeys(("twice", "double", "doubled", "doubles", "doubling"), 2.0),
    **dict.fromkeys(("triple", "tripled", "triples", "tripling", "thrice"), 3.0),
    **dict.fromkeys(("quadruple", "quadrupled", "quadruples", "quadrupling"), 4.0),
}
_NUMBER = "|".join([*ONES, *TENS])
_ANY = "|".join([*ONES, *TENS, *SCALES])
RUN = re.compile(rf"\b(?:{_NUMBER})(?:(?:[ -]| and )(?:{_ANY}))*\b", re.I)
FRACTION = re.compile(
    r"\b(?:(an?|one|two|three|four|five|seven|nine)[ -])?(half|halves|thirds?|quarters?|fifths?|sixths?|eighths?|tenths?)\b(?!-)", re.I
)
MULTIPLE = re.compile(rf"\b(?:{'|'.join(MULTIPLES)}|(?P<fold>{_NUMBER})fold)\b", re.I)
ORDINAL = re.compile(rf"\b(?:{'|'.join(ORDINALS)})\b", re.I)


def number_of(text: str) -> float | None:
    """The value of a number in words, or None.

    >>> number_of("two hundred and five"), number_of("forty-two"), number_of("one two")
    (205.0, 42.0, None)
    """
    total = current = 0.0
    last = ""
    for word in re.split(r"[\s-]+", text.lower()):
        if word == "and":
            continue
        if word in ONES:
            if last == "ones":
                return None
            current, last = current + ONES[word], "ones"
        elif word in TENS:
            if last in ("ones", "tens"):
                return None
            current, last = current + TENS[word], "tens"
        elif word == "hundred":
            current, last = max(current, 1) * 100, "hundred"
        elif word in SCALES:
            total, current, last = total + max(current, 1) * SCALES[word], 0.0, "scale"
        else:
            return None
    return total + current


def multiple_of(text: str) -> float:
    """The factor that a word states.

    >>> multiple_of("tripled"), multiple_of("fivefold")
    (3.0, 5.0)
    """
    low = text.lower()
    if low in MULTIPLES:
        return MULTIPLES[low]
    return number_of(low.removesuffix("fold")) or 0.0
