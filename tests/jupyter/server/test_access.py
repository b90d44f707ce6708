"""Who may ask: without a token, with a wrong one, without XSRF, from a foreign page, with tricks in the path: refused, and nothing changed."""

from __future__ import annotations

import http.client
import json
import re
from urllib.parse import urlsplit

import pytest

from fmnb.core.registry import PROTOCOL
from fmnb.jupyter.server.routes import ROUTES

READS = ["about", "models", "hub?q=x", "plan?source=embedded", "keys", "activity", "runs/abc", "prompts", "tutorials", "events"]
WRITES = [
    ("PUT", "default", {"model": "echo:"}),
    ("POST", "pull", {"source": "minilm"}),
    ("DELETE", "pull/abc", None),
    ("POST", "remove", {"source": "embedded"}),
    ("PUT", "keys/openai", {"key": "sk-never-kept-000"}),
    ("DELETE", "keys/openai", None),
    ("POST", "keys/openai/test", {}),
    ("PUT", "prompts/evil", {"text": "x", "system": ""}),
    ("DELETE", "prompts/evil", None),
    ("POST", "tutorials/01_first_cell", {"folder": ""}),
]


def kept(jupyter) -> list[str]:
    """The user's files."""
    return sorted(
        str(p.relative_to(jupyter.home)) + p.read_text("utf-8", "replace")
        for p in jupyter.home.rglob("*.*")
        if p.suffix in (".toml", ".json", ".md")
    )


def test_every_route_is_tried_here():
    tried = [path.partition("?")[0] for path in READS] + [path for _, path, _ in WRITES]
    for pattern, _ in ROUTES:
        assert any(re.fullmatch(pattern, path) for path in tried), pattern


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "token wrong"}, {"Cookie": "username-localhost=forged"}], ids=["none", "wrong", "forged"]
)
def test_nobody_unknown_reads_or_writes(jupyter, headers):
    before = kept(jupyter)
    for path in READS:
        answer = jupyter("GET", path, headers=headers)
        assert answer.status in (302, 403) and "entries" not in answer.text, path
    for method, path, body in WRITES:
        assert jupyter(method, path, body, headers=headers).status in (302, 403), path
    assert kept(jupyter) == before


def signed_in(jupyter) -> str:
    """The cookies of a browser that opened the server's page with its token."""
    parts = urlsplit(jupyter.url)
    cookies = []
    for page in (f"api/status?token={jupyter.token}", "login"):  # the second gives the XSRF cookie
        c = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
        c.request("GET", f"{jupyter.base}{page}")
        got = c.getresponse()
        got.read()
        cookies += [v.split(";")[0] for k, v in got.getheaders() if k.lower() == "set-cookie"]
        c.close()
    return "; ".join(cookies)


def test_a_cookie_alone_writes_nothing_and_with_its_xsrf_token_it_does(jupyter):
    cookie = signed_in(jupyter)
    assert "username-" in cookie
    before = kept(jupyter)
    for method, path, body in WRITES:
        assert jupyter(method, path, body, headers={"Cookie": cookie}).status == 403, path
    assert kept(jupyter) == before
    xsrf = next(c.partition("=")[2] for c in cookie.split("; ") if c.startswith("_xsrf="))
    good = {"Cookie": cookie, "X-XSRFToken": xsrf, "X-Fmnb-Protocol": str(PROTOCOL)}
    assert jupyter("PUT", "prompts/mine", {"text": "Hello {{ x }}", "system": ""}, headers=good).status == 200
    assert jupyter("DELETE", "prompts/mine", headers=good).status == 200


def test_a_foreign_page_is_refused(jupyter):
    cookie = signed_in(jupyter)
    away = {"Cookie": cookie, "Origin": "https://evil.example", "Referer": "https://evil.example/x", "Host": urlsplit(jupyter.url).netloc}
    for path in READS:
        assert jupyter("GET", path, headers=away).status in (403, 404), path


@pytest.mark.parametrize(
    "path",
    [
        "keys/..%2f..%2fetc",
        "keys/a%00b",
        "prompts/..%2f..%2f..%2ftmp%2fevil",
        "prompts/%2e%2e",
        "prompts/a%2fb",
        "prompts/CON",
        "pull/../../x",
        "runs/..%2fx",
        "runs/%27%20OR%201%3d1",
        "nosuch",
    ],
)
def test_tricks_in_the_path_are_refused(jupyter, path):
    before = kept(jupyter)
    for method, body in (("GET", None), ("PUT", {"text": "x", "system": "", "key": "k"}), ("DELETE", None)):
        assert 400 <= jupyter(method, path, body).status < 500, (method, path)
    assert kept(jupyter) == before


def test_the_servers_own_files_are_not_pulled_or_removed(jupyter):
    for source in ("path:/etc/passwd", "path:../x", " ", "hf:../../x", "https://evil.example/x.gguf"):
        assert 400 <= jupyter("POST", "pull", {"source": source}).status < 500
        assert 400 <= jupyter("POST", "remove", {"source": source}).status < 500


def test_a_page_of_another_version_is_told_which_side_to_upgrade(jupyter):
    auth = {"Authorization": f"token {jupyter.token}"}
    newer = jupyter("GET", "keys", headers={**auth, "X-Fmnb-Protocol": str(PROTOCOL + 1)})
    older = jupyter("GET", "keys", headers={**auth, "X-Fmnb-Protocol": str(PROTOCOL - 1)})
    assert newer.status == older.status == 409
    assert "server" in newer.body["upgrade"] and "page" in older.body["upgrade"]
    assert jupyter("GET", "about", headers={**auth, "X-Fmnb-Protocol": "99"}).status == 200


def test_errors_are_words_and_never_a_traceback(jupyter):
    answer = jupyter("GET", "runs/zzzzzz")
    assert answer.status == 400 and set(answer.body) == {"message", "detail", "hint", "upgrade"} and "Traceback" not in answer.text


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"3",
        b'"x"',
        b"{}",
        b'{"model": 3}',
        b'{"model": null}',
        b'{"model": ["a"]}',
        b'{"model": "a", "more": 1}',
        b"\xff\xfe\x00",
        b'{"model": "\\ud800"}',
        b"[" * 100_000,
        json.dumps({"model": "x" * 2_000_000}).encode(),
        b'{"model": "https://evil.example/v1"}',
        b'{"model": "nosuch:model"}',
    ],
    ids=lambda b: str(b[:12]),
)
def test_a_body_that_is_not_what_is_asked_for_is_a_400_and_never_a_500(jupyter, raw):
    before = kept(jupyter)
    for method, path in (("PUT", "default"), ("POST", "pull"), ("POST", "remove"), ("PUT", "keys/openai"), ("PUT", "prompts/a")):
        assert 400 <= jupyter(method, path, raw=raw).status < 500, path
    assert kept(jupyter) == before


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=-1", "limit=x", "limit=99999", "limit=1e3", "q=" + "x" * 600, "q=%22%27%29%3b--", "notebook=%00"]
)
def test_odd_questions_are_answered_or_refused_in_words(jupyter, query):
    assert jupyter("GET", f"activity?{query}").status in (200, 400)
    assert jupyter("GET", f"hub?{query}").status in (200, 400)
