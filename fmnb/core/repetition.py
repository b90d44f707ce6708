"""Whether a text has come into a loop: small models sometimes write the same words until their limit.

Only a long cycle of equal parts counts. Parts that differ, be it by a number alone, are data: lists of links, records,
sentences about one year after another. The number that counts the items of a list is no such difference. What people
mean to repeat is let through, too: rows of zeros, lines of dashes, labels, sequences, a laugh. Code and rows of tables
may repeat for longer than sentences.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .cycles import ORDINAL, Cycle, find_cycles, without_ordinals
from .events import Event, Finished, Notice, ReasoningDelta, Restarted, TextDelta, ToolCallDelta, UsageReported
from .json_prefix import is_json_prefix
from .types import Usage

REASON = "loop"
HINT = "ask a larger model, raise --temperature, or set -p repeat_penalty=1.3 (llama.cpp)"
NOTICE = f"the answer had begun to repeat itself and was cut: {HINT}"
_LONGEST = 3000  # characters of one period
_KEPT = 16_000  # characters that are looked at
_COUNTED = 12_000  # those of them where ordinals and the case of letters may change
_LETTER = re.compile(r"[^\W\d_]")
_SENTENCE = 240  # characters that a sentence seldom has more of
_MARKS = 2
_ENDS = re.compile(r"[.!?…][\"')*]*(?=\s)|[。！？]|(?=\n|\\n)")
_VALUE = re.compile(r"\b(true|false|null|none|nan)\b", re.IGNORECASE)
_SEQUENCE = re.compile(
    r"[ACGTUN\s]+|[acgt\s]+|(?=.*\d)[0-9A-Fa-fxX,:\s]+|[fF\s]+|[A=/+\s]+|[0-9A-Fa-f]{8,}|[A-Za-z0-9+/=]*(?:\s[A-Za-z0-9+/=]{40,})+\s?[A-Za-z0-9+/=]*",
    re.DOTALL,
)  # DNA, hexadecimal numbers, padding and lines of base64
_NUMBERED = re.compile(rf"^\W*(?:\w+ )?{ORDINAL}\S*\s*")
_LABEL, _LABEL_WORDS = 24, 3  # characters and words of a label
_CODE_LIKE = re.compile(r"[{}<>=;|]|\":|\w\(|\t")


@dataclass(frozen=True, slots=True)
class Thresholds:
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
    plain: int  # without a letter: zeros, dashes, dots; and sequences
    blank: int  # spaces and empty lines
    labels: int  # lines of one label
    counted: int  # times, where ordinals or the case of letters change
    recount: int  # characters between two looks for that
    lines: int  # numbered lines
    numbered: int  # times, where the items are labels


ANSWER = Thresholds(24, 24, 100, 4, 10, 320, 700, 1500, 3000, 12_000, 2000, 2000, 15, 200, 1500, 300)
# One string of an answer with a schema: never long, seldom code.
FIELD = Thresholds(4, 12, 20, 3, 4, 60, 40, 120, 200, 100, 100, 200, 8, 12, 200, 30)


class LoopDetector:
    """Watches one text. Once there is a repetition, `cut` is where it begins, after its first time, and `found` where it was seen."""

    def __init__(self, least: Thresholds = ANSWER) -> None:
        self._least = least
        self._text = ""
        self._dropped = 0  # characters that are no longer looked at
        self._looked = self._counted_at = 0
        self._fences = 0
        self.cut = self.found = -1

    def add(self, new: str) -> bool:
        """Take more of the text; True from when it is in a loop.

        >>> LoopDetector().add("0, " * 300), LoopDetector().add("ha " * 50), LoopDetector().add("It is the minimum of the maximum. " * 12)
        (False, False, True)
        """
        self._text += new
        if self.cut < 0 and len(self._text) - self._looked >= self._least.step:
            self._look()
            self._looked = len(self._text)
            self.found = self._dropped + len(self._text) if self.cut >= 0 else -1
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
        if (found := next(find_cycles(self._text, self._least.tail, _LONGEST), None)) is not None:
            end = min(end, found.start + found.period)
        return self._dropped + _boundary(self._text, max(0, end - _SENTENCE), end)

    def _look(self) -> None:
        text = self._text
        for found in find_cycles(text, self._least.tail, _LONGEST):
            if self._exact(found):
                self.cut = self._dropped + _boundary(text, found.start, found.start + found.period)
                return
        if len(text) - self._counted_at < self._least.recount:
            return
        self._counted_at = len(text)
        base = max(0, len(text) - _COUNTED)
        plain, places = without_ordinals(text[base:])
        lower = plain.lower()
        for found in find_cycles(lower if len(lower) == len(plain) else plain, self._least.tail, _COUNTED):
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
        """Whether a cycle in which ordinals and the case of letters alone change is a loop."""
        period = cycle[: found.period]
        items = max(1, period.count(ORDINAL))
        if found.times < 4 or found.times * items < self._least.counted or not _has_letters(period) or self._is_code(period, cycle):
            return False
        if ORDINAL not in period:
            return _words(period) >= 3 and found.length >= max(2 * self._least.prose, self._characters(period, cycle))
        if _are_labels(period, "\n" if "\n" in period else ORDINAL) and found.times * items < self._least.numbered:
            return False
        if "\n" in period:
            return found.length >= self._least.lines
        return found.length >= (2 * self._least.prose if _words(period) >= 3 else self._least.lines)

    def _characters(self, period: str, cycle: str) -> int:
        """How long a cycle of such a period must be."""
        least = self._least
        if period.isspace():
            return least.blank
        if not _has_letters(period) or _is_sequence(period):
            return least.plain
        if self._is_code(period, cycle):
            return least.code
        if len(period) <= 12 and not re.search(r"\s", period) and not _wide(period):
            return least.plain if _is_code_word(period) else least.glued
        if "\n" in period and _are_labels(period, "\n"):
            return least.labels
        return least.word if _words(period) < 2 and len(period) < 12 else least.prose

    def _is_code(self, period: str, cycle: str) -> bool:
        lines = cycle.split("\n")
        fenced = (self._fences + self._text.count("```")) % 2 == 1
        return fenced or bool(_CODE_LIKE.search(period)) or (len(lines) > 2 and any(line.startswith("  ") for line in lines[1:4]))


def _boundary(text: str, start: int, end: int) -> int:
    """Where the last sentence ends, or else the last word, in a period that begins at `start`; `end` where none does."""
    after, until = start + _MARKS, end + _MARKS  # the marks that end a sentence may stand just behind
    sentences = [m.end() for m in _ENDS.finditer(text, start, until + 2) if after < m.end() <= until]
    if sentences:
        return sentences[-1]
    space = max(text.rfind(" ", after, until), text.rfind("\n", after, until))
    return end if space < 0 else space


def _is_sequence(period: str) -> bool:
    """Whether a period is of a sequence of codes, in lines or not; it may begin anywhere in it."""
    return _SEQUENCE.fullmatch(3 * period) is not None


def _is_code_word(period: str) -> bool:
    """Whether a short period without spaces is no word but a piece of base64 and the like."""
    return len(period) > 2 and period.isascii() and period.isalnum() and not period.islower()


def _are_labels(period: str, between: str) -> bool:
    """Whether each line of a period, or what stands between its ordinals, is a few words that are no sentence."""
    parts = [_NUMBERED.sub("", p) if between == "\n" else p.lstrip(".):*_ ") for p in (3 * period).split(between)[1:-1]]
    return all(
        len(p) <= _LABEL and len(re.findall(r"\w+", p)) <= _LABEL_WORDS and not re.search(r"[.!?:。！？]\s*$|^[-*+•]\s", p)
        for p in map(str.strip, parts)
    )


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


async def stop_on_loop(
    stream: AsyncIterator[Any], owed: Callable[[list[Event]], Usage | None], *, json: bool = False
) -> AsyncIterator[Any]:
    """A stream that ends where its text comes into a loop. `owed` says what has been used until then, from what came.

    An answer that should be JSON goes on while it can still become that: a list may hold the same value many times.
    """
    loop = LoopDetector()
    came: list[Event] = []
    text, since = "", -1
    async for event in stream:
        yield event
        if isinstance(event, (TextDelta, ReasoningDelta, ToolCallDelta)):
            came.append(event)
        if not isinstance(event, TextDelta):
            continue
        text += event.text if json else ""
        if not loop.add(event.text):
            continue
        if json and is_json_prefix(text):
            since = len(text) if since < 0 else since
            if len(text) - since < _MOST_JSON:
                loop = LoopDetector()
                continue
        yield Notice(kind="warning", text=NOTICE)
        if (usage := owed(came)) is not None:
            yield UsageReported(usage=usage)
        yield Finished(reason=REASON)
        return


_MOST_JSON = 100_000  # characters that JSON may go on for, once it repeats itself
NOT_TRUNCATED = "uncut"  # under which an answer's extra keeps the text that came, where it came whole


def truncate_loop(events: Sequence[Event]) -> list[Event]:
    """The events of an answer that came in one piece, cut where a stream would have ended; the whole text stays in the end's `extra`.

    >>> came = [TextDelta(text="Yes. " + "It is the minimum of the maximum. " * 100), Finished()]
    >>> len(truncate_loop(came)[0].text), truncate_loop(came)[-1].reason
    (384, 'loop')
    """
    events = list(events)
    end = events[-1] if events else None
    begin = max((n + 1 for n, e in enumerate(events) if isinstance(e, Restarted)), default=0)
    text = "".join(e.text for e in events[begin:] if isinstance(e, TextDelta))
    if not isinstance(end, Finished) or not 0 <= (kept := _find_loop(text)) < len(text):
        return events
    left, out = kept, events[:begin]
    for event in events[begin:-1]:
        if isinstance(event, TextDelta):
            event = replace(event, text=event.text[:left])
            left -= len(event.text)
            if not event.text:
                continue
        out.append(event)
    said = f"{NOTICE}; {len(text) - kept:,} characters were left out: the log has the whole text, as extra[{NOT_TRUNCATED!r}] of this run"
    return [*out, Notice(kind="warning", text=said), replace(end, reason=REASON, extra={**end.extra, NOT_TRUNCATED: text})]


def is_looping(text: str) -> bool:
    """Whether a text came into a loop."""
    return _find_loop(text) >= 0


def _find_loop(text: str) -> int:
    """Where the text's first loop would have been found while it streamed; -1 where there is none."""
    if len(text) < ANSWER.prose:
        return -1
    loop = LoopDetector()
    for at in range(0, len(text), _PIECE):
        if loop.add(text[at : at + _PIECE]):
            break
    return loop.found


_PIECE = 2 * ANSWER.step
