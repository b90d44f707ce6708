"""Streams the answers of a comparison into a Grid a few times a second, then replaces it with HTML.

Only changes are sent: finished blocks once, the open block with each drawing. From time to time
everything is set as a trait, from which a view that connects late draws.
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
from ...views.bundle import HIDDEN, anonymized, answer_html, error_html, media_html, progress_html, stopped_html, waiting_html
from ...views.comparison import columns_bundle, layout, letter, thought_html
from ...views.footer import escape_terminal, footer_html
from ...views.html import Rendering
from ...views.live import INTERVAL, SHARE, display
from ...views.status_text import progress_line, share, thinking_line, waiting_line
from . import base
from .grid import Grid

_FULL_SECONDS = 1.0  # seconds until everything is sent; the interval doubles each time


@dataclass
class _AnswerCell:
    """One streaming answer, with the title above it."""

    title: str
    builder: ResponseBuilder = field(default_factory=ResponseBuilder)
    rendering: Rendering = field(default_factory=Rendering)
    n: int = 0  # drawings so far
    sent_html: str = ""  # sent HTML that no longer changes
    status: str = ""
    state: str = "waiting"  # then running, and finished, failed or stopped
    changed: bool = True
    full_message: dict[str, Any] = field(default_factory=dict)


class GridStream:
    """The sink of a comparison in a notebook."""

    name = "the comparison's display"

    def __init__(
        self,
        runs: Sequence[str],
        conditions: Sequence[Mapping[str, Any]],
        display_order: Sequence[int],
        *,
        blind: bool = False,
        format: str = "markdown",
        clock: Callable[[], float] = time.perf_counter,
        make_grid: Callable[..., Grid] = Grid,
        show: Callable[[base.Bundle, str, bool], None] = display,
        live: bool = True,
    ):
        self.runs = list(runs)
        self.display_order = list(display_order)
        self.blind = blind
        self.format = format
        self.conditions = [dict(a) for a in conditions]
        self.names = [letter(self.display_order.index(i)) for i in range(len(conditions))] if blind else labels(conditions)
        self.grid_layout = layout(conditions, self.names)
        self.cells = {run: _AnswerCell(name) for run, name in zip(self.runs, self.names, strict=True)}
        self.cell_run = dict(zip(self.runs, self.runs, strict=True))  # run -> run of its column, such as a load below a call
        self.id = f"fmnb-{self.runs[0]}-grid"
        self.grid: Grid | None = None
        self._make, self._show, self._clock = make_grid, show, clock
        self.live = live  # otherwise nothing is shown until all have answered
        self._last_draw = self._last_full = -1e9
        self._cost, self._full_interval = 0.0, _FULL_SECONDS
        self._closed = False

    def use_builders(self, builders: Mapping[str, ResponseBuilder]) -> None:
        """Read the responses from the builders of their runs."""
        for run, cell in self.cells.items():
            cell.builder = builders.get(run, cell.builder)

    def __call__(self, event: Event) -> None:
        """Process an event of one of the runs."""
        if self.grid is None and self.live:
            self._show_grid()
        if isinstance(event, Started) and event.run not in self.cell_run and event.parent in self.cell_run:
            self.cell_run[event.run] = self.cell_run[event.parent]
        home = self.cell_run.get(event.run)
        cell = self.cells.get(home or "")
        if cell is None:
            return
        self._apply(cell, event, own=event.run == home)
        if self.live:
            self._draw(now=event.run == home and isinstance(event, ENDS))
        if not self._closed and all(c.builder.end is not None for c in self.cells.values()):
            self._show_static()

    def tick(self) -> None:
        """Draw pending changes, if it is time."""
        if self.grid is not None and not self._closed:
            self._draw()

    def _apply(self, cell: _AnswerCell, event: Event, own: bool) -> None:
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
            case ReasoningDelta() if not self.blind:  # reasoning could reveal the model
                cell.status = f'<p class="fm-note">{thinking_line(len("".join(cell.builder.reasoning).split()))}</p>'
            case TextDelta(text=text) if text:
                cell.status = ""
            case Restarted(reason=reason):
                cell.rendering, cell.sent_html = Rendering(), ""
                cell.status = waiting_html("retrying" if self.blind else escape_terminal(f"retrying: {reason}"))
                cell.full_message = {}
            case Finished():
                cell.state, cell.status = "finished", ""
            case Failed():
                cell.state, cell.status = "failed", ""
            case Cancelled():
                cell.state, cell.status = "stopped", ""

    def _show_grid(self) -> None:
        state = {
            "phase": "streaming",
            "cells": [
                {
                    "title": escape_terminal(self.names[i]),
                    "row": self.grid_layout.places[i][0],
                    "column": self.grid_layout.places[i][1],
                    "run": self.runs[i],
                }
                for i in self.display_order
            ],
            "rows": list(self.grid_layout.rows),
            "columns": len(self.grid_layout.columns),
        }
        self.grid = self._make(about=state, frame=[])
        self.grid.stop = self._stop
        data, metadata = self.grid._repr_mimebundle_()
        waiting = f"Asking {', '.join(self.names)}: the notebook was saved before all answers were complete; `%fm log` has them."
        plain_html = f'<p class="fmnb-face">{inert(escape_terminal(waiting))}</p>\n'
        self._show(({**data, "text/html": plain_html, "text/plain": waiting}, metadata), self.id, False)

    def _stop(self, at: int) -> None:
        for i in self.display_order if at < 0 else [self.display_order[at]]:
            stop(self.runs[i])

    def _draw(self, now: bool = False) -> None:
        start = self._clock()
        if not now and start - self._last_draw < max(INTERVAL, self._cost * (SHARE - 1)):
            return
        assert self.grid is not None
        changed = {}
        for p, i in enumerate(self.display_order):
            cell = self.cells[self.runs[i]]
            if cell.changed:
                changed[str(p)] = self._cell_message(cell)
                cell.changed = False
        if changed:
            self.grid.send({"do": "cells", "cells": changed})
        if start - self._last_full > self._full_interval:
            self.grid.frame = [self.cells[self.runs[i]].full_message for i in self.display_order]
            self._last_full, self._full_interval = start, self._full_interval * 2
        self._last_draw = self._clock()
        self._cost = self._last_draw - start

    def _cell_message(self, cell: _AnswerCell) -> dict[str, Any]:
        """The new content of a column.

        `from` is the number of drawings that the page must have; a view that missed one waits for everything.
        """
        r = cell.builder.response()
        html = answer_html(r, self.format, cell.builder.end is None, cell.rendering)
        done = cell.rendering.done if html.startswith(cell.rendering.done) else ""
        first = 0 if not done.startswith(cell.sent_html) else cell.n
        add = done[len(cell.sent_html) :] if first else done
        cell.sent_html = done
        cell.n += 1
        end = "" if cell.builder.end is None else self._end_html(r, cell.title)
        message = {
            "n": cell.n,
            "from": first,
            "add": add,
            "tail": html[len(done) :],
            "status": cell.status,
            "state": cell.state,
            "end": end,
        }
        cell.full_message = {**message, "from": 0, "add": done}
        return message

    def _end_html(self, r: Response, title: str) -> str:
        if r.error and self.blind:
            failure = f'<p class="fm-note">{HIDDEN}</p>'
        else:
            failure = (
                error_html(r.error, len(r.text), r.host) if r.error else stopped_html(len(r.text)) if r.finish_reason == "cancelled" else ""
            )
        content = media_html(anonymized(r)) if self.blind else thought_html(r) + media_html(r)
        return content + failure + footer_html(r, self.blind, title)

    def _show_static(self) -> None:
        """Replace the widget with the answers as HTML that needs no kernel."""
        self._closed = True
        responses = [self.cells[run].builder.response() for run in self.runs]
        blind = self.blind and not all(r.error for r in responses)  # there is nothing to vote on if all failed
        names = self.names if blind else labels(self.conditions)
        bundle = columns_bundle(
            responses, names, layout(self.conditions, names), display_order=self.display_order, blind=blind, format=self.format
        )
        self._show(base.mark_static_view(bundle, self.id), self.id, self.live)
        if self.grid is not None:
            self.grid.frame = []  # do not store the answers twice in the widget state
            self.grid.close()

    def show_buttons(self, comparison: Comparison) -> None:
        """Display the buttons below the answers, and the answers again with the comparison's id."""
        self._show(base.mark_static_view(comparison.bundle(), self.id), self.id, True)
        line = f"{self.id}-line"
        grid = Grid(comparison, panel="", line_id=line, static_id=self.id, static_hidden=False)
        self._show(grid._repr_mimebundle_(), line, False)
