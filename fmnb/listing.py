"""Two questions one asks often: which models are there, and what was asked so far."""

from __future__ import annotations

import datetime
import time
from typing import Any

from . import keys
from ._loop import wait
from .catalog import weights
from .catalog.resolve import aliases, usable_profiles
from .config import allowed
from .engines import residents
from .errors import FmnbError, UsageError
from .providers import openai_compat, prices
from .rows import Rows
from .store import log as store
from .types import Response

MODEL_COLUMNS = ("model", "ready", "where", "context", "price_in", "price_out", "licence", "size", "note")
LOG_COLUMNS = ("run", "when", "model", "prompt", "text", "finish", "error", "seconds", "input_tokens", "output_tokens", "cost", "source")
_ASK = 0.9  # seconds in all for asking services which models they have


def models(query: str = "", *, ask: bool = True) -> Rows:
    """Which models can be named, and what each needs.

    `query` words must all occur in a row; `local` and `ready` are such words. With `ask`,
    services on this machine and the one that was named are asked for their lists, within
    a second. Prices are US dollars per million tokens.

    >>> [r["model"] for r in models("echo", ask=False)]
    ['echo:']
    """
    rows = [*_local_rows(), *_hosted_rows(query, ask)]
    words = query.lower().split()
    for r in rows:
        if not (allowed("models", r["model"]) and allowed("providers", r["model"].partition(":")[0])):
            r["ready"], r["note"] = "locked", "not allowed by this machine's administrator"
    kept = [r for r in rows if all(w in " ".join(str(v).lower() for k, v in r.items()) for w in words)]
    back = aliases()
    kept += [
        {"model": a, "ready": "", "note": f"alias of {m}"}
        for a, m in back.items()
        if not words or any(w in f"{a} {m}".lower() for w in words)
    ]
    return Rows(kept, MODEL_COLUMNS, "" if kept else f"no model matches {query!r}")


def _local_rows() -> list[dict[str, Any]]:
    loaded = {str(m.path) for m in residents.loaded()}
    rows = []
    short = {}
    for name in weights.known_names():
        known = weights.known(name)
        short[known.source] = name
        path = weights.locate(known.source)
        ready = "loaded" if path and str(path) in loaded else "yes" if path else f"%fm pull {name}"
        rows.append(
            {"model": name, "ready": ready, "where": "local", "licence": known.licence, "size": _mb(known.size), "note": known.title}
        )
    for d in weights.downloaded():
        if d.source in short:
            continue
        rows.append(
            {
                "model": d.source,
                "ready": "loaded" if str(d.path) in loaded else "yes",
                "where": "local",
                "licence": d.licence,
                "size": _mb(d.size),
            }
        )
    rows.append({"model": "echo:", "ready": "yes", "where": "local", "note": "repeats what it is told; for tests and bug reports"})
    return rows


def _mb(size: int | None) -> str:
    return f"{size / 1e6:,.0f} MB" if size else ""


def _hosted_rows(query: str, ask: bool) -> list[dict[str, Any]]:
    found = wait(openai_compat.afind_local(_ASK / 3)) if ask else {}
    rows: list[dict[str, Any]] = []
    for p in usable_profiles():
        name = p.name
        if p.local:
            rows += [
                {"model": f"{name}:{m}", "ready": "yes", "where": "local", "note": f"served by {p.label}"} for m in found.get(name, ())
            ]
            continue
        have = not p.needs_key or bool(keys.status(p.key_env, name))
        names = p.models
        if ask and have and name in query.split():
            try:
                names = tuple(wait(openai_compat.models(p, _ASK)))
            except FmnbError:
                pass  # the curated names stand
        for m in names:
            price_in, price_out = prices.per_million(p, m) if name in query.lower() else (None, None)
            rows.append(
                {
                    "model": f"{name}:{m}",
                    "ready": "yes" if have else f"%fm key set {name}",
                    "where": p.where,
                    "price_in": price_in,
                    "price_out": price_out,
                }
            )
        if not names:
            rows.append({"model": f"{name}:…", "ready": "yes" if have else f"%fm key set {name}", "where": p.where})
    return rows


def log(query: str = "", *, limit: int = 30, model: str = "", days: float | None = None, open: bool = False) -> Rows:
    """What was asked and answered, newest first; full text over prompts and answers.

    `days` looks back that far, `open` shows runs that have not ended.
    """
    since = None if days is None else time.time() - days * 86400
    found = store.search(query, limit=limit, model=model, since=since, open_only=open)
    for r in found:
        r["when"] = datetime.datetime.fromtimestamp(r.pop("started"))
    note = "" if found else ("nothing in the log" if not query else f"nothing in the log for {query!r}")
    if not store.enabled():
        note = f"{note}  (the log is off: `%fm log on`)".strip()
    return Rows(found, LOG_COLUMNS, note)


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
