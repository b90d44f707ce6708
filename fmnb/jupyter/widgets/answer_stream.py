"""One answer that streams into a widget: events to small messages, a few a second.

    {do: "answer", run, n, from, add, tail, status, state, end}

Blocks that can no longer change travel once (`add`), the open one with each message (`tail`).
`n` counts the messages; one holds if the page has drawn `from` of them, or everything if that
is 0. A page that missed one requests everything.
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
    answer_html,
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


class AnswerStream:
    """The sink of one call. `state` is waiting, running, finished, failed or stopped."""

    name = "the widget"

    def __init__(self, run: str, send: Send, *, format: str = "markdown", clock: Callable[[], float] = time.perf_counter):
        self.run = run
        self.format = format
        self.state = "waiting"
        self._send, self._clock = send, clock
        self._builder = ResponseBuilder()
        self._rendering = Rendering()
        self._runs = {run}  # this run and those below it: a load, a download
        self._n = 0
        self._sent_html = ""  # HTML that was sent and can no longer change
        self._status = ""
        self._full_message: dict[str, Any] = {}
        self._last_draw, self._cost = -1e9, 0.0
        self._is_pending = False

    def use_builders(self, builders: Mapping[str, ResponseBuilder]) -> None:
        """Read the response from the builder of its run."""
        self._builder = builders.get(self.run, self._builder)

    @property
    def response(self) -> Response:
        """The answer so far."""
        return self._builder.response()

    def __call__(self, event: Event) -> None:
        """Process an event of the call, or of a run below it."""
        if isinstance(event, Started) and event.parent in self._runs:
            self._runs.add(event.run)
        if event.run not in self._runs:
            return
        own = event.run == self.run
        if isinstance(event, Waiting):
            self._status = waiting_html(escape_terminal(waiting_line(event)))
        elif isinstance(event, Progress):
            self._status = "" if share(event) == 1.0 else progress_html(escape_terminal(progress_line(event)), share(event))
        if own:
            self._apply(event)
        self._draw(now=own and isinstance(event, (Started, *ENDS)))

    def _apply(self, event: Event) -> None:
        self._builder.add(event)
        match event:
            case Started():
                self.state = "running"
            case ReasoningDelta():
                self._status = waiting_html(thinking_line(len("".join(self._builder.reasoning).split())))
            case TextDelta(text=text) if text:
                self._status = ""
            case Restarted(reason=reason):
                self._rendering, self._sent_html = Rendering(), ""
                self._status = waiting_html(escape_terminal(f"retrying: {reason}"))
            case Finished() | Failed() | Cancelled():
                self.state = _END_STATES[type(event)]
                self._status = ""

    def tick(self) -> None:
        """Send pending changes, if it is time."""
        if self._is_pending:
            self._draw()

    def _draw(self, now: bool = False) -> None:
        start = self._clock()
        if not now and start - self._last_draw < max(INTERVAL, self._cost * (SHARE - 1)):
            self._is_pending = True
            return
        self._send(self._next_message())
        self._is_pending = False
        self._last_draw = self._clock()
        self._cost = self._last_draw - start

    def _next_message(self) -> dict[str, Any]:
        r = self.response
        html = answer_html(r, self.format, self._builder.end is None, self._rendering)
        done = self._rendering.done if html.startswith(self._rendering.done) else ""
        first = self._n if self._n and done.startswith(self._sent_html) else 0
        add = done[len(self._sent_html) :] if first else done
        self._sent_html = done
        self._n += 1
        end = "" if self._builder.end is None else ending_html(r)
        message = {"do": "answer", "run": self.run, "n": self._n, "from": first, "add": add, "tail": html[len(done) :]}
        message |= {"status": self._status, "state": self.state, "end": end}
        self._full_message = {**message, "from": 0, "add": done}
        return message

    def full_message(self) -> dict[str, Any]:
        """Everything so far, for a page that connects late; {} before the first message."""
        return self._full_message


_END_STATES: Mapping[type, str] = {Finished: "finished", Failed: "failed", Cancelled: "stopped"}


def complete_message(response: Response, format: str = "markdown") -> dict[str, Any]:
    """The message for an answer that is complete already."""
    state = "failed" if response.error else "stopped" if response.finish_reason == "cancelled" else "finished"
    html = answer_html(response, format, False)
    message = {"do": "answer", "run": response.run, "n": _FINAL_N, "from": 0, "add": html, "tail": ""}
    return {**message, "status": "", "state": state, "end": ending_html(response)}


_FINAL_N = 1_000_000  # the number of a final message


def ending_html(r: Response) -> str:
    """What follows a finished text: reasoning, images, sources, error, footer."""
    thought = reasoning_bundle(r.reasoning, None, False)[0]["text/html"] if r.reasoning else ""
    return thought + media_html(r) + sources_html(r) + _failure_html(r) + footer_html(r)


def static_answer(r: Response, format: str = "markdown") -> Bundle:
    """The complete answer for a notebook without a kernel."""
    return answer_bundle(r, format=format, failure=_failure_html(r))


def _failure_html(r: Response) -> str:
    """Why an answer is incomplete; "" if it is complete."""
    if r.error:
        return error_html(r.error, len(r.text), r.host)
    return stopped_html(len(r.text), len(r.media)) if r.finish_reason == "cancelled" else ""
