"""A batch while it runs: a progress bar, the first rows, and a summary at the end.

In a notebook there are two outputs, updated in place: the bar several times a second, and the rows
below it only when they change, so that they can be read and copied. A terminal has one line that is
overwritten. All HTML is inert: model text in it has no effect.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import IO, Any

from ..core.events import Cancelled, Event, Failed, Finished, Notice, Progress, ResponseBuilder, Started, Waiting
from ..core.inert_text import inert, inert_with_code
from ..core.markdown import neutral_markdown
from ..core.version import __version__
from .batch_preview import Preview, preview
from .bundle import Bundle, error_html, error_text
from .colors import ACCENT, ERROR, ERROR_SHADE, MUTED, UI
from .footer import escape_terminal, money, seconds, uncertain_calls_text
from .live import display
from .router import in_notebook
from .static_output import DeferredOutput, is_watched
from .status_text import progress_line, share, waiting_line

INTERVAL = 0.25  # seconds between updates
ROWS = 8  # rows in the preview
_CAUSES = 8  # causes of failures that are listed
_UI = f"font-family:{UI};font-size:12.5px;line-height:1.5"
_LINE = "margin:.15em 0;font-variant-numeric:tabular-nums"
_SMALL = f"margin:.15em 0;font-size:11.5px;color:{MUTED};font-variant-numeric:tabular-nums"
_ALERT = f"border-left:4px solid {ERROR};background:{ERROR_SHADE};padding:.45em .9em;margin:.3em 0;border-radius:0 4px 4px 0"


class BatchView:
    """The sink of one batch: takes its own events and those of its first rows."""

    name = "the batch's display"

    def __init__(
        self,
        shell: Any = None,
        *,
        show: Callable[[Bundle, str, bool], None] | None = None,
        out: IO[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.run = ""
        self.several = False
        self.noun = "row"
        self.fields: list[str] = []
        self.line = ""
        self.step = ""  # steps before the first row, such as loading
        self.reached: Progress | None = None
        self.notes: list[str] = []
        self.warned = False
        self.rows: dict[str, ResponseBuilder] = {}
        self.numbers: dict[str, int] = {}
        self._notebook = show is not None or in_notebook(shell)
        self._at_once = DeferredOutput(show or display) if in_notebook(shell) and not is_watched(shell) else None
        self._show = self._at_once or show or display
        self._out = out or sys.stderr
        self._clock = clock
        self._drawn = -1e9
        self._shown: set[str] = set()  # existing outputs
        self._held = False
        self._new_rows = False

    def __call__(self, event: Event) -> None:
        """Handle one event."""
        if isinstance(event, Started):
            self._start(event)
        elif event.run in self.rows:
            self.rows[event.run].add(event)
            self._new_rows = True
            self._draw()
        elif isinstance(event, Progress):
            self._progress(event)
            self._draw()
        elif isinstance(event, Waiting):
            self.step = waiting_line(event)
            self._draw()
        elif event.run == self.run:
            if isinstance(event, Notice):
                self.notes.append(event.text)
                self.warned = self.warned or event.kind == "warning"
            elif isinstance(event, (Finished, Failed, Cancelled)):
                self._end(event)

    def tick(self) -> None:
        """Draw pending changes, if due."""
        if self._held:
            self._draw()

    def _start(self, event: Started) -> None:
        if event.kind == "batch":
            self.run = event.run
            self.several = len(event.meta.get("models", ())) > 1
            self.noun = "call" if self.several or event.meta.get("samples", 1) > 1 else "row"
            self.fields = list((event.meta.get("schema") or {}).get("properties", ()))
            calls = event.meta.get("calls", 0)
            self.line = f"{calls:,} call{'' if calls == 1 else 's'} to {event.meta.get('asked', '')}"
        elif event.kind == "row" and len(self.rows) < ROWS:
            self.rows[event.run] = fold = ResponseBuilder()
            self.numbers[event.run] = int(event.meta.get("row", 0))
            fold.add(event)

    # ── while it runs

    def _progress(self, event: Progress) -> None:
        """Update the number of rows, or the progress of a step before them; the bar shows rows."""
        if event.stage != "rows":
            self.step = "" if share(event) == 1.0 else progress_line(event)
            return
        if self.reached is not None and event.done > self.reached.done:
            self.step = ""
        self.reached, self.line = event, batch_line(event)

    def _draw(self) -> None:
        at = self._clock()
        if at - self._drawn < INTERVAL:
            self._held = True
            return
        self._drawn, self._held = at, False
        line = _joined(self.line, self.step)
        if self._notebook:
            self._put("batch", {"text/html": self._running(line), "text/plain": escape_terminal(line)})
            if self._new_rows:
                self._new_rows = False
                table, caption = self._table(), self._caption()
                self._put("rows", {"text/html": f'<div style="{_UI}">{table.html(caption)}</div>\n', "text/plain": table.text()})
        elif self._out.isatty():
            self._out.write(f"\r\x1b[2K{escape_terminal(line)[:110]}")
            self._out.flush()
            self._shown.add("batch")

    def _running(self, line: str) -> str:
        """The line, its bar, and a note for the case that the output is no longer updated."""
        when = f"as of {time.strftime('%Y-%m-%d %H:%M:%S')}"
        # a warning may say that nothing is stored
        words = [*self.notes, when] if self.warned else [*self.notes, f"{when}; after a kernel restart, run the cell again to resume"]
        small = "".join(f'<p style="{_SMALL}">{inert(escape_terminal(w))}</p>' for w in words)
        return f'<div style="{_UI}"><p style="{_LINE}">{_parts(line)}</p>{bar_html(line, share(self.reached) if self.reached else 0.0)}{small}</div>\n'

    # ── the end

    def _end(self, event: Finished | Failed | Cancelled) -> None:
        self._held = False
        end = self._feedback(event)
        failure = event.error if isinstance(event, Failed) else None
        text = escape_terminal("\n".join([*end.lines(), *self.notes, *([error_text(failure)] if failure else [])]))
        if not self._notebook:
            self._out.write(("\r\x1b[2K" if self._shown else "") + text + "\n")
            self._out.flush()
            return
        notes = "".join(f'<p style="{_LINE};color:{MUTED}">{inert_with_code(escape_terminal(n))}</p>' for n in self.notes)
        html = f'<div style="{_UI}">{end.html()}{notes}{error_html(failure) if failure else ""}</div>\n'
        about = {"fmnb": {"run": self.run, "kind": "batch", "version": __version__}}
        self._put("batch", {"text/html": html, "text/markdown": neutral_markdown(text), "text/plain": text}, about)
        if self.rows:
            table, caption = self._table(), self._caption()
            fold = f'<summary style="cursor:pointer;color:{MUTED}">{inert(caption)}</summary>{table.html(caption, quiet=True)}'
            data = {"text/html": f'<details style="{_UI}">{fold}</details>\n', "text/plain": f"{caption}:\n{table.text()}"}
            self._put("rows", data, about)
        if self._at_once is not None:
            self._at_once.flush()

    def _feedback(self, event: Finished | Failed | Cancelled) -> BatchEnd:
        if isinstance(event, Finished):
            head, *causes = summary_lines(event.extra)
            return BatchEnd(head, tuple(causes), bad=event.extra.get("failed", 0) > event.extra.get("answered", 0))
        p = self.reached
        line = _joined(_answered_text(int(p.done), int(p.total or 0)), p.note) if p else self.line
        if isinstance(event, Failed):
            return BatchEnd(line[:1].upper() + line[1:])
        kept = "finished rows are kept; " if p and p.done and not self.warned else ""
        return BatchEnd(f"■ Stopped: {line}", hint=f"{kept}run the cell again to resume")

    def _put(self, slot: str, data: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
        self._show((data, metadata or {}), f"fmnb-{self.run or id(self)}-{slot}", slot in self._shown)
        self._shown.add(slot)

    # ── the first rows

    def _table(self) -> Preview:
        """The first finished rows, by number."""
        found = sorted(((self.numbers[run], fold.response()) for run, fold in self.rows.items()), key=lambda x: x[0])
        return preview(found, self.fields, self.several)

    def _caption(self) -> str:
        """The caption; a resumed batch shows the first rows of this run, not of the table."""
        n = len(self.rows)
        return f"the first {n} {self.noun}s of this run" if n > 1 else f"the first {self.noun} of this run"


def bar_html(line: str, share: float | None) -> str:
    """A thin bar; empty without a known total. The remaining part is gray in every theme."""
    if share is None:
        return ""
    percent = round(100 * min(1.0, max(0.0, share)))
    return (
        f'<div role="progressbar" aria-label="Progress of the batch" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}" '
        f'aria-valuetext="{escape(escape_terminal(line))}" style="{_BAR};max-width:28em;background:rgba(128,128,128,.28);overflow:hidden;margin:.3em 0">'
        f'<div style="{_BAR};width:{percent}%;background:{ACCENT}"></div></div>\n'
    )


_BAR = "height:5px;border-radius:3px;forced-color-adjust:none"


@dataclass(frozen=True)
class BatchEnd:
    """The summary at the end: counts, causes of failures, a hint. `bad`: more failures than answers."""

    head: str
    causes: tuple[str, ...] = ()
    hint: str = ""
    bad: bool = False

    def lines(self) -> list[str]:
        """As text."""
        return [self.head, *self.causes, *([self.hint] if self.hint else [])]

    def html(self) -> str:
        """As HTML; a bad result is shown as an alert."""
        colour, weight = ("inherit", ";font-weight:600") if self.bad else (ERROR, "")
        html = f'<p style="{_LINE}{weight}">{_parts(self.head, colour)}</p>'
        html += "".join(f'<p style="{_LINE};color:{colour};overflow-wrap:anywhere">{inert(escape_terminal(c))}</p>' for c in self.causes)
        html += f'<p style="{_LINE};color:{MUTED}">{inert_with_code(self.hint)}</p>' if self.hint else ""
        return f'<div role="alert" style="{_ALERT}">{html}</div>' if self.bad else f'<div role="status">{html}</div>'


def batch_line(event: Progress) -> str:
    """Progress of a batch: `rows: 120 of 5,000 rows (...)` without the repetition.

    >>> batch_line(Progress(stage="rows", done=120, total=5000, unit="rows", note="32/s"))
    '120 of 5,000 · 32/s'
    """
    if event.stage != "rows":
        return progress_line(event)
    return _joined(f"{event.done:,.0f} of {event.total or 0:,.0f}", event.note)


def summary_lines(said: Mapping[str, Any]) -> list[str]:
    """The summary in lines: counts, cost, time; then one line for each cause of failures."""
    cost, answered, reused = said.get("cost"), said.get("answered", 0), said.get("reused", 0)
    head = _answered_text(answered, said.get("asked", 0))
    head += f", {reused:,} of them cached" if reused else ""
    parts = [head[:1].upper() + head[1:]]
    parts += [f"{said['failed']:,} failed"] if said.get("failed") else []
    parts += [f"{said['missing']:,} not sent"] if said.get("missing") else []
    parts += (
        ["price unknown"]
        if cost is None
        else [("about " if said.get("estimated") else "") + money(cost)]
        if cost
        else ["free"]
        if answered > reused
        else []
    )
    parts += [uncertain_calls_text(n)] if (n := said.get("doubtful", 0)) else []
    parts.append(seconds(said.get("seconds", 0.0)))
    causes = list(said.get("causes", ()))
    more = [f"{len(causes) - _CAUSES:,} more causes"] if len(causes) > _CAUSES else []
    return [" · ".join(parts), *(_cause(*c) for c in causes[:_CAUSES]), *more]


def _answered_text(n: int, of: int) -> str:
    return f"{n:,} of {of:,} answered" if n or not of else f"none of {of:,} answered"


def _joined(head: str, note: str) -> str:
    return " · ".join(filter(None, (head, note)))


def _cause(kind: str, what: str, count: int, row: int, seen: str = "") -> str:
    return f"{count:,} × {what} (first in row {row}{': ' if seen else ''}{seen})"


def _parts(line: str, colour: str = ERROR) -> str:
    """A line as HTML that wraps between its parts; the number of failures is colored."""
    out = []
    for part in line.split(" · "):
        style = ";".join([*(["white-space:nowrap"] if len(part) < 40 else []), *([f"color:{colour}"] if part.endswith(" failed") else [])])
        out.append(f'<span style="{style}">{inert(escape_terminal(part))}</span>')
    return " · ".join(out)
