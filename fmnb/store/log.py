"""Reads the log, and turns it on and off. `log_sink` writes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..config.settings import set_user, settings
from ..core.errors import StoreError, UsageError
from ..core.events import Event, ResponseBuilder
from ..core.response import Response
from ..core.runtime import state
from . import event_reader
from .db import database
from .inbox import log_database

_SWITCHED_OFF = "switched off"


class LogSwitch:
    """Why the log of a Runtime is off; None if it is on."""

    def __init__(self) -> None:
        self.off_reason: str | None = None


def enabled() -> bool:
    """Whether runs are logged: neither the user nor a disk error has disabled the log."""
    return state(LogSwitch).off_reason is None and settings().get("log.enabled", True) is not False


def set_enabled(on: bool) -> None:
    """Turn the log on or off for this user; on also retries after a disk error."""
    state(LogSwitch).off_reason = None if on else _SWITCHED_OFF  # applies to this kernel even if the setting cannot be saved
    set_user("log", "enabled", None if on else False)


def recover() -> bool:
    """Retry after a disk error in this kernel; returns whether runs are logged now."""
    if failed():
        try:
            with database().write() as db:
                db.execute("INSERT INTO arrived(batch, entry) VALUES ('', ?)", (" " * 8192,))
                db.execute("DELETE FROM arrived WHERE batch = ''")
            state(LogSwitch).off_reason = None
        except StoreError:
            pass
    return enabled()


def failed() -> bool:
    """Whether a disk error disabled the log."""
    return state(LogSwitch).off_reason not in (None, _SWITCHED_OFF)


def disabled_reason() -> str:
    """Why runs are not logged; "" if they are."""
    return "" if enabled() else state(LogSwitch).off_reason or _SWITCHED_OFF


def disable(why: str) -> bool:
    """Disable the log after a disk error, until `recover`. False if it was disabled already."""
    if state(LogSwitch).off_reason is not None:
        return False
    state(LogSwitch).off_reason = why
    return True


def search(
    query: str = "",
    *,
    limit: int = 50,
    model: str = "",
    kind: str = "",
    since: float | None = None,
    open_only: bool = False,
    notebook: str = "",
) -> list[dict[str, Any]]:
    """Runs, newest first, as dicts with the public columns.

    `query` is a full-text search in prompts and answers: all words, in any order; `since` is
    seconds since the epoch.
    """
    where: list[str] = ["1"]
    values: list[Any] = []
    if query.strip():
        condition, words = fts_condition(query)
        where.append(condition)
        values += words
    if model:
        where.append("(model LIKE ? OR asked LIKE ?)")
        values += [f"%{model}%"] * 2
    if kind:
        where.append("kind = ?")
        values.append(kind)
    else:
        where.append("kind != 'check'")  # nobody asked it
        if not query.strip():
            where.append("kind != 'row'")  # rows of a batch are only found by a search for words
    if since is not None:
        where.append("started >= ?")
        values.append(since)
    if notebook:
        where.append("notebook = ?")
        values.append(notebook)
    if open_only:
        where.append("ended IS NULL")
    rows = log_database().rows(
        "SELECT run, kind, started, model, prompt, text, error, finish, source, seconds, first_token_seconds, input_tokens, output_tokens,"
        f" cached_tokens, reasoning_tokens, cost, estimated, notebook FROM runs WHERE {' AND '.join(where)} ORDER BY started DESC, rowid DESC LIMIT ?",
        (*values, limit),
    )
    out = []
    for row in rows:
        r = dict(row)
        r["error"] = event_reader.error_message(r["error"])
        r["finish_reason"] = r.pop("finish") or "unfinished"
        out.append(r)
    return out


def relevant(query: str, notebook: str, limit: int) -> list[dict[str, Any]]:
    """Answers of a notebook by BM25 for an FTS5 query, best first: run, started, prompt and text."""
    rows = log_database().rows(
        "SELECT r.run, r.started, r.prompt, r.text FROM words JOIN runs r ON r.rowid = words.rowid"
        " WHERE words MATCH ? AND r.notebook = ? AND r.text != '' AND r.finish NOT IN ('error', 'cancelled')"
        " ORDER BY bm25(words), r.started DESC LIMIT ?",
        (query, notebook, limit),
    )
    return [dict(r) for r in rows]


def fts_condition(query: str) -> tuple[str, list[Any]]:
    """An SQL condition on `runs` with its values, for a full-text search.

    Prompt or answer must have all words, or words that start with them. Rows of batches are not in
    the full-text index, which would cost more than writing them; they are scanned.
    """
    words = re.findall(r"\w+", query)
    if not words:
        raise UsageError("Nothing to search for", detail=repr(query), hint="Type at least one word.")
    rows = " AND ".join("(runs.prompt LIKE ? ESCAPE '!' OR runs.text LIKE ? ESCAPE '!')" for _ in words)
    where = f"(runs.rowid IN (SELECT rowid FROM words WHERE words MATCH ?) OR runs.kind = 'row' AND {rows})"
    like = [f"%{w.replace('_', '!_')}%" for w in words for _ in range(2)]
    return where, [" ".join(f'"{w}"*' for w in words), *like]


def names_of(runs: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The requested model and the prompt text of each run that is in the log."""
    found: dict[str, tuple[str, str]] = {}
    wanted = list(dict.fromkeys(runs))
    for at in range(0, len(wanted), 500):
        some = tuple(wanted[at : at + 500])
        rows = log_database().rows(f"SELECT run, asked, prompt FROM runs WHERE run IN ({','.join('?' * len(some))})", some)
        found |= {r["run"]: (r["asked"], r["prompt"] or "") for r in rows}
    return found


def request_times(runs: Sequence[str]) -> dict[str, float]:
    """When the request for each of these runs was sent; for a cached answer, that of the original call.

    Runs whose call is no longer in the log are omitted.
    """
    found: dict[str, float] = {}
    wanted = list(dict.fromkeys(runs))
    for at in range(0, len(wanted), 500):
        some = tuple(wanted[at : at + 500])
        rows = log_database().rows(
            "SELECT r.run, CASE WHEN r.source IS NULL OR r.source = 'live' THEN r.started ELSE"
            " (SELECT MAX(l.started) FROM runs l WHERE l.key = r.key AND l.source = 'live' AND l.started <= r.started) END AS at"
            f" FROM runs r WHERE r.run IN ({','.join('?' * len(some))})",
            some,
        )
        found |= {r["run"]: float(r["at"]) for r in rows if r["at"] is not None}
    return found


def recent_seconds(asked: str, kind: str) -> list[float]:
    """Seconds of recent runs of a model and kind ("call", "row"): up to 50 of the last 2,000 runs."""
    rows = log_database().rows(
        "SELECT seconds FROM (SELECT asked, kind, source, error, seconds FROM runs ORDER BY started DESC LIMIT 2000)"
        " WHERE asked = ? AND kind = ? AND source = 'live' AND error IS NULL AND seconds > 0 LIMIT 50",
        (asked, kind),
    )
    return [float(r["seconds"]) for r in rows]


def totals(*, since: float | None = None, notebook: str = "") -> dict[str, Any]:
    """Calls, tokens and cost since a time or of a notebook; `unknown`: hosted calls of unknown cost."""
    unbilled = "json_valid(error) AND json_extract(error, '$.billed') = 0"  # refused calls that are not billed
    where = ["kind IN ('call', 'row', 'check')", "source = 'live'"]  # replayed and cached answers cost nothing
    values: list[Any] = []
    if since is not None:
        where.append("started >= ?")
        values.append(since)
    if notebook:
        where.append("notebook = ?")
        values.append(notebook)
    (row,) = log_database().rows(
        "SELECT COUNT(*) calls, TOTAL(input_tokens) input_tokens, TOTAL(output_tokens) output_tokens, TOTAL(cost) cost,"
        f" SUM(cost IS NULL AND COALESCE(place, '') != 'local' AND NOT COALESCE({unbilled}, 0)) unknown FROM runs WHERE {' AND '.join(where)}",
        tuple(values),
    )
    return {k: (float(row[k] or 0) if k == "cost" else int(row[k] or 0)) for k in row.keys()}


def events_of(run: str) -> list[Event]:
    """The stored events of a run, in order. UsageError for an unknown id."""
    events = events_after(run, 0)
    if not events:
        raise UsageError("No such run in the log", detail=repr(run), hint="`%fm log` lists run ids.")
    return events


def events_after(run: str, n: int) -> list[Event]:
    """The stored events of a run after its event number `n`, in order; none for an unknown run."""
    rows = log_database().rows("SELECT n, event FROM events WHERE run=? AND n>? ORDER BY n", (run, n))
    events = (event_reader.read_event(r["event"], f"event {r['n']} of run {run} in {log_database().path}") for r in rows)
    return [e for e in events if e is not None]


def reopen(run: str) -> Response:
    """The Response of a logged run; partial if its kernel was killed."""
    fold = ResponseBuilder()
    for event in events_of(run):
        fold.add(event)
    response = fold.response()
    return response if response.finish_reason else replace(response, finish_reason="unfinished")
