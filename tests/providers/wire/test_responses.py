"""The Responses interface: what is asked, and what comes of its events."""

from __future__ import annotations

import json

import pytest

from fmnb.core import event_loop
from fmnb.core.errors import BadRequestError, EmptyAnswerError, RateLimitError, ServerError
from fmnb.core.events import build_response
from fmnb.core.types import File, Image, Message, Request, Text, ToolCall, ToolResult, message
from fmnb.providers import hosted, send
from fmnb.providers.profiles import Profile, profile
from fmnb.providers.wire import base as wire
from fmnb.providers.wire import responses
from fmnb.views.sources import sources
from tests.contract.backends import loopback
from tests.wire.responses import BEHAVIOURS, THOUGHT, said
from tests.wire.server import Seen, Server

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": False}


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "loopback-test-key")
    send.forget_refused_options()


def answer(server, model, *, name="openai", messages=None, api="responses", **options):
    backend = hosted.backend(loopback(name, server.url), model)
    return build_response(
        event_loop.iterate_sync(backend.stream(Request(model, messages or (message("user", "hello"),), api=api, **options)))
    )


def body(*messages, name="openai", **options):
    return responses.body(profile(name), "m", Request("m", messages, **options))


def test_a_plain_answer_has_its_model_and_usage(server):
    got = answer(server, "plain")
    assert (got.text, got.model, got.finish_reason) == ("Hello world!", "m-answered", "stop")
    used = got.usage
    assert (used.input_tokens, used.output_tokens, used.cached_tokens, used.reasoning_tokens) == (7, 5, 3, 2)
    assert server.requests[-1].path == "/v1/responses" and server.requests[-1].headers["authorization"] == "Bearer loopback-test-key"


def test_what_is_sent_and_what_the_loopback_service_answers_have_the_packages_own_types():
    from openai.types.responses import ResponseStreamEvent
    from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
    from pydantic import TypeAdapter

    seen = Seen("POST", "/v1/responses", {}, {"input": [{"content": "hi"}]})
    steps = [s for name, f in BEHAVIOURS.items() if name != "error-without-name" for s in f(seen, 1) if isinstance(s, bytes)]
    lines = [line[6:] for s in steps for line in s.split(b"\n") if line.startswith(b"data: {")]
    events = TypeAdapter(ResponseStreamEvent)
    assert len({events.validate_json(line).type for line in lines}) > 12
    parts = (Text("q"), Image(b"png"), File(b"%PDF", "application/pdf", "a.pdf"))
    talk = (message("system", "s"), Message("user", parts), Message("assistant", (Text("x"), ToolCall("c", "f", "{}"))))
    tool = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}
    sent, _ = body(
        *talk, Message("tool", (ToolResult("c", "r"),)), temperature=0.1, max_tokens=20, schema=SCHEMA, tools=(tool,), logprobs=1
    )
    TypeAdapter(ResponseCreateParamsStreaming).validate_python(sent)
    assert set(sent) <= set(ResponseCreateParamsStreaming.__annotations__)


def test_nothing_is_to_be_kept_at_the_service(server):
    answer(server, "plain")
    assert server.requests[-1].body["store"] is False


def test_options_have_their_names_here():
    sent, lost = body(message("user", "hi"), temperature=0.5, max_tokens=20, logprobs=2, extra={"top_p": 0.9})
    assert {k: sent[k] for k in ("temperature", "max_output_tokens", "top_logprobs", "top_p")} == {
        "temperature": 0.5,
        "max_output_tokens": 20,
        "top_logprobs": 2,
        "top_p": 0.9,
    }
    assert "message.output_text.logprobs" in sent["include"] and lost == []


def test_what_it_has_no_word_for_is_not_applied(server):
    got = answer(server, "plain", seed=1, stop=("END",), quant="int8")
    assert got.not_applied == ("seed", "stop", "quant")
    assert not {"seed", "stop"} & set(server.requests[-1].body)


def test_parameters_of_chat_go_to_their_place_here():
    sent, _ = body(
        message("user", "hi"), schema=SCHEMA, extra={"reasoning_effort": "low", "verbosity": "low", "reasoning": {"summary": "auto"}}
    )
    assert sent["reasoning"] == {"effort": "low", "summary": "auto"} and sent["text"]["verbosity"] == "low" and "format" in sent["text"]


def test_system_messages_are_the_instructions():
    sent, _ = body(message("system", "a"), message("system", "b"), message("user", "c"))
    assert sent["instructions"] == "a\n\nb" and sent["input"] == [{"type": "message", "role": "user", "content": "c"}]


def test_images_and_documents_travel_inside_the_request():
    (item,) = body(Message("user", (Text("what?"), Image(b"png"), File(b"%PDF", "application/pdf", "a.pdf"))))[0]["input"]
    assert item["content"][1:] == [
        {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,cG5n"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
    ]
    with pytest.raises(BadRequestError, match="does not accept documents"):
        body(Message("user", (File(b"%PDF", "application/pdf"),)), name="vllm")
    with pytest.raises(BadRequestError, match="does not accept images"):
        responses.body(Profile("p", images=False), "m", Request("m", (Message("user", (Image(b"png"),)),)))


def test_a_tool_call_and_its_result_go_back():
    tool = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
    call = Message("assistant", (Text("Let me see."), ToolCall("call_1", "weather", '{"city": "Bern"}')))
    sent, _ = body(message("user", "q"), call, Message("tool", (ToolResult("call_1", "rainy"),)), tools=(tool,))
    assert sent["input"][1:] == [
        {"type": "message", "role": "assistant", "content": "Let me see."},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city": "Bern"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "rainy"},
    ]
    assert sent["tools"] == [{"type": "function", "strict": False, **tool}]


def test_tool_calls_that_interleave_are_told_apart(server):
    got = answer(server, "tools")
    assert [(c.id, c.name, json.loads(c.arguments)) for c in got.tool_calls] == [
        ("call_1", "weather", {"city": "Bern"}),
        ("call_2", "time", {}),
    ]
    assert got.finish_reason == "tool_calls"
    assert [(c.id, c.name) for c in answer(server, "tools-at-once").tool_calls] == [("call_1", "weather")]


def test_summaries_of_reasoning_come_apart_from_the_answer(server):
    got = answer(server, "thinks")
    assert (got.text, got.reasoning) == ("yes", "hm\n\nso")
    assert answer(server, "thinks-in-the-open").reasoning == "hm"


def test_encrypted_reasoning_is_sent_back_unread_and_to_no_other_model(server):
    got = answer(server, "thinks")
    followed = (message("user", "q"), *got.messages, message("user", "and?"))
    answer(server, "thinks", messages=followed)
    sent = server.requests[-1].body["input"]
    assert sent[1] == {k: v for k, v in THOUGHT.items() if v is not None} and sent[2] == said("yes")
    answer(server, "plain", messages=followed)
    assert server.requests[-1].body["input"][1] == {"type": "message", "role": "assistant", "content": "yes"}
    answer(server, "plain", messages=followed, api="chat")
    assert server.requests[-1].body["messages"][1] == {"role": "assistant", "content": "yes"}


def test_logprobs_arrive(server):
    assert answer(server, "logprobs", logprobs=1).logprobs == ({"token": "Hi", "logprob": -0.5, "top": [["Yo", -1.5]]},)


def test_sources_are_noted_and_kept(server):
    got = answer(server, "cites")
    assert [(s.title, s.url) for s in sources(got)] == [("Ada", "https://ada.example")] and got.extra["citations"][0][
        "url"
    ] == "https://ada.example"


def test_a_refusal_is_an_answer_with_a_note(server):
    got = answer(server, "refuses-politely")
    assert got.text == "I cannot help with that." and got.notes == ("the model declined to answer",)


@pytest.mark.parametrize("model", ["whole", "only-at-the-end"])
def test_an_answer_that_comes_all_at_once_is_read(server, model):
    got = answer(server, model)
    assert (got.text, got.finish_reason, got.usage.output_tokens) == ("Hello", "stop", 5)


def test_length_is_the_reason_when_the_allowance_ran_out(server):
    assert answer(server, "length").finish_reason == "length"


def test_a_schema_is_enforced_by_the_service(server):
    got = answer(server, "obey", schema=SCHEMA)
    assert server.requests[-1].body["text"]["format"] == {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}
    assert json.loads(got.text)["name"] == "Ada" and not got.not_applied


def test_a_schema_that_is_refused_is_asked_for_in_words(server):
    got = answer(server, "no-schema", schema=SCHEMA, extra={"text": {"verbosity": "low"}})
    sent = server.requests[-1].body
    assert sent["text"] == {"verbosity": "low"} and sent["instructions"].count("JSON schema") == 1
    assert json.loads(got.text)["name"] == "Ada" and got.not_applied == (wire.SCHEMA_OPTION,)


@pytest.mark.parametrize("model, options, lost", [
    ("no-temperature", {"temperature": 0.0}, ("temperature",)),
    ("no-encrypted-content", {}, ()),
    ("no-store", {}, ("store=false",)),
])  # fmt: skip
def test_an_option_the_service_refuses_is_left_out_once(server, model, options, lost):
    before = len(server.requests)
    assert answer(server, model, **options).not_applied == lost
    assert answer(server, model, **options).not_applied == lost
    assert len(server.requests) == before + 3


def test_models_that_need_it_get_it_unasked_and_others_when_asked(server):
    assert answer(server, "gpt-5-pro", api="").text == "Hello" and server.requests[-1].path == "/v1/responses"
    answer(server, "plain", api="")
    assert server.requests[-1].path == "/v1/chat/completions"


def test_a_seed_makes_nothing_certain_here():
    backend = hosted.backend(profile("openai"), "m")
    assert backend.deterministic(Request("m", (), seed=1)) and not backend.deterministic(Request("m", (), seed=1, api="responses"))
    assert backend.deterministic(Request("m", (), temperature=0, api="responses"))


def whole(server, model):
    backend = hosted.backend(loopback("openai", server.url), model)
    return build_response(event_loop.run_sync(backend.complete(Request(model, (message("user", "hello"),), api="responses"))).events)


@pytest.mark.parametrize("read", [answer, whole])
def test_every_thought_of_an_answer_in_one_piece_is_kept(server, read):
    got = read(server, "whole-thinks-twice")
    assert (got.reasoning, got.text) == ("hm\n\nso", "yes")


@pytest.mark.parametrize("read", [answer, whole])
def test_a_status_that_nobody_knows_does_not_fail_an_answer_that_is_there(server, read):
    got = read(server, "whole-of-unknown-status")
    assert (got.text, got.finish_reason) == ("Hello", "stop") and "'archived'" in got.notes[0]


@pytest.mark.parametrize("read", [answer, whole])
@pytest.mark.parametrize("model, kind, words", [
    ("whole-queued", BadRequestError, "answers later: status 'queued'. Leave -p background out"),
    ("whole-in-progress", BadRequestError, "status 'in_progress'"),
    ("whole-cancelled", ServerError, "was canceled there"),
    ("whole-incomplete", EmptyAnswerError, "aise --max-tokens"),
    ("whole-failed", RateLimitError, "rate limit reached: Too fast"),
])  # fmt: skip
def test_a_status_without_an_answer_is_named(server, read, model, kind, words):
    with pytest.raises(kind) as caught:
        read(server, model)
    assert words in str(caught.value) and "429" not in str(caught.value)
