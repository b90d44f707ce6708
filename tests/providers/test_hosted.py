"""The adapter: what goes on the wire, and what each service's way of answering becomes."""

from __future__ import annotations

import dataclasses
import json

import pytest

import fmnb as fm
from fmnb.batch.run import batch
from fmnb.core import event_loop
from fmnb.core.errors import BadRequestError, LockedError, UsageError
from fmnb.core.events import Notice, Waiting, build_response
from fmnb.core.response import Response
from fmnb.core.types import File, Image, Message, Request, Text, ToolCall, ToolResult, message
from fmnb.providers import hosted, send
from fmnb.providers.profiles import Profile, profile
from fmnb.providers.wire import base as wire
from fmnb.providers.wire import chat_completions
from tests.admin_config import use_admin_folder
from tests.contract.backends import loopback
from tests.wire.server import Server


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture(autouse=True)
def forget_refusals():
    send.forget_refused_options()


def answer(server, model, *, name="vllm", messages=None, **options):
    backend = hosted.backend(loopback(name, server.url), model)
    return build_response(event_loop.iterate_sync(backend.stream(Request(model, messages or (message("user", "hello"),), **options))))


SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": False}


def test_a_plain_answer_names_the_model_that_answered_and_its_usage(server):
    got = answer(server, "plain")
    assert (got.text, got.model, got.finish_reason) == ("Hello world!", "m-answered", "stop")
    assert (got.usage.input_tokens, got.usage.output_tokens, got.cost) == (7, 5, 0.0)


@pytest.mark.parametrize("model", ["reasoning-content", "reasoning", "list-content", "think-whole"])
def test_reasoning_comes_apart_from_the_answer(server, model):
    got = answer(server, model)
    assert got.text == "yes" and got.reasoning.startswith("hm")


def test_think_tags_split_over_chunks_are_found_and_later_ones_left_alone(server):
    got = answer(server, "think-tags")
    assert got.reasoning == "hm </this is no tag " and got.text == "yes <think>ing</think> aloud"


def test_text_that_only_begins_like_a_tag_is_kept(server):
    assert answer(server, "almost-think").text == "<this is a tag>"


def test_reasoning_details_come_back_to_be_sent_again(server):
    got = answer(server, "reasoning")
    again = got.messages[-1]
    sent = chat_completions.messages(profile("vllm"), (again,))
    assert sent[0]["reasoning_details"] == [{"type": "r", "text": "hm", "signature": "s"}] and sent[0]["content"] == "yes"
    assert chat_completions.messages(profile("groq"), (again,)) == [{"role": "assistant", "content": "yes"}]


@pytest.mark.parametrize(
    ("name", "model", "field"), [("zai", "reasoning-content", "reasoning_content"), ("cerebras", "reasoning", "reasoning")]
)
def test_reasoning_goes_back_to_the_services_that_expect_it_and_to_no_other(server, name, model, field, monkeypatch):
    monkeypatch.setenv(f"{name.upper()}_API_KEY", "k-1234")
    got = answer(server, model, name=name)
    (sent,) = chat_completions.messages(profile(name), (got.messages[-1],))
    assert sent[field] == got.reasoning and sent["content"] == "yes"
    assert field not in chat_completions.messages(profile("groq"), (got.messages[-1],))[0]
    assert field not in chat_completions.messages(profile("vllm"), (answer(server, model).messages[-1],))[0]


def test_what_local_engines_say_of_an_answer_is_not_sent_to_a_service():
    got = Response("yes", reasoning="hm", extra={"tokens_per_second": 9.0})
    assert chat_completions.messages(profile("vllm"), got.messages) == [{"role": "assistant", "content": "yes"}]


def test_thought_signatures_and_invented_ids_go_back_to_gemini(server, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "loopback-test-key")
    got = answer(server, "gemini-tools", name="gemini")
    call = got.tool_calls[0]
    answer(server, "plain", name="gemini", messages=(*got.messages, Message("tool", (ToolResult(call.id, "rainy"),))))
    asked, result = server.requests[-1].body["messages"][-2:]
    assert asked["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "of-the-call"}}
    assert asked["extra_content"] == {"google": {"thought_signature": "of-the-text"}}
    assert asked["tool_calls"][0]["id"] == result["tool_call_id"] != ""


@pytest.mark.parametrize("model", ["cached-at-the-top", "cached-deepseek", "cached-mistral", "cached-in-details"])
def test_cached_tokens_are_found_where_the_service_puts_them(server, model):
    assert answer(server, model).usage.cached_tokens == 4


def test_a_picture_the_model_made_goes_back_as_words():
    made = Message("assistant", (Text("Here: "), Image(b"png", "image/png", "a red cat")))
    assert chat_completions.messages(profile("openai"), (made,)) == [{"role": "assistant", "content": "Here: [a red cat]"}]


def test_how_weights_are_loaded_elsewhere_is_not_ours_to_say(server):
    assert answer(server, "plain", quant="int8", dtype="float16").not_applied == ("quant", "dtype")


def test_tool_calls_are_put_together_and_get_an_id_where_none_was_given(server):
    first, second = answer(server, "tools").tool_calls
    assert (first.id, first.name, json.loads(first.arguments)) == ("call_1", "weather", {"city": "Bern"})
    assert second.id.startswith("call_") and second.name == "time"
    assert second.extra == {"extra_content": {"google": {"thought_signature": "x"}}}


def test_tool_calls_without_numbers_are_told_apart(server):
    got = answer(server, "tools-unnumbered")
    assert [(c.name, c.arguments) for c in got.tool_calls] == [("a", "{}"), ("b", '{"x": 1}')]
    assert len({c.id for c in got.tool_calls}) == 2 and got.finish_reason == "tool_calls"


def test_logprobs_arrive(server):
    assert answer(server, "logprobs", logprobs=1).logprobs == ({"token": "Hi", "logprob": -0.5, "top": [["Yo", -1.5]]},)
    assert server.requests[-1].body["logprobs"] is True and server.requests[-1].body["top_logprobs"] == 1


def test_a_refusal_is_an_answer_with_a_note(server):
    got = answer(server, "refuses-politely")
    assert got.text == "I cannot help with that." and got.notes == ("the model declined to answer",)


@pytest.mark.parametrize("model", ["groq-usage", "choice-usage", "running-usage", "null-usage", "whole"])
def test_usage_is_found_where_the_service_puts_it_and_counted_once(server, model):
    usage = answer(server, model).usage
    assert (usage.input_tokens, usage.output_tokens) == (7, 5)


def test_the_price_on_the_wire_is_the_cost(server):
    usage = answer(server, "priced").usage
    assert (usage.cost, usage.cached_tokens, usage.reasoning_tokens) == (0.0125, 3, 2)


def test_length_is_the_reason_when_the_allowance_ran_out(server):
    assert answer(server, "length").finish_reason == "length"


def test_options_go_on_the_wire_under_the_names_of_the_standard(server):
    answer(server, "plain", temperature=0.5, max_tokens=9, seed=3, stop=("END",), extra={"top_p": 0.9})
    body = server.requests[-1].body
    assert {k: body[k] for k in ("temperature", "max_tokens", "seed", "stop", "top_p", "stream")} == {
        "temperature": 0.5,
        "max_tokens": 9,
        "seed": 3,
        "stop": ["END"],
        "top_p": 0.9,
        "stream": True,
    }
    assert body["stream_options"] == {"include_usage": True}


def test_a_profile_names_its_own_field_for_the_length(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "loopback-test-key")
    answer(server, "plain", name="openai", max_tokens=9)
    body = server.requests[-1].body
    assert body["max_completion_tokens"] == 9 and "max_tokens" not in body
    assert server.requests[-1].headers["authorization"] == "Bearer loopback-test-key"


def test_azure_sends_its_key_in_a_header_of_its_own(server, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_BASE_URL", "https://loopback.invalid/v1")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "loopback-test-key")
    answer(server, "plain", name="azure")
    headers = server.requests[-1].headers
    assert headers["api-key"] == "loopback-test-key" and "authorization" not in headers


def test_azures_dated_address_reaches_the_deployment(server, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url.removesuffix("/v1"))
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "loopback-test-key")
    got = build_response(event_loop.iterate_sync(hosted.backend(profile("azure"), "plain").stream(Request("m", (message("user", "hi"),)))))
    assert got.text == "Hello world!"
    assert server.requests[-1].path == "/openai/deployments/plain/chat/completions?api-version=2024-10-21"
    assert server.requests[-1].headers["api-key"] == "loopback-test-key"


def test_an_interface_the_service_does_not_have_sends_nothing(server):
    before = len(server.requests)
    with pytest.raises(UsageError, match="--api responses"):
        answer(server, "plain", name="lmstudio", api="responses")
    assert len(server.requests) == before


def test_a_local_server_without_a_key_gets_no_authorization(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-others")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-not-for-others")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: token-not-for-others")
    monkeypatch.setenv("VLLM_API_KEY", "vllm-key")
    answer(server, "plain")
    assert server.requests[-1].headers["authorization"] == "Bearer vllm-key"
    monkeypatch.delenv("VLLM_API_KEY")
    hosted.client._clients.clear()
    answer(server, "plain")
    headers = server.requests[-1].headers
    assert "authorization" not in headers
    assert not any("not-for-others" in v for v in headers.values())


def test_no_description_of_this_machine_is_sent(server):
    answer(server, "plain")
    headers = server.requests[-1].headers
    assert not [h for h in headers if h.startswith("x-stainless")] and headers["user-agent"] == "fmnb"


def test_a_service_that_refuses_stream_options_is_not_asked_for_them(server, monkeypatch):
    monkeypatch.setenv("COHERE_API_KEY", "loopback-test-key")
    answer(server, "plain", name="cohere", api="chat")
    assert "stream_options" not in server.requests[-1].body


@pytest.mark.parametrize("model, options, lost", [
    ("no-temperature", {"temperature": 0.0}, ("temperature",)),
    ("no-seed-named-in-words", {"seed": 1}, ("seed",)),
    ("no-stream-options", {}, ()),
    ("no-max-tokens", {"max_tokens": 5}, ()),
])  # fmt: skip
def test_an_option_the_service_refuses_is_left_out_and_said_so(server, model, options, lost):
    before = len(server.requests)
    got = answer(server, model, **options)
    assert got.text == "Hello" and got.not_applied == lost
    assert len(server.requests) == before + 2


def test_what_was_refused_once_is_not_asked_again_but_said_again(server):
    answer(server, "no-temperature", temperature=0.0)
    before = len(server.requests)
    assert answer(server, "no-temperature", temperature=0.0).not_applied == ("temperature",)
    assert len(server.requests) == before + 1


def test_a_temperature_that_was_refused_makes_nothing_certain(server):
    backend = hosted.backend(loopback("vllm", server.url), "no-temperature")
    assert backend.deterministic(Request("m", (), temperature=0))
    answer(server, "no-temperature", temperature=0.0)
    assert not backend.deterministic(Request("m", (), temperature=0)) and backend.deterministic(Request("m", (), temperature=0, seed=1))


def test_max_tokens_takes_its_other_name_when_the_first_is_refused(server):
    answer(server, "no-max-tokens", max_tokens=5)
    assert server.requests[-1].body["max_completion_tokens"] == 5


def test_a_schema_is_enforced_by_the_service_where_it_can(server):
    got = answer(server, "obey", schema=SCHEMA)
    sent = server.requests[-1].body["response_format"]
    assert sent["type"] == "json_schema" and sent["json_schema"]["strict"] is True and sent["json_schema"]["schema"] == SCHEMA
    assert json.loads(got.text)["name"] == "Ada" and not got.not_applied


def test_an_open_schema_is_not_sent_as_strict(server):
    answer(server, "obey", schema={"type": "object", "properties": {"a": {"type": "string"}}})
    assert server.requests[-1].body["response_format"]["json_schema"]["strict"] is False


@pytest.mark.parametrize("model, left", [("no-json-schema", {"type": "json_object"}), ("no-response-format", None)])
def test_a_schema_the_service_refuses_is_asked_for_in_words(server, model, left):
    got = answer(server, model, schema=SCHEMA)
    body = server.requests[-1].body
    assert json.loads(got.text)["name"] == "Ada" and got.not_applied == (wire.SCHEMA_OPTION,)
    assert body.get("response_format") == left
    assert json.dumps(SCHEMA) in body["messages"][0]["content"] and body["messages"][0]["role"] == "system"
    assert json.dumps(body["messages"]).count("JSON schema") == 1


def test_a_schema_for_a_list_is_asked_for_in_words(server):
    got = answer(server, "obey", schema={"type": "array", "items": SCHEMA})
    assert "response_format" not in server.requests[-1].body and got.not_applied == (wire.SCHEMA_OPTION,)


def test_options_a_service_would_ignore_are_named(server, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "loopback-test-key")
    got = answer(server, "obey", name="anthropic", api="chat", seed=1, schema=SCHEMA)
    assert set(got.not_applied) == {"seed", wire.SCHEMA_OPTION} and "seed" not in server.requests[-1].body


def test_leading_system_messages_become_one():
    given = (message("system", "a"), message("system", "b"), message("user", "c"))
    assert chat_completions.messages(Profile("p"), given) == [{"role": "system", "content": "a\n\nb"}, {"role": "user", "content": "c"}]


def test_images_travel_inside_the_request():
    sent = chat_completions.messages(Profile("p"), (Message("user", (Text("what?"), Image(b"png", "image/png"))),))
    assert sent[0]["content"][1] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}}


def test_a_service_that_cannot_see_says_so_before_anything_is_sent(server, monkeypatch):
    monkeypatch.setenv("CEREBRAS_API_KEY", "loopback-test-key")
    before = len(server.requests)
    with pytest.raises(BadRequestError, match="does not accept images"):
        answer(server, "plain", name="cerebras", messages=(Message("user", (Image(b"png"),)),))
    assert len(server.requests) == before


def test_a_document_goes_to_services_that_read_them_and_is_refused_elsewhere():
    given = (Message("user", (File(b"%PDF", "application/pdf", "a.pdf"),)),)
    sent = chat_completions.messages(profile("openai"), given)
    assert sent[0]["content"][0]["file"] == {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}
    with pytest.raises(BadRequestError, match="does not accept documents"):
        chat_completions.messages(profile("vllm"), given)


def test_tool_turns_go_back_with_what_only_the_service_understands():
    call = ToolCall("c1", "f", "", {"extra_content": {"s": 1}})
    sent = chat_completions.messages(
        Profile("p"), (Message("assistant", (call,)), Message("tool", (ToolResult("c1", "42"), ToolResult("c2", "43"))))
    )
    assert sent[0] == {
        "role": "assistant",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": {"s": 1}}],
        "content": None,
    }
    assert [m["tool_call_id"] for m in sent[1:]] == ["c1", "c2"]


def test_half_a_surrogate_pair_in_the_prompt_does_no_harm(server):
    assert answer(server, "plain", messages=(message("user", "a\ud83d"),)).text == "Hello world!"


def test_the_server_lists_its_models(server):
    assert event_loop.run_sync(hosted.model_names(loopback("vllm", server.url))) == ["plain", "gpt-loopback", "gpt-loopback-mini"]


def test_a_service_that_lists_nothing_has_its_curated_models():
    assert "command-a-03-2025" in event_loop.run_sync(hosted.model_names(profile("cohere")))


def test_local_servers_are_found_on_their_addresses(server, monkeypatch):
    for variable in ("OLLAMA_BASE_URL", "LM_STUDIO_BASE_URL", "LLAMACPP_BASE_URL"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1/v1")
    monkeypatch.setenv("VLLM_BASE_URL", server.url)
    assert hosted.find_local(2.0) == {"vllm": ("plain", "gpt-loopback", "gpt-loopback-mini")}


def test_the_card_says_who_sees_the_request_and_what_it_costs(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    info = hosted.backend(profile("openai"), "gpt-5-mini").info
    assert (info.host, info.local) == ("api.openai.com", False) and info.price_in > 0 and info.context > 0
    assert "%fm key set openai" in info.missing
    monkeypatch.setenv("OPENAI_API_KEY", "loopback-test-key")
    assert hosted.backend(profile("openai"), "gpt-5-mini").info.missing == ""


def test_an_unknown_price_is_unknown_and_a_local_one_is_nothing():
    assert hosted.backend(profile("openai"), "no-such-model").info.price_in is None
    assert hosted.backend(profile("ollama"), "m").info.price_in == 0.0


def test_no_secret_is_in_a_repr(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real-key-of-the-user")
    backend = hosted.backend(profile("openai"), "m")
    assert "sk-real" not in repr(backend) + repr(hosted.find_key(profile("openai"))) + str(vars(backend))


def test_an_administrators_lock_on_addresses_holds(tmp_path, monkeypatch):
    (tmp_path / "fmnb.toml").write_text('[lock]\nurls = ["https://gateway.example/*"]\n')
    use_admin_folder(monkeypatch, tmp_path)
    with pytest.raises(LockedError):
        hosted.backend(profile("openai"), "m")


def test_not_applied_comes_before_the_first_text(server):
    backend = hosted.backend(loopback("vllm", server.url), "no-temperature")
    events = list(event_loop.iterate_sync(backend.stream(Request("m", (message("user", "hi"),), temperature=0.0))))
    assert isinstance(events[0], Notice)


def test_an_address_may_end_in_a_slash(server):
    p = dataclasses.replace(loopback("vllm", server.url), base_url=server.url + "/")
    assert (
        build_response(event_loop.iterate_sync(hosted.backend(p, "plain").stream(Request("m", (message("user", "hi"),))))).text
        == "Hello world!"
    )


def test_a_hosted_answer_through_a_proxy_has_its_price(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
    monkeypatch.setenv("NO_PROXY", "")
    service = Profile("mine", base_url="http://models.invalid/v1", needs_key=False, prices="openai")
    got = build_response(event_loop.iterate_sync(hosted.backend(service, "gpt-5-mini").stream(Request("m", (message("user", "hi"),)))))
    assert server.requests[-1].path == "http://models.invalid/v1/chat/completions"
    assert got.text == "Hello" and 0 < got.cost < 0.001 and got.model == "gpt-5-mini-2025-08-07"


def test_a_container_that_starts_is_a_wait_with_its_reason(server, monkeypatch):
    """Modal, Beam and the like: minutes may pass before the first byte, and the cell says why."""
    monkeypatch.setattr(hosted, "_EXPLAIN_AFTER", 0.05)
    monkeypatch.setenv("MODAL_BASE_URL", server.url)
    events = list(
        event_loop.iterate_sync(hosted.backend(loopback("modal", server.url), "slow-headers").stream(Request("m", (message("user", "x"),))))
    )
    waits = [e.reason for e in events if isinstance(e, Waiting)]
    assert len(waits) > 1 and all(w.startswith("Modal starts a container for the first request") for w in waits)
    assert build_response(events).text == "Hello"


def test_stopping_a_call_that_waits_for_a_container_closes_its_socket(server, monkeypatch):
    monkeypatch.setattr(hosted, "_EXPLAIN_AFTER", 0.05)
    monkeypatch.setenv("MODAL_BASE_URL", server.url)
    before = server.aborted
    items = event_loop.iterate_sync(hosted.backend(loopback("modal", server.url), "silent").stream(Request("m", (message("user", "x"),))))
    assert isinstance(next(items), Waiting)
    items.close()
    assert server.wait_for_abort(before + 1)


def test_secret_headers_go_where_a_key_may_go_and_nowhere_else(server, monkeypatch):
    monkeypatch.setenv("MODAL_PROXY_TOKEN_ID", "wk-1")
    monkeypatch.setenv("MODAL_PROXY_TOKEN_SECRET", "ws-2")
    monkeypatch.setenv("MODAL_BASE_URL", server.url)
    at = loopback("modal", server.url)
    build_response(event_loop.iterate_sync(hosted.backend(at, "plain").stream(Request("m", (message("user", "x"),)))))
    assert (server.requests[-1].headers["modal-key"], server.requests[-1].headers["modal-secret"]) == ("wk-1", "ws-2")
    elsewhere = dataclasses.replace(at, key_hosts=("*.modal.run",))
    build_response(event_loop.iterate_sync(hosted.backend(elsewhere, "plain").stream(Request("m", (message("user", "x"),)))))
    assert "modal-key" not in server.requests[-1].headers and "ws-2" not in str(server.requests[-1].headers)


def whole(server, model, **options):
    backend = hosted.backend(loopback("vllm", server.url), model)
    return build_response(event_loop.run_sync(backend.complete(Request(model, (message("user", "hello"),), **options))).events)


@pytest.mark.parametrize("read, model", [(answer, "function-call"), (answer, "whole-function-call"), (whole, "whole-function-call")])
def test_a_tool_called_in_the_old_form_is_read(server, read, model):
    got = read(server, model)
    (call,) = got.tool_calls
    assert (call.name, call.arguments, got.finish_reason) == ("weather", '{"city": "Bern"}', "tool_calls") and call.id


@pytest.mark.parametrize("read, model", [(answer, "two-answers"), (answer, "two-whole-answers"), (whole, "two-whole-answers")])
def test_of_several_answers_one_is_read(server, read, model):
    assert read(server, model).text in ("Hello", "Bye")


@pytest.mark.parametrize(
    "params", [{"n": 2}, {"best_of": 3}, {"extra_body": {"n": 4}}, {"n": "2"}, {"generation_config": {"candidateCount": 2}}]
)
def test_several_answers_are_asked_for_by_samples(server, monkeypatch, params):
    monkeypatch.setenv("VLLM_BASE_URL", server.url)
    before = len(server.requests)
    for ask in (lambda: fm.ask("hi", "vllm:plain", params=params), lambda: batch("Say {{ w }}", [{"w": 1}], "vllm:plain", params=params)):
        with pytest.raises(UsageError, match="--samples"):
            ask()
    with pytest.raises(UsageError, match="--samples"):
        answer(server, "plain", extra=params)
    assert len(server.requests) == before
    assert fm.ask("hi", "vllm:plain", params={"n": 1}).text == "Hello world!"


def test_an_unreadable_part_of_a_complete_stream_is_a_note(server):
    got = answer(server, "junk-between")
    assert got.text == "Hello" and got.finish_reason == "stop"
    assert [n for n in got.notes if "unreadable" in n] and not [n for n in answer(server, "plain").notes if "unreadable" in n]
