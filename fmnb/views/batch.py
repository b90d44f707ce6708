"""A batch as it happens: a bar with what one wants to know, the first rows as they come, a summary at the end.

One output in a notebook, updated in place a few times a second; on a terminal one line that
is written over. All of it is plain HTML in which nothing a model wrote can act.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from html import escape
from typing import IO, Any

from .. import __version__
from .._markdown import neutral_markdown
from ..events import Cancelled, Event, Failed, Finished, Fold, Notice, Progress, Started, Waiting
from . import in_notebook
from .bundle import Bundle, error_html, error_text, progress_html, waiting_html
from .footer import plain
from .html import BORDER, MUTED
from .live import display
from .words import progress_line, share, waiting_line

INTERVAL = 0.25  # seconds between drawings
ROWS = 8  # answers in the preview
_WIDE = 140  # characters of a cell
_UI = "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:12.5px;line-height:1.5"


class BatchView:
    """The sink of one batch: hears the batch's own events, and those of its first rows."""

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
        self.line = ""
        self.share: float | None = 0.0
        self.notes: list[str] = []
        self.rows: dict[str, Fold] = {}
        self.numbers: dict[str, int] = {}
        self._notebook = show is not None or in_notebook(shell)
        self._show = show or display
        self._out = out or sys.stderr
        self._clock = clock
        self._drawn = -1e9
        self._shown = False
        self._held = False

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Started):
            self._start(event)
        elif event.run in self.rows:
            self.rows[event.run].add(event)
            self._draw()
        elif isinstance(event, Progress):
            self.line, self.share = batch_line(event), share(event)
            self._draw()
        elif isinstance(event, Waiting):
            self.line = waiting_line(event)
            self._draw()
        elif event.run == self.run:
            if isinstance(event, Notice):
                self.notes.append(event.text)
            elif isinstance(event, (Finished, Failed, Cancelled)):
                self._end(event)

    def tick(self) -> None:
        """Draw what is held back, if its time has come."""
        if self._held:
            self._draw()

    def _start(self, event: Started) -> None:
        if event.kind == "batch":
            self.run = event.run
            self.several = len(event.meta.get("models", ())) > 1
            self.line = f"{event.meta.get('calls', 0):,} calls to {event.meta.get('asked', '')}"
        elif event.kind == "row" and len(self.rows) < ROWS:
            self.rows[event.run] = fold = Fold()
            self.numbers[event.run] = int(event.meta.get("row", 0))
            fold.add(event)

    def _draw(self, now: bool = False) -> None:
        at = self._clock()
        if not now and at - self._drawn < INTERVAL:
            self._held = True
            return
        self._drawn, self._held = at, False
        if self._notebook:
            html = f'<div style="{_UI}">{progress_html(self.line, self.share)}{self._table()}</div>\n'
            self._put({"text/html": html, "text/plain": plain(self.line)})
        elif self._out.isatty():
            self._out.write(f"\r\x1b[2K{plain(self.line)[:110]}")
            self._out.flush()
            self._shown = True

    def _end(self, event: Finished | Failed | Cancelled) -> None:
        self._held = False
        if isinstance(event, Finished):
            lines, failure = summary_lines(event.extra), ""
        elif isinstance(event, Failed):
            lines, failure = [self.line], error_html(event.error)
        else:
            lines, failure = [f"stopped; {self.line}"], waiting_html("■ what has come is kept; run the cell again to go on")
        lines += self.notes
        if not self._notebook:
            words = [*lines, *([error_text(event.error)] if isinstance(event, Failed) else [])]
            self._out.write(("\r\x1b[2K" if self._shown else "") + "\n".join(plain(w) for w in words) + "\n")
            self._out.flush()
            return
        said = "".join(f'<p style="margin:.15em 0;color:{MUTED if i else "inherit"}">{escape(plain(w))}</p>' for i, w in enumerate(lines))
        head = f'<div role="status" style="{_UI}">{said}</div>'
        rows = self._table()
        if rows:
            rows = f'<details style="{_UI}"><summary style="cursor:pointer;color:{MUTED}">the first {len(self.rows)} answers</summary>{rows}</details>'
        text = "\n".join([*lines, *([error_text(event.error)] if isinstance(event, Failed) else [])])
        said_plain = plain(text)
        data = {"text/html": head + failure + rows + "\n", "text/markdown": neutral_markdown(said_plain), "text/plain": said_plain}
        self._put(data, {"fmnb": {"run": self.run, "kind": "batch", "version": __version__}})

    def _put(self, data: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
        self._show((data, metadata or {}), f"fmnb-{self.run or id(self)}-batch", self._shown)
        self._shown = True

    def _table(self) -> str:
        """The first answers, by row number."""
        found = sorted(((self.numbers[run], fold.response()) for run, fold in self.rows.items()), key=lambda x: x[0])
        if not found:
            return ""
        asked = [r.request.messages[-1].text if r.request else "" for _, r in found]
        common = os.path.commonprefix(asked) if len(set(asked)) > 1 else ""
        same = max(common.rfind(" "), common.rfind("\n")) + 1  # words stay whole
        head = ["row", *(["model"] if self.several else []), "asked", "answer"]
        body = ""
        for (number, r), text in zip(found, asked, strict=True):
            said = f"✗ {r.error.get('what', '')}" if r.error else r.text
            cells = [str(number), *([r.asked] if self.several else []), ("…" if same else "") + _short(text[same:]), _short(said)]
            body += "<tr>" + "".join(f'<td style="{_CELL}">{escape(c)}</td>' for c in cells) + "</tr>"
        top = "".join(f'<th scope="col" style="{_CELL};font-weight:600">{h}</th>' for h in head)
        return f'<table style="border-collapse:collapse;margin:.4em 0"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'


_CELL = f"text-align:left;vertical-align:top;padding:.15em .8em .15em 0;border-bottom:1px solid {BORDER};overflow-wrap:anywhere"


def batch_line(event: Progress) -> str:
    """How far a batch is: `rows: 120 of 5,000 rows (...)` without saying rows twice.

    >>> batch_line(Progress(stage="rows", done=120, total=5000, unit="rows", note="32/s"))
    '120 of 5,000 · 32/s'
    """
    if event.stage != "rows":
        return progress_line(event)
    return " · ".join(filter(None, (f"{event.done:,.0f} of {event.total or 0:,.0f}", event.note)))


def summary_lines(said: Mapping[str, Any]) -> list[str]:
    """The end of a batch in lines: how many, from where, money, time; then a line for each cause of failures."""
    cost = said.get("cost")
    fresh = said.get("answered", 0) > said.get("reused", 0)
    money = ["price unknown"] if cost is None else [f"${cost:,.4f}"] if cost else ["free"] if fresh else []
    parts = [f"{said.get('answered', 0):,} of {said.get('asked', 0):,} answered"]
    if said.get("reused"):
        parts[0] += f", {said['reused']:,} of them before and not paid again"
    parts += [f"{said['failed']:,} failed"] if said.get("failed") else []
    parts += [f"{said['missing']:,} not asked"] if said.get("missing") else []
    parts += [*money, f"{said.get('seconds', 0.0):,.1f} s"]
    return [" · ".join(parts), *(_cause(*cause) for cause in said.get("causes", ()))]


def _cause(kind: str, what: str, count: int, row: int, seen: str = "") -> str:
    return f"{count:,} × {what} (first in row {row}{': ' if seen else ''}{seen})"


def _short(text: str) -> str:
    text = " ".join(plain(text).split())
    return text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"
