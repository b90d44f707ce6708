"""`fm.History()`: search, filter and reopen runs of the log. `%fm log forget` deletes runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import traitlets

from ...calls.session import session
from ...comparison.compare import reopen as reopen_comparison
from ...core.errors import UsageError
from ...core.events import ENDS, Event, Feedback, Started
from ...core.inert_text import inert
from ...core.types import Message, Request
from ...store import log
from ...store.search import VOTES, Filter, count, find, kinds
from ...views.colors import BORDER, MUTED, SHADE
from ...views.footer import escape_terminal, money, seconds
from . import base
from .answer_stream import static_answer
from .cell_source import cell_of
from .grid import Grid

BLOCK = 50  # rows per message
_DAY = 86_400.0
_MAX_OPEN = 10  # open at once; each rerun of a cell leaves one behind
_open_widgets: list[History] = []


class History(base.Widget):
    """A widget to search the log, reopen runs and insert them as cells.

    The notebook stores the open run, but not the list, which contains runs of other notebooks.

        fm.History("median", days=7)

    Args:
        query: Words to search in prompts and answers.
        model: Name of a model.
        kind: call, row, compare, download, ...
        vote: any, won, lost, tie, bad, star, edit or accept.
        cost: Minimum cost of a run, in US dollars.
        days: How many days to look back.
        notebook: Path of a notebook; all if empty.

    >>> History().total >= 0
    True
    """

    kind = "History"
    _esm = base.assets("answer_stream", "history")["_esm"]
    _css = base.assets("answer_stream", "history")["_css"]
    about = traitlets.Dict().tag(sync=True)  # the filter, number of matching runs, choices of the menus
    opened = traitlets.Dict().tag(sync=True)  # the open run

    def __init__(
        self,
        query: str = "",
        *,
        model: str = "",
        kind: str = "",
        vote: str = "",
        cost: float | None = None,
        days: float | None = None,
        notebook: str = "",
    ):
        super().__init__()
        self._grid: Grid | None = None
        self._open_view: base.Bundle | None = None
        self._kinds = kinds()
        self.filter = Filter(query, model, kind, vote, cost, None if days is None else time.time() - days * _DAY, notebook)
        self.days = days
        self.total = 0
        self._count()
        _open_widgets.append(self)
        session.global_sinks.append(self._on_event)
        while len(_open_widgets) > _MAX_OPEN:
            _open_widgets[0].close()

    def on_show(self) -> None:
        """Count again: a page has drawn the widget."""
        self._count()

    def on_filter(self, filter: Mapping[str, object]) -> None:
        """Search with another filter."""
        self.days = _number("days", filter.get("days"))
        self.filter = Filter(
            query=str(filter.get("query", "")),
            model=str(filter.get("model", "")),
            kind=str(filter.get("kind", "")),
            vote=str(filter.get("vote", "")),
            min_cost=_number("cost", filter.get("cost")),
            since=None if self.days is None else time.time() - self.days * _DAY,
            notebook=session.notebook if filter.get("here") else "",
        )
        self._count()

    def on_rows(self, start: int, version: int = 0) -> None:
        """Send a block of rows from number `start`."""
        rows = [_row(r) for r in find(self.filter, limit=BLOCK, offset=max(0, int(start)))]
        self.send({"do": "rows", "start": start, "version": version, "rows": rows})

    def on_open(self, run: str) -> None:
        """Show a run: its prompt and answer, or a comparison with its buttons."""
        start = next((e for e in log.events_of(run) if isinstance(e, Started)), None)
        if start is None:
            raise UsageError("No such run in the log", detail=repr(run)[:40])
        if self._grid is not None:
            self._grid.close()
            self._grid = None
        if start.kind == "compare":
            comparison = reopen_comparison(run)
            self._grid = Grid(comparison)
            self._open_view = comparison.bundle()
            self.opened = {"run": run, "grid": f"IPY_MODEL_{self._grid.model_id}", "html": self._open_view[0]["text/html"], "cell": False}
        else:
            self._open_view = run_bundle(run)
            self.opened = {"run": run, "grid": "", "html": self._open_view[0]["text/html"], "cell": start.request is not None}
        self.update_static_view()

    def on_shut(self) -> None:
        """Close the open run."""
        if self._grid is not None:
            self._grid.close()
        self._grid, self._open_view, self.opened = None, None, {}
        self.update_static_view()

    def on_cell(self, run: str) -> None:
        """Send the request of a run as a cell."""
        r = log.reopen(run)
        if r.request is None:
            raise UsageError("That run has no request")
        self.send({"do": "insert", "sources": [cell_of(r.request, r.requested_model)]})

    def _count(self) -> None:
        self.total = count(self.filter)
        f = self.filter
        shown = {
            "query": f.query,
            "model": f.model,
            "kind": f.kind,
            "vote": f.vote,
            "cost": f.min_cost,
            "days": self.days,
            "here": bool(f.notebook),
        }
        self.about = {
            "filter": shown,
            "total": self.total,
            "kinds": self._kinds,
            "votes": list(VOTES),
            "here": bool(session.notebook),
            "on": log.enabled(),
            "version": self.about.get("version", 0) + 1,
        }

    def _on_event(self, event: Event) -> None:
        """Tell the page to reload: a run has ended, or there is new feedback."""
        if isinstance(event, (*ENDS, Feedback)):
            self.send({"do": "feedback" if isinstance(event, Feedback) else "stale"})

    def close(self) -> None:
        """Close the widget and stop listening."""
        if self in _open_widgets:
            _open_widgets.remove(self)
        if self._on_event in session.global_sinks:
            session.global_sinks.remove(self._on_event)
        super().close()

    def static_view(self) -> base.Bundle | None:
        """The open run; the list is not stored in the notebook."""
        if self._open_view is not None:
            return self._open_view
        text = "The log of this machine. Its list of runs is not stored in the notebook."
        return {"text/html": f'<p style="color:{MUTED}">{text}</p>\n', "text/plain": text}, {"fmnb": {"widget": self.kind}}


def run_bundle(run: str) -> base.Bundle:
    """A logged run for a notebook: its messages, then the answer."""
    r = log.reopen(run)
    messages = messages_html(r.request) if r.request is not None else ""
    how = "json" if r.request is not None and r.request.schema is not None else r.request.format if r.request is not None else "markdown"
    data, metadata = static_answer(r, how)
    prompt = "\n\n".join(f"{m.role}: {escape_terminal(m.text)}" for m in r.request.messages) if r.request is not None else ""
    return {"text/html": messages + data["text/html"], "text/plain": f"{prompt}\n\n{data['text/plain']}".strip()}, metadata


def messages_html(request: Request) -> str:
    """The messages of a request, the earlier ones collapsed."""
    *earlier, last = request.messages
    folded = "".join(map(_message_html, earlier))
    if folded:
        turns = f"{len(earlier)} earlier message{'s' if len(earlier) > 1 else ''}"
        folded = f'<details style="color:{MUTED};font-size:12px"><summary style="cursor:pointer">{turns}</summary>{folded}</details>\n'
    return folded + _message_html(last)


def _message_html(m: Message) -> str:
    more = [type(p).__name__.lower() for p in m.parts if not hasattr(p, "text")]
    note = f'<div style="font-size:11.5px;color:{MUTED}">with {inert(", ".join(more))}</div>' if more else ""
    return (
        f'<div style="font-size:11.5px;color:{MUTED};margin:.6em 0 .2em">{inert(m.role)}</div>\n'
        f'<div dir="auto" style="background:{SHADE};border:1px solid {BORDER};border-radius:4px;padding:.4em .8em;white-space:pre-wrap;'
        f'overflow-wrap:anywhere;max-height:16em;overflow:auto">{inert(escape_terminal(m.text))}</div>{note}\n'
    )


def _row(r: Mapping[str, Any]) -> dict[str, Any]:
    state = _STATES.get(r["finish_reason"], r["finish_reason"])
    answers = f"{r['answers']} answers" if r["kind"] == "compare" else ""
    price = "" if r["cost"] is None else money(r["cost"]) if r["cost"] else "free"
    return {
        "run": r["run"],
        "when": r["started"],
        "kind": r["kind"],
        "model": "names hidden" if r["hidden"] else escape_terminal(r["model"] or ""),
        "prompt": escape_terminal(" ".join((r["prompt"] or "").split())),
        "text": escape_terminal(" ".join((r["error"] or r["text"] or answers).split())),
        "state": state,
        "feedback": r["said"],
        "facts": " · ".join(
            filter(None, (seconds(r["seconds"]), price if r["source"] == "live" or not price else f"{price}, {r['source']}"))
        ),
    }


_STATES = {"stop": "", "": "", "error": "✗ failed", "cancelled": "■ stopped", "length": "truncated at the token limit"}


def _number(name: str, value: Any) -> float | None:
    if value in (None, ""):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"{name} must be a number", detail=repr(value)[:40]) from None
