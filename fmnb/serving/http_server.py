"""An HTTP server for models and tools: API key, host check, limits, graceful stop.

request ─ host ─ key ─ capacity ─ time limit ─ handler ─► response, or an error as JSON

It runs on the background event loop, so the notebook stays usable. It knows nothing of models:
handlers are ordinary `aiohttp` handlers, and errors of fmnb become JSON in the form that OpenAI's
clients understand.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..core.errors import (
    BadRequestError,
    BudgetError,
    CallTimeoutError,
    FmnbError,
    ModelError,
    RateLimitError,
    UnknownModelError,
    UsageError,
)
from ..core.event_loop import run_sync
from ..core.optional import require

if TYPE_CHECKING:
    from aiohttp import web

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)
_STATUS: tuple[tuple[type[FmnbError], int], ...] = (
    (UnknownModelError, 404),
    (RateLimitError, 429),
    (BudgetError, 402),
    (CallTimeoutError, 504),
    (UsageError, 400),
    (BadRequestError, 400),
    (ModelError, 503),
)


@dataclass(frozen=True)
class ServerOptions:
    """How a server listens and what it allows.

    Attributes:
        host: Address to listen on. Loopback by default.
        port: Port; 0 takes a free one.
        key: API key that clients send as `Authorization: Bearer KEY`; None makes a new one.
        hosts: Host names that clients may use besides the address itself, as behind a proxy.
        max_body: Largest request body, in bytes.
        max_in_flight: Requests handled at the same time.
        max_waiting: Further requests that wait for a free place; more get status 429.
        timeout: Seconds for one request.
        stop_timeout: Seconds that requests in flight have to finish when the server stops.
    """

    host: str = "127.0.0.1"
    port: int = 0
    key: str | None = None
    hosts: tuple[str, ...] = ()
    max_body: int = 10_000_000
    max_in_flight: int = 16
    max_waiting: int = 64
    timeout: float = 600.0
    stop_timeout: float = 10.0


class HttpServer:
    """A server of routes.

    Args:
        routes: Handlers by method and path: `{("GET", "/v1/models"): handler}`.
        options: How it listens and what it allows.
        public: Paths that need no key, such as `/health`.

    Raises:
        UsageError: The address is not loopback and no key of the user's own was given, or the key is too short.
        MissingPackageError: aiohttp is not installed.
    """

    def __init__(self, routes: Mapping[tuple[str, str], Handler], options: ServerOptions | None = None, *, public: tuple[str, ...] = ()):
        self.options = options or ServerOptions()
        _check(self.options)
        self.key = self.options.key or secrets.token_urlsafe(24)
        self.port = self.options.port
        self._web = require("aiohttp.web", "tables", "to serve over HTTP", package="aiohttp")
        self._routes, self._public = dict(routes), public
        self._in_flight = asyncio.Semaphore(self.options.max_in_flight)
        self._waiting = 0
        self._runner: web.AppRunner | None = None

    def __repr__(self) -> str:
        return f"HttpServer({self.url}, {'running' if self._runner is not None else 'stopped'})"

    @property
    def url(self) -> str:
        """The base URL, with the port it listens on."""
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen. Raises UsageError when the port is taken or the address is not this machine's."""
        app = self._web.Application(client_max_size=self.options.max_body, middlewares=[self._guard])
        for (method, path), handler in self._routes.items():
            app.router.add_route(method, path, handler)
        runner = self._web.AppRunner(app, access_log=None, shutdown_timeout=self.options.stop_timeout, handler_cancellation=True)
        await runner.setup()
        site = self._web.TCPSite(runner, self.options.host, self.options.port)
        try:
            await site.start()
        except OSError as e:
            await runner.cleanup()
            raise UsageError(
                f"Cannot listen on {self.url}", detail=str(e.strerror or e), hint="Choose another port, or 0 for a free one."
            ) from None
        self._runner = runner
        self.port = runner.addresses[0][1]

    async def stop(self) -> None:
        """Accept no more requests, let those in flight finish for `stop_timeout` seconds, then cancel them."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def __enter__(self) -> HttpServer:
        """Start on the background event loop."""
        run_sync(self.start())
        return self

    def __exit__(self, *_: object) -> None:
        run_sync(self.stop())

    @property
    def _guard(self) -> Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]:
        """All checks around a handler, as aiohttp's middleware."""

        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                self._check_host(request)
                if request.path not in self._public:
                    self._check_key(request)
                return await self._within_capacity(request, handler)
            except self._web.HTTPException as e:
                return self._error(e.status, e.text or e.reason)
            except FmnbError as e:
                status = next((status for kind, status in _STATUS if isinstance(e, kind)), 500)
                return self._error(status, str(e), type(e).__name__)
            except TimeoutError:
                return self._error(504, f"The request took longer than {self.options.timeout:g} s")
            except Exception:
                _log.exception("A request to %s failed", request.path)  # the details stay here
                return self._error(500, "Internal error; the server's log has the details")

        return self._web.middleware(guard)  # type: ignore[no-any-return]

    def _check_host(self, request: web.Request) -> None:
        """Refuse names that are not ours: a web page whose name resolves to this machine must not reach us."""
        name = urlsplit(f"//{request.host}").hostname or ""
        if name not in (self.options.host, "localhost", *self.options.hosts) and not _is_loopback(name):
            raise self._web.HTTPForbidden(text=f"Unknown host {name!r}; name it in `hosts`")

    def _check_key(self, request: web.Request) -> None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(key.strip().encode(), self.key.encode()):
            raise self._web.HTTPUnauthorized(text="Missing or wrong API key; send `Authorization: Bearer KEY`")

    async def _within_capacity(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._in_flight.locked() and self._waiting >= self.options.max_waiting:
            raise self._web.HTTPTooManyRequests(text="Too many requests at the same time; try again")
        self._waiting += 1
        try:
            await self._in_flight.acquire()
        finally:
            self._waiting -= 1
        try:
            async with asyncio.timeout(self.options.timeout):
                return await handler(request)
        finally:
            self._in_flight.release()

    def _error(self, status: int, message: str, kind: str = "") -> web.Response:
        """An error in the form of OpenAI's API."""
        error = {"message": message, "type": kind or f"http_{status}", "code": status, "param": None}
        headers = {"Retry-After": "1"} if status == 429 else {}
        return self._web.json_response({"error": error}, status=status, headers=headers)  # type: ignore[no-any-return]


def _check(options: ServerOptions) -> None:
    if options.key is not None and len(options.key) < 16:
        raise UsageError(
            "The API key is too short", detail=f"{len(options.key)} characters", hint="Use at least 16, or None to have one made."
        )
    if options.key is None and not _is_loopback(options.host):
        raise UsageError(
            f"{options.host} can be reached from other machines",
            detail="no key was given",
            hint="Pass a key of your own, or listen on 127.0.0.1.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
