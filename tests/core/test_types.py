"""Values: their JSON form, the key that decides an answer, copies."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

import fmnb as fm
from fmnb.core.errors import UsageError
from fmnb.core.response import Response
from fmnb.core.types import File, Image, Message, Reasoning, Request, Text, ToolCall, ToolResult, Usage, from_dict, message, to_dict

EVERYTHING = Message(
    "assistant",
    (
        Text("Grüße"),
        Image(bytes(range(256)), "image/jpeg", "a plot"),
        File(b"%PDF", "application/pdf", "a.pdf"),
        Reasoning("hm", {"signature": "s"}),
        ToolCall("1", "f", "{}", {"x": 1}),
        ToolResult("1", "out", True),
    ),
    {"y": 2},
)


def test_a_message_of_every_part_survives_json():
    assert from_dict(Message, json.loads(json.dumps(to_dict(EVERYTHING)))) == EVERYTHING


def test_a_part_of_a_newer_version_is_passed_over():
    assert from_dict(Message, {"role": "user", "parts": [{"type": "Smell", "of": "tea"}, {"type": "Text", "text": "hi"}]}) == message(
        "user", "hi"
    )


def test_a_request_survives_json_with_its_key():
    request = Request("m", (EVERYTHING,), 0.5, 10, 1, ("a", "b"), {"type": "object"}, ({"name": "t"},), 2, {"k": 1}, 3, "json")
    again = from_dict(Request, json.loads(json.dumps(to_dict(request))))
    assert again == request and again.fingerprint() == request.fingerprint()


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"messages": (message("user", "ho"),)},
        {"messages": (message("system", "hi"),)},
        {"temperature": 0.0},
        {"max_tokens": 1},
        {"seed": 0},
        {"stop": ("a",)},
        {"schema": {}},
        {"extra": {"a": None}},
        {"sample": 1},
        {"logprobs": 0},
        {"tools": ({},)},
    ],
)
def test_whatever_decides_the_answer_changes_the_key(change):
    base = {"model": "m", "messages": (message("user", "hi"),)}
    assert Request(**{**base, **change}).fingerprint() != Request(**base).fingerprint()


def test_how_an_answer_is_shown_does_not_change_the_key():
    assert Request("m", (message("user", "hi"),), format="html").fingerprint() == Request("m", (message("user", "hi"),)).fingerprint()


def test_usage_adds_what_is_known():
    assert Usage(1, None, cost=0.5) + Usage(2, 3) == Usage(3, 3, cost=0.5)
    assert (Usage() + Usage()).cost is None


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))], ids=["copy", "deepcopy", "pickle"])
def test_a_response_may_be_copied_and_pickled(again):
    r = fm.ask("Ann", "echo:think", schema="name, age int")
    assert again(r) == r and again(r).messages == r.messages


def test_an_answer_reads_as_its_text():
    r = fm.ask("hello", "echo:")
    assert str(r) == r.text == "hello" and "hello" in repr(r) and len(repr(Response("x" * 1000))) < 200
    assert [m.role for m in r.messages] == ["user", "assistant"]


def test_a_frame_of_one_object_and_of_many():
    pytest.importorskip("pandas")
    assert len(Response("", data={"a": 1}).df) == 1 and len(Response("", data=[{"a": 1}, {"a": 2}]).df) == 2
    assert list(Response("", data=[1, 2]).df["value"]) == [1, 2]
    with pytest.raises(UsageError, match="schema"):
        _ = Response("").df


def test_model_text_cannot_act_in_a_saved_answer():
    assert "<script" not in Response("<script>x</script>")._repr_markdown_()
