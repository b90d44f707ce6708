"""Batch jobs at services: runs of kind "job" that stay open until their results are collected.

The run is written before the job is submitted and gets the job's name afterwards. If the kernel is
killed in between, the job can be found at the service by its mark, the id of the run.
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
    """An open job: its run, its name at the service ("" if unknown), and the keys of its rows."""

    run: str
    job: str
    keys: frozenset[str]
    started: float
    start: Started


def begin(start: Started, notebook: str = "") -> None:
    """Record that a job is about to be submitted."""
    values = start_columns(start, notebook)
    with database().write() as db:
        db.execute(f"INSERT INTO runs({', '.join(values)}) VALUES ({','.join('?' * len(values))})", tuple(values.values()))
        db.execute("INSERT INTO events VALUES (?,?,?)", (start.run, start.n, _json(start)))


def name(start: Started, job: str) -> None:
    """Record the name of the job at the service."""
    named = replace(start, meta={**start.meta, "job": job})
    with database().write() as db:
        db.execute("UPDATE events SET event=? WHERE run=? AND n=?", (_json(named), start.run, start.n))


def end(event: Event, finish: str) -> None:
    """Close a job: collected or lost."""
    with database().write() as db:
        db.execute("INSERT OR REPLACE INTO events VALUES (?,?,?)", (event.run, event.n, _json(event)))
        db.execute("UPDATE runs SET ended=?, finish=? WHERE run=?", (event.at, finish, event.run))


def open_jobs(model: str) -> list[OpenJob]:
    """The open jobs of a model, by its full name, oldest first."""
    rows = database().rows(_OPEN, (model,))
    found = []
    for row in rows:
        start = event_reader.read_event(row["event"], f"the start of a job in {database().path}")
        if isinstance(start, Started):
            found.append(OpenJob(start.run, str(start.meta.get("job", "")), frozenset(start.meta.get("keys", ())), row["started"], start))
    return found


def open_runs() -> frozenset[str]:
    """The runs of all open jobs."""
    return frozenset(r["run"] for r in database().rows("SELECT run FROM runs WHERE kind = 'job' AND ended IS NULL"))


def open_keys(models: Iterable[str]) -> frozenset[str]:
    """The keys of all rows in open jobs of these models."""
    return frozenset().union(*(j.keys for m in models for j in open_jobs(m)))


def _json(event: Event) -> str:
    data: dict[str, Any] = event_to_dict(event)
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
