"""Everything a service can do wrong, on a real socket, and the named error it becomes."""

from __future__ import annotations

import dataclasses
import gzip
import os
import socket
import subprocess
import sys

import pytest

from fmnb.core import errors, event_loop
from fmnb.core.errors import FmnbError
from fmnb.core.events import build_response
from fmnb.core.types import Request, message
from fmnb.providers import hosted
from fmnb.providers.http import transport
from fmnb.providers.profiles import profile
from tests.contract.backends import loopback
from tests.wire import server as wire
from tests.wire.server import Server, self_signed


@pytest.fixture(params=["aiohttp", "openai"], scope="module", autouse=True)
def http_stack(request):
    """Both ways to send a request: with aiohttp, and with the `openai` client where aiohttp is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "_has_aiohttp", lambda: request.param == "aiohttp")
        yield


@pytest.fixture(scope="module")
def server(http_stack):
    with Server() as running:
        yield running


def _compressed():
    body = gzip.compress(b"".join([*wire.says("Hello"), *wire.END]))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    return wire.Raw(head + body)


wire.fixed("gzip", _compressed())


def call(where, model, text="hello", **options):
    """The error a call ends in (None when it ends well) and the answer as far as it came."""
    p = loopback("vllm", where.url) if isinstance(where, Server) else where
    events, error = [], None
    try:
        for event in event_loop.iterate_sync(hosted.backend(p, model).stream(Request(model, (message("user", text),), **options))):
            events.append(event)
    except FmnbError as e:
        error = e
    return error, build_response(events)


# model of the loopback server, error, whether it may be tried again, whether billed, text that was kept, words of the message
CASES = [
    ("key-refused", errors.AuthenticationError, False, False, "", "rejected the key"),
    ("forbidden", errors.AuthenticationError, False, False, "", "does not permit"),
    ("unknown-model", errors.UnknownModelError, False, False, "", "has no model 'unknown-model'"),
    ("wrong-path", errors.BadRequestError, False, False, "", "usually ends in /v1"),
    ("context", errors.ContextTooLongError, False, False, "", "by 904 tokens"),
    ("context-sum", errors.ContextTooLongError, False, False, "", "by 1,104 tokens"),
    ("context-llamacpp", errors.ContextTooLongError, False, False, "", "by 904 tokens"),
    ("context-anthropic", errors.ContextTooLongError, False, False, "", "by 8,310 tokens"),
    ("context-gemini", errors.ContextTooLongError, False, False, "", "by 24 tokens"),
    ("bad-temperature", errors.BadRequestError, False, False, "", "decimal above maximum"),
    ("rate-limit", errors.RateLimitError, True, False, "", "rate limit reached"),
    ("quota", errors.RateLimitError, False, False, "", "no credit left"),
    ("server-error", errors.ServerError, True, None, "", "500"),
    ("overloaded", errors.ServerError, True, None, "", "Overloaded"),
    ("gateway-page", errors.ServerError, True, None, "", "'Bad Gateway'"),
    ("sign-in-page", errors.UnexpectedResponseError, False, False, "", "'Sign in'"),
    ("content-policy", errors.ContentFilterError, False, None, "", "rejected the prompt"),
    ("filtered", errors.ContentFilterError, False, True, "Hello", "the rest of the answer"),
    ("empty", errors.EmptyAnswerError, False, True, "", "no text"),
    ("only-thinks", errors.EmptyAnswerError, False, True, "", "raise --max-tokens"),
    ("nothing-at-all", errors.StreamInterruptedError, True, None, "", "0 characters"),
    ("cut", errors.StreamInterruptedError, False, True, "Hello", "5 characters"),
    ("cut-cleanly", errors.StreamInterruptedError, False, True, "Hello", "%fm continue"),
    ("reset", errors.StreamInterruptedError, False, True, "Hello", "5 characters"),
    ("reset-before-answer", errors.ConnectionFailedError, True, None, "", "without an answer"),
    ("junk", errors.StreamInterruptedError, False, True, "Hello", "middle of the answer"),
    ("junk-only", errors.UnexpectedResponseError, False, None, "", "not an answer"),
    ("junk-json", errors.UnexpectedResponseError, False, None, "", "OpenAI-compatible"),
    ("junk-of-the-right-name", errors.UnexpectedResponseError, False, None, "", "not an answer"),
    ("not-http", errors.UnexpectedResponseError, False, None, "", "did not respond with HTTP"),
    ("error-in-stream", errors.ServerError, False, True, "Hello", "Provider disconnected"),
    ("error-event", errors.ServerError, True, None, "", "Overloaded"),
    ("rate-limit-in-stream", errors.RateLimitError, True, None, "", "rate limit reached"),
    ("redirect", errors.BadRequestError, False, False, "", "not followed"),
    ("limit", errors.EmptyAnswerError, False, True, "", "Raise --max-tokens"),
    ("limit-in-stream", errors.StreamInterruptedError, False, True, "Hello", "Raise --max-tokens"),
    ("limit-in-stream-at-once", errors.EmptyAnswerError, False, True, "", "Raise --max-tokens"),
    ("error-with-usage-inside", errors.ServerError, False, True, "Hello", "502, upstream failed"),
    ("filter-in-stream", errors.ContentFilterError, False, True, "Hello", "filtered the rest"),
    ("context-in-stream", errors.ContextTooLongError, False, None, "", "by 904 tokens"),
    ("overloaded-in-words", errors.ServerError, True, None, "", "is overloaded: The model is overloaded, try again later"),
    ("limited-in-words", errors.RateLimitError, True, None, "", "rate limit reached: Too many requests"),
    ("error-object", errors.ServerError, False, True, "Hello", "is overloaded: Service unavailable"),
    ("error-in-a-list", errors.ServerError, True, None, "", "is overloaded: 503"),
    ("error-unknown", errors.ServerError, True, None, "", "failed: Something odd"),
    ("no-images", errors.BadRequestError, False, False, "", "does not accept images with this model"),
    ("no-vectors", errors.BadRequestError, False, False, "", "has no embeddings with this model"),
    ("not-implemented", errors.BadRequestError, False, False, "", "cannot do this"),
    ("roles", errors.BadRequestError, False, False, "", "chat template to this conversation"),
    ("passing", errors.ServerError, True, None, "", "Try again"),
]


@pytest.mark.parametrize("model, kind, again, billed, kept, words", CASES, ids=[c[0] for c in CASES])
def test_a_fault_becomes_its_named_error(server, monkeypatch, model, kind, again, billed, kept, words):
    monkeypatch.setenv("VLLM_API_KEY", "not-of-any-known-form-42")
    error, answer = call(server, model)
    assert type(error) is kind, error
    assert (error.retryable, error.billed, answer.text) == (again, billed, kept)
    assert words in str(error)
    assert error.message and error.detail and error.hint


# The same for the other interfaces: provider, its key's variable, interface, then as above.
ELSEWHERE = {
    "responses": ("openai", "OPENAI_API_KEY", "responses", [
        ("key-refused", errors.AuthenticationError, False, False, "", "rejected the key"),
        ("rate-limit", errors.RateLimitError, True, False, "", "rate limit reached"),
        ("overloaded", errors.ServerError, True, None, "", "Overloaded"),
        ("filtered", errors.ContentFilterError, False, True, "Hello", "the rest of the answer"),
        ("failed", errors.ServerError, False, True, "Hello", "The model broke"),
        ("error-without-name", errors.ServerError, True, None, "", "The model broke"),
        ("limited-in-stream", errors.RateLimitError, True, None, "", "Slow down"),
        ("empty", errors.EmptyAnswerError, False, True, "", "no text"),
        ("cut", errors.StreamInterruptedError, False, True, "Hello", "5 characters"),
        ("junk-only", errors.UnexpectedResponseError, False, None, "", "not an answer"),
        ("junk-json", errors.UnexpectedResponseError, False, None, "", "OpenAI-compatible"),
        ("redirect", errors.BadRequestError, False, False, "", "not followed"),
    ]),
    "anthropic": ("anthropic", "ANTHROPIC_API_KEY", "native", [
        ("key-refused", errors.AuthenticationError, False, False, "", "ANTHROPIC_API_KEY"),
        ("forbidden", errors.AuthenticationError, False, False, "", "does not permit"),
        ("claude-of-old", errors.UnknownModelError, False, False, "", "has no model 'claude-of-old'"),
        ("no-credit", errors.RateLimitError, False, False, "", "no credit left"),
        ("context", errors.ContextTooLongError, False, False, "", "by 8,310 tokens"),
        ("rate-limit", errors.RateLimitError, True, False, "", "rate limit reached"),
        ("overloaded", errors.ServerError, True, None, "", "Anthropic is overloaded"),
        ("overloaded-in-stream", errors.ServerError, True, None, "", "Anthropic is overloaded"),
        ("limited-in-stream", errors.RateLimitError, True, None, "", "Slow down"),
        ("error-in-stream", errors.ServerError, False, True, "Hello", "Internal server error"),
        ("refusal", errors.ContentFilterError, False, True, "Hello", "the rest of the answer"),
        ("empty", errors.EmptyAnswerError, False, True, "", "no text"),
        ("cut", errors.StreamInterruptedError, False, True, "Hello", "5 characters"),
        ("junk-only", errors.UnexpectedResponseError, False, None, "", "Anthropic's interface"),
        ("junk-json", errors.UnexpectedResponseError, False, None, "", "not an answer"),
        ("redirect", errors.BadRequestError, False, False, "", "not followed"),
    ]),
    "cohere": ("cohere", "COHERE_API_KEY", "native", [
        ("key-refused", errors.AuthenticationError, False, False, "", "COHERE_API_KEY"),
        ("command-of-old", errors.UnknownModelError, False, False, "", "has no model 'command-of-old'"),
        ("context", errors.ContextTooLongError, False, False, "", "exceeds the context window"),
        ("rate-limit", errors.RateLimitError, True, False, "", "rate limit reached"),
        ("overloaded", errors.ServerError, True, None, "", "overloaded"),
        ("toxic", errors.ContentFilterError, False, True, "Hello", "the rest of the answer"),
        ("failed", errors.ServerError, False, True, "Hello", "The model broke"),
        ("too-slow", errors.CallTimeoutError, True, True, "", "took too long"),
        ("empty", errors.EmptyAnswerError, False, True, "", "no text"),
        ("cut", errors.StreamInterruptedError, False, True, "Hello", "5 characters"),
        ("junk-only", errors.UnexpectedResponseError, False, None, "", "Cohere's interface"),
        ("junk-json", errors.UnexpectedResponseError, False, None, "", "not an answer"),
        ("redirect", errors.BadRequestError, False, False, "", "not followed"),
    ]),
}  # fmt: skip
ELSEWHERE_CASES = [(provider, variable, api, case) for provider, variable, api, cases in ELSEWHERE.values() for case in cases]


@pytest.mark.parametrize("provider, variable, api, case", ELSEWHERE_CASES, ids=[f"{p}-{c[0]}" for p, _, _, c in ELSEWHERE_CASES])
def test_a_fault_at_another_interface_becomes_its_named_error(server, monkeypatch, provider, variable, api, case):
    model, kind, again, billed, kept, words = case
    monkeypatch.setenv(variable, "loopback-test-key")
    error, answer = call(loopback(provider, server.url), model, api=api)
    assert type(error) is kind, error
    assert (error.retryable, error.billed, answer.text) == (again, billed, kept)
    assert words in str(error)
    assert error.message and error.detail and error.hint


@pytest.mark.parametrize("provider, variable, api", [row[:3] for row in ELSEWHERE.values()])
def test_silence_at_another_interface_keeps_the_text(server, monkeypatch, provider, variable, api):
    monkeypatch.setenv(variable, "loopback-test-key")
    error, answer = call(dataclasses.replace(loopback(provider, server.url), read_timeout=1.5), "stalls", api=api)
    assert type(error) is errors.CallTimeoutError and not error.retryable and answer.text == "Hello"


def test_rate_limits_say_how_long_to_wait(server):
    assert call(server, "rate-limit")[0].retry_after == 7
    assert call(server, "rate-limit-ms")[0].retry_after == 0.25
    assert 25 < call(server, "rate-limit-date")[0].retry_after <= 31
    assert call(server, "overloaded")[0].retry_after == 3


def test_the_adapter_asks_once_and_leaves_retries_to_the_pipeline(server):
    before = len(server.requests)
    assert isinstance(call(server, "rate-limit-once")[0], errors.RateLimitError)
    assert len(server.requests) == before + 1
    assert call(server, "rate-limit-once")[1].text == "Hello"


def test_usage_of_an_answer_that_was_filtered_is_kept(server):
    assert call(server, "filtered")[1].usage.output_tokens == 5


def test_an_unknown_model_names_the_nearest_one(server):
    assert "gpt-loopback" in str(call(server, "gpt-loopbak")[0])


def test_an_unknown_ollama_model_says_how_to_pull_it(server):
    assert "ollama pull unknown-model" in str(call(loopback("ollama", server.url), "unknown-model")[0])


def test_a_key_is_never_repeated_even_when_the_service_repeats_it(server, monkeypatch):
    monkeypatch.setenv("VLLM_API_KEY", "not-of-any-known-form-42")
    assert "not-of-any-known-form-42" in server_saw(server, "key-echoed")
    error, _ = call(server, "key-echoed")
    assert isinstance(error, errors.AuthenticationError)
    for text in (str(error), repr(error), str(error.to_dict()), "".join(error._render_traceback_())):
        assert "not-of-any-known-form-42" not in text
    assert "sk-abcdefghijklmnop1234" not in str(call(server, "key-refused")[0])


def test_a_server_that_wants_a_key_where_none_was_sent_is_not_said_to_refuse_it(server):
    error, _ = call(server, "key-refused")
    assert type(error) is errors.KeyMissingError and "vLLM needs a key" in str(error) and "VLLM_API_KEY" in str(error)


@pytest.mark.parametrize("where", ["in-a-page", "at-the-cut", "as-junk"])
def test_no_part_of_a_key_is_repeated_wherever_the_service_puts_it(server, monkeypatch, where):
    monkeypatch.setenv("VLLM_API_KEY", "not-of-any-known-form-42")
    error, _ = call(server, f"key-echoed-{where}")
    assert error is not None and "not-of-any" not in f"{error} {error!r} {error.to_dict()}"


@pytest.mark.parametrize("provider, variable, api", [row[:3] for row in ELSEWHERE.values()])
def test_a_key_in_any_header_is_never_repeated(server, monkeypatch, provider, variable, api):
    monkeypatch.setenv(variable, "not-of-any-known-form-42")
    error, _ = call(loopback(provider, server.url), "key-echoed", api=api)
    assert "not-of-any-known-form-42" in str(server.requests[-1].headers) and isinstance(error, errors.AuthenticationError)
    for text in (str(error), repr(error), str(error.to_dict()), "".join(error._render_traceback_())):
        assert "not-of-any-known-form-42" not in text


def server_saw(server, model):
    call(server, model)
    return server.requests[-1].headers.get("authorization", "")


def test_the_cause_of_an_error_holds_no_request_with_its_key(server):
    error, _ = call(server, "key-refused")
    assert error.__cause__ is None and (error.__suppress_context__ or error.__context__ is None)


def test_a_missing_key_names_its_variable_and_sends_nothing(server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    before = len(server.requests)
    error, _ = call(loopback("openai", server.url), "plain")
    assert isinstance(error, errors.KeyMissingError) and error.billed is False
    assert "OPENAI_API_KEY" in str(error) and "%fm key set openai" in str(error)
    assert len(server.requests) == before


def test_a_key_does_not_go_to_another_address(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real-key-of-the-user")
    before = len(server.requests)
    moved = dataclasses.replace(profile("openai"), base_url=server.url)
    error, _ = call(moved, "plain")
    assert isinstance(error, errors.KeyMissingError) and "not sent to another address" in str(error)
    assert len(server.requests) == before


LURE = """
import os, sys
import fmnb
for variable in sys.argv[1:]:
    name, _, value = variable.partition("=")
    os.environ[name] = value  # what a cell of somebody else's notebook can do
try:
    print(fmnb.ask("hello", model=os.environ["LURED"], cache=False, sinks=[]).text)
except fmnb.FmnbError as e:
    print(e)
"""


def lured(home, model, started_with, then_set):
    """What a process says that was started with some variables, sets others and asks a model."""
    env = {"PATH": os.environ["PATH"], "FMNB_HOME": str(home), "LURED": model, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    command = [sys.executable, "-c", LURE, *(f"{k}={v}" for k, v in then_set.items())]
    done = subprocess.run(command, env={**env, **started_with}, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "model, key, address",
    [("openai:plain", "OPENAI_API_KEY", "OPENAI_BASE_URL"), ("azure:plain", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT")],
)
def test_an_address_that_a_notebook_sets_gets_no_key_of_whoever_started_it(server, home, model, key, address):
    before = len(server.requests)
    said = lured(home, model, {key: "sk-of-the-user-42"}, {address: server.url})
    assert "not sent to another address" in said and "sk-of-the-user-42" not in said and len(server.requests) == before
    assert "Hello world!" in lured(home, model, {}, {key: "sk-of-the-cell-42", address: server.url})
    assert "Hello world!" in lured(home, model, {key: "sk-of-the-user-42", address: server.url}, {})


def test_secret_headers_do_not_go_to_an_address_that_a_notebook_sets(server, home):
    secrets = {"MODAL_PROXY_TOKEN_ID": "wk-42", "MODAL_PROXY_TOKEN_SECRET": "ws-42"}
    assert "Hello world!" in lured(home, "modal:plain", secrets, {"MODAL_BASE_URL": server.url})
    assert not any("-42" in v for v in server.requests[-1].headers.values())


@pytest.mark.parametrize("field", ["base_url", "native_url"])
@pytest.mark.parametrize("provider, variable", [("anthropic", "ANTHROPIC_API_KEY"), ("cohere", "COHERE_API_KEY")])
def test_a_key_does_not_go_to_another_native_address(server, monkeypatch, home, provider, variable, field):
    monkeypatch.setenv(variable, "real-key-of-the-user")
    (home / "fmnb.toml").write_text(f'[provider.{provider}]\n{field} = "{server.url}"\n')
    before = len(server.requests)
    error, _ = call(profile(provider), "plain")
    assert isinstance(error, errors.KeyMissingError) and "not sent to another address" in str(error)
    assert len(server.requests) == before


def test_a_key_that_is_meant_for_a_native_address_goes_there_alone(server, monkeypatch, home):
    monkeypatch.setenv("GATEWAY_KEY", "key-of-the-gateway")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "real-key-of-the-user")
    row = f'[provider.gateway]\nbase_url = "{server.url}"\nkey_env = "GATEWAY_KEY"\napi = "native"\nnative = "anthropic"\n'
    (home / "fmnb.toml").write_text(row)
    error, answer = call(profile("gateway"), "plain")
    headers = server.requests[-1].headers
    assert error is None and answer.text == "Hello world!" and headers["x-api-key"] == "key-of-the-gateway"
    assert not any("real-key" in v for v in headers.values())


def test_a_key_does_not_travel_in_the_clear(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real-key-of-the-user")
    assert hosted.find_key(profile("openai"))
    assert hosted.find_key(dataclasses.replace(profile("openai"), base_url="http://api.openai.com/v1")) is None


def test_a_redirect_is_not_followed_and_takes_no_key_along(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_BASE_URL", "https://loopback.invalid/v1")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key-of-the-user")
    with Server() as first:
        error, _ = call(loopback("azure", first.url), "redirect")
        assert len(first.requests) == 1
    assert isinstance(error, errors.BadRequestError) and "azure-key-of-the-user" not in str(error)


@pytest.mark.parametrize("provider, variable, api", [row[:3] for row in ELSEWHERE.values()])
def test_a_redirect_of_another_interface_takes_no_key_along(monkeypatch, provider, variable, api):
    monkeypatch.setenv(variable, "real-key-of-the-user")
    with Server() as first:
        error, _ = call(loopback(provider, first.url), "redirect", api=api)
        assert len(first.requests) == 1
    assert isinstance(error, errors.BadRequestError) and "real-key-of-the-user" not in str(error)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_a_local_server_that_does_not_run_is_named():
    error, _ = call(dataclasses.replace(profile("ollama"), base_url=f"http://127.0.0.1:{free_port()}/v1"), "m")
    assert type(error) is errors.ConnectionFailedError and not error.retryable
    assert "Is Ollama running?" in str(error)


def test_a_name_that_does_not_resolve_is_a_connection_failure():
    p = dataclasses.replace(profile("vllm"), base_url="http://no-such-host.invalid/v1")
    error, _ = call(p, "m")
    assert type(error) is errors.ConnectionFailedError and "no-such-host.invalid was not found" in str(error)


def test_a_certificate_nobody_vouches_for_is_a_tls_error(tmp_path):
    pytest.importorskip("cryptography")
    with Server(tls=self_signed(tmp_path)) as server:
        error, _ = call(server, "plain")
    assert type(error) is errors.TLSError and not error.retryable
    assert "SSL_CERT_FILE" in str(error) and "proxy" in str(error)


def test_a_certificate_in_ssl_cert_file_is_trusted(tmp_path, monkeypatch):
    pytest.importorskip("cryptography")
    context = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "loopback.pem"))
    with Server(tls=context) as server:
        error, answer = call(server, "plain")
    assert error is None and answer.text == "Hello world!"


def test_silence_before_the_answer_is_a_time_out_that_may_be_tried_again(server):
    quick = dataclasses.replace(loopback("vllm", server.url), read_timeout=0.2)
    error, _ = call(quick, "silent")
    assert type(error) is errors.CallTimeoutError and error.retryable and error.billed is None
    assert "did not start" in str(error)


def test_silence_in_the_middle_keeps_the_text_and_is_not_tried_again(server):
    quick = dataclasses.replace(loopback("vllm", server.url), read_timeout=1.5)  # its first word must come in time
    error, answer = call(quick, "stalls")
    assert type(error) is errors.CallTimeoutError and not error.retryable and error.billed
    assert answer.text == "Hello" and "5 characters" in str(error)


def test_an_address_that_never_accepts_is_a_connection_time_out():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for s in waiting:  # fill the queue of connections nobody accepts
            s.setblocking(False)
            s.connect_ex(address)
        p = dataclasses.replace(profile("vllm"), base_url=f"http://127.0.0.1:{address[1]}/v1", connect_timeout=0.3)
        error, _ = call(p, "m")
        for s in waiting:
            s.close()
    assert type(error) is errors.CallTimeoutError and "No connection" in str(error)


def test_slow_headers_within_the_time_allowed_are_fine(server):
    assert call(server, "slow-headers")[1].text == "Hello"


@pytest.mark.parametrize("model", ["no-done", "no-blank-line-at-end", "crlf", "untyped-stream", "torn-after-the-end", "whole"])
def test_odd_endings_that_lose_nothing_are_accepted(server, model):
    error, answer = call(server, model)
    assert error is None and answer.text == "Hello" and answer.finish_reason == "stop"


def test_comments_ids_and_event_names_are_passed_over(server):
    assert call(server, "comments")[1].text == "Hello!"


def test_junk_between_good_chunks_is_passed_over(server):
    error, answer = call(server, "junk-in-the-middle")
    assert error is None and answer.text == "Hello!"


def test_text_and_numbers_cut_anywhere_come_out_whole(server):
    error, answer = call(server, "bytewise")
    assert error is None
    assert answer.text == "Grüße, 世界 🎉 3.14159🎉" and answer.usage.input_tokens == 7


def test_a_filter_in_front_that_compresses_the_stream_is_read(server):
    assert call(server, "gzip")[1].text == "Hello"


def test_a_proxy_in_the_environment_is_not_asked_for_a_local_server(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert call(server, "plain")[1].text == "Hello world!"


def test_a_proxy_that_does_not_answer_is_a_connection_failure(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    error, _ = call(dataclasses.replace(profile("vllm"), base_url="http://model.invalid/v1"), "m")
    assert type(error) is errors.ConnectionFailedError


def test_a_key_that_a_service_repeats_as_the_name_of_a_parameter_is_not_shown(monkeypatch):
    from fmnb.providers.http.errors import from_status

    body = {"error": {"message": "bad", "param": "sk-secret1234567890"}}
    error = from_status(profile("openai"), "m", 400, body, {}, "sk-secret1234567890")
    assert "secret1234" not in str(error) + str(error.to_dict())


def test_a_password_in_an_address_is_not_shown():
    p = loopback("vllm", "http://me:hunter2@127.0.0.1:9/v1")
    error, answer = call(p, "plain")
    assert error is not None and "127.0.0.1" in str(error) and "hunter2" not in f"{error} {error.to_dict()} {answer!r} {p.recipient}"
