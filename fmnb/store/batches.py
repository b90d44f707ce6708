"""Rows of batches in the log: what a resumed batch needs.

Each answered row is a run of kind "row", below the run of its batch. The table `batch_rows` maps
rows of a batch to runs: a row that an earlier batch answered is not sent again, and rows with the
same request share one run.
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
from .run_rows import Position

_PAGE = 500
_COLUMNS = (
    "run, parent, key, asked, model, text, data, error, finish, seconds, first_token_seconds,"
    " input_tokens, output_tokens, cached_tokens, reasoning_tokens, cost, estimated, source, ended"
)


def last_answers(keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The last finished row for each of these keys, as a dict of columns."""
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
            if before is None or row["error"] is None or before["error"] is not None:  # a later failure does not replace an answer
                found[row["key"]] = _plain(row)
    return found


def runs_of(keys: Sequence[str]) -> dict[str, str]:
    """The runs that `last_answers` returns for these keys."""
    return {key: columns["run"] for key, columns in last_answers(keys).items()}


def details(events: Iterable[Event]) -> dict[str, Any]:
    """What only the events of a run hold: log probabilities, and those of labels."""
    found: dict[str, Any] = {"logprobs": (), "labels": {}}
    for e in events:
        if isinstance(e, Logprobs):
            found["logprobs"] += e.tokens
        elif isinstance(e, Finished):
            found["labels"] = e.extra.get("labels") or {}
    return found


def add_details(found: Iterable[dict[str, Any]]) -> None:
    """Add details to columns that were read from the log."""
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


def rows_of(batch: str, *, detailed: bool = False) -> Iterator[tuple[Position, dict[str, Any]]]:
    """The answered cells of a batch in order, each with the columns of its run."""
    _ingest_batch(batch)
    after: Position = (-1, -1, -1)
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
    """Close earlier runs of the same batch that a killed kernel left open."""
    with database().write() as db:
        db.execute(
            "UPDATE runs SET ended = ?, finish = 'continued' WHERE kind = 'batch' AND ended IS NULL AND run != ? AND key = ?",
            (at, batch, key),
        )


def count(batch: str) -> int:
    """Number of answered cells of a batch."""
    return int(log_database().rows("SELECT COUNT(*) FROM batch_rows WHERE batch = ?", (batch,))[0][0])


def last(batch: str) -> tuple[float | None, float | None]:
    """End times of a batch and of its last row; None if not ended, or without rows."""
    _ingest_batch(batch)
    rows = log_database().rows(
        "SELECT ended, (SELECT MAX(r.ended) FROM runs r WHERE r.parent = b.run AND r.kind = 'row') row FROM runs b WHERE b.run = ?",
        (batch,),
    )
    return (rows[0]["ended"], rows[0]["row"]) if rows else (None, None)


def _ingest_batch(batch: str) -> None:
    """Ingest inbox entries of a batch, which a killed kernel may have left."""
    if log_database().rows("SELECT 1 FROM arrived WHERE batch = ? LIMIT 1", (batch,)):
        with suppress(StoreError):  # the disk is full; try again next time
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
