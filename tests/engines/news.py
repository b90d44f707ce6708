"""Twelve lines of news, written for these tests, and what each is about."""

from __future__ import annotations

from fmnb.core.types import Request, message
from fmnb.schemas.convert import to_schema

_TOLD = {
    "sport": [
        "The striker scored twice in the second half.",
        "She won the tennis final in straight sets.",
        "The coach praised his goalkeeper after the match.",
        "The sprinter broke the record in the relay.",
        "Rain stopped the cricket test on its third day.",
        "The cyclist crashed on the last mountain stage.",
    ],
    "business": [
        "Shares fell after the bank cut its profit forecast.",
        "The central bank raised interest rates again.",
        "The airline will buy its rival for two billion dollars.",
        "Oil prices rose as exports slowed.",
        "The carmaker will close a factory and cut jobs.",
        "Inflation was lower than economists expected.",
    ],
}
NEWS = [(t, label) for label, some in _TOLD.items() for t in some]
_SCHEMA = to_schema("section sport|business").schema


def about(text: str, **more) -> Request:
    """The request that asks what a text is about."""
    return Request("embedded", (message("user", f"{text}\n\nWhat is this about?"),), **{"schema": _SCHEMA, **more})
