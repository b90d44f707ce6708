"""An address as a source: placeholders, keys, JSON, text and calendars, from a loopback server."""

from __future__ import annotations

import json
import time

import pytest

import fmnb as fm
from fmnb.core.errors import AuthenticationError, BadRequestError, FmnbError, ServerError, UnexpectedResponseError, UsageError
from fmnb.data.sources import values, web
from fmnb.data.sources.json_path import at_path, steps_of
from tests.wire.server import reply
from tests.wire.web import Web, redirect


@pytest.fixture(autouse=True)
def no_wait(monkeypatch):
    monkeypatch.setattr(web, "_WAIT", 0.0)


def fills(**arguments):
    return lambda prompt: json.dumps(arguments)


def passage(source, question="how is it?", **more):
    return source.retrieve(question, **more).passages[0]


def test_a_json_answer_comes_by_its_path():
    with Web({"/v1/Oslo": lambda seen: [reply(200, {"now": {"pm25": 7.5}, "x": 1})]}) as server:
        air = fm.web_source(f"{server.url}/v1/{{city}}", name="air", path="$.now.pm25", ttl="10m", private=True, description="Fine dust.")
        found = passage(air, model=fills(city="Oslo"))
        assert found.text.endswith("\nnow.pm25: 7.5") and found.title == "air(city='Oslo')" and found.location == "127.0.0.1"
        assert air(city="Oslo") == "now.pm25: 7.5" and air.__doc__ == "Fine dust."
    assert len(server.seen) == 2


def test_a_value_from_the_model_stays_one_segment_or_one_value():
    with Web({}) as server:
        air = fm.web_source(f"{server.url}/v1/{{city}}?q={{kind}}", name="air", ttl="10m", private=True)
        for city in ("a/../../admin", "x?key=1#y", "a%2fb\r\nHost: evil", "\u00c5lesund"):
            with pytest.raises(BadRequestError):
                air(city=city, kind="1&admin=1")
        for city in (".", "..", "..."):
            with pytest.raises(UsageError, match="dots"):
                air(city=city, kind="x")
    assert [s.path for s in server.seen] == [
        "/v1/a%2F..%2F..%2Fadmin",
        "/v1/x%3Fkey%3D1%23y",
        "/v1/a%252fb%0D%0AHost%3A%20evil",
        "/v1/%C3%85lesund",
    ]
    assert {s.query for s in server.seen} == {"q=1%26admin%3D1"} and all(s.headers["host"].startswith("127.0.0.1:") for s in server.seen)


def test_an_expired_value_is_revalidated(monkeypatch):
    def data(seen):
        return (
            [b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n']
            if "if-none-match" in seen.headers
            else [reply(200, {"n": 1}, {"ETag": '"v1"'})]
        )

    with Web({"/": data}) as server:
        source = fm.web_source(f"{server.url}/", name="n", ttl="5m", private=True)
        first = passage(source)
        later = type("Clock", (), {"time": staticmethod(lambda: time.time() + 600)})
        monkeypatch.setattr(values, "time", later)
        again = passage(source)
    assert [s.headers.get("if-none-match") for s in server.seen] == [None, '"v1"']
    assert again.text.partition("\n")[2] == first.text.partition("\n")[2] and again.time >= first.time


def test_a_key_goes_into_a_header_or_the_address_and_nowhere_else(monkeypatch):
    monkeypatch.setenv("AIR_KEY", "sesame-sesame")
    with Web(
        {"/a": lambda seen: [reply(200, "ok", kind="text/plain")], "/b": lambda seen: [reply(401, "sesame-sesame is wrong")]}
    ) as server:
        common = {"ttl": "1h", "private": True, "key": "AIR_KEY"}
        assert fm.web_source(f"{server.url}/a", name="one", **common)() == "ok"
        assert fm.web_source(f"{server.url}/a", name="two", header="X-Key", **common)() == "ok"
        assert fm.web_source(f"{server.url}/a?k={{key}}", name="three", **common)() == "ok"
        with pytest.raises(AuthenticationError) as refused:
            fm.web_source(f"{server.url}/b?k={{key}}", name="four", **common)()
    one, two, three, _ = server.seen
    assert one.headers["authorization"] == "Bearer sesame-sesame" and "authorization" not in two.headers
    assert two.headers["x-key"] == "sesame-sesame" and three.query == "k=sesame-sesame" and "authorization" not in three.headers
    assert "sesame" not in str(refused.value)


def test_a_key_of_a_provider_goes_to_no_other_host(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-sesame-sesame")
    with pytest.raises(UsageError, match="OPENAI_API_KEY is the key of"):
        fm.web_source("https://evil.example.com/", ttl="1h", key="OPENAI_API_KEY")()
    with pytest.raises(UsageError, match="https alone"):
        fm.web_source("http://air.example.com/", ttl="1h", key="AIR_KEY")()


def test_an_address_in_a_cell_gets_no_variable_from_outside_the_notebook(monkeypatch, home):
    from fmnb.config import environment, keys
    from fmnb.core.errors import NotInteractiveError
    from fmnb.data.open_sources import open_sources

    monkeypatch.setenv("AIR_KEY", "sesame-sesame")
    monkeypatch.setitem(environment._initial, "AIR_KEY", "sesame-sesame")  # as if the kernel had started with it
    with Web({"/": lambda seen: [reply(200, "ok", kind="text/plain")]}) as server:
        with pytest.raises(NotInteractiveError):
            fm.web_source(server.url, ttl="1h", private=True, key="AIR_KEY")()
        assert server.seen == []
        (home / "fmnb.toml").write_text(f'[source.air]\nurl = "{server.url}"\nttl = "1h"\nprivate = true\nkey = "AIR_KEY"\n')
        [air] = open_sources("air", {})
        assert air() == "ok" and server.seen[0].headers["authorization"] == "Bearer sesame-sesame"
        keys.set_key("source OWN_KEY", "stored-for-here", f"127.0.0.1:{server.port}")
        assert fm.web_source(server.url, name="own", ttl="1h", private=True, key="OWN_KEY")() == "ok"
        assert server.seen[1].headers["authorization"] == "Bearer stored-for-here"
        with pytest.raises(NotInteractiveError):
            fm.web_source("https://evil.example.com/", ttl="1h", key="OWN_KEY")()


def test_a_private_host_is_refused_unless_allowed_and_so_is_a_redirect_to_one():
    with Web({"/": lambda seen: redirect("http://169.254.169.254/latest")}) as server:
        with pytest.raises(UsageError, match="loopback"):
            fm.web_source(server.url, ttl="1h")()
        with pytest.raises(UsageError, match="metadata"):
            fm.web_source(server.url, ttl="1h", private=True)()
    assert len(server.seen) == 1


def test_a_failure_that_may_pass_is_tried_once_more():
    answers = iter([503, 200, 503, 503, 404])
    with Web({"/": lambda seen: [reply(next(answers), "text", kind="text/plain")]}) as server:
        source = fm.web_source(server.url, name="s", ttl="1h", private=True)
        assert source() == "text"
        with pytest.raises(ServerError):
            source()
        with pytest.raises(BadRequestError):
            source()
    assert len(server.seen) == 5


CALENDAR = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20200101\r\nSUMMARY:Past\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"


@pytest.mark.parametrize(
    ("body", "kind", "shown"),
    [
        ('[{"a": 1}, {"a": 2}]', "application/json", "2 rows"),
        ('{"a": 1}', "text/plain", "'a': 1"),
        ("plain words", "text/plain; charset=utf-8", "plain words"),
        (CALENDAR, "text/calendar", "Events from"),
        (CALENDAR, "application/octet-stream", "none"),
    ],
)
def test_an_answer_is_read_by_its_type(body, kind, shown):
    with Web({"/": lambda seen: [reply(200, body, kind=kind)]}) as server:
        assert shown.replace("'", '"') in fm.web_source(server.url, name="s", ttl="1h", private=True)().replace("'", '"')


@pytest.mark.parametrize(
    ("body", "kind", "why"),
    [
        ("<!doctype html><p>hello", "text/html", "web page"),
        ("{broken", "application/json", "JSON"),
        ("[" * 100_000, "application/json", "JSON"),
        ("x" * 50_000, "text/plain", "too long"),
        ("x", "text/plain; charset=no-such", "text"),
    ],
)
def test_an_answer_that_cannot_be_read_is_an_error(body, kind, why):
    with Web({"/": lambda seen: [reply(200, body, kind=kind)]}) as server:
        with pytest.raises(UnexpectedResponseError, match=why):
            fm.web_source(server.url, name="s", ttl="1h", private=True)()


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://a.test",
        "a.test",
        "",
        None,
        "https://{host}/x",
        "https://a.{x}.test/",
        "https://a.test/{}",
        "https://a.test/{a b}",
    ]
    + ["https://a.test/?k={key}"],
)
def test_an_impossible_address_is_refused(url):
    with pytest.raises(UsageError):
        fm.web_source(url, ttl="5m")


def test_a_table_in_json_comes_with_its_rows():
    with Web({"/": lambda seen: [reply(200, [{"region": "north", "n": 3}])]}) as server:
        found = fm.web_source(server.url, name="s", ttl="1h", private=True).retrieve("?")
    assert found.frames == {"s": [{"region": "north", "n": 3}]}


def test_a_path_is_followed_and_a_wrong_one_names_what_is_near():
    data = {"current": {"temp": 3, "a b": 1}, "items": [{"n": 1}, {"n": 2}]}
    paths = {"$": data, "$.current.temp": 3, '$["current"]["a b"]': 1, "$['current'].temp": 3, "$.items[-1].n": 2, "$.items[*].n": [1, 2]}
    assert {p: at_path(data, p) for p in paths} == paths
    with pytest.raises(UsageError, match="Did you mean temp"):
        at_path(data, "$.current.tempp")
    for path in ("$.items[7]", "$.items.n", "$.current[0]", "$.current.temp.x", "$.current.temp[*]"):
        with pytest.raises(UsageError, match="leads nowhere"):
            at_path(data, path)
    for path in ("", "current", "$..temp", "$.items[", "$.items[1:2]", "$.items[?(@.n)]", None):
        with pytest.raises(UsageError, match="no JSON path"):
            steps_of(path)


def test_no_error_holds_a_path_or_query():
    with pytest.raises(FmnbError) as failed:
        fm.web_source("http://127.0.0.1:9/p4th/{x}?k=sesame", name="s", ttl="1h", private=True)(x="y")
    assert "p4th" not in str(failed.value) and "sesame" not in str(failed.value)
