"""An answer ends before its first stop string, however its text comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnb.core.errors import ServerError
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import Finished, Notice, TextDelta, ToolCallDelta, UsageReported, build_response
from fmnb.core.stop_text import StopText, cut_at_stop, without_stop
from fmnb.core.types import Usage


@given(st.lists(st.text("abc", max_size=4), max_size=12), st.lists(st.text("abc", min_size=1, max_size=4), max_size=3))
def test_any_split_gives_the_text_before_the_first_stop_string(pieces, stops):
    text = StopText(stops)
    shown = "".join(text.add(p) for p in pieces) + text.rest()
    whole = "".join(pieces)
    ends = [at for s in stops if (at := whole.find(s)) >= 0]
    # of two stop strings that overlap, the one that is complete first ends the answer
    assert whole.startswith(shown) and text.stopped == bool(ends)
    assert shown == whole if not ends else not any(s in shown for s in stops) and len(shown) >= min(ends)


def said(*pieces, reason="stop"):
    return [*(TextDelta(text=p) for p in pieces), UsageReported(usage=Usage(3, 9)), Finished(reason=reason, model="m")]


def cut(events, *stops):
    async def stream():
        for event in events:
            yield event

    found = list(iterate_sync(cut_at_stop(stream(), stops)))
    assert found == without_stop(events, stops)
    return found


def test_what_a_service_generates_behind_the_stop_string_is_cut_and_its_usage_kept():
    answer = build_response(cut(said("one\n", "\nQ", ": two", " three", reason="length"), "\nQ:"))
    assert answer.text == "one\n" and answer.finish_reason == "stop" and answer.usage.output_tokens == 9


def test_the_beginning_of_a_stop_string_that_does_not_come_is_shown_before_the_end():
    events = cut(said("one EN"), "END")
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["one ", "EN"] and isinstance(events[-1], Finished)
    calls = cut([TextDelta(text="so EN"), ToolCallDelta(index=0, name="f"), Finished(reason="tool_calls")], "END")
    assert [type(e) for e in calls] == [TextDelta, TextDelta, ToolCallDelta, Finished] and calls[-1].reason == "tool_calls"


def test_an_answer_of_a_model_that_does_not_apply_the_option_is_left_as_it_is():
    events = [Notice(kind="not_applied", text="stop"), *said("one END two")]
    assert cut(events, "END") == events


def test_a_broken_stream_keeps_what_was_held_back():
    async def broken():
        yield TextDelta(text="one EN")
        raise ServerError("it broke")

    found = []
    with pytest.raises(ServerError):
        for event in iterate_sync(cut_at_stop(broken(), ["END"])):
            found.append(event)
    assert "".join(e.text for e in found) == "one EN"
