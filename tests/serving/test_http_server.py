"""The HTTP server base: who may call it, what it refuses, and how it stops."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading

import pytest
from aiohttp import web

from fmnb.core.errors import RateLimitError, UsageError
from fmnb.serving.http_server import HttpServer, ServerOptions

KEY = "a-key-of-the-test-only"


class Routes:
    """A trivial user: echo, a stream, a slow answer, and two failures."""

    def __init__(self):
        self.entered, self.release = threading.Event(), threading.Event()
        self.cancelled = threading.Event()

    async def echo(self, request):
        return web.json_response(await request.json())

    async def stream(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        for n in range(3):
            await response.write(b"data: %d\n\n" % n)
        return response

    async def slow(self, request):
        self.entered.set()
        try:
            while not self.release.is_set():
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return web.json_response({"done": True})

    async def limited(self, request):
        raise RateLimitError("Too many calls", hint="Wait a minute.")

    async def bug(self, request):
        raise ZeroDivisionError("the secret of a row")

    @property
    def table(self):
        return {
            ("POST", "/echo"): self.echo,
            ("GET", "/stream"): self.stream,
            ("GET", "/slow"): self.slow,
            ("GET", "/limited"): self.limited,
            ("GET", "/bug"): self.bug,
            ("GET", "/health"): self.slow,
        }


@pytest.fixture
def routes():
    return Routes()


def serve(routes, **options):
    return HttpServer(routes.table, ServerOptions(key=KEY, **options), public=("/health",))


def call(server, path, method="GET", body=None, key=KEY, host=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    if host is not None:
        headers["Host"] = host
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response.status, data


def error(data):
    return json.loads(data)["error"]["message"]


def test_a_request_with_the_key_is_handled(routes):
    with serve(routes) as server:
        assert call(server, "/echo", "POST", {"a": "é"}) == (200, b'{"a": "\\u00e9"}')
        assert call(server, "/stream") == (200, b"data: 0\n\ndata: 1\n\ndata: 2\n\n")


@pytest.mark.parametrize("key", [None, "", "wrong", KEY + "x", KEY[:-1], "ü" * 20])
def test_without_the_right_key_nothing_is_handled(routes, key):
    with serve(routes) as server:
        status, data = call(server, "/echo", "POST", {}, key=key and key.encode("utf-8").decode("latin-1"))
        assert status == 401 and "API key" in error(data) and KEY not in data.decode()


def test_a_key_is_made_where_none_is_given(routes):
    with HttpServer(routes.table) as first, HttpServer(routes.table) as second:
        assert first.key != second.key and len(first.key) >= 24
        assert first.key not in repr(first)
        assert call(first, "/echo", "POST", {}, key=first.key)[0] == 200
        assert call(second, "/echo", "POST", {}, key=first.key)[0] == 401


def test_a_page_whose_name_resolves_to_this_machine_is_refused(routes):
    with serve(routes) as server:
        assert call(server, "/echo", "POST", {}, host="evil.example")[0] == 403
        assert call(server, "/echo", "POST", {}, host=f"localhost:{server.port}")[0] == 200
    with serve(routes, hosts=("proxy.example",)) as server:
        assert call(server, "/echo", "POST", {}, host="proxy.example")[0] == 200


def test_an_address_for_other_machines_needs_a_key_of_the_users_own(routes):
    with pytest.raises(UsageError, match="other machines"):
        HttpServer(routes.table, ServerOptions(host="0.0.0.0"))
    with pytest.raises(UsageError, match="too short"):
        HttpServer(routes.table, ServerOptions(key="short"))


def test_a_body_above_the_limit_is_refused(routes):
    with serve(routes, max_body=1000) as server:
        assert call(server, "/echo", "POST", {"a": "x" * 2000})[0] == 413
        assert call(server, "/echo", "POST", {"a": "x" * 500})[0] == 200


def test_more_requests_than_may_wait_get_429(routes):
    with serve(routes, max_in_flight=1, max_waiting=0) as server:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(call(server, "/slow")))
        thread.start()
        assert routes.entered.wait(30)
        status, data = call(server, "/echo", "POST", {})
        assert status == 429 and "Too many" in error(data)
        routes.release.set()
        thread.join(30)
        assert answers[0][0] == 200
        assert call(server, "/echo", "POST", {})[0] == 200


def test_a_request_that_takes_too_long_is_cancelled(routes):
    with serve(routes, timeout=0.05) as server:
        assert call(server, "/slow")[0] == 504
        assert routes.cancelled.wait(30)


def test_errors_have_the_form_that_clients_of_openai_read(routes):
    with serve(routes) as server:
        status, data = call(server, "/limited")
        assert status == 429 and json.loads(data)["error"]["type"] == "RateLimitError" and "Wait a minute" in error(data)
        status, data = call(server, "/bug")
        assert status == 500 and "secret" not in data.decode()
        assert call(server, "/nothing")[0] == 404
        assert call(server, "/echo")[0] == 405


def test_a_stop_lets_requests_in_flight_finish_and_accepts_no_more(routes):
    answers = []
    server = serve(routes).__enter__()
    thread = threading.Thread(target=lambda: answers.append(call(server, "/slow")))
    thread.start()
    assert routes.entered.wait(30)
    stop = threading.Thread(target=server.__exit__)
    stop.start()
    while True:  # until it refuses connections
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=30).close()
        except OSError:
            break
    routes.release.set()
    stop.join(30)
    thread.join(30)
    assert answers[0] == (200, b'{"done": true}')


def test_a_stop_cancels_what_does_not_finish_in_time(routes):
    server = serve(routes, stop_timeout=0.05).__enter__()
    thread = threading.Thread(target=lambda: pytest.raises((OSError, http.client.HTTPException), call, server, "/slow"))
    thread.start()
    assert routes.entered.wait(30)
    server.__exit__()
    thread.join(30)
    assert routes.cancelled.wait(30)


def test_a_taken_port_is_an_error_that_says_so(routes):
    with serve(routes) as server, pytest.raises(UsageError, match="Cannot listen"):
        serve(routes, port=server.port).__enter__()


def test_a_client_that_leaves_cancels_its_request(routes):
    with serve(routes) as server:
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        connection.sendall(f"GET /slow HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode())
        assert routes.entered.wait(30)
        connection.close()
        assert routes.cancelled.wait(30)
