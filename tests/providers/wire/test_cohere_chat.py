"""Cohere's own interface: what is asked, and what comes of its events."""

from __future__ import annotations

import json

import pytest

from fmnb.core import event_loop
from fmnb.core.errors import BadRequestError
from fmnb.core.events import build_response
from fmnb.core.types import File, Image, Message, Request, Text, ToolCall, ToolResult, Usage, message
from fmnb.providers import hosted, prices, send
from fmnb.providers.profiles import profile
from fmnb.providers.wire import base as wire
from fmnb.providers.wire import cohere_chat
from fmnb.views.sources import sources
from tests.contract.backends import loopback
from tests.wire.server import Server

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("COHERE_API_KEY", "loopback-test-key")
    send.forget_refused_options()


def answer(server, model, *, messages=None, **options):
    backend = hosted.backend(loopback("cohere", server.url), model)
    return build_response(event_loop.iterate_sync(backend.stream(Request(model, messages or (message("user", "hello"),), **options))))


def body(*messages, **options):
    return cohere_chat.body(profile("cohere"), "m", Request("m", messages, **options))


def test_a_plain_answer_goes_the_native_way(server):
    got = answer(server, "plain")
    assert (got.text, got.model, got.finish_reason) == ("Hello world!", "plain", "stop")
    assert server.requests[-1].path == "/v1/chat" and server.requests[-1].headers["authorization"] == "Bearer loopback-test-key"


def test_its_own_address_is_where_the_request_goes():
    assert profile("cohere").recipient == "api.cohere.com"
    wired = hosted.pick(profile("cohere"), "m")
    assert hosted.through(profile("cohere"), wired).base_url == "https://api.cohere.com/v2"


def test_tokens_are_those_of_the_model_and_the_cost_is_of_what_is_billed(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
    monkeypatch.setenv("NO_PROXY", "")
    p = loopback("cohere", "http://models.invalid/v2")
    backend = hosted.backend(hosted.dataclasses.replace(p, key_env=(), needs_key=False), "command-a-03-2025")
    got = build_response(event_loop.iterate_sync(backend.stream(Request("m", (message("user", "hi"),)))))
    assert (got.usage.input_tokens, got.usage.output_tokens, got.usage.cached_tokens) == (207, 9, 64)
    assert got.cost == prices.cost(profile("cohere"), "command-a-03-2025", Usage(7, 5))


def test_options_have_their_names_here():
    sent, lost = body(message("user", "hi"), temperature=0.5, max_tokens=9, seed=3, stop=("END",), logprobs=0, extra={"p": 0.9, "k": 5})
    assert {k: sent[k] for k in ("temperature", "max_tokens", "seed", "stop_sequences", "p", "k", "logprobs")} == {
        "temperature": 0.5,
        "max_tokens": 9,
        "seed": 3,
        "stop_sequences": ["END"],
        "p": 0.9,
        "k": 5,
        "logprobs": True,
    }
    assert lost == [] and "stream_options" not in sent


def test_what_it_has_no_word_for_is_not_applied():
    assert body(message("user", "hi"), logprobs=2, quant="int4")[1] == ["quant", "alternatives of logprobs"]


def test_logprobs_arrive(server):
    assert answer(server, "logprobs", logprobs=0).logprobs == ({"token": "Hi", "logprob": -0.5, "top": []},)


def test_images_travel_inside_the_request_and_text_files_as_documents_to_cite():
    sent, _ = body(Message("user", (Text("what?"), Image(b"png"), File(b"abc", "text/plain", "a.txt"))))
    assert sent["messages"][0]["content"][1] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}}
    assert sent["documents"] == [{"id": "document-1", "data": {"title": "a.txt", "text": "abc"}}]
    with pytest.raises(BadRequestError, match="does not accept documents"):
        body(Message("user", (File(b"%PDF", "application/pdf", "a.pdf"),)))


def test_citations_are_noted_and_kept(server):
    got = answer(server, "cites")
    assert [s.title for s in sources(got)] == ["a.txt", "weather_1:0"]
    first = got.extra["citations"][0]
    assert got.text[first["start"] : first["end"]] == first["text"] == "Hello"


def test_thinking_comes_apart_and_goes_back(server):
    got = answer(server, "thinks")
    assert (got.reasoning, got.text) == ("hm so", "yes")
    answer(server, "thinks", messages=(message("user", "q"), *got.messages, message("user", "and?")))
    assert server.requests[-1].body["messages"][1] == {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "hm so"}, {"type": "text", "text": "yes"}],
    }


def test_tools_their_plan_and_their_results_go_back(server):
    tool = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
    got = answer(server, "tools", tools=(tool,))
    assert server.requests[-1].body["tools"] == [{"type": "function", "function": tool}]
    assert got.reasoning == "I will look." and got.finish_reason == "tool_calls"
    assert [(c.id, c.name, c.arguments) for c in got.tool_calls] == [("weather_1", "weather", '{"city": "Bern"}'), ("time_1", "time", "{}")]
    answer(
        server,
        "tools",
        messages=(message("user", "q"), *got.messages, Message("tool", (ToolResult("weather_1", "rainy"), ToolResult("time_1", "noon")))),
    )
    asked, *results = server.requests[-1].body["messages"][1:]
    assert asked["tool_plan"] == "I will look." and asked["tool_calls"][0]["function"] == {
        "name": "weather",
        "arguments": '{"city": "Bern"}',
    }
    assert results == [
        {"role": "tool", "tool_call_id": "weather_1", "content": "rainy"},
        {"role": "tool", "tool_call_id": "time_1", "content": "noon"},
    ]


def test_calls_that_another_service_made_are_sent_in_its_form():
    (sent,) = body(Message("assistant", (ToolCall("c1", "f", "", {"extra_content": {"s": 1}}),)))[0]["messages"]
    assert sent == {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}


def test_a_schema_is_enforced_and_asked_for_in_words(server):
    got = answer(server, "obey", schema=SCHEMA)
    sent = server.requests[-1].body
    assert sent["response_format"] == {"type": "json_object", "json_schema": SCHEMA}
    assert "JSON schema" in sent["messages"][0]["content"] and json.loads(got.text)["name"] == "Ada" and not got.not_applied


def test_a_schema_that_is_refused_is_asked_for_in_words_alone(server):
    got = answer(server, "no-response-format", schema=SCHEMA)
    assert "response_format" not in server.requests[-1].body and got.not_applied == (wire.SCHEMA_OPTION,)
    assert json.loads(got.text)["name"] == "Ada"


def test_no_schema_is_enforced_beside_documents():
    sent, lost = body(Message("user", (File(b"abc", "text/plain"), Text("?"))), schema=SCHEMA)
    assert "response_format" not in sent and lost == [wire.SCHEMA_OPTION]


def test_an_option_it_does_not_know_is_left_out_and_said_so(server):
    assert answer(server, "no-seed", seed=1).not_applied == ("seed",)


@pytest.mark.parametrize("model, finish", [("length", "length"), ("stop-sequence", "stop")])
def test_its_reasons_to_stop_are_ours(server, model, finish):
    assert answer(server, model).finish_reason == finish


def test_an_answer_that_comes_all_at_once_is_read(server):
    got = answer(server, "whole")
    assert (got.text, got.finish_reason, got.usage.input_tokens) == ("Hello", "stop", 207)
