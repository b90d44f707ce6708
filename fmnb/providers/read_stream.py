"""The bytes of a streamed response to events. A stream that ends early, or is no answer, is an error."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from ..core.errors import FmnbError
from ..core.events import Event
from .http import client, connection_errors
from .http.errors import unexpected_response
from .http.stream_errors import from_stream_error
from .http.transport import Reply
from .profiles import Profile
from .wire.base import Wire
from .wire.sse import DONE, Answer, Frames


async def events_of(wire: Wire, p: Profile, model: str, reply: Reply, answer: Answer, secret: str) -> AsyncIterator[Event]:
    """Events of the body, then the events that were held back.

    Raises if the body ends early or is no answer.
    """
    frames = Frames()
    done = False
    error: FmnbError | None = None
    chunks = reply.chunks
    try:
        if "event-stream" not in reply.headers.get("content-type", ""):
            chunks = await _sniffed(chunks, frames, wire)
        async for data in chunks:
            for document in frames.feed(data):
                if document is DONE:
                    done = True
                elif (problem := error_in(document)) is not None:
                    for event in end_events(answer, document):
                        yield event
                    raise from_stream_error(p, model, problem, answer.characters, secret, paid=answer.paid)
                else:
                    for event in events_of_document(answer, document, frames):
                        yield event
    except FmnbError as e:
        error = e
    except Exception as e:
        if not client.is_transport(e):
            raise
        if not (done or answer.reason):  # a connection lost after the last event does no harm
            error = connection_errors.from_exception(p, e, answer.characters, secret)
    for document in frames.end():
        done = done or document is DONE
        if document is not DONE and (problem := error_in(document)) is not None:
            for event in end_events(answer, document):
                yield event
            error = error or from_stream_error(p, model, problem, answer.characters, secret, paid=answer.paid)
        elif document is not DONE:
            for event in events_of_document(answer, document, frames):
                yield event
    if frames.unexpected and answer.characters and (done or answer.reason):
        answer.notes.append("a part of the service's stream was unreadable and is left out")
    rest = answer.end()
    answer.events += rest
    for event in rest:
        yield event
    if error is not None:
        raise error
    empty = not answer.characters and not answer.tools
    if frames.unexpected and (empty or not (done or answer.reason)):
        raise unexpected_response(p, frames.unexpected, answer.characters, secret)
    if not (done or answer.reason):
        raise connection_errors.stream_interrupted(p, answer.characters)


def events_of_document(answer: Answer, document: dict[str, Any], frames: Frames) -> list[Event]:
    """Events of one document; a document of another form counts as unexpected."""
    before = answer.usage
    try:
        events = answer.take(document)
    except (AttributeError, LookupError, TypeError, ValueError):
        frames.unexpected = frames.unexpected or json.dumps(document)[:2000]
        return []
    answer.events += events
    if answer.usage is not before:
        answer.reported_events = len(answer.events)
    return events


def error_in(document: dict[str, Any]) -> Any:
    """The error in a document, `{"error": ...}` or `{"object": "error"}`; None if there is none."""
    return document.get("error") or (document if document.get("object") == "error" else None)


def end_events(answer: Answer, document: dict[str, Any]) -> list[Event]:
    """Events of a document with an error: its other fields still count, its usage above all."""
    before = answer.usage
    events = events_of_document(answer, {k: v for k, v in document.items() if k != "error"}, Frames())
    if answer.usage is before:
        for part in (document, document.get("error")):
            if isinstance(part, dict) and isinstance(part.get("usage"), dict):
                answer.count(part["usage"])
                answer.reported_events = len(answer.events)
                break
    return events


async def _sniffed(chunks: AsyncIterator[bytes], frames: Frames, wire: Wire) -> AsyncIterator[bytes]:
    """The chunks of a body whose content type is not an event stream.

    It may be an event stream anyway, or a complete answer, which becomes one event.
    """
    head = b""
    async for data in chunks:
        head += data
        if head.lstrip().startswith((b"data:", b"event:", b":", b"id:", b"retry:")):
            return _joined(head, chunks)
    try:
        document = json.loads(head)
        head = b"data: " + json.dumps(document).encode() + b"\n\n"
        if not isinstance(document, dict) or not (wire.is_complete(document) or error_in(document) is not None):
            frames.unexpected = head.decode()[6:2000]
    except (ValueError, RecursionError):
        frames.unexpected, head = head.decode("utf-8", "replace")[:2000], b""
    return _joined(head, None)


async def _joined(head: bytes, rest: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
    yield head
    if rest is not None:
        async for data in rest:
            yield data
