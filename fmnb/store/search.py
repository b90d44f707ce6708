"""The log in pages: runs that match a filter, newest first, with their feedback.

A comparison is one entry with its answers below; a search for words lists the answers as entries of
their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..core.errors import UsageError
from ..core.events import Feedback, Started
from . import event_reader
from . import feedback as signals
from .inbox import log_database
from .log import fts_condition

VOTES = ("any", "won", "lost", "tie", "bad", "star", "edit", "accept")
_PROMPT, _TEXT = 240, 300  # characters shown of an entry


@dataclass(frozen=True)
class Filter:
    """A filter. `query` searches prompts and answers, `vote` is one of VOTES, `min_cost` is in US dollars."""

    query: str = ""
    model: str = ""
    kind: str = ""
    vote: str = ""
    min_cost: float | None = None
    since: float | None = None
    notebook: str = ""
    open: bool = False


def find(f: Filter, *, limit: int = 50, offset: int = 0) -> list[dict[str, Any]]:
    """One page of matching runs, as dicts.

    Keys: run, parent, kind, started, model, prompt and text (shortened), finish_reason, error,
    seconds, cost, source, notebook, answers, said and hidden. `said` has labels of feedback such as
    "won" or "star"; with `hidden`, a blind comparison has no vote yet, and `model` is empty.
    Raises UsageError for an unknown vote.
    """
    where, values = _where(f)
    rows = log_database().rows(
        f"SELECT run, parent, kind, started, asked, model, substr(prompt, 1, {_PROMPT}) prompt, substr(text, 1, {_TEXT}) text, finish, error,"
        f" seconds, {_COST} cost, source, notebook, (SELECT COUNT(*) FROM runs c WHERE c.parent = runs.run) answers"
        f" FROM runs WHERE {where} ORDER BY started DESC, rowid DESC LIMIT ? OFFSET ?",
        (*values, limit, offset),
    )
    found = [dict(r) for r in rows]
    said, blind = _feedback_by_run(found), _blind_runs(found)
    for r in found:
        over = r["run"] if r["kind"] == "compare" else r["parent"]
        r["hidden"] = over in blind and not any(s.kind == "vote" for s in said.get(over, ()))
        r["said"] = [] if r["hidden"] else feedback_labels(said.get(r["run"], ()), said.get(over, ()), r["run"], r["kind"])
        r["model"] = "" if r["hidden"] else r.pop("asked") or r["model"]
        r.pop("asked", None)
        r["error"] = None if r["hidden"] else event_reader.error_message(r["error"])
        r["finish_reason"] = r.pop("finish") or "unfinished"
        if r["hidden"]:
            r["cost"] = r["seconds"] = None
    return found


def hidden(runs: Iterable[str]) -> set[str]:
    """The runs among these that are answers of a blind comparison without a vote."""
    rows = log_database().rows(
        "SELECT run, parent, kind FROM runs WHERE parent IS NOT NULL AND run IN (SELECT value FROM json_each(?))", (json.dumps(list(runs)),)
    )
    found = [dict(r) for r in rows]
    said, blind = _feedback_by_run(found), _blind_runs(found)
    return {r["run"] for r in found if r["parent"] in blind and not any(s.kind == "vote" for s in said.get(r["parent"], ()))}


def count(f: Filter) -> int:
    """Number of matching runs."""
    where, values = _where(f)
    return int(log_database().rows(f"SELECT COUNT(*) n FROM runs WHERE {where}", values)[0]["n"])


def kinds() -> list[str]:
    """The kinds of runs in the log."""
    return [r["kind"] for r in log_database().rows("SELECT DISTINCT kind FROM runs ORDER BY kind")]


_COST = "COALESCE(cost, (SELECT SUM(c.cost) FROM runs c WHERE c.parent = runs.run))"
_BELOW = "(parent IS NULL OR parent NOT IN (SELECT run FROM runs WHERE kind = 'compare'))"


def _where(f: Filter) -> tuple[str, tuple[Any, ...]]:
    where: list[str] = ["1"]
    values: list[Any] = []
    if f.query.strip():
        said, words = fts_condition(f.query)
        where.append(said)
        values += words
    if f.model.strip():
        where.append("(model LIKE ? OR asked LIKE ?)")
        values += [f"%{f.model.strip()}%"] * 2
    if f.kind:
        where.append("kind = ?")
        values.append(f.kind)
    else:
        where.append("kind != 'check'")  # nobody asked it
        if not f.query.strip():
            where.append("kind != 'row'")  # rows of a batch are only found by a search for words
    if not f.query.strip() and f.kind in ("", "compare") and not f.vote:
        where.append(_BELOW)
    if f.vote:
        where.append("run IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(sorted(_voted(f.vote))))
    if f.min_cost is not None:
        where.append(f"{_COST} >= ?")
        values.append(f.min_cost)
    if f.since is not None:
        where.append("started >= ?")
        values.append(f.since)
    if f.open:
        where.append("ended IS NULL")
    if f.notebook:
        where.append("notebook = ?")
        values.append(f.notebook)
    return " AND ".join(where), tuple(values)


def _voted(kind: str) -> set[str]:
    """Runs with this feedback."""
    if kind not in VOTES:
        raise UsageError("Unknown vote", detail=repr(kind), hint=f"One of {', '.join(VOTES)}.")
    if kind in ("star", "edit", "accept"):
        return {s.run for s in signals.all_feedback(kind)}
    last = {s.run: s for s in signals.all_feedback("vote")}.values()
    if kind == "any":
        return {s.run for s in last} | {s.run for k in ("star", "edit", "accept") for s in signals.all_feedback(k)}
    if kind in ("tie", "bad"):
        return {run for s in last if s.value["said"] == kind for run in (s.run, *s.value["runs"])}
    wins = [s.value for s in last if s.value["said"] == "win"]
    return {run for v in wins for run in v["runs"] if (run == v["winner"]) == (kind == "won")}


def feedback_labels(own: Iterable[Feedback], over: Iterable[Feedback], run: str, kind: str) -> list[str]:
    """Labels for the feedback on a run: votes on it or its comparison, and its own feedback."""
    vote = next((s.value for s in reversed(list(over)) if s.kind == "vote"), None)
    found = []
    if vote is not None and kind == "compare":
        found.append("voted" if vote["said"] == "win" else vote["said"])
    elif vote is not None and run in vote["runs"]:
        found.append("won" if vote["winner"] == run else "lost" if vote["said"] == "win" else vote["said"])
    return found + [k for k in ("star", "edit", "accept", "comment") if any(s.kind == k for s in own)]


def _feedback_by_run(rows: list[dict[str, Any]]) -> dict[str, list[Feedback]]:
    """Feedback by run, for these runs and their parents, without retracted items."""
    runs = dict.fromkeys(run for r in rows for run in (r["run"], r["parent"]) if run)
    found: dict[str, list[Feedback]] = {}
    for s in signals.feedback_on(runs):
        found.setdefault(s.run, []).append(s)
    return found


def _blind_runs(rows: list[dict[str, Any]]) -> set[str]:
    """Blind comparisons among these runs and their parents."""
    over = sorted({r["run"] if r["kind"] == "compare" else r["parent"] or "" for r in rows} - {""})
    first = log_database().rows(
        "SELECT run, event FROM events WHERE n = 1 AND run IN (SELECT value FROM json_each(?))", (json.dumps(over),)
    )
    starts = {
        r["run"]: event_reader.read_event(r["event"], f"the start of run {r['run']} in {log_database().path}")
        for r in first
        if '"blind":true' in r["event"].replace(" ", "")
    }
    return {run for run, e in starts.items() if isinstance(e, Started) and e.kind == "compare" and e.meta.get("blind")}
