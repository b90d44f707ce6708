"""Cuts an answer before the first stop string in its text, also if it is split over deltas.

Services and engines end an answer at a stop string, but some leave the string in the text, and
some generate on behind it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace

from .event_loop import aclose
from .events import ENDS, Event, Finished, Media, Notice, TextDelta, ToolCallDelta


class StopText:
    """The text of one answer up to its first stop string; a possible start of one is held back.

    >>> text = StopText(["END"])
    >>> text.add("one E"), text.add("N, two EN"), text.add("D three"), text.stopped
    ('one ', 'EN, two ', '', True)
    """

    def __init__(self, stops: Iterable[str]):
        self._stops = tuple(s for s in stops if s)
        self._held_back = ""
        self.stopped = False

    def add(self, text: str) -> str:
        """Add a piece of the answer; returns the text that can be shown now."""
        if self.stopped:
            return ""
        text = self._held_back + text
        if ends := [at for s in self._stops if (at := text.find(s)) >= 0]:
            self.stopped, self._held_back = True, ""
            return text[: min(ends)]
        keep = max((n for s in self._stops for n in range(1, min(len(s), len(text) + 1)) if text.endswith(s[:n])), default=0)
        self._held_back = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self) -> str:
        """The text held back, once no more follows."""
        text, self._held_back = self._held_back, ""
        return text


async def cut_at_stop(stream: AsyncIterator[Event], stops: Sequence[str]) -> AsyncIterator[Event]:
    """The events of an answer without the text from a stop string on.

    The rest of its stream is read for its usage. An answer that its user stops lacks what is held
    back at that time: less than its longest stop string.
    """
    cut = _Cut(stops)
    try:
        async for event in stream:
            for out in cut.events(event):
                yield out
    except Exception:
        for out in cut.held_back():
            yield out
        raise
    finally:
        await aclose(stream)
    for out in cut.held_back():
        yield out


def without_stop(events: Iterable[Event], stops: Sequence[str]) -> list[Event]:
    """The events of a complete answer, cut in the same way."""
    cut = _Cut(stops)
    return [out for event in events for out in cut.events(event)] + cut.held_back()


class _Cut:
    def __init__(self, stops: Sequence[str]):
        self._text = StopText(stops)
        self._applies = True

    def events(self, event: Event) -> list[Event]:
        """What becomes of an event."""
        if isinstance(event, Notice) and (event.kind, event.text) == ("not_applied", "stop"):
            self._applies = False  # the footer says so, and the text is as it came
        if not self._applies:
            return [event]
        if isinstance(event, TextDelta):
            shown = self._text.add(event.text)
            return [event] if shown == event.text else [replace(event, text=shown)] if shown else []
        if isinstance(event, Finished) and self._text.stopped and event.reason == "length":
            event = replace(event, reason="stop")  # it had ended before
        return [*self.held_back(), event] if isinstance(event, (ToolCallDelta, Media, *ENDS)) else [event]

    def held_back(self) -> list[Event]:
        text = self._text.rest()
        return [TextDelta(text=text)] if text else []
