"""A request on its way to a service: its body, and what is left out of it when the service refuses an option.

An option that was refused counts as such only once the same request without it was accepted:
then it is left out from the start the next time, and the answer says that it was not applied.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ..core.types import Request
from .http import client
from .http.rejected_option import refused_option
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


async def send(wire: Wire, p: Profile, model: str, request: Request, secret: str) -> tuple[Any, list[str]]:
    """The response, its body unread, and what of the request is not applied. An option that the service refuses is left out."""
    out = Outgoing(wire, p, model, request)
    sender, options = await client.connect(p, secret)
    import httpx2
    from openai import AsyncStream

    while True:
        try:
            response = await sender.post(
                out.url,
                cast_to=httpx2.Response,
                content=encode(out.body),
                options=options,
                stream=True,
                stream_cls=AsyncStream,
            )
        except Exception as e:
            status = getattr(e, "status_code", None)
            if status not in (400, 422) or not out.mended(client.body(e.response)):  # type: ignore[attr-defined]
                raise client.fault(p, model, e, secret, await nearby(p) if status in (400, 404) else ()) from None
        else:
            out.accepted()
            return response, out.lost
