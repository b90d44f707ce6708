"""The log: a sink that writes runs down, and the questions one can ask of it.

A run's row is there as soon as it starts and its text at least every second, so a killed
kernel leaves a trace. Neighbouring text events are kept as one; their fold is the same.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from dataclasses import replace
from typing import Any

from ..config import set_user, settings
from ..errors import StoreError, UsageError
from ..events import ENDS, Event, Fold, ReasoningDelta, Started, TextDelta, event_from_dict, event_to_json
from ..types import Request, Response, to_dict
from .db import database

_FLUSH = 1.0  # seconds of text that a kill may cost

_off_reason: str | None = None


def enabled() -> bool:
    """Whether runs are written down: not switched off by the user, nor by a disk that failed."""
    return _off_reason is None and settings().get("log.enabled", True) is not False


def switch(on: bool) -> None:
    """Turn the log on or off for this user; on also tries a failed disk again."""
    global _off_reason
    set_user("log", "enabled", None if on else False)
    _off_reason = None


class LogSink:
    """Writes the events of any number of runs. One per caller; the database is shared."""

    name = "the log"

    def __init__(self, notebook: str = ""):
        self._runs: dict[str, _Open] = {}
        self._notebook = notebook

    def __call__(self, event: Event) -> None:
        if event.run not in self._runs and not (isinstance(event, Started) and enabled()):
            return  # off, or switched off before this run began
        try:
            self._take(event)
        except StoreError as e:
            global _off_reason
            if _off_reason is None:
                _off_reason = str(e)
                raise  # `emit` says it once and drops this sink
            self._runs.clear()

    def _take(self, event: Event) -> None:
        run = self._runs.get(event.run)
        if run is None:
            run = self._runs[event.run] = _Open(event.run)
        run.take(event)
        if isinstance(event, Started):
            run.write_start(event, self._notebook)
            sweep()
        elif isinstance(event, ENDS):
            run.write_end(event)
            del self._runs[event.run]
        elif time.monotonic() - run.written > _FLUSH:
            run.write_pending()


class _Open:
    """One run that has not ended."""

    def __init__(self, run: str):
        self.run = run
        self.fold = Fold()
        self.pending: list[Event] = []
        self.texts: list[str] = []  # of the last pending event, joined only when written
        self.written = time.monotonic()

    def take(self, event: Event) -> None:
        self.fold.add(event)
        if isinstance(event, (TextDelta, ReasoningDelta)):
            last = self.pending[-1] if self.pending else None
            if type(last) is type(event) and not getattr(event, "extra", None):
                self.texts.append(event.text)
                return
            self._join()
            self.texts = [event.text]
        else:
            self._join()
        self.pending.append(event)

    def _join(self) -> None:
        if len(self.texts) > 1:
            self.pending[-1] = replace(self.pending[-1], text="".join(self.texts))  # type: ignore[arg-type]
        self.texts = []

    def _rows(self) -> list[tuple[str, int, str]]:
        self._join()
        rows = [(self.run, e.n, event_to_json(e)) for e in self.pending]
        self.pending = []
        self.written = time.monotonic()
        return rows

    def write_start(self, event: Started, notebook: str) -> None:
        request = event.request
        with database().write() as db:
            db.execute(
                "INSERT OR REPLACE INTO runs(run, parent, kind, asked, model, place, started, prompt, text, request, key, notebook, kernel)"
                " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    event.run,
                    event.parent or None,
                    event.kind,
                    event.meta.get("asked") or event.model,
                    event.model,
                    event.where,
                    event.at,
                    prompt_text(request),
                    "",
                    json.dumps(to_dict(request), ensure_ascii=False) if request else None,
                    event.meta.get("key") or (request.key() if request else None),
                    notebook,
                    str(os.getpid()),
                ),
            )
            db.executemany("INSERT OR REPLACE INTO events VALUES (?,?,?)", self._rows())

    def write_pending(self) -> None:
        rows = self._rows()
        with database().write() as db:
            db.executemany("INSERT OR REPLACE INTO events VALUES (?,?,?)", rows)

    def write_end(self, event: Event) -> None:
        r = self.fold.response()
        u = r.usage
        rows = self._rows()
        with database().write() as db:
            db.executemany("INSERT OR REPLACE INTO events VALUES (?,?,?)", rows)
            db.execute(
                "UPDATE runs SET ended=?, finish=?, error=?, text=?, model=?, input_tokens=?, output_tokens=?, cached_tokens=?,"
                " reasoning_tokens=?, cost=?, seconds=?, first_token_seconds=?, source=? WHERE run=?",
                (
                    event.at,
                    r.finish,
                    json.dumps(r.error, ensure_ascii=False) if r.error else None,
                    r.text,
                    r.model,
                    u.input_tokens,
                    u.output_tokens,
                    u.cached_tokens,
                    u.reasoning_tokens,
                    u.cost,
                    r.seconds,
                    r.first_token_seconds,
                    r.source,
                    self.run,
                ),
            )


def prompt_text(request: Request | None) -> str:
    """The last thing the user said, as one searches for it."""
    if request is None:
        return ""
    return next((m.text for m in reversed(request.messages) if m.role == "user"), "")


def search(
    query: str = "", *, limit: int = 50, model: str = "", kind: str = "", since: float | None = None, open_only: bool = False
) -> list[dict[str, Any]]:
    """Runs, newest first, as dicts with the columns users know.

    `query` is full text over prompts and answers: all its words, in any order; `since` is
    seconds since the epoch.
    """
    where: list[str] = ["1"]
    values: list[Any] = []
    if query.strip():
        where.append("rowid IN (SELECT rowid FROM words WHERE words MATCH ?)")
        values.append(_fts(query))
    if model:
        where.append("(model LIKE ? OR asked LIKE ?)")
        values += [f"%{model}%"] * 2
    if kind:
        where.append("kind = ?")
        values.append(kind)
    if since is not None:
        where.append("started >= ?")
        values.append(since)
    if open_only:
        where.append("ended IS NULL")
    rows = database().rows(
        "SELECT run, kind, started, model, prompt, text, error, finish, source, seconds, first_token_seconds, input_tokens, output_tokens,"
        f" cached_tokens, reasoning_tokens, cost, notebook FROM runs WHERE {' AND '.join(where)} ORDER BY started DESC, rowid DESC LIMIT ?",
        (*values, limit),
    )
    out = []
    for row in rows:
        r = dict(row)
        r["error"] = json.loads(r["error"])["what"] if r["error"] else None
        r["finish"] = r["finish"] or "unfinished"
        out.append(r)
    return out


def _fts(query: str) -> str:
    """Words as a user types them, to a full-text query that cannot fail: each word a prefix."""
    words = re.findall(r"\w+", query)
    if not words:
        raise UsageError("Nothing to search for", seen=repr(query), todo="Type at least one word.")
    return " ".join(f'"{w}"*' for w in words)


def events_of(run: str) -> list[Event]:
    """The stored events of a run, in order. UsageError for an unknown id."""
    rows = database().rows("SELECT event FROM events WHERE run=? ORDER BY n", (run,))
    if not rows:
        raise UsageError("No such run in the log", seen=repr(run), todo="`%fm log` lists run ids.")
    found = (event_from_dict(json.loads(r["event"])) for r in rows)
    return [e for e in found if e is not None]


def reopen(run: str) -> Response:
    """The Response of a logged run; a run whose kernel died shows what it had."""
    fold = Fold()
    for event in events_of(run):
        fold.add(event)
    response = fold.response()
    return response if response.finish else replace(response, finish="unfinished")


def forget(query: str = "", *, before: float | None = None, run: str = "", everything: bool = False) -> int:
    """Delete runs for good, with their events and cached answers; returns how many.

    By full text, by date (seconds since the epoch), by id, or all.
    """
    if not (query or before is not None or run or everything):
        raise UsageError("Nothing was named to forget", todo="`%fm log forget WORDS`, `--before 2026-01-31`, a run id, or `--all`.")
    where: list[str] = ["1"]
    values: list[Any] = []
    if query:
        where.append("rowid IN (SELECT rowid FROM words WHERE words MATCH ?)")
        values.append(_fts(query))
    if before is not None:
        where.append("started < ?")
        values.append(before)
    if run:
        where.append("run = ?")
        values.append(run)
    return _delete(" AND ".join(where), tuple(values))


def _delete(where: str, values: tuple) -> int:
    db = database()
    with db.write() as w:
        runs = [r["run"] for r in w.execute(f"SELECT run FROM runs WHERE {where}", values).fetchall()]
        w.executemany("DELETE FROM events WHERE run=?", [(r,) for r in runs])
        w.executemany("DELETE FROM cache WHERE run=?", [(r,) for r in runs])
        w.execute(f"DELETE FROM runs WHERE {where}", values)
        if runs:
            w.execute("INSERT INTO words(words) VALUES ('optimize')")
    if runs:
        db.vacuum()
    return len(runs)


def keep_days() -> float | None:
    """How long runs are kept: an administrator's lock, else the setting; None is for ever."""
    s = settings()
    days = s.lock("keep_days")
    return days if days is not None else s.get("log.keep_days")


_swept = 0.0
_sweeping = threading.Lock()


def sweep() -> int:
    """Delete what is older than `log.keep_days`; at most once an hour per process."""
    global _swept
    days = keep_days()
    with _sweeping:
        if days is None or time.monotonic() - _swept < 3600 and _swept:
            return 0
        _swept = time.monotonic()
    return _delete("started < ?", (time.time() - float(days) * 86400,))


def spent(since: float) -> float:
    """US dollars that live runs have cost since then, where known."""
    rows = database().rows("SELECT SUM(cost) AS c FROM runs WHERE started >= ? AND source = 'live'", (since,))
    return float(rows[0]["c"] or 0.0)
