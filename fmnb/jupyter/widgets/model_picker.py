"""Models for a field in which one is chosen: what fits the words typed so far, those that can be asked now first."""

from __future__ import annotations

from ...calls import background
from ...catalog.entries import Entry, catalog
from ...views.footer import money
from .answer_stream import Send

MOST = 60


def offer(query: str, send: Send) -> None:
    """Send {do: "models"} with what fits; looked up beside the notebook's own work, and without asking anybody."""

    def told(found: list[dict[str, str]] | Exception) -> None:
        send({"do": "models", "query": query, "rows": [] if isinstance(found, Exception) else found})

    background.in_background(lambda: fitting(query), told)


def fitting(query: str) -> list[dict[str, str]]:
    """Models that write text or make pictures, as {model, note}.

    >>> fitting("echo")[0]
    {'model': 'echo:', 'note': 'local, free'}
    """
    found = [e for e in catalog(query, ask=False).entries if {"text", "image", "video"} & {*e.outputs} and not e.model.endswith("…")]
    found.sort(key=lambda e: e.ready not in ("yes", "loaded"))
    return [{"model": e.model, "note": _note(e)} for e in found[:MOST]]


def _note(e: Entry) -> str:
    price = "free" if e.local else "" if e.price_out is None else f"{money(e.price_out)} a million tokens out"
    ready = "" if e.ready == "yes" else "in memory" if e.ready == "loaded" else e.ready
    return ", ".join(filter(None, (e.host, ready, price)))
