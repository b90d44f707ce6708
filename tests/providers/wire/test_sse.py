"""Bytes into events, however the network cuts them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fmnb.core.events import ReasoningDelta, TextDelta
from fmnb.providers.wire.chat_completions import ChatAnswer
from fmnb.providers.wire.sse import DONE, Frames, usage
from tests.wire import server as wire

STREAM = b"\xef\xbb\xbf" + b"".join(
    [
        b": comment\r\n\r\n",
        *wire.says("<think>h", "m</think>\n", "Grüße 世界 🎉 "),
        b"event: x\nid: 1\n" + wire.chunk({"content": "3.14"}),
        *wire.END,
    ]
)


def read(pieces):
    frames, answer, events, done = Frames(), ChatAnswer(), [], False
    for piece in pieces:
        for document in frames.feed(piece):
            if document is DONE:
                done = True
            else:
                events += answer.take(document)
    frames.end()
    events += answer.end()
    text = "".join(e.text for e in events if isinstance(e, TextDelta))
    thought = "".join(e.text for e in events if isinstance(e, ReasoningDelta))
    return text, thought, answer.reason, answer.usage, done, frames.unexpected


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_cuts_in_the_network_change_nothing(cuts):
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    assert read(pieces) == read([STREAM])


def test_the_whole_stream_is_read():
    text, thought, reason, used, done, junk = read([STREAM])
    assert (text, thought, reason, done, junk) == ("Grüße 世界 🎉 3.14", "hm", "stop", True, "")
    assert used.output_tokens == 5


@given(st.text(), st.lists(st.integers(0, 60), max_size=8))
def test_text_comes_out_as_it_went_in_unless_it_begins_with_a_tag(text, cuts):
    edges = [0, *sorted(min(c, len(text)) for c in cuts), len(text)]
    answer, events = ChatAnswer(), []
    for a, b in zip(edges, edges[1:], strict=False):
        events += answer.take({"choices": [{"delta": {"content": text[a:b]}}]})
    events += answer.end()
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == text


def test_an_event_over_several_data_lines_is_one_document():
    assert Frames().feed(b'data: {"a":\ndata: 1}\n\n') == [{"a": 1}]


def test_events_without_blank_lines_between_are_read_one_by_one():
    assert Frames().feed(b'data: {"a": 1}\ndata: {"a": 2}\n\n') == [{"a": 1}, {"a": 2}]


def test_what_is_no_document_is_remembered_as_junk():
    frames = Frames()
    assert frames.feed(b"data: [1, 2]\n\nHTTP 500\n") == []
    assert frames.unexpected == "[1, 2]"


def test_reasoning_that_never_closes_stays_reasoning():
    answer = ChatAnswer()
    events = answer.take({"choices": [{"delta": {"content": "<think>hm </thi"}}]}) + answer.end()
    assert [type(e) for e in events] == [ReasoningDelta, ReasoningDelta] and answer.characters == 0


def test_reasoning_counted_beside_the_answer_is_added_to_it():
    counted = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 35, "completion_tokens_details": {"reasoning_tokens": 20}}
    assert usage(counted).output_tokens == 25
    assert usage({**counted, "completion_tokens": 25}).output_tokens == 25


def test_cached_tokens_are_found_under_every_name():
    for name in ("prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens", "cache_read_input_tokens"):
        assert usage({"prompt_tokens": 9, "completion_tokens": 1, name: 4}).cached_tokens == 4


@given(st.sampled_from([b"\r", b"\r\n", b"\n"]), st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_lines_may_end_in_each_of_the_three_ways(ending, cuts):
    stream = STREAM.replace(b"\r\n", b"\n").replace(b"\n", ending)
    edges = [0, *sorted(min(c, len(stream)) for c in cuts), len(stream)]
    assert read([stream[a:b] for a, b in zip(edges, edges[1:], strict=False)]) == read([STREAM])
