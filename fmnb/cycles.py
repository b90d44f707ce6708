"""Where a text, or a row of items, has come into a cycle: the same again and again, up to its end."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

_TRIES = 8  # earlier places of the tail that are looked at: a period may hold its own end twice


@dataclass(frozen=True, slots=True)
class Cycle:
    """From `start` to the end the text repeats itself every `period` characters, `length` in all."""

    start: int
    period: int
    length: int

    @property
    def times(self) -> float:
        """How often the period is there."""
        return self.length / self.period


def cycles(text: str, tail: int, longest: int) -> Iterator[Cycle]:
    """The cycles that a text ends in, shortest period first. `tail` characters must come again, `longest` is the longest period.

    >>> next(cycles("well: ab ab ab ab ab ", 6, 20))
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
        until = min(before, at) + tail - 1  # in the cycle the tail comes again at multiples of the period alone


def without_numerals(text: str) -> tuple[str, list[int]]:
    """The text with one `0` for each numeral, and where each of its characters stands in the text.

    >>> without_numerals("12. a")
    ('0. a', [0, 2, 3, 4])
    """
    out: list[str] = []
    places: list[int] = []
    at = 0
    for m in re.finditer(r"\d+", text):
        out += text[at : m.start()], "0"
        places += range(at, m.start())
        places.append(m.start())
        at = m.end()
    out.append(text[at:])
    places += range(at, len(text))
    return "".join(out), places


def tail_of(items: Sequence[Hashable], most: int = 28) -> Iterator[tuple[int, int]]:
    """The periods in which the last items repeat: each as period and number of items, where at least one item came again.

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
