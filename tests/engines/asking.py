"""Requests to the embedded model, and what came of them: shared by the engines' tests."""

from __future__ import annotations

from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import build_response
from fmnb.core.types import Request, message

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def ask(text: str, **options) -> Request:
    return Request("embedded", (message("user", text),), **{"max_tokens": 12, **options})


def events(model, request: Request) -> list:
    return list(iterate_sync(model.stream(request)))


def answer(model, request: Request) -> str:
    return build_response(iterate_sync(model.stream(request))).text
