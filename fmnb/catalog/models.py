"""`fm.models`: the catalog as a table."""

from __future__ import annotations

import datetime
import time
from typing import Any

from ..core.records import Bytes, Rows
from . import filters
from .entries import Entry, catalog

MODEL_COLUMNS = (
    *("model", "provider", "ready", "host", "context", "inputs", "outputs", "price_in", "price_out", "license", "size", "memory", "used"),
    *("source", "note"),
)
LOCAL_COLUMNS = ("model", "ready", "size", "memory", "context", "license", "used", "note")


def models(query: str = "", *, ask: bool = True) -> Rows:
    """List models, and what each needs.

    Without words, the best known models of each service are listed; with words, all matches in the
    service's own list or the price table.

    Args:
        query: Words that must all match: `local`, `hosted`, `ready`, `loaded`, `free`, `vision`,
            `image`, `video`, `embed`, `chat`, `base`, `<4GB` (on disk), `>100k` (context), or any
            part of a name, license or provider.
        ask: Whether servers on this machine, and services with a key, are asked for their lists,
            within a second in all. The note names services that did not answer.

    Returns:
        A table, one row per model. `ready` is yes, loaded, locked or what to do first; prices are US
        dollars per million tokens, sizes bytes; `source` says where the facts come from.

    >>> [r["model"] for r in models("echo", ask=False)]
    ['echo:']
    """
    found = catalog(query, ask=ask)
    rows = [_row(e) for e in found.entries]
    notes = []
    if not rows:
        notes.append(f"no model matches {query!r}; filters: {', '.join(filters.words())}, <4GB, >100k")
    if found.more and not query.strip():
        notes.append("more of " + ", ".join(f"{name} ({n})" for name, n in found.more.items()) + ": search for a provider or any word")
    if found.unreachable:
        notes.append("not asked: " + ", ".join(f"{name} ({why})" for name, why in found.unreachable.items()))
    columns = LOCAL_COLUMNS if "local" in query.split() else MODEL_COLUMNS
    return Rows(rows, columns, "; ".join(notes))


def _row(e: Entry) -> dict[str, Any]:
    return {
        "model": e.model,
        "provider": e.provider,
        "ready": e.ready,
        "host": e.host,
        "context": e.context,
        "inputs": ", ".join(e.inputs),
        "outputs": ", ".join(e.outputs) if e.chat or "text" not in e.outputs else "text (completes)",
        "price_in": e.price_in,
        "price_out": e.price_out,
        "license": e.license,
        "size": None if e.size is None else Bytes(e.size),
        "memory": None if e.memory is None else Bytes(e.memory),
        "used": None if e.used is None else datetime.datetime.fromtimestamp(e.used),
        "source": e.source if e.at is None else f"{e.source}, {_ago(time.time() - e.at)}",
        "note": e.note,
    }


def _ago(seconds: float) -> str:
    """A rough age.

    >>> _ago(30), _ago(7200), _ago(200_000)
    ('now', '2 h ago', '2 d ago')
    """
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "now"
