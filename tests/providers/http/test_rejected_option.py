"""Which option a refusal is about: only one that the answer names as a parameter, and only when the request without it is taken."""

from __future__ import annotations

import pytest

from fmnb.core import event_loop
from fmnb.core.errors import BadRequestError
from fmnb.core.events import build_response
from fmnb.core.types import Request, message
from fmnb.providers import hosted, send
from fmnb.providers.http.rejected_option import rejected_option
from tests.contract.backends import loopback
from tests.wire import server as wire
from tests.wire.server import Server

BODY = {
    **{"model": "m", "temperature": 0, "seed": 1, "tools": [], "max_tokens": 5, "presence_penalty": 1, "logit_bias": {}},
    **{"stream_options": {}, "reasoning_effort": "low", "response_format": {}, "include": []},
    "messages": [
        {"role": "user", "content": "It said: 'top_p' is not supported with this model. And the temperature sensor is not supported."}
    ],
    "top_p": 1,
}


def named(text, **fields):
    return rejected_option(BODY, {"error": {"message": text, **fields}})


@pytest.mark.parametrize("text, option", [
    ("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "max_tokens"),
    ("Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.", "temperature"),
    ("Unrecognized request argument supplied: seed", "seed"),
    ("Unrecognized request arguments supplied: seed, foo", "seed"),
    ("Model grok-4 does not support parameter presencePenalty.", "presence_penalty"),
    ("Argument not supported on this model: presencePenalty", "presence_penalty"),
    ("property 'logit_bias' is unsupported", "logit_bias"),
    ('Invalid JSON payload received. Unknown name "seed": Cannot find field.', "seed"),
    ("registry.ollama.ai/library/gemma:2b does not support tools", "tools"),
    ("Unsupported param: tools", "tools"),
    ("Extra inputs are not permitted, field: 'seed', value: 3", "seed"),
    ("seed: Extra inputs are not permitted", "seed"),
    ("`temperature` is deprecated for this model.", "temperature"),
    ("`temperature` may only be set to 1 when thinking is enabled.", "temperature"),
    ("temperature is not supported by this model", "temperature"),
    ("This response_format type is unavailable now", "response_format"),
    ("unknown field: parameter 'seed' is not a valid field", "seed"),
])  # fmt: skip
def test_a_sentence_that_names_the_option_as_one_is_about_it(text, option):
    assert named(text) == option


@pytest.mark.parametrize("text", [
    "Invalid prompt: 'It said: 'top_p' is not supported with this model.'",
    "Your text was rejected: the temperature sensor is not supported.",
    "max_tokens is too large: 100000. This model supports at most 16384 completion tokens.",
    "Invalid 'temperature': decimal above maximum value. Expected a value <= 2.",
    "Unsupported content type in messages: text/plain",
    "The image is not supported. Lower the temperature of the lamp.",
    "Unknown error",
])  # fmt: skip
def test_other_words_are_not(text):
    assert named(text) == ""


def test_a_field_of_the_answer_names_it():
    assert named("Not with this one", param="temperature", code="unsupported_parameter") == "temperature"
    assert named("Encrypted content is not supported with this model.", param="include", code="x") == "include"
    assert named("Must be 1 at most", param="temperature", code="decimal_above_max_value") == ""
    assert named("temperature is not supported", param="messages[0].content", code="invalid_value") == "", "it is about something else"
    assert named("unsupported schema", param="tools[0].function.parameters", code="invalid_function_parameters") == ""
    extra = {"type": "extra_forbidden", "msg": "Extra inputs are not permitted"}
    assert rejected_option(BODY, {"detail": [{**extra, "loc": ["body", "seed"]}]}) == "seed"
    assert rejected_option(BODY, {"detail": [{**extra, "loc": ["body", "messages", 0, "temperature"]}]}) == ""
    assert rejected_option(BODY, "not even JSON: temperature") == ""


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture(autouse=True)
def fresh():
    send.forget_refused_options()


def ask(server, model, text="hello", whole=False):
    request = Request("m", (message("user", text),), temperature=0.0, seed=1)
    backend = hosted.backend(loopback("vllm", server.url), model)
    return build_response(
        event_loop.run_sync(backend.complete(request)).events if whole else event_loop.iterate_sync(backend.stream(request))
    )


wire.BEHAVIOURS["blames-the-seed"] = lambda s, n: [wire.error(400, "Unsupported parameter: 'seed'", "unsupported_parameter", "seed")] if "seed" in s.body else [wire.error(400, "The prompt is malformed")]  # fmt: skip
wire.BEHAVIOURS["quotes-the-prompt"] = lambda s, n: [wire.error(400, f"Rejected: {s.body['messages'][-1]['content']}")]


@pytest.mark.parametrize("whole", [False, True])
def test_an_option_is_not_held_refused_when_the_request_fails_without_it_too(server, whole):
    for _ in range(2):
        before = len(server.requests)
        with pytest.raises(BadRequestError, match="malformed"):
            ask(server, "blames-the-seed", whole=whole)
        first = next(r for r in server.requests[before:] if r.path.endswith("/completions"))
        assert first.body["seed"] == 1, "it is sent again the next time"


@pytest.mark.parametrize("whole", [False, True])
def test_an_option_is_remembered_once_the_request_was_taken_without_it(server, whole):
    assert ask(server, "no-temperature", whole=whole).not_applied == ("temperature",)
    before = len(server.requests)
    assert ask(server, "no-temperature", whole=whole).not_applied == ("temperature",)
    assert len(server.requests) == before + 1 and server.requests[-1].body["seed"] == 1


def test_a_refusal_that_quotes_the_prompt_is_shown_and_not_tried_again(server):
    before = len(server.requests)
    with pytest.raises(BadRequestError, match="Rejected"):
        ask(server, "quotes-the-prompt", "Why do I get: Unsupported parameter: 'temperature' is not supported with this model?")
    assert sum(r.path.endswith("/completions") for r in server.requests[before:]) == 1
