"""Events: their JSON form, folding, sinks. `golden/events.jsonl` has one line of every kind and is shared with the front end's tests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fmnb.core.events import (
    KINDS,
    Cancelled,
    EventStamper,
    Failed,
    Feedback,
    Finished,
    Logprobs,
    Media,
    Notice,
    Progress,
    ReasoningDelta,
    ResponseBuilder,
    Restarted,
    Scored,
    Started,
    TextDelta,
    ToolCallDelta,
    UsageReported,
    Waiting,
    build_response,
    emit,
    event_from_dict,
    event_to_json,
)
from fmnb.core.types import Image, Message, Request, Text, ToolCall, Usage, message

GOLDEN = Path(__file__).parents[1] / "golden/events.jsonl"
STAMP = {"run": "1m878w32bmc57f", "at": 1750000000.25}


def every_kind():
    """One event of each kind, every field away from its default."""
    request = Request(
        "openai:gpt-5-mini",
        (message("system", "Be brief."), Message("user", (Text("What is this? 世界"), Image(b"\x89PNG", "image/png", "a plot")))),
        temperature=0.5,
        max_tokens=100,
        seed=7,
        stop=("END",),
        schema={"type": "object"},
        tools=({"name": "weather"},),
        logprobs=2,
        extra={"top_p": 0.9},
        sample=1,
        format="json",
    )
    return [
        Started(kind="call", model="openai:gpt-5-mini", host="api.openai.com", parent="p", request=request, meta={"asked": "fast"}),
        TextDelta(text="Grüße 🎉\n"),
        ReasoningDelta(text="hm", extra={"signature": "s"}),
        Media(data=b"\x89PNG\x00", media_type="image/png", alt="a cat", name="cat.png"),
        ToolCallDelta(index=0, id="call_1", name="weather", arguments='{"city": ', extra={"x": 1}),
        Logprobs(tokens=({"token": "Hi", "logprob": -0.5, "top": [["Hi", -0.5], ["Yo", -1.5]]},)),
        Progress(stage="download", done=1, total=2.0, unit="bytes", note="half"),
        Waiting(reason="rate limit", seconds=1.5, attempt=2),
        Notice(kind="not_applied", text="seed"),
        Restarted(reason="no JSON"),
        UsageReported(usage=Usage(10, 5, 2, 1, 0.0125)),
        Feedback(kind="vote", value={"said": "win", "winner": "r1", "runs": ["r1", "r2"]}, user="ada", text="clearer", retracts=3),
        Scored(
            answer="r1", scorer="exact", value=1.0, row=3, model="a", sample=1, parsed="4", explanation="so", error="no", confidence=0.9
        ),
        Finished(reason="stop", model="gpt-5-mini-2025", source="replayed", data={"a": [1, None]}, extra={"k": "v"}),
        Failed(error={"kind": "ServerError", "message": "It failed", "detail": "500", "hint": "Try again.", "billed": True}),
        Cancelled(reason="stopped"),
    ]


def stamped():
    return [replace(e, n=n, **STAMP) for n, e in enumerate(every_kind(), 1)]


def test_every_kind_has_its_line_in_the_golden_file():
    """After a deliberate change: write `[event_to_json(e) for e in stamped()]` there, and look at the difference."""
    assert GOLDEN.read_text("utf-8").splitlines() == [event_to_json(e) for e in stamped()]
    assert {e.event for e in stamped()} == set(KINDS)


def test_the_golden_file_reads_back_as_the_same_events():
    assert [event_from_dict(json.loads(line)) for line in GOLDEN.read_text("utf-8").splitlines()] == stamped()


def test_a_kind_or_a_field_of_a_newer_version_is_passed_over():
    assert event_from_dict({"event": "Hologram", "run": "r", "n": 3}) is None
    assert event_from_dict({"event": "TextDelta", "text": "a", "colour": "red"}) == TextDelta(text="a")


def test_events_are_numbered_from_one():
    stamp = EventStamper("r")
    assert [stamp(e).n for e in every_kind()] == list(range(1, len(KINDS) + 1))


def test_text_reasoning_usage_and_tools_add_up():
    r = build_response(
        [
            Started(run="r", n=1, at=10.0, model="m", host="local"),
            ReasoningDelta(text="h", at=10.5),
            ReasoningDelta(text="m", extra={"signature": "s"}, at=10.6),
            TextDelta(text="a", at=11.0),
            ToolCallDelta(index=1, id="b", name="two", at=11.1),
            ToolCallDelta(index=0, id="a", name="one", arguments="{", at=11.2),
            ToolCallDelta(index=0, arguments="}", at=11.3),
            UsageReported(usage=Usage(1, 2), at=11.4),
            UsageReported(usage=Usage(1, None, cost=0.5), at=11.5),
            Finished(reason="tool_calls", model="m2", at=12.0),
        ]
    )
    assert (r.text, r.reasoning, r.extra, r.usage) == ("a", "hm", {"signature": "s"}, Usage(2, 2, cost=0.5))
    assert r.tool_calls == (ToolCall("a", "one", "{}"), ToolCall("b", "two", ""))
    assert (r.requested_model, r.model, r.seconds, r.first_token_seconds, r.finish_reason) == ("m", "m2", 2.0, 1.0, "tool_calls")


def test_a_restart_drops_the_answer_and_keeps_the_bill():
    r = build_response(
        [TextDelta(text="bad"), ReasoningDelta(text="x"), UsageReported(usage=Usage(3, 3)), Restarted(reason="no"), TextDelta(text="good")]
    )
    assert (r.text, r.reasoning, r.usage) == ("good", "", Usage(3, 3))


def test_the_same_notice_is_kept_once():
    r = build_response([Notice(kind="note", text="a")] * 2 + [Notice(kind="not_applied", text="seed")] * 2)
    assert r.notes == ("a",) and r.not_applied == ("seed",)


def test_a_fold_may_be_looked_at_any_moment_and_ends_the_same():
    looked = ResponseBuilder()
    for event in stamped():
        looked.add(event)
        looked.response()
    assert looked.response() == build_response(stamped())


@pytest.mark.parametrize(
    "end, finish", [(Cancelled(), "cancelled"), (Failed(error={"message": "x"}), "error"), (Finished(), "stop"), (None, "")]
)
def test_how_a_run_ended_is_told(end, finish):
    assert build_response([TextDelta(text="a"), *([end] if end else [])]).finish_reason == finish


def test_a_sink_that_fails_is_switched_off_with_one_warning_and_the_others_go_on():
    heard = []

    def broken(event):
        raise ValueError("no")

    sinks = [broken, heard.append]
    with pytest.warns(UserWarning, match="stopped listening: ValueError: no") as said:
        for event in every_kind():
            emit(event, sinks)
    assert len(said) == 1 and len(heard) == len(KINDS)
