"""The log: whether runs are written down, and the questions one can ask of it. `log_sink` writes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..config.settings import set_user, settings
from ..core.errors import StoreError, UsageError
from ..core.events import Event, ResponseBuilder
from ..core.response import Response
from . import event_reader
from .db import database
from .inbox import log_database

_SWITCHED_OFF = "switched off"
_off_reason: str | None = None


def enabled() -> bool:
    """Whether runs are written down: not switched off by the user, nor by a disk that failed."""
    return _off_reason is None and settings().get("log.enabled", True) is not False


def set_enabled(on: bool) -> None:
    """Turn the log on or off for this user; on also tries a failed disk again."""
    global _off_reason
    _off_reason = None if on else _SWITCHED_OFF  # holds in this kernel even where the setting cannot be kept
    set_user("log", "enabled", None if on else False)


def recover() -> bool:
    """Try a disk again that failed in this kernel; whether runs are written down now."""
    global _off_reason
    if failed():
        try:
            with database().write() as db:
                db.execute("INSERT INTO arrived(batch, entry) VALUES ('', ?)", (" " * 8192,))
                db.execute("DELETE FROM arrived WHERE batch = ''")
            _off_reason = None
        except StoreError:
            pass
    return enabled()


def failed() -> bool:
    """Whether the log is off because its disk failed."""
    return _off_reason not in (None, _SWITCHED_OFF)


def disabled_reason() -> str:
    """Why runs are not written down; "" where they are."""
    return "" if enabled() else _off_reason or _SWITCHED_OFF


def disable(why: str) -> bool:
    """The disk failed: nothing is written down until `recover`. False where that is known."""
    global _off_reason
    if _off_reason is not None:
        return False
    _off_reason = why
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
    """Runs, newest first, as dicts with the columns users know.

    `query` is full text over prompts and answers: all its words, in any order; `since` is
    seconds since the epoch.
    """
    where: list[str] = ["1"]
    values: list[Any] = []
    if query.strip():
        said, words = fts_condition(query)
        where.append(said)
        values += words
    if model:
        where.append("(model LIKE ? OR asked LIKE ?)")
        values += [f"%{model}%"] * 2
    if kind:
        where.append("kind = ?")
        values.append(kind)
    elif not query.strip():
        where.append("kind != 'row'")  # a batch's thousands of rows are found by their words
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


def fts_condition(query: str) -> tuple[str, list[Any]]:
    """A condition on `runs`, with its values: the run's prompt or answer has all these words, or words that begin so.

    A batch's rows are not in the full-text index, which would cost more than writing them: they are read through.
    """
    words = re.findall(r"\w+", query)
    if not words:
        raise UsageError("Nothing to search for", detail=repr(query), hint="Type at least one word.")
    rows = " AND ".join("(runs.prompt LIKE ? ESCAPE '!' OR runs.text LIKE ? ESCAPE '!')" for _ in words)
    where = f"(runs.rowid IN (SELECT rowid FROM words WHERE words MATCH ?) OR runs.kind = 'row' AND {rows})"
    like = [f"%{w.replace('_', '!_')}%" for w in words for _ in range(2)]
    return where, [" ".join(f'"{w}"*' for w in words), *like]


def names_of(runs: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Of each run that is in the log: the model as it was asked for, and its prompt's text."""
    found: dict[str, tuple[str, str]] = {}
    wanted = list(dict.fromkeys(runs))
    for at in range(0, len(wanted), 500):
        some = tuple(wanted[at : at + 500])
        rows = log_database().rows(f"SELECT run, asked, prompt FROM runs WHERE run IN ({','.join('?' * len(some))})", some)
        found |= {r["run"]: (r["asked"], r["prompt"] or "") for r in rows}
    return found


def request_times(runs: Sequence[str]) -> dict[str, float]:
    """When the model was asked for each of these runs' answers: of a cached one, when the call was made that it comes from.

    Runs whose call is no longer in the log are left out.
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


def recent_seconds(asked: str) -> list[float]:
    """How long the last answered calls of a model, as it is asked for, took: up to fifty of the last two thousand runs."""
    rows = log_database().rows(
        "SELECT seconds FROM (SELECT asked, kind, source, error, seconds FROM runs ORDER BY started DESC LIMIT 2000)"
        " WHERE asked = ? AND kind IN ('call', 'row') AND source = 'live' AND error IS NULL AND seconds > 0 LIMIT 50",
        (asked,),
    )
    return [float(r["seconds"]) for r in rows]


def totals(*, since: float | None = None, notebook: str = "") -> dict[str, Any]:
    """Calls, tokens and money of answered runs since a moment, or of one notebook; `unknown` counts calls of which nobody knows what they cost."""
    unbilled = "json_valid(error) AND json_extract(error, '$.billed') = 0"  # a call that was refused and is not billed
    where = ["kind IN ('call', 'row')", "source = 'live'"]  # replayed and cached answers cost nothing
    values: list[Any] = []
    if since is not None:
        where.append("started >= ?")
        values.append(since)
    if notebook:
        where.append("notebook = ?")
        values.append(notebook)
    (row,) = log_database().rows(
        "SELECT COUNT(*) calls, TOTAL(input_tokens) input_tokens, TOTAL(output_tokens) output_tokens, TOTAL(cost) cost,"
        f" SUM(cost IS NULL AND NOT COALESCE({unbilled}, 0)) unknown FROM runs WHERE {' AND '.join(where)}",
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
    """The Response of a logged run; a run whose kernel died shows what it had."""
    fold = ResponseBuilder()
    for event in events_of(run):
        fold.add(event)
    response = fold.response()
    return response if response.finish_reason else replace(response, finish_reason="unfinished")
