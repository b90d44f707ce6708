"""Feedback on answers as events of the log.

Events are written at once and never changed; another event retracts them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from ..core.errors import UsageError
from ..core.events import Feedback, event_to_dict
from . import event_reader, log
from .db import database
from .inbox import log_database

_KIND = '{"event":"Signal"%'  # the beginning of such an event's JSON; the index in the migrations uses the same text
_PAGE = 500


def add(run: str, kind: str, value: Any = None, *, user: str = "", text: str = "", undoes: int = 0) -> Feedback:
    """Write feedback on a run; it is on disk when this returns.

    Raises UsageError for a run that is not in the log, StoreError when it cannot be written.
    """
    if not log.enabled():
        raise UsageError("The log is off, so feedback cannot be stored", hint="`%fm log on`, ask again, then vote.")
    with database().write() as db:
        (last,) = db.execute("SELECT MAX(n) FROM events WHERE run=?", (run,)).fetchone()
        if last is None:
            raise UsageError("No such run in the log", detail=repr(run), hint="`%fm log` lists run ids.")
        signal = Feedback(kind=kind, value=value, user=user, text=text, retracts=undoes, run=run, n=last + 1, at=time.time())
        words = json.dumps(event_to_dict(signal), ensure_ascii=False, separators=(",", ":"))
        db.execute("INSERT INTO events VALUES (?,?,?)", (run, signal.n, words))
    return signal


def feedback_on(runs: Iterable[str]) -> list[Feedback]:
    """The feedback on these runs, without retracted items, oldest first."""
    wanted, found = list(runs), []
    for at in range(0, len(wanted), _PAGE):
        some = tuple(wanted[at : at + _PAGE])
        marks = ",".join("?" * len(some))
        found += log_database().rows(f"SELECT run, event FROM events WHERE event LIKE '{_KIND}' AND run IN ({marks})", some)
    return without_retracted(_feedback_of_rows(found))


def all_feedback(kind: str = "", since: float | None = None, notebook: str = "") -> list[Feedback]:
    """All feedback in the log without retracted items, oldest first.

    `kind` selects one kind, `since` (seconds since the epoch) recent feedback, `notebook` the runs
    of one notebook.
    """
    here = " AND run IN (SELECT run FROM runs WHERE notebook = ?)" if notebook else ""
    values = (notebook,) if notebook else ()
    found = without_retracted(
        _feedback_of_rows(log_database().rows(f"SELECT run, event FROM events WHERE event LIKE '{_KIND}'{here}", values))
    )
    return [s for s in found if (not kind or s.kind == kind) and (since is None or s.at >= since)]


def without_retracted(signals: Sequence[Feedback]) -> list[Feedback]:
    """Feedback that was not retracted, by time."""
    back = {(s.run, s.retracts) for s in signals if s.retracts}
    return sorted((s for s in signals if not s.retracts and (s.run, s.n) not in back), key=lambda s: (s.at, s.n))


def _feedback_of_rows(rows: Iterable[Any]) -> list[Feedback]:
    found = (event_reader.read_event(r["event"], f"feedback on run {r['run']} in {log_database().path}") for r in rows)
    return [s for s in found if isinstance(s, Feedback)]
