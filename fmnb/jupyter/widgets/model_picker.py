"""The models to choose from in a field: those that match the typed words, ready ones first."""

from __future__ import annotations

from ...calls import background
from ...catalog.entries import Entry, catalog
from ...views.footer import money
from .answer_stream import Send

MAX_MODELS = 60


def send_models(query: str, send: Send) -> None:
    """Send {do: "models"} with matching models; looked up in the background, without network requests."""

    def on_models(models: list[dict[str, str]] | Exception) -> None:
        send({"do": "models", "query": query, "rows": [] if isinstance(models, Exception) else models})

    background.in_background(lambda: matching_models(query), on_models)


def matching_models(query: str) -> list[dict[str, str]]:
    """Models that write text or make pictures, as {model, note}.

    >>> matching_models("echo")[0]
    {'model': 'echo:', 'note': 'local, free'}
    """
    entries = [e for e in catalog(query, ask=False).entries if {"text", "image", "video"} & {*e.outputs} and not e.model.endswith("…")]
    entries.sort(key=lambda e: e.ready not in ("yes", "loaded"))
    return [{"model": e.model, "note": _note(e)} for e in entries[:MAX_MODELS]]


def _note(e: Entry) -> str:
    price = "free" if e.local else "" if e.price_out is None else f"{money(e.price_out)} per million output tokens"
    ready = "" if e.ready == "yes" else "in memory" if e.ready == "loaded" else e.ready
    return ", ".join(filter(None, (e.host, ready, price)))
