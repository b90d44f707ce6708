"""Answers of a comparison as they come: events to columns of a Grid, a few times a second, then plain HTML in its place.

Only what changed travels: blocks that can no longer change go once, the open block with each
drawing. Now and then everything goes as a trait, from which a view that came late draws.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...calls.run import stop
from ...comparison.comparison import Comparison, labels
from ...core.events import (
    ENDS,
    Cancelled,
    Event,
    Failed,
    Finished,
    Progress,
    ReasoningDelta,
    ResponseBuilder,
    Restarted,
    Started,
    TextDelta,
    Waiting,
)
from ...core.inert_text import inert
from ...core.response import Response
from ...views.bundle import HIDDEN, anonymized, body_html, error_html, media_html, progress_html, stopped_html, waiting_html
from ...views.comparison import columns_bundle, layout, letter, thought_html
from ...views.footer import escape_terminal, footer_html
from ...views.html import Rendering
from ...views.live import INTERVAL, SHARE, display
from ...views.status_text import progress_line, share, thinking_line, waiting_line
from . import base
from .grid import Grid

_WHOLE = 1.0  # seconds between two sendings of everything; each takes twice as long to come as the one before


@dataclass
class _Cell:
    """One answer that streams."""

    builder: ResponseBuilder = field(default_factory=ResponseBuilder)
    rendering: Rendering = field(default_factory=Rendering)
    n: int = 0  # drawings so far
    done: str = ""  # HTML that was sent and can no longer change
    status: str = ""
    state: str = "waiting"  # then running, and finished, failed or stopped
    changed: bool = True
    last: dict[str, Any] = field(default_factory=dict)


class GridStream:
    """The sink of a comparison in a notebook."""

    name = "the comparison's display"

    def __init__(
        self,
        runs: Sequence[str],
        axes: Sequence[Mapping[str, Any]],
        shown: Sequence[int],
        *,
        blind: bool = False,
        format: str = "markdown",
        clock: Callable[[], float] = time.perf_counter,
        make: Callable[..., Grid] = Grid,
        show: Callable[[base.Bundle, str, bool], None] = display,
        watched: bool = True,
    ):
        self.runs = list(runs)
        self.shown = list(shown)
        self.blind = blind
        self.format = format
        self.axes = [dict(a) for a in axes]
        self.names = [letter(self.shown.index(i)) for i in range(len(axes))] if blind else labels(axes)
        self.where = layout(axes, self.names)
        self.cells = {run: _Cell() for run in self.runs}
        self.home = dict(zip(self.runs, self.runs, strict=True))  # a load below a call shows in the call's column
        self.id = f"fmnb-{self.runs[0]}-grid"
        self.grid: Grid | None = None
        self._make, self._show, self._clock = make, show, clock
        self.watched = watched  # else nothing is shown until all have answered
        self._drawn = self._whole = -1e9
        self._cost, self._every = 0.0, _WHOLE
        self._over = False

    def use_builders(self, builders: Mapping[str, ResponseBuilder]) -> None:
        """Read the responses from the builders of their runs."""
        for run, cell in self.cells.items():
            cell.builder = builders.get(run, cell.builder)

    def __call__(self, event: Event) -> None:
        """Take one event of any of the runs."""
        if self.grid is None and self.watched:
            self._open()
        if isinstance(event, Started) and event.run not in self.home and event.parent in self.home:
            self.home[event.run] = self.home[event.parent]
        home = self.home.get(event.run)
        cell = self.cells.get(home or "")
        if cell is None:
            return
        self._take(cell, event, own=event.run == home)
        if self.watched:
            self._draw(now=event.run == home and isinstance(event, ENDS))
        if not self._over and all(c.builder.end is not None for c in self.cells.values()):
            self._close()

    def tick(self) -> None:
        """Draw what is held back, if its time has come."""
        if self.grid is not None and not self._over:
            self._draw()

    def _take(self, cell: _Cell, event: Event, own: bool) -> None:
        cell.changed = True
        if isinstance(event, Waiting):
            cell.status = waiting_html("waiting" if self.blind else escape_terminal(waiting_line(event)))
        elif isinstance(event, Progress) and not self.blind:
            cell.status = "" if share(event) == 1.0 else progress_html(escape_terminal(progress_line(event)), share(event))
        if not own:
            return
        cell.builder.add(event)
        match event:
            case Started():
                cell.state = "running"
            case ReasoningDelta() if not self.blind:  # whether it thinks aloud, and where it was called, could tell who it is
                cell.status = f'<p class="fm-note">{thinking_line(len("".join(cell.builder.reasoning).split()))}</p>'
            case TextDelta(text=text) if text:
                cell.status = ""
            case Restarted(reason=reason):
                cell.rendering, cell.done = Rendering(), ""
                cell.status = waiting_html("retrying" if self.blind else escape_terminal(f"retrying: {reason}"))
                cell.last = {}
            case Finished():
                cell.state, cell.status = "finished", ""
            case Failed():
                cell.state, cell.status = "failed", ""
            case Cancelled():
                cell.state, cell.status = "stopped", ""

    def _open(self) -> None:
        about = {
            "phase": "streaming",
            "cells": [
                {
                    "title": escape_terminal(self.names[i]),
                    "row": self.where.places[i][0],
                    "column": self.where.places[i][1],
                    "run": self.runs[i],
                }
                for i in self.shown
            ],
            "rows": list(self.where.rows),
            "columns": len(self.where.columns),
        }
        self.grid = self._make(about=about, frame=[])
        self.grid.stop = self._stop
        data, metadata = self.grid._repr_mimebundle_()
        waiting = f"Asking {', '.join(self.names)}: the answers had not all come when this was saved; `%fm log` has what came."
        plain_html = f'<p class="fmnb-face">{inert(escape_terminal(waiting))}</p>\n'
        self._show(({**data, "text/html": plain_html, "text/plain": waiting}, metadata), self.id, False)

    def _stop(self, at: int) -> None:
        for i in self.shown if at < 0 else [self.shown[at]]:
            stop(self.runs[i])

    def _draw(self, now: bool = False) -> None:
        start = self._clock()
        if not now and start - self._drawn < max(INTERVAL, self._cost * (SHARE - 1)):
            return
        assert self.grid is not None
        some = {}
        for p, i in enumerate(self.shown):
            cell = self.cells[self.runs[i]]
            if cell.changed:
                some[str(p)] = self._drawing(cell)
                cell.changed = False
        if some:
            self.grid.send({"do": "cells", "cells": some})
        if start - self._whole > self._every:
            self.grid.frame = [self.cells[self.runs[i]].last for i in self.shown]
            self._whole, self._every = start, self._every * 2
        self._drawn = self._clock()
        self._cost = self._drawn - start

    def _drawing(self, cell: _Cell) -> dict[str, Any]:
        """What is new in a column. `from` says after how many drawings it holds; a view that missed one waits for the whole."""
        r = cell.builder.response()
        html = body_html(r.text, self.format, cell.builder.end is None, cell.rendering)
        done = cell.rendering.done if html.startswith(cell.rendering.done) else ""
        first = 0 if not done.startswith(cell.done) else cell.n
        add = done[len(cell.done) :] if first else done
        cell.done = done
        cell.n += 1
        end = "" if cell.builder.end is None else self._ending(r)
        news = {"n": cell.n, "from": first, "add": add, "tail": html[len(done) :], "status": cell.status, "state": cell.state, "end": end}
        cell.last = {**news, "from": 0, "add": done}
        return news

    def _ending(self, r: Response) -> str:
        if r.error and self.blind:
            why = f'<p class="fm-note">{HIDDEN}</p>'
        else:
            why = error_html(r.error, len(r.text)) if r.error else stopped_html(len(r.text)) if r.finish_reason == "cancelled" else ""
        made = media_html(anonymized(r)) if self.blind else thought_html(r) + media_html(r)
        return made + why + footer_html(r, self.blind)

    def _close(self) -> None:
        """The answers take the widget's place, as HTML that needs no kernel."""
        self._over = True
        responses = [self.cells[run].builder.response() for run in self.runs]
        blind = self.blind and not all(r.error for r in responses)  # where all failed there is nothing to vote on
        names = self.names if blind else labels(self.axes)
        bundle = columns_bundle(responses, names, layout(self.axes, names), shown=self.shown, blind=blind, format=self.format)
        self._show(base.marked(bundle, self.id), self.id, self.watched)
        if self.grid is not None:
            self.grid.frame = []  # an export that keeps widgets' state need not keep the answers twice
            self.grid.close()

    def buttons(self, comparison: Comparison) -> None:
        """Below the answers: the comparison's buttons, and the answers once more, now that their comparison has a name."""
        self._show(base.marked(comparison.bundle(), self.id), self.id, True)
        line = f"{self.id}-line"
        grid = Grid(comparison, panel="", line_id=line, face_id=self.id, face_hidden=False)
        self._show(grid._repr_mimebundle_(), line, False)
