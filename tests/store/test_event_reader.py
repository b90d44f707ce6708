"""Stored lines that are damaged, forged or from elsewhere: skipped with one warning, and the rest is as it was."""

from __future__ import annotations

import json
import math
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fmnb as fm
from fmnb.batch.run import batch
from fmnb.calls.session import session
from fmnb.core import events
from fmnb.core.errors import StoreError, StreamInterruptedError
from fmnb.core.events import ENDS, KINDS, build_response, event_from_dict, event_to_dict
from fmnb.store import event_reader, log
from fmnb.store import search as finding
from fmnb.store.db import database
from fmnb.store.tape import Tape

HUGE = 10**300
BAD = [
    {"event": "Failed", "error": "text"},
    {"event": "Failed", "error": {}},
    {"event": "Failed", "error": {"message": 3}},
    {"event": "Failed"},
    {"event": "TextDelta", "text": 5},
    {"event": "TextDelta", "text": None},
    {"event": ["TextDelta"], "text": ""},
    {"event": "TextDelta", "text": "a", "at": "now"},
    {"event": "TextDelta", "text": "a", "at": HUGE},
    {"event": "TextDelta", "text": "a", "n": 1.5},
    {"event": "TextDelta", "text": "a", "n": HUGE},
    {"event": "TextDelta", "text": "a", "at": math.nan},
    {"event": "Used", "usage": 7},
    {"event": "Finished", "extra": []},
    {"event": "Finished", "extra": {"tokens_per_second": HUGE}},
    {"event": "Finished", "data": math.nan},
    {"event": "Finished", "reason": {"a": 1}},
    {"event": "Media", "data": "%%%", "media_type": "image/png"},
    {"event": "Media", "data": 5, "media_type": "image/png"},
    {"event": "Logprobs", "tokens": 5},
    {"event": "Logprobs", "tokens": ["a"]},
    {"event": "ToolCallDelta", "index": "first"},
    {"event": "Started", "meta": {"asked": {"a": 1}}},
    {"event": "Started", "request": {"model": "m", "messages": [5]}},
    {"event": "Signal", "kind": "vote", "value": "won"},
]


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_event_is_told_from_one_of_a_newer_version(bad):
    with pytest.raises(ValueError, match=r"is not what it should be|cannot be read|is not an event"):
        event_from_dict(bad)
    assert event_from_dict({"event": "FromTheFuture", "shape": 9}) is None
    assert event_from_dict({"event": "TextDelta", "text": "a", "new": 1}).text == "a"


def deep(levels):
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    "bad", [*map(json.dumps, BAD), '{"event":"Finished","extra":' + deep(500) + "}", deep(100_000), '"text"', "[]", "{"]
)
def test_a_bad_line_of_the_log_is_skipped_with_one_warning(bad):
    run = fm.ask("find this", "echo:think").run
    with database().write() as db:
        db.execute("UPDATE events SET event=? WHERE run=? AND n=2", (bad, run))
        db.execute("UPDATE runs SET error=? WHERE run=?", (json.dumps("text"), run))
    event_reader._warned.clear()
    with pytest.warns(UserWarning, match=rf"event 2 of run {run} in .*fmnb\.sqlite") as said:
        assert log.reopen(run).text == "find this"
    assert len(said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert log.reopen(run).text == "find this"
        assert log.search("find")[0]["error"] == finding.find(finding.Filter("find"))[0]["error"] != ""


def line(key="", **change):
    held = {"key": key, "cell": "", "model": "echo:", "prompt": "hi", "events": [{"t": 0, "event": "TextDelta", "text": "kept"}]}
    held["events"] = change.pop("events", held["events"])
    return json.dumps({**held, **change})


def key_of(tmp_path):
    session.tape = Tape(tmp_path / "one.jsonl")
    fm.ask("hi", "echo:", cache=False)
    return json.loads((tmp_path / "one.jsonl").read_text())["key"]


def played(tmp_path, *lines):
    path = tmp_path / "t.tape.jsonl"
    path.write_text("".join(f"{x}\n" for x in lines))
    session.tape = Tape(path)
    return fm.ask("hi", "echo:", replay_only=True)


@pytest.mark.parametrize(
    "bad", [*BAD[:-3], *({"event": "TextDelta", "text": "a", "t": t} for t in ("x", None, HUGE, -1, math.nan, True)), 5]
)
def test_a_bad_line_of_a_tape_is_skipped_and_stays_in_the_file(tmp_path, bad):
    good = line(key_of(tmp_path), events=[{"t": 0, "event": "TextDelta", "text": "kept"}, {"t": 0, "event": "Finished"}])
    wrong = line("other", events=[bad])
    event_reader._warned.clear()
    with pytest.warns(UserWarning, match=r"line 1 of the tape .*t\.tape\.jsonl") as said:
        assert played(tmp_path, wrong, good).text == "kept"
    assert len(said) == 1
    fm.ask("another", "echo:", cache=False)
    assert wrong in (tmp_path / "t.tape.jsonl").read_text().splitlines() and len(Tape(tmp_path / "t.tape.jsonl")) == 2


@pytest.mark.parametrize("head", [{"key": 5}, {"model": ["m"]}, {"events": 5}, {"events": None}, {"events": {}}])
def test_a_line_with_another_head_is_skipped(tmp_path, head):
    good = line(key_of(tmp_path), events=[{"event": "TextDelta", "text": "kept"}, {"event": "Finished"}])
    event_reader._warned.clear()
    with pytest.warns(UserWarning, match="line 1 of the tape"):
        assert played(tmp_path, line(**{"key": "other", **head}), good).text == "kept"


@pytest.mark.parametrize(
    "torn", [b'{"key": "other", "ev', b"not JSON", b"\xff\xfe\x00", b'"text"', b"null", b"[" * 100_000], ids=lambda b: repr(b[:12])
)
def test_a_line_that_cannot_be_parsed_is_skipped_and_stays_in_the_file(tmp_path, torn):
    good = line(key_of(tmp_path), events=[{"event": "TextDelta", "text": "kept"}, {"event": "Finished"}]).encode()
    path = tmp_path / "t.tape.jsonl"
    path.write_bytes(good + b"\n" + torn + b"\n")
    event_reader._warned.clear()
    with pytest.warns(UserWarning, match="line 2 of the tape"):
        session.tape = Tape(path)
    assert fm.ask("hi", "echo:", replay_only=True).text == "kept"
    fm.ask("another", "echo:", cache=False)
    assert torn in path.read_bytes().split(b"\n") and len(Tape(path)) == 2


@pytest.mark.parametrize("text", ["root:x:0:0:root:/root:/bin/bash\n", '{\n "cells": []\n}\n', "{}\n", "a,b\n1,2\n", "\x00\xff"])
def test_a_file_of_another_kind_is_no_tape_and_stays_as_it_is(tmp_path, text):
    (path := tmp_path / "kept.txt").write_text(text)
    with pytest.raises(StoreError, match=r"kept\.txt is not a tape"):
        Tape(path)
    assert path.read_text() == text


UNKNOWN = {"event": "Sung", "melody": "do re mi"}


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("schema", [None, "a yes|no"])
def test_a_recording_with_an_event_of_another_version_is_an_error_and_no_empty_answer(tmp_path, place, schema):
    session.tape = Tape(tmp_path / "one.jsonl")
    fm.ask("hi", "echo:", cache=False, **({"schema": schema} if schema else {}))
    key = json.loads((tmp_path / "one.jsonl").read_text().splitlines()[0])["key"]
    held = [{"event": "TextDelta", "text": "yes"}, {"event": "Finished"}]
    held.insert(place, UNKNOWN)
    path = tmp_path / "t.tape.jsonl"
    path.write_text(line(key, events=held) + "\n")
    session.tape = Tape(path)
    with pytest.raises(StoreError, match="does not know") as e:
        fm.ask("hi", "echo:", replay_only=True, **({"schema": schema} if schema else {}))
    assert "Sung" in e.value.detail and log.reopen(e.value.run).finish_reason == "error"
    done = batch("{{ w }}", [{"w": "hi"}], "echo:", replay_only=True, schema=schema)
    assert "does not know" in done.answers[0].error["message"] and done.summary.failed == 1


def test_what_another_version_adds_after_the_end_is_not_replayed(tmp_path):
    held = [{"event": "TextDelta", "text": "kept"}, {"event": "Finished"}, UNKNOWN]
    assert played(tmp_path, line(key_of(tmp_path), events=held)).text == "kept"


def test_a_recording_without_an_end_was_cut(tmp_path):
    with pytest.raises(StreamInterruptedError, match="no end") as cut:
        played(tmp_path, line(key_of(tmp_path)))
    r = log.reopen(cut.value.run)
    assert (r.text, r.source, r.finish_reason) == ("kept", "replayed", "error")


@pytest.mark.parametrize("end", [{"event": "Finished"}, {"event": "Failed", "error": {"message": "no"}}, {"event": "Cancelled"}])
def test_a_replay_is_replayed_whatever_its_line_says(tmp_path, end):
    forged = [{"event": "Started", "run": "forged", "model": "gpt-5", "where": "local"}, {"event": "TextDelta", "text": "a"}]
    votes = [{"event": "Signal", "kind": "star"}, {"event": "Scored", "answer": "x", "scorer": "y"}]
    after = [{"event": "TextDelta", "text": " and more"}, {"event": "Finished", "source": "live"}]
    key = key_of(tmp_path)
    try:
        run = played(tmp_path, line(key, events=[*forged, *votes, {**end, "source": "live"}, *after])).run
    except fm.FmnbError as e:
        run = e.run
    r = log.reopen(run)
    assert (r.source, r.text, r.model) == ("replayed", "a", "echo:")
    assert {type(e).__name__ for e in log.events_of(run)} <= {"Started", "TextDelta", end["event"]}


_texts = st.text(st.characters(), max_size=8)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _texts | st.sampled_from(["\ud800", HUGE, "text"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)
_fields = sorted({f for kind in KINDS.values() for f in kind.__dataclass_fields__})


@given(st.sampled_from([*KINDS, "Unknown", 5]), st.dictionaries(st.sampled_from(_fields), _json, max_size=6))
def test_whatever_a_line_holds_it_is_an_event_that_folds_and_stores_or_it_is_none(kind, fields):
    try:
        event = event_from_dict({"event": kind, **fields})
    except ValueError:
        return
    if event is None:
        return
    stored = json.dumps(event_to_dict(event), ensure_ascii=False)
    stored.encode()
    assert event_from_dict(json.loads(stored)) == event
    build_response([events.Started(run="r", n=1), event])


def test_every_kind_of_end_knows_where_it_came_from():
    assert all("source" in end.__dataclass_fields__ for end in ENDS)
