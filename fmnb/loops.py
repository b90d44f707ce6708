"""Whether a text has come into a loop: small models sometimes write the same words until their limit.

Only an exact cycle counts, and only a long one. What people mean to repeat is let through: rows of zeros, lines of
dashes, lists whose lines differ, a laugh. Code and rows of tables may repeat for longer than sentences.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

from .events import Event, Finished, Notice, ReasoningDelta, Restarted, TextDelta, ToolCallDelta, Used
from .types import Usage

REASON = "loop"
TODO = "ask a larger model, raise --temperature, or set -p repeat_penalty=1.3 (llama.cpp)"
NOTICE = f"the answer had begun to repeat itself and was cut: {TODO}"
_PERIODS = 10
_PROSE = 320  # characters of an exact cycle of several words
_WORD = 700  # of one short word
_CODE = 1500  # of lines of code or rows of tables, which repeat by nature
_PLAIN = 4000  # without a letter: zeros, dashes, dots
_LONGEST = 400  # characters of one period
_STEP = 24  # characters between two looks, and what must come again at all


class Loop:
    """Watches one text. `cut` is where the repetition begins once there is one, after its first time."""

    def __init__(self) -> None:
        self._text = ""
        self._dropped = 0  # characters that are no longer looked at
        self._looked = 0
        self._fences = 0
        self.cut = -1

    def add(self, new: str) -> bool:
        """Take more of the text; True from when it is in a loop.

        >>> Loop().add("0, " * 300), Loop().add("ha " * 50), Loop().add("It is the minimum of the maximum. " * 12)
        (False, False, True)
        """
        self._text += new
        if self.cut < 0 and len(self._text) - self._looked >= _STEP:
            self._look()
            self._looked = len(self._text)
            if len(self._text) > 3 * _PLAIN:
                drop = len(self._text) - 2 * _PLAIN
                self._fences += self._text[:drop].count("```")
                self._text, self._dropped, self._looked = self._text[drop:], self._dropped + drop, self._looked - drop
        return self.cut >= 0

    def _look(self) -> None:
        text = self._text
        tail = text[-_STEP:]
        before = text.rfind(tail, max(0, len(text) - _LONGEST - _STEP), len(text) - 1)
        if len(tail) < _STEP or before < 0:
            return
        period = len(text) - _STEP - before
        at = before
        while at > 0 and text[at - 1] == text[at - 1 + period]:
            at -= 1
        length = len(text) - at
        if length >= _PERIODS * period and length >= self._least(text[-period:], text[at:]):
            self.cut = self._dropped + at + period

    def _least(self, period: str, cycle: str) -> int:
        """How long a cycle of such a period must be."""
        if not re.search(r"[^\W\d_]", period):
            return _PLAIN
        lines = cycle.split("\n")
        fenced = (self._fences + self._text.count("```")) % 2 == 1
        if fenced or re.search(r"[{}<>=;|]|\":|\w\(", period) or (len(lines) > 2 and lines[1].startswith("    ")):
            return _CODE
        words = len(re.findall(r"\w+", 2 * period)) // 2  # a word may begin anywhere in the period
        words += sum(ord(c) > 0x2E80 for c in period)  # scripts without spaces
        return _WORD if words < 2 and len(period) < 12 else _PROSE


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
    ('Yes. It is the minimum of the maximum', 'loop')
    """
    events = list(events)
    end = events[-1] if events else None
    begin = max((n + 1 for n, e in enumerate(events) if isinstance(e, Restarted)), default=0)
    text = "".join(e.text for e in events[begin:] if isinstance(e, TextDelta))
    if not isinstance(end, Finished) or len(text) < _PROSE or (cut := _cut(text)) < 0:
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


_PIECE = 2 * _STEP
