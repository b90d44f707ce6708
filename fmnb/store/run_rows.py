"""A finished run as a row of the log: its columns, and writing many with the batch cells they answer."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..core.events import Event, ResponseBuilder, Started
from ..core.response import Response
from ..core.sources import without_passages
from ..core.types import Request, to_dict
from . import media
from .db import database

Position = tuple[int, int, int]  # row, model, sample
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class FinishedRun(NamedTuple):
    """A run as `write` takes it: its columns, its events, and the JSON text of each event."""

    columns: dict[str, Any]
    events: Sequence[Event]
    encoded: Sequence[str]


def encode(events: Sequence[Event]) -> list[str]:
    """The JSON text of each event, with large media replaced by their hash."""
    return [_encode(media.strip_media(e)) for e in events]


def finished(events: Sequence[Event], notebook: str = "", encoded: Sequence[str] = ()) -> FinishedRun:
    """A finished run with its columns; `encoded` is the JSON of the events where it exists already."""
    return FinishedRun(columns(events, notebook), events, encoded or encode(events))


def columns(run: Sequence[Event], notebook: str = "") -> dict[str, Any]:
    """The columns of a finished run; error and data are not serialized yet."""
    fold = ResponseBuilder()
    for e in run:
        fold.add(e)
    start, r = run[0], fold.response()
    assert isinstance(start, Started)
    row = {**start_columns(start, notebook), **end_columns(r, run[-1].at)}
    return row | {"request": None, "error": r.error, "data": r.data}  # the request is stored in the first event


def start_columns(start: Started, notebook: str) -> dict[str, Any]:
    """The columns that are known at the start of a run."""
    request = start.request
    return {
        "run": start.run,
        "parent": start.parent or None,
        "kind": start.kind,
        "asked": start.meta.get("asked") or start.model,
        "model": start.model,
        "place": start.host,
        "started": start.at,
        "prompt": prompt_text(request) or str(start.meta.get("prompt") or ""),  # an evaluation has its template
        "text": "",
        "request": json.dumps(to_dict(request), ensure_ascii=False) if request and start.kind != "row" else None,
        "key": start.meta.get("key") or (request.fingerprint() if request else None),
        "notebook": notebook,
        "kernel": str(os.getpid()),
    }


def end_columns(r: Response, at: float) -> dict[str, Any]:
    """The columns that the end of a run adds."""
    u = r.usage
    return {
        "ended": at,
        "finish": r.finish_reason,
        "error": json.dumps(r.error, ensure_ascii=False) if r.error else None,
        "text": str(r),  # with one line per image
        "model": r.model,
        "input_tokens": u.input_tokens,
        "output_tokens": u.output_tokens,
        "cached_tokens": u.cached_tokens,
        "reasoning_tokens": u.reasoning_tokens,
        "cost": u.cost,
        "estimated": int(u.estimated),
        "seconds": r.seconds,
        "first_token_seconds": r.first_token_seconds,
        "source": r.source,
    }


def prompt_text(request: Request | None) -> str:
    """The text of the last user message, for search; without passages of sources."""
    if request is None:
        return ""
    return without_passages(next((m.text for m in reversed(request.messages) if m.role == "user"), ""))


def write(
    batch: str,
    runs: Sequence[FinishedRun],
    places: Iterable[tuple[Position, str]],
    inbox_entries: Iterable[int] = (),
) -> None:
    """Write finished runs and the cells they answer. On disk on return.

    Deletes `inbox_entries` and the batch's claims on these rows.
    """
    rows = [tuple({**c, "error": _json(c["error"]), "data": _json(c["data"])}.values()) for c, _, _ in runs]
    events = [(e.run, e.n, text) for run in runs for e, text in zip(run.events, run.encoded, strict=True)]
    with database().write() as db:
        if rows:
            names = tuple(runs[0].columns)
            db.executemany(f"INSERT OR REPLACE INTO runs({', '.join(names)}) VALUES ({','.join('?' * len(names))})", rows)
            db.executemany("INSERT OR REPLACE INTO events VALUES (?,?,?)", events)
            for c, run, _ in runs:
                media.save(db, c["run"], run)
            db.executemany("DELETE FROM claims WHERE key = ? AND batch = ?", [(run.columns["key"], batch) for run in runs])
        db.executemany("INSERT OR REPLACE INTO batch_rows VALUES (?,?,?,?,?)", [(batch, *place, run) for place, run in places])
        db.executemany("DELETE FROM arrived WHERE n = ?", [(n,) for n in inbox_entries])


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)
