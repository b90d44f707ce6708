"""Rows of batches in the log: the questions a batch asks when it goes on.

Each answered row is a run like any other, of kind "row", below its batch's run. The table
`batch_rows` says which run answers which row of which batch: a row that an earlier batch
answered is not asked again, and several rows that ask the same have one run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from ..core.errors import StoreError, with_current_keys
from ..core.events import Event, Finished, Logprobs
from . import event_reader
from .db import database
from .inbox import ingest, log_database
from .run_rows import Place

_PAGE = 500
_COLUMNS = (
    "run, parent, key, asked, model, text, data, error, finish, seconds, first_token_seconds,"
    " input_tokens, output_tokens, cached_tokens, reasoning_tokens, cost, estimated, source, ended"
)


def last_answers(keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of each of these keys that a row was asked with before: the last such run that ended, as a dict of columns."""
    found: dict[str, dict[str, Any]] = {}
    for at in range(0, len(keys), _PAGE):
        some = tuple(keys[at : at + _PAGE])
        rows = log_database().rows(
            f"SELECT {_COLUMNS} FROM runs WHERE key IN ({','.join('?' * len(some))}) AND kind = 'row' AND ended IS NOT NULL"
            " AND finish != 'cancelled' ORDER BY started",
            some,
        )
        for row in rows:
            before = found.get(row["key"])
            if before is None or row["error"] is None or before["error"] is not None:  # a later failure does not hide an answer
                found[row["key"]] = _plain(row)
    return found


def runs_of(keys: Sequence[str]) -> dict[str, str]:
    """The runs that `last_answers` would find for these keys."""
    return {key: columns["run"] for key, columns in last_answers(keys).items()}


def details(events: Iterable[Event]) -> dict[str, Any]:
    """What of a run is in its events alone: log probabilities, and those of a closed set of labels."""
    found: dict[str, Any] = {"logprobs": (), "labels": {}}
    for e in events:
        if isinstance(e, Logprobs):
            found["logprobs"] += e.tokens
        elif isinstance(e, Finished):
            found["labels"] = e.extra.get("labels") or {}
    return found


def add_details(found: Iterable[dict[str, Any]]) -> None:
    """Add these details to columns that were read from the log."""
    runs = {c["run"]: c for c in found}
    names = list(runs)
    for at in range(0, len(names), _PAGE):
        some = tuple(names[at : at + _PAGE])
        rows = log_database().rows(
            f"SELECT run, event FROM events WHERE run IN ({','.join('?' * len(some))})"
            """ AND (event LIKE '{"event":"Logprobs"%' OR event LIKE '{"event":"Finished"%') ORDER BY run, n""",
            some,
        )
        events: dict[str, list[Event]] = {}
        for row in rows:
            if (event := event_reader.read_event(row["event"], f"an event of run {row['run']} in {database().path}")) is not None:
                events.setdefault(row["run"], []).append(event)
        for run in some:
            runs[run] |= details(events.get(run, ()))


def rows_of(batch: str, *, detailed: bool = False) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The answered places of a batch in order, with the columns of the run that answers each."""
    _ingest_batch(batch)
    after: Place = (-1, -1, -1)
    while True:
        rows = log_database().rows(
            f"SELECT row, b.model AS place, sample, {_COLUMNS.replace('model', 'runs.model', 1).replace('run,', 'runs.run,', 1)}"
            " FROM batch_rows b JOIN runs ON runs.run = b.run WHERE batch = ? AND (row, b.model, sample) > (?,?,?)"
            " ORDER BY row, b.model, sample LIMIT 2000",
            (batch, *after),
        )
        if not rows:
            return
        found = [((row["row"], row["place"], row["sample"]), _plain(row)) for row in rows]
        if detailed:
            add_details(columns for _, columns in found)
        yield from found
        after = found[-1][0]


def supersede(batch: str, key: str, at: float) -> None:
    """A batch came to its end: what a kernel left of earlier runs of the same (it was killed) is open no longer."""
    with database().write() as db:
        db.execute(
            "UPDATE runs SET ended = ?, finish = 'continued' WHERE kind = 'batch' AND ended IS NULL AND run != ? AND key = ?",
            (at, batch, key),
        )


def count(batch: str) -> int:
    """How many places of a batch are answered."""
    return int(log_database().rows("SELECT COUNT(*) FROM batch_rows WHERE batch = ?", (batch,))[0][0])


def last(batch: str) -> tuple[float | None, float | None]:
    """When a batch ended, and when the last of its rows did; None where it has not, or has none."""
    _ingest_batch(batch)
    rows = log_database().rows(
        "SELECT ended, (SELECT MAX(r.ended) FROM runs r WHERE r.parent = b.run AND r.kind = 'row') row FROM runs b WHERE b.run = ?",
        (batch,),
    )
    return (rows[0]["ended"], rows[0]["row"]) if rows else (None, None)


def _ingest_batch(batch: str) -> None:
    """Make runs of what a batch wrote down and, if its kernel was killed, nobody has filed."""
    if log_database().rows("SELECT 1 FROM arrived WHERE batch = ? LIMIT 1", (batch,)):
        with suppress(StoreError):  # a full disk: they are there the next time, too
            ingest()


def _plain(row: Any) -> dict[str, Any]:
    out = dict(row)
    out["error"] = (
        with_current_keys(event_reader.json_object(out["error"])) or {"message": event_reader.error_message(out["error"])}
        if out["error"]
        else None
    )
    out["data"] = json.loads(out["data"]) if out["data"] else None
    return out
