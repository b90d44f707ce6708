"""The base of all handlers: access, protocol version, request bodies, errors, time limits.

A handler responds with a value of `schemas` or raises; blocking work runs in `run_in_thread`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado.web import HTTPError, authenticated

from ...core.errors import AuthenticationError, CallTimeoutError, FmnbError, KeyMissingError, LockedError, StoreError, UnknownModelError
from ...core.event_loop import to_thread as _aside
from ...core.registry import PROTOCOL

T = TypeVar("T")
HEADER = "X-Fmnb-Protocol"
TIMEOUT_SECONDS = 20.0  # time limit of a request; a call may set a lower one
_STATUS_CODES: dict[type[FmnbError], int] = {
    LockedError: 403,
    UnknownModelError: 404,
    KeyMissingError: 409,
    AuthenticationError: 409,
    CallTimeoutError: 504,
    StoreError: 507,
}
_MAX_BODY = 1_000_000  # bytes of a body


class Handler(APIHandler):
    """Base of all handlers. `auth_resource` lets an administrator's authorizer decide about fmnb."""

    auth_resource = "fmnb"
    needs_protocol = True

    async def prepare(self) -> None:  # type: ignore[override]
        """Refuse a page with another protocol, and name the side to upgrade."""
        await super().prepare()
        page_protocol = self.request.headers.get(HEADER, "")
        if self.needs_protocol and page_protocol and page_protocol != str(PROTOCOL):
            older = "JupyterLab page: reload it, or upgrade fmnb where JupyterLab runs"
            newer = "server: upgrade fmnb where Jupyter Server runs and restart it"
            side = newer if page_protocol.isdigit() and int(page_protocol) > PROTOCOL else older
            raise RequestError(
                409,
                "Page and server have different versions of fmnb",
                f"{page_protocol[:20]} and {PROTOCOL}",
                f"Upgrade the {side}.",
                side,
            )

    def write_error(self, status_code: int, **more: Any) -> None:
        """Errors are a JSON `ErrorBody`, never a web page or a traceback."""
        e = (more.get("exc_info") or (None, None, None))[1]
        error_body = {"message": "The request failed", "detail": str(status_code), "hint": "", "upgrade": ""}
        if isinstance(e, RequestError):
            error_body = e.error_body
        elif isinstance(e, HTTPError):
            error_body["message"] = {403: "Not allowed", 404: "Not found", 405: "Method not allowed"}.get(status_code, "The request failed")
        elif e is not None:
            error_body = {
                "message": "The server side of fmnb failed",
                "detail": type(e).__name__,
                "hint": "The server's log has the traceback.",
                "upgrade": "",
            }
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(error_body))

    def json_body(self, **fields: type) -> dict[str, Any]:
        """The JSON body with exactly these fields of these types; otherwise status 400."""
        raw = self.request.body or b""
        if len(raw) > _MAX_BODY:
            raise RequestError(400, "The body is too large", f"{len(raw):,} bytes")
        try:
            body = json.loads(raw.decode("utf-8"))
        except (ValueError, RecursionError):
            raise RequestError(400, "The body is not JSON") from None
        if not isinstance(body, dict) or set(body) - set(fields):
            raise RequestError(400, "The body has unknown fields", hint=f"It takes {', '.join(fields)}.")
        for name, kind in fields.items():
            if not isinstance(body.get(name), kind) or (kind is int and isinstance(body.get(name), bool)):
                raise RequestError(400, f"{name} must be {kind.__name__}")
        for value in body.values():
            if isinstance(value, str) and not _is_valid_text(value):
                raise RequestError(400, "The body has an unpaired surrogate")
        return body

    def text_argument(self, name: str, max_length: int = 2000) -> str:
        """A query argument as text."""
        value = self.get_query_argument(name, "")
        if len(value) > max_length:
            raise RequestError(400, f"{name} is too long")
        return value

    def int_argument(self, name: str, default: int, maximum: int) -> int:
        """A query argument as a whole number from 1 to `maximum`."""
        try:
            value = int(self.get_query_argument(name, str(default)))
        except ValueError:
            raise RequestError(400, f"{name} must be a whole number") from None
        if not 1 <= value <= maximum:
            raise RequestError(400, f"{name} must be between 1 and {maximum}")
        return value

    def respond(self, value: Any) -> None:
        """Finish with a value of `schemas`."""
        self.finish(json.dumps(dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value))


class RequestError(HTTPError):
    """An error with a message, a detail and a hint."""

    def __init__(self, status: int, message: str, detail: str = "", hint: str = "", upgrade: str = ""):
        super().__init__(status)
        self.error_body = {"message": message, "detail": detail, "hint": hint, "upgrade": upgrade}


def endpoint(method: Callable[..., Awaitable[None]]) -> Callable[..., Any]:
    """Decorator of a handler's method: authentication, authorization, time limit, error messages."""

    @authenticated
    @authorized
    @functools.wraps(method)
    async def inner(self: Handler, *args: str) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await method(self, *args)
        except TimeoutError:
            raise RequestError(504, "No answer in time", f"{TIMEOUT_SECONDS:.0f} s", "Try again.") from None
        except FmnbError as e:
            status = next((s for kind, s in _STATUS_CODES.items() if isinstance(e, kind)), 400)
            raise RequestError(status, e.message, e.detail, e.hint) from None

    return inner


async def run_in_thread(work: Callable[[], T], seconds: float = TIMEOUT_SECONDS) -> T:
    """The result of a blocking call, off the server's event loop; TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        return await _aside(work)


def _is_valid_text(text: str) -> bool:
    try:
        text.encode("utf-8")
        return True
    except UnicodeEncodeError:
        return False
