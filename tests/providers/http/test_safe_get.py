"""A GET that reaches public hosts alone, within limits, and names no secret when it fails."""

from __future__ import annotations

import asyncio
import gzip
import ssl

import pytest

from fmnb.core.errors import (
    AuthenticationError,
    BadRequestError,
    CallTimeoutError,
    ConnectionFailedError,
    FmnbError,
    LockedError,
    RateLimitError,
    ServerError,
    TLSError,
    UnexpectedResponseError,
    UsageError,
)
from fmnb.core.event_loop import run_sync
from fmnb.providers.http.addresses import is_metadata, not_public
from fmnb.providers.http.safe_get import REDIRECTS, safe_get
from tests.wire.server import HANG, reply, self_signed
from tests.wire.web import Web, redirect


def get(url, **more):
    """The page at an address, with loopback allowed and every name being this machine's."""
    more.setdefault("allow", ["127.0.0.1", "localhost", "start.test"])
    more.setdefault("resolve", lambda host, port: ["127.0.0.1"])
    return run_sync(safe_get(url, **more))


PRIVATE = {
    "10.1.2.3": "private",
    "172.16.0.1": "private",
    "192.168.0.1": "private",
    "100.64.0.1": "carrier",
    "127.0.0.1": "loopback",
    "127.8.8.8": "loopback",
    "0.0.0.0": "loopback",
    "169.254.1.1": "link-local",
    "169.254.169.254": "metadata",
    "168.63.129.16": "metadata",
    "224.0.0.1": "multicast",
    "240.0.0.1": "private",
    "255.255.255.255": "private",
    "198.18.0.1": "private",
    "::": "loopback",
    "::1": "loopback",
    "::127.0.0.1": "loopback",
    "::ffff:10.0.0.1": "private",
    "::ffff:169.254.169.254": "metadata",
    "64:ff9b::a9fe:a9fe": "metadata",
    "64:ff9b::7f00:1": "loopback",
    "64:ff9b:1::1": "NAT64",
    "2002:7f00:1::": "loopback",
    "2002:c0a8:1::": "private",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fc00::1": "private",
    "fec0::1": "private",
    "fd00:ec2::254": "metadata",
    "ff02::1": "multicast",
}


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_recognized(address):
    assert PRIVATE[address] in not_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_one(address):
    assert not_public(address) == "" and not is_metadata(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_host_in_a_private_network_is_refused(address):
    with pytest.raises(UsageError, match="refused"):
        get("http://intranet.test/", allow=(), resolve=lambda host, port: [address])


def test_one_private_address_among_public_ones_refuses_the_host():
    with pytest.raises(UsageError, match="192.168.0.1"):
        get("http://mixed.test/", resolve=lambda host, port: ["93.184.215.14", "192.168.0.1"])


def test_numbers_that_the_system_reads_as_loopback_are_refused():
    for host in ("127.1", "0x7f.1", "2130706433", "localhost", "[::1]"):
        with pytest.raises(UsageError, match="loopback"):
            run_sync(safe_get(f"http://{host}:9/"))


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://a.test/x", "gopher://a.test", "data:text/plain,x", "//a.test/x", "a.test", "", "http://", "http:///x"]
    + [
        "http://a.test\\@b.test/",
        "http://a.test/\nHost: b",
        "http://a test/",
        "http://a.test:99999/",
        "http://u:p@a.test/",
        "http://[::1/",
        None,
    ],
)
def test_what_is_no_plain_web_address_is_refused(url):
    with pytest.raises(UsageError):
        get(url)


def test_a_page_comes_with_its_type_and_validators():
    page = reply(200, {"x": 1}, {"ETag": '"v1"', "Last-Modified": "Fri, 27 Nov 2026 09:00:00 GMT"}, "application/json; charset=latin-1")
    with Web({"/data": lambda seen: [page]}) as web:
        found = get(f"{web.url}/data?q=caf\u00e9")
    assert found.body == b'{"x": 1}' and (found.media_type, found.charset) == ("application/json", "latin-1")
    assert (found.etag, found.last_modified) == ('"v1"', "Fri, 27 Nov 2026 09:00:00 GMT")
    assert web.seen[0].query == "q=caf%C3%A9" and web.seen[0].headers["host"] == f"127.0.0.1:{web.port}"


def test_an_unchanged_page_is_not_sent_again():
    def data(seen):
        if seen.headers.get("if-none-match") == '"v1"' and seen.headers.get("if-modified-since") == "yesterday":
            return [b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n']
        return [reply(200, "new")]

    with Web({"/": data}) as web:
        found = get(web.url, etag='"v1"', last_modified="yesterday")
        assert found.unchanged and found.body == b"" and found.etag == '"v1"'
        assert not get(web.url, etag='"v0"').unchanged


def test_a_redirect_is_followed_and_its_target_is_resolved_anew():
    asked = []

    def resolve(host, port):
        asked.append(host)
        return ["127.0.0.1"]

    with Web({"/": lambda seen: redirect("/there?x=1"), "/there": lambda seen: [reply(200, "here")]}) as web:
        assert get(f"http://start.test:{web.port}/", resolve=resolve).body == b"here"
    assert asked == ["start.test", "start.test"] and web.seen[1].query == "x=1"


@pytest.mark.parametrize(
    "to",
    ["http://169.254.169.254/latest/meta-data/", "http://[::ffff:169.254.169.254]/", "http://10.0.0.1/", "http://inside.test/"]
    + ["file:///etc/passwd", "http://u:p@start.test/", "//inside.test/x"],
)
def test_a_redirect_into_a_private_network_is_refused(to):
    inside = {"inside.test": "192.168.7.7", "start.test": "127.0.0.1"}
    with Web({"/": lambda seen: redirect(to)}) as web:
        with pytest.raises(UsageError):
            get(f"http://start.test:{web.port}/", resolve=lambda host, port: [inside.get(host, host)])
    assert len(web.seen) == 1


def test_a_name_that_turns_private_between_two_requests_is_refused():
    answers = iter(["127.0.0.1", "10.0.0.9"])
    with Web({"/": lambda seen: redirect(f"http://turns.test:{web.port}/x")}) as web:
        with pytest.raises(UsageError, match="10.0.0.9"):
            get(f"http://start.test:{web.port}/", resolve=lambda host, port: [next(answers)])


def test_the_connection_goes_to_the_address_that_was_checked():
    """A second look-up would find another address: there is none."""
    answers = iter([["127.0.0.1"]])
    with Web({"/": lambda seen: [reply(200, "pinned")]}) as web:
        assert get(f"http://start.test:{web.port}/", resolve=lambda host, port: next(answers)).body == b"pinned"
    assert web.seen[0].headers["host"] == f"start.test:{web.port}"


def test_the_next_address_of_a_host_is_tried():
    with Web({"/": lambda seen: [reply(200, "second")]}) as web:
        assert get(f"http://start.test:{web.port}/", resolve=lambda host, port: ["127.0.0.9", "127.0.0.1"]).body == b"second"


def test_a_metadata_service_is_not_reached_by_an_allowed_name():
    with pytest.raises(UsageError, match="metadata"):
        get("http://start.test/", resolve=lambda host, port: ["169.254.169.254"])


def test_redirects_are_limited():
    with Web({"/": lambda seen: redirect("/")}) as web:
        with pytest.raises(UnexpectedResponseError, match="redirects"):
            get(web.url)
    assert len(web.seen) == REDIRECTS + 1


def test_another_host_gets_no_headers_after_a_redirect():
    with Web({"/": lambda seen: redirect(f"http://localhost:{web.port}/x"), "/x": lambda seen: [reply(200, "x")]}) as web:
        get(web.url, headers={"Authorization": "Bearer sesame-sesame"}, etag='"v1"')
    first, second = (seen.headers for seen in web.seen)
    assert first["authorization"] and first["if-none-match"]
    assert "authorization" not in second and "if-none-match" not in second


def test_tls_checks_the_name_of_the_host_over_the_pinned_address(tmp_path):
    server = self_signed(tmp_path)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "loopback.pem"))
    with Web({"/": lambda seen: [reply(200, "safe")]}, tls=server) as web:
        assert get(web.url, tls=trusting).body == b"safe"
        with pytest.raises(TLSError, match="start.test"):
            get(f"https://start.test:{web.port}/", tls=trusting)  # the certificate is of 127.0.0.1
        with pytest.raises(TLSError):
            get(web.url)  # nobody vouches for it


def test_the_server_name_that_tls_sends_is_the_host(tmp_path):
    server, names = self_signed(tmp_path), []
    server.sni_callback = lambda sock, name, context: names.append(name)
    with Web({"/": lambda seen: [reply(200, "x")]}, tls=server) as web:
        with pytest.raises(TLSError):
            get(f"https://start.test:{web.port}/")
    assert names == ["start.test"]


def test_a_redirect_from_https_to_http_is_refused(tmp_path):
    trusting_of = self_signed(tmp_path)
    with Web({"/": lambda seen: redirect("http://127.0.0.1:9/")}, tls=trusting_of) as web:
        with pytest.raises(UsageError, match="https to http"):
            get(web.url, tls=ssl.create_default_context(cafile=str(tmp_path / "loopback.pem")))


def chunks(*parts):
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for part in parts:
        yield b"%x\r\n" % len(part) + part + b"\r\n"


def test_a_body_over_the_limit_is_not_read_to_its_end():
    def endless(seen):
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        while True:
            yield b"10000\r\n" + b"x" * 65536 + b"\r\n"

    with Web({"/": endless, "/fits": lambda seen: [reply(200, "x" * 1000)]}) as web:
        with pytest.raises(UnexpectedResponseError, match="too much"):
            get(web.url, max_bytes=1_000_000)
        assert len(get(f"{web.url}/fits", max_bytes=1000).body) == 1000
        with pytest.raises(UnexpectedResponseError, match="too much"):
            get(f"{web.url}/fits", max_bytes=999)


def test_a_gzip_bomb_ends_at_the_limit():
    bomb = gzip.compress(bytes(50_000_000))
    answer = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode() + bomb
    many = gzip.compress(b"a" * 400) * 5
    several = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(many)}\r\n\r\n".encode() + many
    broken = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nnogzi"
    with Web({"/": lambda seen: [answer], "/many": lambda seen: [several], "/broken": lambda seen: [broken]}) as web:
        with pytest.raises(UnexpectedResponseError, match="too much"):
            get(web.url)
        assert get(f"{web.url}/many").body == b"a" * 2000
        with pytest.raises(UnexpectedResponseError, match="too much"):
            get(f"{web.url}/many", max_bytes=1000)
        with pytest.raises(UnexpectedResponseError, match="gzip"):
            get(f"{web.url}/broken")


def test_an_encoding_that_was_not_asked_for_is_refused():
    with Web({"/": lambda seen: [reply(200, "x", {"Content-Encoding": "br"})]}) as web:
        with pytest.raises(UnexpectedResponseError, match="br"):
            get(web.url)


def test_a_body_that_drips_ends_at_the_time_limit():
    def drip(seen):
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        while True:
            yield b"x"
            yield 0.02

    def slow_head(seen):
        yield b"HTTP/1.1 200 OK\r\n"
        while True:
            yield b"X: y\r\n"
            yield 0.02

    with Web({"/": drip, "/head": slow_head, "/silent": lambda seen: [HANG]}) as web:
        for path in ("/", "/head", "/silent"):
            with pytest.raises(CallTimeoutError, match="0.3 s"):
                get(web.url + path, seconds=0.3)


def test_a_resolver_that_hangs_ends_at_the_time_limit():
    import threading

    held = threading.Event()
    with pytest.raises(CallTimeoutError):
        get("http://start.test/", seconds=0.2, resolve=lambda host, port: held.wait(60) and [])
    held.set()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, BadRequestError),
        (429, RateLimitError),
        (500, ServerError),
        (503, ServerError),
    ],
)
def test_a_failure_has_its_kind_and_names_no_secret(status, kind):
    secret = "sesame-in-the-query"
    with Web({"/p4th": lambda seen: [reply(status, f"bad {secret}", {"Retry-After": "7"})]}) as web:
        with pytest.raises(kind) as failed:
            get(f"{web.url}/p4th?key={secret}", headers={"X-Key": "sesame-in-a-header"})
    assert "sesame" not in str(failed.value) and "p4th" not in str(failed.value) and str(status) in str(failed.value)
    assert status != 429 or failed.value.retry_after == 7


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/p4th?key=sesame", "http://10.0.0.1/p4th?key=sesame", "http://:sesame@a.test/?k=sesame"]
)
def test_a_refused_or_failed_connection_names_no_secret(url):
    with pytest.raises(FmnbError) as failed:
        get(url, resolve=lambda host, port: [host])
    shown = f"{failed.value!r} {failed.value} {failed.value.__cause__}"
    assert "sesame" not in shown and "p4th" not in shown


def test_an_unknown_name_and_a_closed_port_are_told_apart():
    def nowhere(host, port):
        raise OSError("no such name")

    with pytest.raises(ConnectionFailedError, match="not found"):
        get("http://start.test/", resolve=nowhere)
    with pytest.raises(ConnectionFailedError, match="No connection"):
        get("http://127.0.0.1:9/")


def test_what_is_not_http_is_said():
    with Web({"/": lambda seen: [b"SSH-2.0-OpenSSH\r\n"], "/cut": lambda seen: [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx"]}) as web:
        for path in ("/", "/cut"):
            with pytest.raises(UnexpectedResponseError, match="HTTP"):
                get(web.url + path)


def test_a_proxy_of_the_environment_is_used_only_if_asked(monkeypatch):
    with (
        Web({"/": lambda seen: [reply(200, "direct")]}) as web,
        Web({"http://93.184.215.14:80/": lambda seen: [reply(200, "by proxy")]}) as proxy,
    ):
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert get(f"http://start.test:{web.port}/").body == b"direct"
        assert proxy.seen == []
        assert get("http://93.184.215.14/", environment_proxy=True).body == b"by proxy"
        with pytest.raises(UsageError, match="private"):
            get("http://10.0.0.1/", environment_proxy=True)


def test_an_administrators_lock_on_addresses_holds_for_each_redirect(monkeypatch):
    from fmnb.providers.http import safe_get as module

    monkeypatch.setattr(module, "allowed", lambda kind, value: "/inner" not in value)
    with Web({"/": lambda seen: redirect("/inner")}) as web:
        with pytest.raises(LockedError):
            get(web.url)
    assert len(web.seen) == 1


def test_many_at_once_do_not_disturb_each_other():
    async def all_of(url):
        return await asyncio.gather(*(safe_get(f"{url}/?n={n}", allow=["127.0.0.1"]) for n in range(20)))

    with Web({"/": lambda seen: [reply(200, seen.query)]}) as web:
        assert [f.body.decode() for f in run_sync(all_of(web.url))] == [f"n={n}" for n in range(20)]
