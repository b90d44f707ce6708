"""Anthropic's own interface: what is asked, and what comes of its events."""

from __future__ import annotations

import json

import pytest

from fmnb.core import event_loop
from fmnb.core.errors import BadRequestError
from fmnb.core.events import build_response
from fmnb.core.types import File, Image, Message, Request, Text, ToolCall, ToolResult, Usage, message
from fmnb.providers import hosted, prices, send
from fmnb.providers.http import rejected_option
from fmnb.providers.profiles import profile
from fmnb.providers.wire import anthropic_messages
from fmnb.providers.wire import base as wire
from fmnb.providers.wire.anthropic_messages import MAX_TOKENS
from fmnb.views.sources import sources
from tests.contract.backends import loopback
from tests.wire.server import Server

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": False}
OPEN = {"type": "object", "properties": {"name": {"type": "string"}}}


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "loopback-test-key")
    send.forget_refused_options()


def answer(server, model, *, messages=None, **options):
    backend = hosted.backend(loopback("anthropic", server.url), model)
    return build_response(event_loop.iterate_sync(backend.stream(Request(model, messages or (message("user", "hello"),), **options))))


def body(*messages, **options):
    return anthropic_messages.body(profile("anthropic"), "m", Request("m", messages, **options))


def test_a_plain_answer_goes_the_native_way_with_its_headers(server):
    got = answer(server, "plain")
    assert (got.text, got.model, got.finish_reason) == ("Hello world!", "m-answered", "stop")
    seen = server.requests[-1]
    assert seen.path == "/v1/messages" and seen.headers["x-api-key"] == "loopback-test-key" and "authorization" not in seen.headers
    assert seen.headers["anthropic-version"] == "2023-06-01"


def test_the_compatible_way_is_one_word_away(server):
    answer(server, "plain", api="chat")
    assert server.requests[-1].path == "/v1/chat/completions" and server.requests[-1].headers["authorization"] == "Bearer loopback-test-key"


def test_usage_holds_the_tokens_of_the_cache(server):
    used = answer(server, "plain").usage
    assert (used.input_tokens, used.cached_tokens, used.output_tokens, used.reasoning_tokens) == (127, 100, 5, 2)


def test_writing_to_the_cache_costs_more_than_reading_once():
    read = prices.cost(profile("anthropic"), "claude-sonnet-4-5", Usage(1000, 0))
    assert prices.cost(profile("anthropic"), "claude-sonnet-4-5", Usage(1000, 0), cache_write_tokens=1000) == pytest.approx(read * 1.25)


def test_options_have_their_names_here():
    sent, lost = body(
        message("system", "Be brief."), message("user", "hi"), temperature=0.5, max_tokens=20, stop=("END",), extra={"top_k": 3}
    )
    assert sent["system"] == "Be brief." and sent["stop_sequences"] == ["END"]
    assert (sent["temperature"], sent["max_tokens"], sent["top_k"], lost) == (0.5, 20, 3, [])


def test_what_it_has_no_word_for_is_not_applied():
    sent, lost = body(message("user", "hi"), seed=1, logprobs=2, temperature=1.5, dtype="float16")
    assert lost == ["seed", "logprobs", "dtype", "temperature above 1"] and sent["temperature"] == 1.0
    assert not {"seed", "logprobs"} & set(sent)


def test_a_length_is_always_sent_and_said_only_when_it_cut(server):
    assert body(message("user", "hi"))[0]["max_tokens"] == MAX_TOKENS
    got = answer(server, "length")
    assert got.finish_reason == "length" and "16,384 tokens" in got.notes[0] and "--max-tokens" in got.notes[0]
    assert not answer(server, "length", max_tokens=5).notes and not answer(server, "plain").notes


def test_a_budget_for_thinking_leaves_room_for_the_answer():
    thinking = {"type": "enabled", "budget_tokens": 2000}
    sent, _ = body(message("user", "hi"), extra={"thinking": thinking})
    assert sent["thinking"] == thinking and sent["max_tokens"] == MAX_TOKENS + 2000


def test_the_prompt_itself_is_never_taken_for_a_refused_option():
    sent, _ = body(message("system", "Be brief."), message("user", "hi"))
    assert rejected_option.rejected_option(sent, {"error": {"message": "messages.0: the system role is not supported here"}}) == ""


def test_images_and_documents_travel_inside_the_request():
    (sent,) = body(Message("user", (Image(b"png"), File(b"%PDF", "application/pdf", "a.pdf"), File(b"abc", "text/plain"), Text("?"))))[0][
        "messages"
    ]
    image, pdf, plain, _ = sent["content"]
    assert image == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "cG5n"}}
    assert pdf["source"] == {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="} and pdf["title"] == "a.pdf"
    assert plain["source"] == {"type": "text", "media_type": "text/plain", "data": "abc"}
    assert pdf["citations"] == {"enabled": True}
    with pytest.raises(BadRequestError, match="does not accept documents"):
        body(Message("user", (File(b"x", "application/zip", "a.zip"),)))


def test_the_card_says_that_documents_are_read():
    assert "file" in hosted.backend(profile("anthropic"), "m").info.inputs


def test_a_tool_call_and_its_result_go_back(server):
    tool = {"name": "weather", "description": "d", "parameters": {"type": "object", "properties": {}}}
    call = Message("assistant", (Text("Let me see."), ToolCall("t1", "weather", '{"city": "Bern"}'), ToolCall("t2", "time", "{broken")))
    results = Message("tool", (ToolResult("t1", "rainy"), ToolResult("t2", "no", failed=True)))
    sent, _ = body(message("user", "q"), call, results, tools=({"type": "function", "function": tool},))
    assert sent["messages"][1]["content"][1:] == [
        {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}},
        {"type": "tool_use", "id": "t2", "name": "time", "input": {"arguments": "{broken"}},
    ]
    assert sent["messages"][2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": "rainy"},
            {"type": "tool_result", "tool_use_id": "t2", "content": "no", "is_error": True},
        ],
    }
    assert sent["tools"] == [{"name": "weather", "description": "d", "input_schema": {"type": "object", "properties": {}}}]


def test_tool_calls_are_put_together(server):
    got = answer(server, "tools")
    assert [(c.id, c.name, c.arguments) for c in got.tool_calls] == [("toolu_1", "weather", '{"city": "Bern"}'), ("toolu_2", "time", "{}")]
    assert got.text == "Let me see." and got.finish_reason == "tool_calls"


def test_thinking_comes_apart_and_a_tag_in_the_text_is_text(server):
    got = answer(server, "thinks")
    assert (got.reasoning, got.text) == ("hm so", "yes <think>no tag</think>")


def test_thinking_blocks_are_sent_back_unread_and_to_no_other_model(server):
    followed = (message("user", "q"), *answer(server, "thinks").messages, message("user", "and?"))
    answer(server, "thinks", messages=followed)
    assert server.requests[-1].body["messages"][1] == {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm so", "signature": "EqQB"},
            {"type": "redacted_thinking", "data": "opaque"},
            {"type": "text", "text": "yes <think>no tag</think>"},
        ],
    }
    answer(server, "plain", messages=followed)
    assert server.requests[-1].body["messages"][1]["content"] == [{"type": "text", "text": "yes <think>no tag</think>"}]


def test_citations_are_noted_and_kept_with_the_words_they_stand_for(server):
    got = answer(server, "cites")
    assert got.text == "It says forty-two." and [s.title for s in sources(got)] == ["a.pdf, page 3", "document 2"]
    first = got.extra["citations"][0]
    assert got.text[first["start"] : first["end"]] == "forty-two" and first["start_page_number"] == 3
    assert "citations" not in json.dumps([p.extra for p in got.messages[-1].parts if hasattr(p, "extra")])


def test_a_long_system_prompt_and_a_conversation_are_marked_for_the_cache():
    long, mark = "x" * 5000, {"type": "ephemeral"}
    once, _ = body(message("system", long), message("user", long))
    assert once["system"] == [{"type": "text", "text": long, "cache_control": mark}]
    assert "cache_control" not in json.dumps(once["messages"])
    sent, _ = body(message("system", "short"), message("user", long), message("assistant", "yes"), message("user", "and?"))
    assert sent["system"] == "short" and [b.get("cache_control") for m in sent["messages"] for b in m["content"]] == [None, None, mark]
    short, _ = body(message("user", "a"), message("assistant", "b"), message("user", "c"))
    assert "cache_control" not in json.dumps(short)
    own, _ = body(message("system", long), message("user", "a"), extra={"cache_control": None})
    assert own["system"] == long


def test_a_closed_schema_is_enforced_by_the_service(server):
    got = answer(server, "obey", schema=SCHEMA, extra={"output_config": {"effort": "low"}})
    assert server.requests[-1].body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "low"}
    assert json.loads(got.text)["name"] == "Ada" and not got.not_applied


@pytest.mark.parametrize("model, schema", [("obey", OPEN), ("no-output-format", SCHEMA)])
def test_a_schema_it_does_not_enforce_is_the_form_of_a_tool_that_must_be_called(server, model, schema):
    got = answer(server, model, schema=schema)
    sent = server.requests[-1].body
    assert sent["tool_choice"] == {"type": "tool", "name": "answer"} and sent["tools"][0]["input_schema"] == schema
    assert json.loads(got.text) == {"name": "Ada", "age": 36} and not got.tool_calls and got.finish_reason == "stop"
    assert got.not_applied == (wire.SCHEMA_OPTION,)


@pytest.mark.parametrize("model, schema, extra", [
    ("no-forced-tools", SCHEMA, {}),
    ("obey", OPEN, {"thinking": {"type": "adaptive"}}),
    ("obey", {"type": "array", "items": SCHEMA}, {}),
])  # fmt: skip
def test_where_neither_goes_a_schema_is_asked_for_in_words(server, model, schema, extra):
    got = answer(server, model, schema=schema, extra=extra)
    sent = server.requests[-1].body
    assert sent["system"].count("JSON schema") == 1 and not {"tools", "tool_choice", "output_config"} & set(sent)
    assert json.loads(got.text)["name"] == "Ada" and got.not_applied == (wire.SCHEMA_OPTION,)


def test_no_citations_are_asked_for_beside_a_schema():
    sent, _ = body(Message("user", (File(b"%PDF", "application/pdf"), Text("?"))), schema=SCHEMA)
    assert "citations" not in sent["messages"][0]["content"][0]


@pytest.mark.parametrize("model", ["no-temperature", "thinking-fixes-temperature"])
def test_a_temperature_it_refuses_is_left_out_and_said_so(server, model):
    assert answer(server, model, temperature=0.2).not_applied == ("temperature",)


@pytest.mark.parametrize("model, finish", [("stop-sequence", "stop"), ("full", "length"), ("paused", "length")])
def test_its_reasons_to_stop_are_ours(server, model, finish):
    assert answer(server, model).finish_reason == finish


def test_an_answer_that_comes_all_at_once_is_read(server):
    got = answer(server, "whole")
    assert got.text == "Hello" and [(c.name, json.loads(c.arguments)) for c in got.tool_calls] == [("time", {"zone": "CET"})]
    assert got.usage.input_tokens == 127


def test_text_and_numbers_cut_anywhere_come_out_whole(server):
    assert answer(server, "bytewise").text == "Grüße, 世界 🎉 3.14159"


def test_its_models_are_listed_with_its_own_headers(server):
    assert "plain" in event_loop.run_sync(hosted.model_names(loopback("anthropic", server.url)))
    assert server.requests[-1].headers["x-api-key"] == "loopback-test-key" and "anthropic-version" in server.requests[-1].headers
