"""One answer that streams into a widget: events to small messages, a few a second.

    {do: "answer", run, n, from, add, tail, status, state, end}

Blocks that can no longer change travel once (`add`), the open one with each message (`tail`).
`n` counts the messages; one holds if the page has drawn `from` of them, or everything if that
is 0. A page that missed one asks for the whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

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
from ...core.response import Response
from ...views.bundle import (
    Bundle,
    answer_bundle,
    body_html,
    error_html,
    media_html,
    progress_html,
    reasoning_bundle,
    stopped_html,
    waiting_html,
)
from ...views.footer import escape_terminal, footer_html
from ...views.html import Rendering
from ...views.live import INTERVAL, SHARE
from ...views.sources import sources_html
from ...views.status_text import progress_line, share, thinking_line, waiting_line

Send = Callable[[dict[str, Any]], object]


class Answer:
    """The sink of one call. `state` is waiting, running, finished, failed or stopped; `response` the answer so far."""

    name = "the widget"

    def __init__(self, run: str, send: Send, *, format: str = "markdown", clock: Callable[[], float] = time.perf_counter):
        self.run = run
        self.format = format
        self.state = "waiting"
        self._send, self._clock = send, clock
        self._builder = ResponseBuilder()
        self._rendering = Rendering()
        self._family = {run}  # ours, and what runs below it: a load, a download
        self._n = 0
        self._done = ""  # HTML that was sent and can no longer change
        self._status = ""
        self._last: dict[str, Any] = {}
        self._drawn, self._cost = -1e9, 0.0
        self._held = False

    def use_builders(self, builders: Mapping[str, ResponseBuilder]) -> None:
        """Read the response from the builder of its run."""
        self._builder = builders.get(self.run, self._builder)

    @property
    def response(self) -> Response:
        """The answer as far as it has come."""
        return self._builder.response()

    def __call__(self, event: Event) -> None:
        """Take one event of the call, or of what runs below it."""
        if isinstance(event, Started) and event.parent in self._family:
            self._family.add(event.run)
        if event.run not in self._family:
            return
        own = event.run == self.run
        if isinstance(event, Waiting):
            self._status = waiting_html(escape_terminal(waiting_line(event)))
        elif isinstance(event, Progress):
            self._status = "" if share(event) == 1.0 else progress_html(escape_terminal(progress_line(event)), share(event))
        if own:
            self._take(event)
        self._draw(now=own and isinstance(event, (Started, *ENDS)))

    def _take(self, event: Event) -> None:
        self._builder.add(event)
        match event:
            case Started():
                self.state = "running"
            case ReasoningDelta():
                self._status = waiting_html(thinking_line(len("".join(self._builder.reasoning).split())))
            case TextDelta(text=text) if text:
                self._status = ""
            case Restarted(reason=reason):
                self._rendering, self._done = Rendering(), ""
                self._status = waiting_html(escape_terminal(f"retrying: {reason}"))
            case Finished() | Failed() | Cancelled():
                self.state = _ENDED[type(event)]
                self._status = ""

    def tick(self) -> None:
        """Draw what is held back, if its time has come."""
        if self._held:
            self._draw()

    def _draw(self, now: bool = False) -> None:
        start = self._clock()
        if not now and start - self._drawn < max(INTERVAL, self._cost * (SHARE - 1)):
            self._held = True
            return
        self._send(self._news())
        self._held = False
        self._drawn = self._clock()
        self._cost = self._drawn - start

    def _news(self) -> dict[str, Any]:
        r = self.response
        html = body_html(r.text, self.format, self._builder.end is None, self._rendering)
        done = self._rendering.done if html.startswith(self._rendering.done) else ""
        first = self._n if self._n and done.startswith(self._done) else 0
        add = done[len(self._done) :] if first else done
        self._done = done
        self._n += 1
        end = "" if self._builder.end is None else ending_html(r)
        news = {"do": "answer", "run": self.run, "n": self._n, "from": first, "add": add, "tail": html[len(done) :]}
        news |= {"status": self._status, "state": self.state, "end": end}
        self._last = {**news, "from": 0, "add": done}
        return news

    def whole(self) -> dict[str, Any]:
        """Everything so far, for a page that came late; {} if nothing has come."""
        return self._last


_ENDED: Mapping[type, str] = {Finished: "finished", Failed: "failed", Cancelled: "stopped"}


def whole_of(response: Response, format: str = "markdown") -> dict[str, Any]:
    """The message for an answer that is there already."""
    state = "failed" if response.error else "stopped" if response.finish_reason == "cancelled" else "finished"
    html = body_html(response.text, format, False)
    news = {"do": "answer", "run": response.run, "n": _LAST, "from": 0, "add": html, "tail": ""}
    return {**news, "status": "", "state": state, "end": ending_html(response)}


_LAST = 1_000_000  # the number of a message after which none comes


def ending_html(r: Response) -> str:
    """What stands below a text that has ended: reasoning, pictures, sources, what went wrong, the footer."""
    thought = reasoning_bundle(r.reasoning, None, False)[0]["text/html"] if r.reasoning else ""
    return thought + media_html(r) + sources_html(r) + _why(r) + footer_html(r)


def still(r: Response, format: str = "markdown") -> Bundle:
    """The whole answer as it stands in a notebook with no kernel."""
    return answer_bundle(r, format=format, failure=_why(r))


def _why(r: Response) -> str:
    """Why an answer is not whole; "" where it is."""
    if r.error:
        return error_html(r.error, len(r.text))
    return stopped_html(len(r.text), len(r.media)) if r.finish_reason == "cancelled" else ""
