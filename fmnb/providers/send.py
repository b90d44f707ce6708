"""Sends a request to a service, again without options that the service rejects.

An option counts as rejected once the same request without it was accepted. The next request to
that model leaves it out from the start, and the answer lists it as not applied.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ..core.errors import UnknownModelError
from ..core.runtime import state
from ..core.types import Request
from .http import client, rate_headers
from .http.errors import from_status
from .http.rejected_option import rejected_option
from .http.transport import BodyInterruptedError, Connection, Reply, post, read
from .model_lists import suggestions
from .profiles import Profile, endpoint
from .reserved_params import check_routing
from .wire.base import Wire, check_one_answer, drop_ignored, drop_option, encode


class _RefusedOptions:
    """Options that models refused, with their values, by URL and model."""

    def __init__(self) -> None:
        self.by_model: dict[tuple[str, str], dict[str, str]] = {}


class OutgoingRequest:
    """The body of a request. `ignored` names the options that are not applied."""

    def __init__(self, wire: Wire, p: Profile, model: str, request: Request, *, stream: bool = True):
        check_one_answer(request)
        check_routing(request.extra)
        self.wire, self.model, self.request = wire, model, request
        self.body, self.ignored = wire.body(p, model, request)
        if not stream:
            for name in ("stream", "stream_options"):
                if name not in request.extra:
                    self.body.pop(name, None)
        drop_ignored(p, self.body)
        self.url = endpoint(p, wire.path, model)  # complete, so that the HTTP stack does not build it each time
        self._dropped: dict[str, str] = {}
        for option, value in state(_RefusedOptions).by_model.get((self.url, model), {}).items():
            if option in self.body and json.dumps(self.body[option], default=str) == value:
                self._drop(option)

    def drop_refused_option(self, error: Any) -> bool:
        """Drop the option that an error response is about; False if it is about none."""
        option = rejected_option(self.body, error)
        if option:
            self._dropped[option] = json.dumps(self.body[option], default=str)
            self._drop(option)
        return bool(option)

    def accepted(self) -> None:
        """The service accepted the request: remember the options that had to be dropped."""
        if self._dropped:
            state(_RefusedOptions).by_model.setdefault((self.url, self.model), {}).update(self._dropped)

    def _drop(self, option: str) -> None:
        name = drop_option(self.wire, self.body, option, self.request)
        if name and name not in self.ignored:
            self.ignored.append(name)


def refused_options(url: str, model: str) -> Iterable[str]:
    """Options that this model refused at this URL."""
    return state(_RefusedOptions).by_model.get((url, model), {})


def forget_refused_options() -> None:
    """Forget all refused options."""
    state(_RefusedOptions).by_model.clear()


async def send(
    wire: Wire, p: Profile, model: str, request: Request, connection: Connection, *, stream: bool = True
) -> tuple[Reply, list[str]]:
    """Send a request; an option that the service refuses is dropped and the request is sent again.

    Returns:
        The response with its body unread, and the options that are not applied.

    Raises:
        FmnbError: The service refused the request or could not be reached. Its `rate_limits` holds the rate limits.
    """
    out = OutgoingRequest(wire, p, model, request, stream=stream)
    while True:
        try:
            reply = await post(p, connection, out.url, encode(out.body))
            if reply.status < 300:
                out.accepted()
                return reply, out.ignored
            error = json_or_text(await read(reply))
        except Exception as e:
            raise client.error_from(p, model, cause_of(e), connection.secret) from None
        if reply.status in (400, 422) and out.drop_refused_option(error):
            continue
        refusal = from_status(p, model, reply.status, error, reply.headers, connection.secret)
        if isinstance(refusal, UnknownModelError):  # the list of models is requested only then: thousands of rows may be refused
            refusal = from_status(p, model, reply.status, error, reply.headers, connection.secret, await suggestions(p))
        refusal.rate_limits = rate_headers.read(reply.headers)
        raise refusal


def cause_of(error: Exception) -> Exception:
    """The HTTP stack's own exception."""
    cause = error.__cause__ if isinstance(error, BodyInterruptedError) else None
    return cause if isinstance(cause, Exception) else error


def json_or_text(data: bytes) -> Any:
    """A body's JSON, or its text."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return data.decode("utf-8", "replace")
