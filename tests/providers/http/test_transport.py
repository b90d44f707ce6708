"""Answers in one piece: the same key, errors and words as a streamed call, with aiohttp and without."""

from __future__ import annotations

import pytest

import fmnb.calls.steps.retry
from fmnb.batch.run import batch
from fmnb.core import errors
from fmnb.core.backend import RateLimitState
from fmnb.core.event_loop import run_sync
from fmnb.core.events import Finished, Notice, TextDelta, UsageReported
from fmnb.core.types import Request, message
from fmnb.providers.hosted import backend
from fmnb.providers.http import rate_headers, transport
from fmnb.providers.profiles import Profile
from tests.wire import server as wire
from tests.wire.server import Server, self_signed

KEY = "not-of-any-known-form-42"
WHOLE = {
    "model": "m-answered",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "<think>hm</think>yes"}, "finish_reason": "stop"}],
    "usage": wire.USAGE,
}
LIMITS = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1s"}
wire.fixed("in-one-piece", wire.reply(200, WHOLE, LIMITS))
wire.fixed("whole-busy", wire.error(429, "slow down", "rate_limit_exceeded", headers={**LIMITS, "retry-after": "2"}))
wire.BEHAVIOURS["whole-no-seed"] = lambda seen, n: (
    [wire.error(400, "Unsupported parameter: 'seed'", "unsupported_parameter", "seed")] if "seed" in seen.body else [wire.reply(200, WHOLE)]
)


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture(params=["aiohttp", "client"])
def ask(request, server, monkeypatch):
    """Ask a model of the loopback server in one piece, by one of the two ways."""
    monkeypatch.setenv("LAB_KEY", KEY)
    if request.param == "client":
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")  # aiohttp cannot heed that; a local address takes no proxy
    transport.clear()
    profile = Profile("lab", title="Lab", base_url=server.url, key_env=("LAB_KEY",), key_hosts=("127.0.0.1",))

    def go(model, **more):
        return run_sync(backend(profile, model).complete(Request(f"lab:{model}", (message("user", "hi"),), **more)))

    yield go
    transport.clear()


def text(found):
    return "".join(e.text for e in found.events if isinstance(e, TextDelta))


def test_an_answer_comes_as_events_with_what_is_left_of_the_limits(ask, server):
    found = ask("in-one-piece")
    assert text(found) == "yes" and found.events[-1] == Finished(model="m-answered", extra={"streamed": False})
    assert [e.usage.input_tokens for e in found.events if isinstance(e, UsageReported)] == [7]
    assert found.rate_limits == {"requests": RateLimitState(59.0, 60.0, 1.0)}
    sent = server.requests[-1]
    assert "stream" not in sent.body and sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["user-agent"] == "fmnb" and not [h for h in sent.headers if h.startswith("x-stainless")]


def test_a_service_that_streams_all_the_same_is_read_as_it_does(ask):
    assert text(ask("plain")) == "Hello world!"


def test_what_is_refused_is_left_out_and_said(ask):
    found = ask("whole-no-seed", seed=3)
    assert text(found) == "yes" and [e.text for e in found.events if isinstance(e, Notice)] == ["seed"]


@pytest.mark.parametrize(
    "model, kind",
    [
        ("key-refused", errors.AuthenticationError),
        ("gpt-loopbak", errors.UnknownModelError),
        ("context", errors.ContextTooLongError),
        ("server-error", errors.ServerError),
        ("gateway-page", errors.ServerError),
        ("sign-in-page", errors.UnexpectedResponseError),
        ("junk-json", errors.UnexpectedResponseError),
        ("not-http", errors.UnexpectedResponseError),
        ("redirect", errors.BadRequestError),
        ("content-policy", errors.ContentFilterError),
        ("filtered", errors.ContentFilterError),
        ("only-thinks", errors.EmptyAnswerError),
    ],
)
def test_a_fault_is_the_same_error_as_in_a_stream(ask, model, kind):
    with pytest.raises(kind) as e:
        ask(model)
    assert KEY not in str(e.value)
    if model == "gpt-loopbak":
        assert "Did you mean gpt-loopback" in str(e.value)


@pytest.mark.parametrize(
    "model, billed",
    [
        *((m, None) for m in ("reset-before-answer", "closed-before-answer", "closed-in-the-head")),
        *((m, None) for m in ("torn-whole", "torn-chunked", "reset-whole")),  # the answer was made, and nothing of it can be read
        ("cut", True),
    ],
)
def test_a_connection_that_is_lost_is_one_error_by_either_way(ask, model, billed):
    with pytest.raises(errors.CallError) as e:
        ask(model)
    assert (type(e.value), e.value.retryable, e.value.billed) == (errors.ConnectionFailedError, True, billed)
    assert "base_url" not in str(e.value)


@pytest.mark.parametrize("model", ["lost-once", "torn-once"])
@pytest.mark.parametrize("way", ["aiohttp", "client"])
def test_a_row_whose_connection_is_lost_is_asked_again(server, monkeypatch, home, way, model):
    monkeypatch.setattr(fmnb.calls.steps.retry, "FIRST_WAIT", 0.01)
    if way == "client":
        monkeypatch.setattr(transport, "_has_aiohttp", lambda: False)
    transport.clear()
    (home / "fmnb.toml").write_text(f'[provider.lab]\nbase_url = "{server.url}"\nneeds_key = false\n')
    (a,) = batch("Say {{ w }}", [{"w": 1}], f"lab:{model}").answers
    assert a.text == "Hello" and a.error is None and len(server.requests) == 2
    transport.clear()


def test_a_refusal_for_speed_tells_the_limits(ask):
    with pytest.raises(errors.RateLimitError) as e:
        ask("whole-busy")
    assert e.value.retry_after == 2.0 and e.value.rate_limits["requests"].remaining == 59


def test_a_server_that_is_off_is_said_to_be(monkeypatch):
    off = Profile("lab", base_url="http://127.0.0.1:9/v1", needs_key=False)
    with pytest.raises(errors.ConnectionFailedError, match="Nothing answers"):
        run_sync(backend(off, "m").complete(Request("lab:m", (message("user", "hi"),))))


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path):
    with Server(tls=self_signed(tmp_path)) as server:
        p = Profile("lab", base_url=server.url, needs_key=False)
        with pytest.raises(errors.TLSError):
            run_sync(backend(p, "in-one-piece").complete(Request("lab:in-one-piece", (message("user", "hi"),))))
        assert not server.requests


@pytest.mark.parametrize(
    "headers, found",
    [
        (
            {
                "anthropic-ratelimit-tokens-limit": "100",
                "anthropic-ratelimit-tokens-remaining": "40",
                "anthropic-ratelimit-tokens-reset": "2001-01-01T00:00:00Z",
            },
            {"tokens": RateLimitState(40.0, 100.0, 0.0)},
        ),
        ({"ratelimit-limit": "10", "ratelimit-remaining": "3", "ratelimit-reset": "7"}, {"requests": RateLimitState(3.0, 10.0, 7.0)}),
        ({"x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "three", "x-ratelimit-reset-requests": "soon"}, {}),
        ({"x-ratelimit-remaining-requests": "3"}, {}),
    ],
)
def test_limits_are_read_as_services_write_them(headers, found):
    assert rate_headers.read(headers) == found
