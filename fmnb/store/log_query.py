"""`fm.log`: the log as a table; a run can be opened again by its id."""

from __future__ import annotations

import datetime
import time

from ..core.errors import UsageError
from ..core.records import Rows
from ..core.response import Response
from . import log as store
from .search import Filter, find, hidden

LOG_COLUMNS = (
    "run",
    "when",
    "model",
    "prompt",
    "text",
    "finish_reason",
    "error",
    "seconds",
    "input_tokens",
    "output_tokens",
    "cost",
    "source",
)
_WITH_FEEDBACK = (
    "error",
    "seconds",
    "first_token_seconds",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost",
    "source",
)


def log(
    query: str = "",
    *,
    limit: int = 30,
    model: str = "",
    days: float | None = None,
    open: bool = False,
    kind: str = "",
    vote: str = "",
    cost: float | None = None,
) -> Rows:
    """List runs of the log, newest first.

    Answers of a blind comparison have no model name until somebody votes. `fm.History()` is
    the same as a widget.

    Args:
        query: Words to search in prompts and answers.
        limit: Maximum number of rows.
        model: Name of a model.
        days: How many days to look back.
        open: Only unfinished runs.
        kind: call, row, compare, download, ...
        vote: any, won, lost, tie, bad, star, edit or accept.
        cost: Minimum cost of a run, in US dollars.

    Returns:
        A table, one row per run; `run` opens it again.

    Raises:
        StoreError: The log cannot be read.

    >>> log().columns[:3]
    ('run', 'when', 'model')
    """
    if kind or vote or cost is not None:
        return _filtered(query, limit, model, days, kind, vote, cost, open)
    since = None if days is None else time.time() - days * 86400
    found = store.search(query, limit=limit, model=model, since=since, open_only=open)
    found = [r for r in found if r["kind"] != "compare"]  # its answers are listed instead
    unnamed = hidden(r["run"] for r in found)
    found = [r for r in found if not (model and r["run"] in unnamed)]  # a search by model name would reveal it
    for r in found:
        r["when"] = _when(r.pop("started"))
        if r["run"] in unnamed:
            r |= {"model": "hidden", **{n: None for n in _WITH_FEEDBACK}}
    note = "" if found else ("nothing in the log" if not query else f"nothing in the log for {query!r}")
    if not store.enabled():
        note = f"{note}  (the log is off: `%fm log on`)".strip()
    return Rows(found, LOG_COLUMNS, note)


def _filtered(query: str, limit: int, model: str, days: float | None, kind: str, vote: str, cost: float | None, open: bool) -> Rows:
    since = None if days is None else time.time() - days * 86400
    found = find(Filter(query, model, kind, vote, cost, since, open=open), limit=limit)
    for r in found:
        r["when"] = _when(r["started"])
        r["vote"] = ", ".join(r["said"])
    return Rows(found, (*LOG_COLUMNS[:6], "vote", "error", "seconds", "cost"), "" if found else "no matching runs in the log")


def _when(started: float) -> datetime.datetime | None:
    """The time of a run; None if a damaged or foreign log has a time that no calendar has."""
    try:
        return datetime.datetime.fromtimestamp(started)
    except (OverflowError, ValueError, OSError):
        return None


def reopen(run: str) -> Response:
    """The answer of a logged run, by its id or an unambiguous beginning of it."""
    found = [r["run"] for r in store.search(limit=100_000) if r["run"].startswith(run)]
    if len(found) > 1:
        raise UsageError("Several run ids start like that", detail=run, hint=f"For example {found[0]} or {found[1]}.")
    return store.reopen(found[0] if found else run)


def parse_date(text: str) -> float:
    """Seconds since the epoch of an ISO date, local time.

    >>> parse_date("2026-01-31") > 1.7e9
    True
    """
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise UsageError("That is not a date", detail=repr(text), hint="Write it as 2026-01-31.") from None
