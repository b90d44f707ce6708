"""A run in a terminal: the streamed text, then the footer.

A pipe or file only gets the text and the footer, without escapes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import IO

from ..core.events import Cancelled, Event, Failed, Finished, Progress, ReasoningDelta, ResponseBuilder, Restarted, TextDelta, Waiting
from .bundle import HIDDEN, anonymized, error_text, media_lines, stopped_text
from .footer import anonymous_footer_text, escape_terminal, footer_text
from .forged_footer import is_resolved, visible_text
from .sources import sources_text
from .status_text import progress_line, run_label, thinking_line, waiting_line

INTERVAL = 0.1


class TextView:
    """The sink of one run on a terminal."""

    def __init__(
        self,
        run: str = "",
        format: str = "text",
        *,
        header: str = "",
        blind: bool = False,
        out: IO[str] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ):
        self.run = run
        self.header = header
        self.blind = blind
        self.name = "the terminal's display"
        self.builder = ResponseBuilder()
        self._out = out or sys.stdout
        self._tty = bool(getattr(self._out, "isatty", lambda: False)())
        self._clock = clock
        self._line = ""  # a status line that the next output overwrites
        self._line_at = -1e9
        self._rest = ""  # pending text: an unfinished line that may imitate the footer
        self._returned = False
        self._within = False  # the last output ended within a line
        self._begun = False

    def use_builders(self, builders: Mapping[str, ResponseBuilder]) -> None:
        """Read the response from the builder of its run."""
        self.builder = builders.get(self.run, self.builder)

    def __call__(self, event: Event) -> None:
        """Handle one event."""
        if not self.run:
            self.run = event.run
        if event.run and event.run != self.run:
            if isinstance(event, (Progress, Waiting)):
                self._status(event)
            return
        self.builder.add(event)
        match event:
            case Progress() | Waiting():
                self._status(event)
            case ReasoningDelta(text=text) if text and not self.blind:
                self._transient(thinking_line(len("".join(self.builder.reasoning).split())))
            case TextDelta(text=text):
                self._text(text)
            case Restarted(reason=reason):
                self._flush()
                self._write(f"\n[retrying{'' if self.blind else f': {escape_terminal(reason)}'}]\n")
            case Finished() | Failed() | Cancelled():
                self._end(event)

    def tick(self) -> None:
        """Nothing is held back for long here."""

    def caught_up(self) -> None:
        """Nothing is held back here."""

    def _status(self, event: Progress | Waiting) -> None:
        if not self.blind:  # its words name who is asked
            self._transient(waiting_line(event) if isinstance(event, Waiting) else progress_line(event))

    def _transient(self, line: str) -> None:
        if self._tty and not self._begun and self._clock() - self._line_at >= INTERVAL:
            self._line_at = self._clock()
            self._line = escape_terminal(line)[:100]
            self._out.write(f"\r\x1b[2K\x1b[2m{self._line}\x1b[0m")
            self._out.flush()

    def _text(self, text: str) -> None:
        """Write text; the start of a line is held back until it cannot be a forged footer."""
        if self._returned:  # a two-character line end may be split
            text = text.removeprefix("\n")
        self._returned = text.endswith("\r")
        self._rest += visible_text(text)
        head, newline, tail = self._rest.rpartition("\n")
        ready = head + newline
        if self._within or is_resolved(tail):
            ready, tail = self._rest, ""
        if ready:
            self._say(ready)
        self._rest = tail

    def _say(self, text: str) -> None:
        """Write text that has come; only where a line begins could it pass for ours."""
        first, newline, rest = text.partition("\n") if self._within else ("", "", text)
        self._write(first + newline + escape_terminal(rest))
        self._within = not text.endswith("\n")

    def _flush(self) -> None:
        if self._rest:
            self._say(self._rest)
        self._rest = ""

    def _write(self, text: str) -> None:
        if self._line:
            self._out.write("\r\x1b[2K")
            self._line = ""
        if not self._begun and self.header:
            self._out.write(run_label(self.header))
        self._begun = True
        self._out.write(text)
        self._out.flush()

    def _end(self, event: Event) -> None:
        self._flush()
        response = anonymized(self.builder.response()) if self.blind else self.builder.response()
        lines = [*media_lines(response), *filter(None, [sources_text(response, problems=True)])]
        dim, bright = ("\x1b[2m", "\x1b[0m") if self._tty else ("", "")
        start = "" if not response.text else "\n" if response.text.endswith("\n") else "\n\n"
        start += "\n".join(lines) + "\n" if lines else ""
        if isinstance(event, Failed):
            start += (HIDDEN if self.blind else error_text(event.error, response.host)) + "\n"
        elif isinstance(event, Cancelled):
            start += f"{stopped_text(len(response.text), len(lines))}\n"
        self._write(f"{start}{dim}{anonymous_footer_text(response) if self.blind else footer_text(response)}{bright}\n")
