"""Detects answers that are stuck in a loop: small models may repeat the same words up to their limit.

Only a long cycle of equal parts counts. Parts that differ, even in a single number, are data: lists
of links, records, sentences about one year after another. A number that only counts list items is
no difference. Intended repetition is allowed, too: rows of zeros, lines of dashes, labels,
sequences, laughter. Code and table rows may repeat for longer than sentences.
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
NOTICE = f"the answer was truncated because it repeated itself: {HINT}"
_LONGEST = 3000  # characters of one period
_KEPT = 16_000  # characters that are examined
_COUNTED = 12_000  # of these, where ordinals and letter case may differ
_LETTER = re.compile(r"[^\W\d_]")
_SENTENCE = 240  # characters; sentences are rarely longer
_MARKS = 2
_ENDS = re.compile(r"[.!?…][\"')*]*(?=\s)|[。！？]|(?=\n|\\n)")
_VALUE = re.compile(r"\b(true|false|null|none|nan)\b", re.IGNORECASE)
_SEQUENCE = re.compile(
    r"[ACGTUN\s]+|[acgt\s]+|(?=.*\d)[0-9A-Fa-fxX,:\s]+|[fF\s]+|[A=/+\s]+|[0-9A-Fa-f]{8,}|[A-Za-z0-9+/=]*(?:\s[A-Za-z0-9+/=]{40,})+\s?[A-Za-z0-9+/=]*",
    re.DOTALL,
)  # DNA, hexadecimal numbers, padding, base64
_NUMBERED = re.compile(rf"^\W*(?:\w+ )?{ORDINAL}\S*\s*")
_LABEL, _LABEL_WORDS = 24, 3  # characters and words of a label
_CODE_LIKE = re.compile(r"[{}<>=;|]|\":|\w\(|\t")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Minimum repetitions of a period and characters of a cycle, by kind of content."""

    step: int  # characters between two checks
    tail: int  # characters that must repeat
    long: int  # characters of a period for which `few` repetitions are enough
    few: int
    times: int
    prose: int  # for several words
    word: int  # for one word
    glued: int  # for short text without spaces: codes, sequences, laughter
    code: int  # for lines of code or table rows, which often repeat
    plain: int  # for text without letters (zeros, dashes, dots) and sequences
    blank: int  # for spaces and empty lines
    labels: int  # for lines of one label
    counted: int  # repetitions, where ordinals or letter case differ
    recount: int  # characters between two such checks
    lines: int  # for numbered lines
    numbered: int  # repetitions, where the items are labels


ANSWER = Thresholds(24, 24, 100, 4, 10, 320, 700, 1500, 3000, 12_000, 2000, 2000, 15, 200, 1500, 300)
# For one string of an answer with a schema: never long, rarely code.
FIELD = Thresholds(4, 12, 20, 3, 4, 60, 40, 120, 200, 100, 100, 200, 8, 12, 200, 30)


class LoopDetector:
    """Detects a loop in one text.

    After a detection, `cut` is the position after the first period, and `found` the position of the
    detection; before, both are -1.
    """

    def __init__(self, least: Thresholds = ANSWER) -> None:
        self._least = least
        self._text = ""
        self._dropped = 0  # characters that are no longer examined
        self._looked = self._counted_at = 0
        self._fences = 0
        self.cut_at = self.detected_at = -1

    def add(self, new: str) -> bool:
        """Add text; True once it is in a loop.

        >>> LoopDetector().add("0, " * 300), LoopDetector().add("ha " * 50), LoopDetector().add("It is the minimum of the maximum. " * 12)
        (False, False, True)
        """
        self._text += new
        if self.cut_at < 0 and len(self._text) - self._looked >= self._least.step:
            self._look()
            self._looked = len(self._text)
            self.detected_at = self._dropped + len(self._text) if self.cut_at >= 0 else -1
            if len(self._text) > 2 * _KEPT:
                drop = len(self._text) - _KEPT
                self._fences += self._text[:drop].count("```")
                self._text, self._dropped, self._looked = self._text[drop:], self._dropped + drop, self._looked - drop
                self._counted_at -= drop
        return self.cut_at >= 0

    @property
    def certain_length(self) -> int:
        """Length of the text that is kept in any case; what may begin a repetition is not certain."""
        end = max(0, len(self._text) - self._least.tail - self._least.step)
        if (found := next(find_cycles(self._text, self._least.tail, _LONGEST), None)) is not None:
            end = min(end, found.start + found.period)
        return self._dropped + _boundary(self._text, max(0, end - _SENTENCE), end)

    def _look(self) -> None:
        text = self._text
        for found in find_cycles(text, self._least.tail, _LONGEST):
            if self._exact(found):
                self.cut_at = self._dropped + _boundary(text, found.start, found.start + found.period)
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
                self.cut_at = self._dropped + _boundary(text, base + start, base + end)
                return

    def _exact(self, found: Cycle) -> bool:
        """Whether a cycle of equal periods is long enough."""
        least, period = self._least, self._text[-found.period :]
        times = least.few if found.period >= least.long else least.times
        return found.times >= times and found.length >= self._characters(period, self._text[found.start :])

    def _is_counted(self, cycle: str, found: Cycle) -> bool:
        """Whether a cycle that differs only in ordinals and letter case is a loop."""
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
        """Minimum length of a cycle with this period."""
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
    """End of the last sentence, or else word, in a period that begins at `start`; `end` if there is none."""
    after, until = start + _MARKS, end + _MARKS  # punctuation may follow directly
    sentences = [m.end() for m in _ENDS.finditer(text, start, until + 2) if after < m.end() <= until]
    if sentences:
        return sentences[-1]
    space = max(text.rfind(" ", after, until), text.rfind("\n", after, until))
    return end if space < 0 else space


def _is_sequence(period: str) -> bool:
    """Whether a period is part of a sequence of codes; it may begin anywhere in it."""
    return _SEQUENCE.fullmatch(3 * period) is not None


def _is_code_word(period: str) -> bool:
    """Whether a short period without spaces is a piece of base64 or similar, not a word."""
    return len(period) > 2 and period.isascii() and period.isalnum() and not period.islower()


def _are_labels(period: str, between: str) -> bool:
    """Whether each line of a period, or item between ordinals, is a label and not a sentence."""
    parts = [_NUMBERED.sub("", p) if between == "\n" else p.lstrip(".):*_ ") for p in (3 * period).split(between)[1:-1]]
    return all(
        len(p) <= _LABEL and len(re.findall(r"\w+", p)) <= _LABEL_WORDS and not re.search(r"[.!?:。！？]\s*$|^[-*+•]\s", p)
        for p in map(str.strip, parts)
    )


def _has_letters(period: str) -> bool:
    """Whether a period holds more than `true`, `null` and numbers."""
    around = 3 * period  # the period may begin inside a word
    if _VALUE.search(around):
        around = _VALUE.sub("", re.sub(r"^\w+|\w+$", "", around))
    return bool(_LETTER.search(around))


def _words(period: str) -> int:
    """Number of words in a period, which may begin inside a word."""
    return len(re.findall(r"[^\W\d]+", 2 * period)) // 2 + _wide(period)


def _wide(period: str) -> int:
    """Number of characters of scripts without spaces."""
    return sum(ord(c) > 0x2E80 for c in period)


async def stop_on_loop(
    stream: AsyncIterator[Any], owed: Callable[[list[Event]], Usage | None], *, json: bool = False
) -> AsyncIterator[Any]:
    """End a stream when its text is stuck in a loop. `owed` returns the usage so far.

    An answer that should be JSON continues while it can still become JSON: a list may repeat a value.
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


_MOST_JSON = 100_000  # characters that repeating JSON may continue for
NOT_TRUNCATED = "uncut"  # key in an answer's `extra` for the complete text of a truncated answer


def truncate_loop(events: Sequence[Event]) -> list[Event]:
    """Truncate a non-streamed answer where a stream would have ended; `extra` keeps the complete text.

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
    said = f"{NOTICE}; {len(text) - kept:,} characters were removed: the log has the complete text, as extra[{NOT_TRUNCATED!r}] of this run"
    return [*out, Notice(kind="warning", text=said), replace(end, reason=REASON, extra={**end.extra, NOT_TRUNCATED: text})]


def is_looping(text: str) -> bool:
    """Whether a text is stuck in a loop."""
    return _find_loop(text) >= 0


def _find_loop(text: str) -> int:
    """Position at which a stream of the text would have been stopped; -1 if it has no loop."""
    if len(text) < ANSWER.prose:
        return -1
    loop = LoopDetector()
    for at in range(0, len(text), _PIECE):
        if loop.add(text[at : at + _PIECE]):
            break
    return loop.detected_at


_PIECE = 2 * ANSWER.step
