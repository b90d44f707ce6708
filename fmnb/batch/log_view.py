"""A batch from the log, as `%fm log RUN` shows it: state, summary, first rows, how to resume."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import UsageError
from ..core.events import Cancelled, Failed, Finished, Started
from ..core.inert_text import inert, inert_with_code
from ..core.markdown import neutral_markdown
from ..core.response import Response
from ..store import batches, log
from ..views.batch import BatchEnd, summary_lines
from ..views.batch_preview import Preview, preview
from ..views.bundle import error_html, error_text
from ..views.colors import MUTED, UI
from ..views.footer import escape_terminal
from .result import Batch, reopen

ROWS = 8  # rows to show
_UI = f"font-family:{UI};font-size:12.5px;line-height:1.5"
_STATES: dict[type, str] = {Finished: "finished", Failed: "failed", Cancelled: "stopped"}


@dataclass(frozen=True)
class LoggedBatch:
    """A batch from the log; `batch` has its answers and its summary.

    `state` is finished, failed, stopped, continued or open.
    """

    batch: Batch
    state: str
    started: float
    prompt: str = ""
    error: dict[str, Any] | None = None

    @property
    def run(self) -> str:
        """The id of the batch, the parent of all its rows."""
        return self.batch.run

    def result(self, over: Any = None) -> Any:
        """The answer columns, added to the table `over` if there is one."""
        return self.batch.result(over)

    def _head(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.started))
        samples = f" × {self.batch.samples} samples" if self.batch.samples > 1 else ""
        return " · ".join(
            [f"batch of {self.batch.rows:,} rows{samples}", ", ".join(self.batch.models), self.state, when, f"run {self.run}"]
        )

    def _end(self) -> BatchEnd:
        s = self.batch.summary
        lines = summary_lines(s.to_dict())
        if self.state == "open":
            lines[0] = lines[0].replace(" not sent", " waiting")
        return BatchEnd(lines[0], tuple(lines[1:]), self._next(), bad=s.failed > s.answered)

    def _next(self) -> str:
        """How to resume the batch."""
        s, free = self.batch.summary, "stored answers are not paid for again"
        table = "`.result(TABLE)` of this value adds the answers to the table"
        if self.state == "open":
            text = f"it is running, or its kernel was killed: then run the same cell again to resume; {free}"
        elif self.state == "continued":
            text = "a later run of the same cell resumed it"
        elif s.missing:
            text = f"run the same cell again to resume: {s.missing:,} rows are left, and {free}"
        elif s.failed:
            text = f"the same cell with --retry-errors retries the failed rows; {free}"
        else:
            text = "running the same cell again takes the answers from the log"
        return f"{text}; {table}"

    def _preview(self) -> tuple[str, Preview] | None:
        answers = [a for a in self.batch.answers if a.run][:ROWS]
        fields = list((self.batch.spec.schema if self.batch.spec else {}).get("properties", ()))
        rows = [(a.row, _row(a.run, a.model)) for a in answers]
        several = len(self.batch.models) > 1
        noun = "call" if several or self.batch.samples > 1 else "row"
        caption = (
            f"the first {len(rows)} {noun}s with an answer or an error" if len(rows) > 1 else f"the one {noun} with an answer or an error"
        )
        return (caption, preview(rows, fields, several)) if rows else None

    def __str__(self) -> str:
        table = self._preview()
        parts = [self._head(), *self._end().lines(), *([error_text(self.error)] if self.error else [])]
        if self.prompt:
            parts.insert(1, f"prompt: {' '.join(self.prompt.split())[:300]}")
        if table is not None:
            parts += [f"{table[0]}:", table[1].text()]
        return escape_terminal("\n".join([*parts, *self.batch.summary.notes]))

    __repr__ = __str__

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        small = f'<p style="margin:.15em 0;color:{MUTED}">'
        html = f"{small}{inert(escape_terminal(self._head()))}</p>"
        html += f"{small}{inert(escape_terminal(' '.join(self.prompt.split())[:300]))}</p>" if self.prompt else ""
        html += self._end().html() + (error_html(self.error) if self.error else "")
        html += "".join(f"{small}{inert_with_code(escape_terminal(n))}</p>" for n in self.batch.summary.notes)
        if (table := self._preview()) is not None:
            html += table[1].html(table[0])
        text = str(self)
        return {"text/html": f'<div style="{_UI}">{html}</div>\n', "text/markdown": neutral_markdown(text), "text/plain": text}


def load_batch(run: str) -> LoggedBatch:
    """A batch from the log, also one that failed, was stopped or is still open; no model is called.

    Raises:
        UsageError: The run is not a batch.

    >>> from fmnb.batch.run import batch
    >>> load_batch(batch("{{ w }}", [{"w": "hi"}], "echo:").run).state
    'finished'
    """
    events = log.events_of(run)
    try:
        batch = reopen(run)
    except (KeyError, TypeError, ValueError, IndexError):
        raise UsageError("The log has no complete record of this batch", detail=run) from None
    start, end = events[0], events[-1]
    assert isinstance(start, Started)
    ended, row = batches.last(run)
    state = _STATES.get(type(end)) or ("open" if ended is None else "continued")
    until = end.at if type(end) in _STATES else row  # of a killed batch, the time of its last row
    seconds = max(0.0, until - start.at) if until else 0.0
    prompt = start.request.messages[-1].text if start.request is not None and start.request.messages else ""
    batch = replace(batch, summary=replace(batch.summary, seconds=seconds))
    return LoggedBatch(batch, state, start.at, prompt, end.error if isinstance(end, Failed) else None)


def _row(run: str, model: str) -> Response:
    try:
        return replace(log.reopen(run), requested_model=model)
    except UsageError:
        return Response("", run=run, requested_model=model)
