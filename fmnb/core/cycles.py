"""Detects text, or a sequence of items, that repeats up to its end."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

_TRIES = 8  # earlier occurrences of the tail that are tried: a period may contain its own end twice


@dataclass(frozen=True, slots=True)
class Cycle:
    """From `start` to the end the text repeats itself every `period` characters, `length` in all."""

    start: int
    period: int
    length: int

    @property
    def times(self) -> float:
        """Number of repetitions."""
        return self.length / self.period


def find_cycles(text: str, tail: int, longest: int) -> Iterator[Cycle]:
    """The cycles at the end of a text, shortest period first.

    The last `tail` characters must repeat with a period of at most `longest`.

    >>> next(find_cycles("well: ab ab ab ab ab ", 6, 20))
    Cycle(start=5, period=3, length=16)
    """
    size = len(text)
    if size <= tail:
        return
    end = text[-tail:]
    until = size - 1
    for _ in range(_TRIES):
        before = text.rfind(end, max(0, size - longest - tail), until)
        if before < 0:
            return
        period = size - tail - before
        at = before
        while at > 0 and text[at - 1] == text[at - 1 + period]:
            at -= 1
        yield Cycle(at, period, size - at)
        until = min(before, at) + tail - 1  # within the cycle the tail recurs only at multiples of the period


ORDINAL = "\0"  # placeholder for the number of an item
_ORDINAL = re.compile(r"(?<![^\s(*_])(?:(step|schritt|étape|paso|passo|шаг)[ \t]+)?(\d{1,3})([.):])(?=[\s*_])", re.IGNORECASE)
_OPENS = " \t#>*_(-+•"  # what may precede the number of an item
_CLOSES = ("\n", ".", "!", "?", ":", ";", "。", "！", "？")


def without_ordinals(text: str) -> tuple[str, list[int]]:
    """Replace item numbers with `ORDINAL`; also returns the original position of each character.

    Item numbers precede items ("1. ", "2) ", "Step 3:") and are consecutive. Other numbers, such as years, are data and stay.

    >>> without_ordinals("9. a 10. a")
    ('\\x00. a \\x00. a', [0, 1, 2, 3, 4, 5, 7, 8, 9])
    >>> without_ordinals("It is 1. It is 2. ")[0], without_ordinals("3. a 7. a")[0]
    ('It is 1. It is 2. ', '3. a 7. a')
    """
    found: dict[int, int] = {}
    last, number, kind = (0, 0), -2, ("", "")
    for m in _ORDINAL.finditer(text):
        if not m[1] and m[3] == ":":
            continue  # "1: positive" names a row
        mine = ((m[1] or "").casefold(), m[3])
        follows = mine == kind and int(m[2]) == number + 1
        before = text[: m.start()].rstrip(_OPENS) if not follows else ""
        if follows:
            found.update((last, m.span(2)))
        elif before and not before.endswith(_CLOSES):
            continue
        last, number, kind = m.span(2), int(m[2]), mine
    out: list[str] = []
    places: list[int] = []
    at = 0
    for start, end in found.items():
        out += text[at:start], ORDINAL
        places += range(at, start + 1)
        at = end
    out.append(text[at:])
    places += range(at, len(text))
    return "".join(out), places


def tail_of(items: Sequence[Hashable], most: int = 28) -> Iterator[tuple[int, int]]:
    """Periods in which the last items repeat, each with the number of items.

    At least one item must repeat.

    >>> list(tail_of([5, 1, 2, 1, 2, 1]))
    [(2, 5), (4, 5)]
    """
    size = len(items)
    for period in range(1, min(most, size - 1) + 1):
        again = 0
        while again < size - period and items[size - 1 - again] == items[size - 1 - again - period]:
            again += 1
        if again:
            yield period, again + period
