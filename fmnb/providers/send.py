"""A request on its way to a service: its body, and what is left out of it when the service refuses an option.

An option that was refused counts as such only once the same request without it was accepted:
then it is left out from the start the next time, and the answer says that it was not applied.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ..core.errors import UnknownModelError
from ..core.types import Request
from .http import client, rate_headers
from .http.errors import from_status
from .http.rejected_option import refused_option
from .http.transport import BodyInterruptedError, Connection, Reply, post, read
from .model_lists import nearby
from .profiles import Profile, endpoint
from .reserved_params import check_routing
from .wire.base import Wire, check_one_answer, drop_ignored, encode, mend

_refused: dict[tuple[str, str], dict[str, str]] = {}  # (path's address, model) -> options it refused before, and their values


class Outgoing:
    """A request's body on its way. `lost` names what of the request is not applied."""

    def __init__(self, wire: Wire, p: Profile, model: str, request: Request, *, stream: bool = True):
        check_one_answer(request)
        check_routing(request.extra)
        self.wire, self.model, self.request = wire, model, request
        self.body, self.lost = wire.body(p, model, request)
        if not stream:
            for name in ("stream", "stream_options"):
                if name not in request.extra:
                    self.body.pop(name, None)
        drop_ignored(p, self.body)
        self.url = endpoint(p, wire.path, model)  # whole, so that the client need not build it each time
        self._left_out: dict[str, str] = {}
        for option, value in _refused.get((self.url, model), {}).items():
            if option in self.body and json.dumps(self.body[option], default=str) == value:
                self._leave_out(option)

    def mended(self, error: Any) -> bool:
        """Whether a refusal was about one option, which is now left out."""
        option = refused_option(self.body, error)
        if option:
            self._left_out[option] = json.dumps(self.body[option], default=str)
            self._leave_out(option)
        return bool(option)

    def accepted(self) -> None:
        """The service took the request as it is now: what was left out is what it does not take."""
        if self._left_out:
            _refused.setdefault((self.url, self.model), {}).update(self._left_out)

    def _leave_out(self, option: str) -> None:
        name = mend(self.wire, self.body, option, self.request)
        if name and name not in self.lost:
            self.lost.append(name)


def refused_before(url: str, model: str) -> Iterable[str]:
    """Options that this model refused at this address."""
    return _refused.get((url, model), {})


def forget() -> None:
    """Forget which options were refused."""
    _refused.clear()


async def send(
    wire: Wire, p: Profile, model: str, request: Request, connection: Connection, *, stream: bool = True
) -> tuple[Reply, list[str]]:
    """Send a request; an option that the service refuses is left out and the request is sent again.

    Returns:
        The response, its body unread, and the options that are not applied.

    Raises:
        FmnbError: The service refused the request, or was not reached. Its `allowed` has the service's limits.
    """
    out = Outgoing(wire, p, model, request, stream=stream)
    while True:
        try:
            reply = await post(p, connection, out.url, encode(out.body))
            if reply.status < 300:
                out.accepted()
                return reply, out.lost
            error = json_or_text(await read(reply))
        except Exception as e:
            raise client.fault(p, model, cause_of(e), connection.secret) from None
        if reply.status in (400, 422) and out.mended(error):
            continue
        refusal = from_status(p, model, reply.status, error, reply.headers, connection.secret)
        if isinstance(refusal, UnknownModelError):  # the list of models is requested only then: thousands of rows may be refused
            refusal = from_status(p, model, reply.status, error, reply.headers, connection.secret, await nearby(p))
        refusal.allowed = rate_headers.read(reply.headers)
        raise refusal


def cause_of(error: Exception) -> Exception:
    """The HTTP stack's own exception."""
    cause = error.__cause__ if isinstance(error, BodyInterruptedError) else None
    return cause if isinstance(cause, Exception) else error


def json_or_text(data: bytes) -> Any:
    """A body's JSON, or its text."""
    try:
        return json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")
