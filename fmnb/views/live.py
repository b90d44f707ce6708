"""A run in a notebook while it streams: one output for the answer, updated in place.

The output is redrawn at most ten times a second, and less often if drawing is slow, so that drawing
takes at most a fifth of the time; the last drawing is the complete response. Reasoning has an
output of its own: a line while it streams, then a closed fold. A view draws when an event arrives;
`tick()` draws pending changes in between. Where a program runs the notebook, everything is shown
once, at the end.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..core.events import (
    Cancelled,
    Event,
    Failed,
    Finished,
    Media,
    Progress,
    ReasoningDelta,
    ResponseBuilder,
    Restarted,
    TextDelta,
    ToolCallDelta,
    Waiting,
)
from .bundle import (
    Bundle,
    answer_bundle,
    error_html,
    progress_html,
    reasoning_bundle,
    stopped_html,
    stopped_text,
    waiting_html,
)
from .html import Rendering
from .static_output import DeferredOutput
from .status_text import progress_line, share, waiting_line

INTERVAL = 0.1  # seconds between updates
SHARE = 5  # a drawing that took t is followed by at least (SHARE - 1) * t of rest


class NotebookView:
    """The sink of one run, which displays its answer.

    `header` names the model if several answer in one cell. `watched` is False if a program runs the
    cell.
    """

    def __init__(
        self,
        run: str = "",
        format: str = "markdown",
        *,
        header: str = "",
        blind: bool = False,
        watched: bool = True,
        show: Callable[[Bundle, str, bool], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ):
        self.run = run
        self.format = format
        self.header = header
        self.blind = blind
        self.name = "the notebook's display"
        self.builder = ResponseBuilder()
        self._show: Callable[[Bundle, str, bool], None] = show or display
        self._at_once = None if watched else DeferredOutput(self._show)
        self._show = self._at_once or self._show
        self._clock = clock
        self._rendering = Rendering()
        self._slots = 0
        self._answer = ""  # display id, once there is one
        self._thought = ""
        self._thought_from: float | None = None
        self._thought_open = False
        self._status = ""
        self._drawn_at = -1e9
        self._cost = 0.0  # seconds the last update took
        self._held = False  # there are changes to draw
        self._undrawn = False  # the first text, or the first after a wait, is not drawn

    def use_builders(self, builders: Mapping[str, ResponseBuilder]) -> None:
        """Read the response from the builder of its run."""
        self.builder = builders.get(self.run, self.builder)

    def __call__(self, event: Event) -> None:
        """Handle one event; child runs (a download, a load) only show as progress."""
        if not self.run:
            self.run = event.run
        if event.run and event.run != self.run:
            if isinstance(event, (Progress, Waiting)):
                self._line(event)
            return
        self.builder.add(event)
        match event:
            case Progress() | Waiting():
                self._line(event)
            case ReasoningDelta():
                self._think(event)
            case TextDelta(text=text) if text:
                self._close_thought(event.at)
                first = not self._answer or self._status
                self._status = ""
                if first and not self._undrawn:
                    self._undrawn = True  # a short answer arrives at once: draw it once
                else:
                    self._draw(now=bool(first))
            case ToolCallDelta() | Media():
                self._close_thought(event.at)
            case Restarted(reason=reason):
                self._rendering = Rendering()
                self._status = waiting_html(f"retrying: {reason}")
                self._draw(now=True)
            case Finished() | Failed() | Cancelled():
                self._close_thought(event.at)
                self._finish(event)

    def tick(self) -> None:
        """Draw pending changes, if due."""
        if self._held:
            self._draw()
        self.caught_up()

    def caught_up(self) -> None:
        """Draw the first text, when all available events are handled."""
        if self._undrawn:
            self._draw(now=self._at_once is None)

    def _line(self, event: Progress | Waiting) -> None:
        before = self._status
        if isinstance(event, Waiting):
            self._status = waiting_html(waiting_line(event))
        else:  # remove a full bar
            self._status = "" if share(event) == 1.0 else progress_html(progress_line(event), share(event))
        if self._status != before:
            self._draw(now=isinstance(event, Waiting))

    def _think(self, event: ReasoningDelta) -> None:
        if not event.text:
            return
        if self._thought and not self._thought_open:
            return  # its fold is complete
        if self._thought_from is None:
            self._thought_from = event.at
        if not self._thought:
            self._thought_open = True
            if self._answer and not self.builder.text:  # only a wait was shown there: reasoning takes the upper place
                self._thought, self._answer, self._status = self._answer, "", ""
                self._show(reasoning_bundle("".join(self.builder.reasoning), None, True), self._thought, True)
            else:
                self._thought = self._slot("t")
                self._show(reasoning_bundle("".join(self.builder.reasoning), None, True), self._thought, False)
            self._drawn_at = self._clock()
        elif self._due():
            self._timed(lambda: self._show(reasoning_bundle("".join(self.builder.reasoning), None, True), self._thought, True))

    def _close_thought(self, at: float) -> None:
        if not self._thought_open:
            return
        self._thought_open = False
        took = max(0.0, at - self._thought_from) if self._thought_from is not None else None
        self._show(reasoning_bundle("".join(self.builder.reasoning), took, False), self._thought, True)

    def _draw(self, now: bool = False) -> None:
        if not now and not self._due():
            self._held = True
            return
        self._timed(lambda: self._put(self._bundle(streaming=True)))

    def _finish(self, event: Event) -> None:
        response = self.builder.response()
        failure = ""
        if isinstance(event, Failed):
            failure = error_html(event.error, len(response.text), response.host)
        elif isinstance(event, Cancelled):
            failure = stopped_html(len(response.text), len(response.media))
        self._status = ""
        data, metadata = answer_bundle(
            response, format=self.format, rendering=self._rendering, header=self.header, failure=failure, blind=self.blind
        )
        if isinstance(event, Cancelled):
            data["text/plain"] += f"\n{stopped_text(len(response.text), len(response.media))}"
        self._put((data, metadata))
        self._held = self._undrawn = False
        if self._at_once is not None:
            self._at_once.flush()

    def _bundle(self, streaming: bool) -> Bundle:
        return answer_bundle(
            self.builder.response(), streaming, format=self.format, rendering=self._rendering, header=self.header, status=self._status
        )

    def _put(self, bundle: Bundle) -> None:
        if self._answer:
            self._show(bundle, self._answer, True)
        else:
            self._answer = self._slot("a")
            self._show(bundle, self._answer, False)

    def _slot(self, kind: str) -> str:
        self._slots += 1
        return f"fmnb-{self.run or id(self)}-{kind}{self._slots}"

    def _due(self) -> bool:
        return self._at_once is None and self._clock() - self._drawn_at >= max(INTERVAL, self._cost * (SHARE - 1))

    def _timed(self, work: Callable[[], None]) -> None:
        start = self._clock()
        work()
        self._drawn_at = self._clock()
        self._cost = self._drawn_at - start
        self._held = self._undrawn = False


def display(bundle: Bundle, display_id: str, update: bool) -> None:
    """Publish through IPython's display, so that every front end and export keeps it."""
    publish: Any = importlib.import_module("IPython.display").publish_display_data
    data, metadata = bundle
    publish(data, metadata, transient={"display_id": display_id}, update=update)
