"""Whether a text has come into a loop: small models sometimes write the same words until their limit.

Only a long cycle counts. What people mean to repeat is let through: rows of zeros, lines of dashes, lists whose lines
differ, a laugh. Code and rows of tables may repeat for longer than sentences. A cycle whose numerals alone change is a
loop in running text, and in lines that a counter alone tells apart; lines with more numbers are logs and tables.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .cycles import Cycle, cycles, without_numerals
from .events import Event, Finished, Notice, ReasoningDelta, Restarted, TextDelta, ToolCallDelta, Used
from .types import Usage

REASON = "loop"
TODO = "ask a larger model, raise --temperature, or set -p repeat_penalty=1.3 (llama.cpp)"
NOTICE = f"the answer had begun to repeat itself and was cut: {TODO}"
_LONGEST = 3000  # characters of one period
_KEPT = 16_000  # characters that are looked at
_COUNTED = 6000  # those of them where numerals may change
_LETTER = re.compile(r"[^\W\d_]")
_SENTENCE = 240  # characters that a sentence seldom has more of
_MARKS = 2
_ENDS = re.compile(r"[.!?…][\"')*]*(?=\s)|[。！？]|(?=\n|\\n)")
_VALUE = re.compile(r"\b(true|false|null|none|nan)\b", re.IGNORECASE)
_CODE_LIKE = re.compile(r"[{}<>=;|]|\":|\w\(|\t")


@dataclass(frozen=True, slots=True)
class Least:
    """How often a period must come, and how many characters a cycle must have, by what it holds."""

    step: int  # characters between two looks
    tail: int  # characters that must come again at all
    long: int  # characters of a period that need come `few` times only
    few: int
    times: int
    prose: int  # of several words
    word: int  # of one word
    glued: int  # short and without a space: codes, sequences, laughs
    code: int  # lines of code or rows of tables, which repeat by nature
    plain: int  # without a letter: zeros, dashes, dots
    counted: int  # times, where numerals alone change
    recount: int  # characters between two looks for that
    numbers: int  # times, where nothing but numerals changes and there are no words; 0 lets them through


ANSWER = Least(24, 24, 100, 4, 10, 320, 700, 1500, 1500, 4000, 15, 200, 0)
FIELD = Least(4, 12, 20, 3, 4, 60, 40, 120, 200, 100, 8, 12, 40)  # one string of an answer with a schema: never long, seldom code


class Loop:
    """Watches one text. `cut` is where the repetition begins once there is one, after its first time."""

    def __init__(self, least: Least = ANSWER) -> None:
        self._least = least
        self._text = ""
        self._dropped = 0  # characters that are no longer looked at
        self._looked = self._counted_at = 0
        self._fences = 0
        self.cut = -1

    def add(self, new: str) -> bool:
        """Take more of the text; True from when it is in a loop.

        >>> Loop().add("0, " * 300), Loop().add("ha " * 50), Loop().add("It is the minimum of the maximum. " * 12)
        (False, False, True)
        """
        self._text += new
        if self.cut < 0 and len(self._text) - self._looked >= self._least.step:
            self._look()
            self._looked = len(self._text)
            if len(self._text) > 2 * _KEPT:
                drop = len(self._text) - _KEPT
                self._fences += self._text[:drop].count("```")
                self._text, self._dropped, self._looked = self._text[drop:], self._dropped + drop, self._looked - drop
                self._counted_at -= drop
        return self.cut >= 0

    @property
    def certain(self) -> int:
        """Up to where the text stays, whatever comes: what may be the begin of a repetition is not certain."""
        end = max(0, len(self._text) - self._least.tail - self._least.step)
        if (found := next(cycles(self._text, self._least.tail, _LONGEST), None)) is not None:
            end = min(end, found.start + found.period)
        return self._dropped + _boundary(self._text, max(0, end - _SENTENCE), end)

    def _look(self) -> None:
        text = self._text
        for found in cycles(text, self._least.tail, _LONGEST):
            if self._exact(found):
                self.cut = self._dropped + _boundary(text, found.start, found.start + found.period)
                return
        if len(text) - self._counted_at < self._least.recount:
            return
        self._counted_at = len(text)
        base = max(0, len(text) - _COUNTED)
        plain, places = without_numerals(text[base:])
        for found in cycles(plain, self._least.tail, _COUNTED):
            if self._is_counted(plain[found.start :], found):
                start, end = places[found.start], places[found.start + found.period]
                self.cut = self._dropped + _boundary(text, base + start, base + end)
                return

    def _exact(self, found: Cycle) -> bool:
        """Whether a cycle of equal periods is long enough."""
        least, period = self._least, self._text[-found.period :]
        times = least.few if found.period >= least.long else least.times
        return found.times >= times and found.length >= self._characters(period, self._text[found.start :])

    def _is_counted(self, cycle: str, found: Cycle) -> bool:
        """Whether a cycle in which numerals alone change is a loop."""
        period = cycle[: found.period]
        if not 1 <= period.count("0") <= 3 or found.times < self._least.counted:
            return False
        if not _has_letters(period):
            return 0 < self._least.numbers <= found.times
        if self._is_code(period, cycle):
            return False
        if "\n" in period:
            return period.count("0") == 1 and found.length >= self._least.code
        return found.length >= (2 * self._least.prose if _words(period) >= 3 else self._least.code)

    def _characters(self, period: str, cycle: str) -> int:
        """How long a cycle of such a period must be."""
        least = self._least
        if not _has_letters(period):
            return least.plain
        if self._is_code(period, cycle):
            return least.code
        if len(period) <= 12 and not re.search(r"\s", period) and not _wide(period):
            return least.glued
        return least.word if _words(period) < 2 and len(period) < 12 else least.prose

    def _is_code(self, period: str, cycle: str) -> bool:
        lines = cycle.split("\n")
        fenced = (self._fences + self._text.count("```")) % 2 == 1
        return fenced or bool(_CODE_LIKE.search(period)) or (len(lines) > 2 and lines[1].startswith("  "))


def _boundary(text: str, start: int, end: int) -> int:
    """Where the last sentence ends, or else the last word, in a period that begins at `start`; `end` where none does."""
    after, until = start + _MARKS, end + _MARKS  # the marks that end a sentence may stand just behind
    sentences = [m.end() for m in _ENDS.finditer(text, start, until + 2) if after < m.end() <= until]
    if sentences:
        return sentences[-1]
    space = max(text.rfind(" ", after, until), text.rfind("\n", after, until))
    return end if space < 0 else space


def _has_letters(period: str) -> bool:
    """Whether a period says more than `true`, `null` and numbers."""
    around = 3 * period  # a word may begin anywhere in it
    if _VALUE.search(around):
        around = _VALUE.sub("", re.sub(r"^\w+|\w+$", "", around))
    return bool(_LETTER.search(around))


def _words(period: str) -> int:
    """How many words a period holds; one may begin anywhere in it."""
    return len(re.findall(r"[^\W\d]+", 2 * period)) // 2 + _wide(period)


def _wide(period: str) -> int:
    """Characters of scripts without spaces."""
    return sum(ord(c) > 0x2E80 for c in period)


async def cut_off(stream: AsyncIterator[Any], owed: Callable[[list[Event]], Usage | None]) -> AsyncIterator[Any]:
    """A stream that ends where its text comes into a loop. `owed` says what has been used until then, from what came."""
    loop = Loop()
    came: list[Event] = []
    async for event in stream:
        yield event
        if isinstance(event, (TextDelta, ReasoningDelta, ToolCallDelta)):
            came.append(event)
        if isinstance(event, TextDelta) and loop.add(event.text):
            yield Notice(kind="warning", text=NOTICE)
            if (usage := owed(came)) is not None:
                yield Used(usage=usage)
            yield Finished(reason=REASON)
            return


UNCUT = "uncut"  # under which an answer's extra keeps the text that came, where it came whole


def cut_whole(events: Sequence[Event]) -> list[Event]:
    """The events of an answer that came in one piece, cut where its text comes into a loop; the whole text stays in the end's `extra`.

    >>> came = [TextDelta(text="Yes. " + "It is the minimum of the maximum. " * 12), Finished()]
    >>> cut_whole(came)[0].text, cut_whole(came)[-1].reason
    ('Yes. It is the minimum of the maximum.', 'loop')
    """
    events = list(events)
    end = events[-1] if events else None
    begin = max((n + 1 for n, e in enumerate(events) if isinstance(e, Restarted)), default=0)
    text = "".join(e.text for e in events[begin:] if isinstance(e, TextDelta))
    if not isinstance(end, Finished) or len(text) < ANSWER.prose or (cut := _cut(text)) < 0:
        return events
    left, out = cut, events[:begin]
    for event in events[begin:-1]:
        if isinstance(event, TextDelta):
            event = replace(event, text=event.text[:left])
            left -= len(event.text)
            if not event.text:
                continue
        out.append(event)
    return [*out, Notice(kind="warning", text=NOTICE), replace(end, reason=REASON, extra={**end.extra, UNCUT: text})]


def _cut(text: str) -> int:
    """Where the text first comes into a loop, as it would have been found while it streamed; -1 where it does not."""
    loop = Loop()
    for at in range(0, len(text), _PIECE):
        if loop.add(text[at : at + _PIECE]):
            break
    return loop.cut


_PIECE = 2 * ANSWER.step
