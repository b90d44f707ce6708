"""Batch jobs at services, as runs of kind "job" that stay open until their results are here.

The run is written before the job is handed in and gets its name afterwards, so that one that
was handed in by a kernel which died then can be found by its mark: the run's id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ..core.events import Event, Started, event_to_dict
from . import event_reader
from .db import database
from .run_rows import start_columns

_OPEN = (
    "SELECT event, started FROM runs JOIN events USING (run) WHERE kind = 'job' AND ended IS NULL AND n = 1 AND model = ? ORDER BY started"
)


@dataclass(frozen=True)
class OpenJob:
    """A job whose results are not here: its run, its name at the service ("" where that is not known), and the keys of its rows."""

    run: str
    job: str
    keys: frozenset[str]
    started: float
    start: Started


def begin(start: Started, notebook: str = "") -> None:
    """Write down that a job is about to be handed in."""
    values = start_columns(start, notebook)
    with database().write() as db:
        db.execute(f"INSERT INTO runs({', '.join(values)}) VALUES ({','.join('?' * len(values))})", tuple(values.values()))
        db.execute("INSERT INTO events VALUES (?,?,?)", (start.run, start.n, _json(start)))


def name(start: Started, job: str) -> None:
    """Write down what the service calls it."""
    named = replace(start, meta={**start.meta, "job": job})
    with database().write() as db:
        db.execute("UPDATE events SET event=? WHERE run=? AND n=?", (_json(named), start.run, start.n))


def end(event: Event, finish: str) -> None:
    """The job is over: collected, or lost."""
    with database().write() as db:
        db.execute("INSERT OR REPLACE INTO events VALUES (?,?,?)", (event.run, event.n, _json(event)))
        db.execute("UPDATE runs SET ended=?, finish=? WHERE run=?", (event.at, finish, event.run))


def open_jobs(model: str) -> list[OpenJob]:
    """The jobs of a model, by its full name, that are not over, oldest first."""
    rows = database().rows(_OPEN, (model,))
    found = []
    for row in rows:
        start = event_reader.read_event(row["event"], f"the start of a job in {database().path}")
        if isinstance(start, Started):
            found.append(OpenJob(start.run, str(start.meta.get("job", "")), frozenset(start.meta.get("keys", ())), row["started"], start))
    return found


def open_runs() -> frozenset[str]:
    """The runs of all jobs that are not over."""
    return frozenset(r["run"] for r in database().rows("SELECT run FROM runs WHERE kind = 'job' AND ended IS NULL"))


def open_keys(models: Iterable[str]) -> frozenset[str]:
    """The keys of all rows that lie in a job of these models which is not over."""
    return frozenset().union(*(j.keys for m in models for j in open_jobs(m)))


def _json(event: Event) -> str:
    data: dict[str, Any] = event_to_dict(event)
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
