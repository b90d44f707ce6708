"""Two questions one asks often: which models are there, and what was asked so far."""

from __future__ import annotations

import datetime
import time
from typing import Any

from .catalog import filters
from .catalog.entries import Entry, catalogue
from .errors import UsageError
from .rows import Bytes, Rows
from .store import log as store
from .store.finding import Filter, find, hidden
from .types import Response

MODEL_COLUMNS = (
    *("model", "provider", "ready", "where", "context", "inputs", "outputs", "price_in", "price_out", "licence", "size", "memory", "used"),
    *("source", "note"),
)
LOCAL_COLUMNS = ("model", "ready", "size", "memory", "context", "licence", "used", "note")
LOG_COLUMNS = ("run", "when", "model", "prompt", "text", "finish", "error", "seconds", "input_tokens", "output_tokens", "cost", "source")


_TELLING = (
    "error",
    "seconds",
    "first_token_seconds",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost",
    "source",
)


def models(query: str = "", *, ask: bool = True) -> Rows:
    """Which models can be named, and what each needs.

    Every word of `query` must fit: `local`, `hosted`, `ready`, `loaded`, `free`, `vision`,
    `image`, `video`, `embed`, `chat`, `base`, `<4GB` (on disk), `>100k` (context), or any part
    of a name, licence or provider. Without words the best known models of each service are
    listed; with words all that its own list or the price table has. With `ask`, servers on
    this machine and services with a key are asked for their lists, within a second in all;
    what could not be asked is said.

    `ready` is yes, loaded, locked or what to do first; prices are US dollars per million
    tokens, sizes bytes; `source` says where the facts come from. `.df` is a DataFrame.

    >>> [r["model"] for r in models("echo", ask=False)]
    ['echo:']
    """
    found = catalogue(query, ask=ask)
    rows = [_row(e) for e in found.entries]
    notes = []
    if not rows:
        notes.append(f"no model matches {query!r}; words with a meaning: {', '.join(filters.words())}, <4GB, >100k")
    if found.more and not query.strip():
        notes.append("more of " + ", ".join(f"{name} ({n})" for name, n in found.more.items()) + ": name one, or any word")
    if found.silent:
        notes.append("not asked: " + ", ".join(f"{name} ({why})" for name, why in found.silent.items()))
    columns = LOCAL_COLUMNS if "local" in query.split() else MODEL_COLUMNS
    return Rows(rows, columns, "; ".join(notes))


def _row(e: Entry) -> dict[str, Any]:
    return {
        "model": e.model,
        "provider": e.provider,
        "ready": e.ready,
        "where": e.where,
        "context": e.context,
        "inputs": ", ".join(e.inputs),
        "outputs": ", ".join(e.outputs) if e.chat or "text" not in e.outputs else "text (completes)",
        "price_in": e.price_in,
        "price_out": e.price_out,
        "licence": e.licence,
        "size": None if e.size is None else Bytes(e.size),
        "memory": None if e.memory is None else Bytes(e.memory),
        "used": None if e.used is None else datetime.datetime.fromtimestamp(e.used),
        "source": e.source if e.at is None else f"{e.source}, {_ago(time.time() - e.at)}",
        "note": e.note,
    }


def _ago(seconds: float) -> str:
    """How long ago, roughly.

    >>> _ago(30), _ago(7200), _ago(200_000)
    ('now', '2 h ago', '2 d ago')
    """
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "now"


def log(
    query: str = "",
    *,
    limit: int = 30,
    model: str = "",
    days: float | None = None,
    open: bool = False,
    kind: str = "",
    vote: str = "",
    cost: float | None = None,
) -> Rows:
    """What was asked and answered, newest first; full text over prompts and answers.

    Answers of a blind comparison are without a name until somebody votes. `days` looks back that far, `open` shows runs that have not ended. `kind` is call, row,
    compare, download, ...; `vote` any, won, lost, tie, bad, star, edit or accept; `cost` what
    a run cost at least, in US dollars. `fm.History()` is the same to look at.
    """
    if kind or vote or cost is not None:
        return _filtered(query, limit, model, days, kind, vote, cost, open)
    since = None if days is None else time.time() - days * 86400
    found = store.search(query, limit=limit, model=model, since=since, open_only=open)
    found = [r for r in found if r["kind"] != "compare"]  # its answers are there
    unnamed = hidden(r["run"] for r in found)
    found = [r for r in found if not (model and r["run"] in unnamed)]  # to be found by its name would name it
    for r in found:
        r["when"] = datetime.datetime.fromtimestamp(r.pop("started"))
        if r["run"] in unnamed:
            r |= {"model": "hidden", **{n: None for n in _TELLING}}
    note = "" if found else ("nothing in the log" if not query else f"nothing in the log for {query!r}")
    if not store.enabled():
        note = f"{note}  (the log is off: `%fm log on`)".strip()
    return Rows(found, LOG_COLUMNS, note)


def _filtered(query: str, limit: int, model: str, days: float | None, kind: str, vote: str, cost: float | None, open: bool) -> Rows:
    since = None if days is None else time.time() - days * 86400
    found = find(Filter(query, model, kind, vote, cost, since, open=open), limit=limit)
    for r in found:
        r["when"] = datetime.datetime.fromtimestamp(r["started"])
        r["vote"] = ", ".join(r["said"])
    return Rows(found, (*LOG_COLUMNS[:6], "vote", "error", "seconds", "cost"), "" if found else "nothing in the log fits")


def reopen(run: str) -> Response:
    """The answer of a logged run, by its id or an unambiguous beginning of it."""
    found = [r["run"] for r in store.search(limit=100_000) if r["run"].startswith(run)]
    if len(found) > 1:
        raise UsageError("Several runs begin like that", seen=run, todo=f"For example {found[0]} or {found[1]}.")
    return store.reopen(found[0] if found else run)


def parse_date(text: str) -> float:
    """Seconds since the epoch of an ISO date, local time.

    >>> parse_date("2026-01-31") > 1.7e9
    True
    """
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise UsageError("That is not a date", seen=repr(text), todo="Write it as 2026-01-31.") from None
