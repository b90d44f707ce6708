"""What every handler has: who may ask, in which protocol, how bodies are read, how errors are said, and how long they may take.

A handler answers with a value of `schemas` or raises; blocking work goes through `aside`.
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
SECONDS = 20.0  # the longest any question may take; each may ask for less
_STATUS: dict[type[FmnbError], int] = {
    LockedError: 403,
    UnknownModelError: 404,
    KeyMissingError: 409,
    AuthenticationError: 409,
    CallTimeoutError: 504,
    StoreError: 507,
}
_MOST = 1_000_000  # bytes of a body


class Handler(APIHandler):
    """Base of our handlers. `auth_resource` lets an administrator's authoriser decide about fmnb as a whole."""

    auth_resource = "fmnb"
    needs_protocol = True

    async def prepare(self) -> None:  # type: ignore[override]
        """Refuse a page of another protocol with words that name the side to upgrade."""
        await super().prepare()
        theirs = self.request.headers.get(HEADER, "")
        if self.needs_protocol and theirs and theirs != str(PROTOCOL):
            older = "JupyterLab page: reload it, or upgrade fmnb where JupyterLab runs"
            newer = "server: upgrade fmnb where Jupyter Server runs and restart it"
            side = newer if theirs.isdigit() and int(theirs) > PROTOCOL else older
            raise Refused(
                409, "Page and server speak different versions of fmnb", f"{theirs[:20]} and {PROTOCOL}", f"Upgrade the {side}.", side
            )

    def write_error(self, status_code: int, **more: Any) -> None:
        """Errors are a Trouble, never a page and never a traceback."""
        e = (more.get("exc_info") or (None, None, None))[1]
        trouble = {"message": "The request was refused", "detail": str(status_code), "hint": "", "upgrade": ""}
        if isinstance(e, Refused):
            trouble = e.trouble
        elif isinstance(e, HTTPError):
            trouble["message"] = {403: "Not allowed", 404: "There is nothing at that address", 405: "That cannot be done here"}.get(
                status_code, "The request was refused"
            )
        elif e is not None:
            trouble = {
                "message": "fmnb's server side failed",
                "detail": type(e).__name__,
                "hint": "The server's log has the whole story.",
                "upgrade": "",
            }
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(trouble))

    def body(self, **fields: type) -> dict[str, Any]:
        """The JSON body with exactly these fields, each of its kind; a 400 for anything else."""
        raw = self.request.body or b""
        if len(raw) > _MOST:
            raise Refused(400, "The body is too large", f"{len(raw):,} bytes")
        try:
            found = json.loads(raw.decode("utf-8"))
        except (ValueError, RecursionError):
            raise Refused(400, "The body is no JSON") from None
        if not isinstance(found, dict) or set(found) - set(fields):
            raise Refused(400, "The body has fields that are not known here", hint=f"It takes {', '.join(fields)}.")
        for name, kind in fields.items():
            if not isinstance(found.get(name), kind) or (kind is int and isinstance(found.get(name), bool)):
                raise Refused(400, f"{name} must be {kind.__name__}")
        for value in found.values():
            if isinstance(value, str) and not _writable(value):
                raise Refused(400, "The body holds half a character")
        return found

    def words(self, name: str, most: int = 2000) -> str:
        """A query argument as text."""
        value = self.get_query_argument(name, "")
        if len(value) > most:
            raise Refused(400, f"{name} is too long")
        return value

    def number(self, name: str, default: int, most: int) -> int:
        """A query argument as a whole number from 1 to `most`."""
        try:
            value = int(self.get_query_argument(name, str(default)))
        except ValueError:
            raise Refused(400, f"{name} must be a whole number") from None
        if not 1 <= value <= most:
            raise Refused(400, f"{name} must lie between 1 and {most}")
        return value

    def answer(self, value: Any) -> None:
        """Finish with a value of `schemas`."""
        self.finish(json.dumps(dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value))


class Refused(HTTPError):
    """An error with a message, a detail and a hint."""

    def __init__(self, status: int, message: str, detail: str = "", hint: str = "", upgrade: str = ""):
        super().__init__(status)
        self.trouble = {"message": message, "detail": detail, "hint": hint, "upgrade": upgrade}


def guarded(method: Callable[..., Awaitable[None]]) -> Callable[..., Any]:
    """A method of a handler: who asks is known and may, the answer comes in time, and a user's mistake is words."""

    @authenticated
    @authorized
    @functools.wraps(method)
    async def inner(self: Handler, *args: str) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                await method(self, *args)
        except TimeoutError:
            raise Refused(504, "No answer in time", f"{SECONDS:.0f} s", "Try again.") from None
        except FmnbError as e:
            status = next((s for kind, s in _STATUS.items() if isinstance(e, kind)), 400)
            raise Refused(status, e.message, e.detail, e.hint) from None

    return inner


async def aside(work: Callable[[], T], seconds: float = SECONDS) -> T:
    """A blocking call's result, off the server's loop; TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        return await _aside(work)


def _writable(text: str) -> bool:
    try:
        text.encode("utf-8")
        return True
    except UnicodeEncodeError:
        return False
