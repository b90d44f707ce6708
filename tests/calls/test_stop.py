"""A stop string that a server leaves in its answer is cut: in cells, in rows and in batch jobs."""

from __future__ import annotations

import pytest

import fmnb as fm
from fmnb.calls.pipeline import steps_of
from fmnb.calls.prepare import options_from, prepare
from fmnb.calls.rows_together import as_run
from fmnb.core.events import Finished, TextDelta, build_response
from fmnb.store import log_query
from tests.wire.server import Server


@pytest.fixture
def server(monkeypatch):
    with Server() as running:
        monkeypatch.setenv("VLLM_BASE_URL", running.url)
        yield running


def test_a_cell_and_a_row_end_before_the_stop_string(server):
    for stop in ("lo wor", ["nothing", "lo wor"]):  # the server says "Hello", " world", "!"
        assert fm.ask("hello", model="vllm:plain", stop=stop, cache=False, sinks=[]).text == "Hel"
        (row,) = fm.map("hello {{ n }}", [{"n": 1}], "vllm:plain", stop=stop, yes=True)
        assert row["text"] == "Hel"
    assert server.requests[-1].body["stop"] == ["nothing", "lo wor"]


def test_what_is_stored_is_what_was_shown(server):
    run = fm.ask("hello", model="vllm:plain", stop="lo wor", cache=False, sinks=[]).run
    assert log_query.reopen(run).text == "Hel"


def test_an_answer_of_a_batch_job_ends_there_too(server):
    call = prepare("hello", "vllm:plain", options_from({"stop": "lo wor"})).call
    events = as_run(call, [TextDelta(text="Hello world!"), Finished(model="m")])
    assert build_response(events).text == "Hel"


def test_without_a_stop_string_there_is_no_such_step():
    named = [[s.__name__ for s in steps_of(prepare("hi", "echo:", options_from(o)).call)] for o in ({}, {"stop": "x"})]
    assert named[0] == named[1][:-1] and named[1][-1] == "end_at_stop"
