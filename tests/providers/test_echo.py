"""The echo backend honours what a model honours, and fails when told to."""

from __future__ import annotations

import json

import pytest

import fmnb as fm
from fmnb.core import event_loop
from fmnb.core.errors import FmnbError, RateLimitError, UsageError
from fmnb.core.events import build_response
from fmnb.core.types import Message, Request, ToolResult, message
from fmnb.providers import echo


def run(name="", text="Hello  big\nworld", messages=None, **options):
    """The answer as far as it came, and the error it ended in."""
    backend = echo.backend(name) if isinstance(name, str) else name
    events, error = [], None
    try:
        for event in event_loop.iterate_sync(backend.stream(Request("echo:", messages or (message("user", text),), **options))):
            events.append(event)
    except Exception as e:
        error = e
    return build_response(events), error


def test_it_repeats_the_last_user_message_as_it_stands():
    got, _ = run(messages=(message("user", "first"), message("assistant", "x"), message("user", " last  one\n")))
    assert got.text == " last  one\n" and got.cost == 0.0


def test_max_tokens_counts_words():
    got, _ = run(max_tokens=2)
    assert (got.text, got.finish_reason, got.usage.output_tokens) == ("Hello  big", "length", 2)


def test_stop_ends_the_answer_before_the_word():
    assert run(stop=("none", "wor"))[0].text == "Hello  big\n"


def test_what_it_has_no_use_for_is_not_applied():
    assert run(quant="int8", dtype="float16")[0].not_applied == ("quant", "dtype")


def test_think_reasons_first():
    got, _ = run("think")
    assert got.reasoning and got.text == "Hello  big\nworld" and got.usage.reasoning_tokens == len(got.reasoning.split())


def test_logprobs_cover_every_word():
    assert [t["token"] for t in run(logprobs=1)[0].logprobs] == ["Hello", "  big", "\nworld"]


def test_huge_gives_that_many_words():
    assert len(run("huge=1000")[0].text.split()) == 1000


def test_hostile_text_is_sent_as_it_is():
    assert run("hostile")[0].text == echo.HOSTILE


TOOL = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}


def test_tool_calls_the_first_tool_and_then_repeats_the_result():
    got, _ = run("tool", "Bern please", tools=(TOOL,))
    assert got.finish_reason == "tool_calls" and got.tool_calls[0].name == "weather"
    assert json.loads(got.tool_calls[0].arguments) == {"city": "Bern"}
    again, _ = run(
        "tool", messages=(*got.messages, message("user", "q"), Message("tool", (ToolResult("call_echo", "rainy"),))), tools=(TOOL,)
    )
    assert again.text == "rainy" and not again.tool_calls


SCHEMAS = [
    {
        "type": "object",
        "properties": {"a": {"type": "string", "minLength": 9}, "n": {"type": "integer", "minimum": 3}},
        "required": ["a", "n"],
    },
    {"type": "array", "items": {"enum": ["x", "y"]}, "minItems": 3},
    {
        "$ref": "#/$defs/node",
        "$defs": {"node": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}}},
    },
    {"type": ["null", "number"], "exclusiveMinimum": 1, "maximum": 2},
    {"allOf": [{"type": "object", "properties": {"a": {"const": 1}}}, {"properties": {"b": {"type": "boolean"}}}], "required": ["a", "b"]},
    {"type": "object", "properties": {"d": {"type": "string", "format": "date"}, "k": {"type": "integer", "maximum": -4}}},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=range(len(SCHEMAS)))
def test_a_schema_gets_a_value_that_satisfies_it(schema):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(json.loads(run(schema=schema)[0].text), schema)


@pytest.mark.parametrize("name", [n for n in echo.FAILURES if n != "bug"])
def test_each_named_failure_is_a_named_error(name):
    got, error = run(f"fail={name}", "one two three four")
    assert isinstance(error, FmnbError) and error.message and error.detail and error.hint
    assert got.text == ("one two" if name in echo._HALFWAY else "")


def test_a_bug_is_no_fmnb_error():
    assert type(run("fail=bug")[1]) is RuntimeError


def test_it_can_fail_a_number_of_times_and_then_answer():
    backend = echo.backend("fail=rate_limit,times=2,wait=0.5")
    errors = [run(backend)[1] for _ in range(3)]
    assert [type(e) for e in errors] == [RateLimitError, RateLimitError, type(None)]
    assert errors[0].retry_after == 0.5


def test_nothing_to_repeat_is_an_empty_answer():
    assert type(run(text="  ")[1]).__name__ == "EmptyAnswerError"


@pytest.mark.parametrize("name, near", [("fail=ct", "cut"), ("slw=3", "slow"), ("slow=fast", "slow=20"), ("slow=0", "hang")])
def test_a_wrong_option_names_the_right_one(name, near):
    with pytest.raises(UsageError, match=near):
        echo.backend(name)


def test_the_documented_failures_are_the_real_ones():
    for name in ("cut", "rate_limit"):
        assert f"fail={name}" in echo.__doc__ and name in echo.FAILURES


def test_a_raw_parameter_is_not_applied():
    assert fm.ask("hello", "echo:", params={"foo": 1}).not_applied == ("foo",)
