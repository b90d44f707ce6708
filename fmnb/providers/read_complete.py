"""Complete (non-streamed) responses: sent, received and turned into events, for rows of a table."""

from __future__ import annotations

import dataclasses

from ..core.backend import CompleteResponse
from ..core.errors import CallError, FmnbError
from ..core.events import Event, Notice, UsageReported
from ..core.types import Request
from . import answer_cost
from .http import connection_errors, rate_headers
from .http.errors import unexpected_response
from .http.stream_errors import from_stream_error
from .http.transport import BodyInterruptedError, Connection, read
from .profiles import Profile
from .read_stream import end_events, error_in, events_of_document
from .send import json_or_text, send
from .wire.base import Wire
from .wire.finish import error_at_end
from .wire.sse import DONE, Frames


async def complete(wire: Wire, p: Profile, model: str, request: Request, connection: Connection) -> CompleteResponse:
    """Send a request and read the complete answer.

    If the service streams anyway, the answer is read as a stream.
    """
    reply, ignored = await send(wire, p, model, request, connection, stream=False)
    secret = connection.secret
    try:
        data = await read(reply)
    except BodyInterruptedError as e:
        raise await _interrupted(wire, p, model, request, secret, e) from None
    notices = [Notice(kind="not_applied", text=name) for name in ignored]
    allowed = rate_headers.read(reply.headers)
    try:
        return CompleteResponse([*notices, *await read_complete(wire, p, model, request, data, secret)], allowed)
    except CallError as e:
        e.events, e.rate_limits = [*notices, *e.events], allowed
        raise


async def read_complete(
    wire: Wire, p: Profile, model: str, request: Request, data: bytes, secret: str, *, share: float = 1.0
) -> list[Event]:
    """Events of a complete response; its cost is `share` of the price. Raises when it is no answer."""
    answer, frames = wire.answer(p, model, request), Frames()
    document = json_or_text(data)
    events: list[Event] = []
    error: FmnbError | None = None
    finished = True
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if isinstance(document, dict) and (problem := error_in(document)) is not None:
        events += end_events(answer, document)
        error = from_stream_error(p, model, problem, answer.characters, secret, paid=answer.paid)
    elif isinstance(document, dict) and wire.is_complete(document):
        events += events_of_document(answer, document, frames)
    elif data.lstrip().startswith((b"data:", b"event:", b":", b"id:", b"retry:")):
        parts = [*frames.feed(data), *frames.end()]
        finished = DONE in parts
        for part in parts:
            if part is not DONE and (problem := error_in(part)) is not None:
                events += end_events(answer, part)
                error = from_stream_error(p, model, problem, answer.characters, secret, paid=answer.paid)
                break
            if part is not DONE:
                events += events_of_document(answer, part, frames)
    else:
        frames.unexpected = data.decode("utf-8", "replace").strip()[:2000] or "nothing"
    rest = answer.end()
    answer.events += rest
    events += rest
    if error is None and frames.unexpected and not answer.characters and not answer.tools:
        error = unexpected_response(p, frames.unexpected, answer.characters, secret)
    if error is None and not (finished or answer.reason):
        error = connection_errors.stream_interrupted(p, answer.characters)
    error = error or error_at_end(p, model, answer, secret)
    used = await (
        answer_cost.usage_of_failed(p, model, answer, request, error) if error else answer_cost.usage_of(p, model, answer, request)
    )
    if used is not None:
        cost = used.usage.cost
        events.append(used if share == 1.0 or cost is None else UsageReported(usage=dataclasses.replace(used.usage, cost=cost * share)))
    if error is not None:
        error.events = events
        raise error
    end = answer.finished()
    return [*events, dataclasses.replace(end, extra={**end.extra, "streamed": False})]


async def _interrupted(wire: Wire, p: Profile, model: str, request: Request, secret: str, e: BodyInterruptedError) -> FmnbError:
    """The error of a response whose connection was lost; it is billed as far as its usage is known."""
    answer, frames = wire.answer(p, model, request), Frames()
    for part in [p for p in frames.feed(e.data) if isinstance(p, dict) and error_in(p) is None]:
        events_of_document(answer, part, frames)
    usage_known = bool(answer.events) or answer.usage is not None  # the beginning of a document says nothing of its length
    error = connection_errors.interrupted(p, e.__cause__, secret, billed=True if usage_known else None)
    used = await answer_cost.usage_of_failed(p, model, answer, request, error)
    error.events = [used] if used is not None else []
    error.rate_limits = rate_headers.read(e.headers)
    return error
