"""One handle drives a run: the log, the display and the result read one builder."""

from __future__ import annotations

import io

import fmnb as fm
from fmnb.calls.prepare import prepare
from fmnb.calls.run import run_calls
from fmnb.core import events
from fmnb.store import log
from fmnb.views.router import RunRouter
from fmnb.views.text import TextView


def test_log_display_and_result_share_one_builder(monkeypatch):
    made = []
    monkeypatch.setattr(events.ResponseBuilder, "__init__", count(made, events.ResponseBuilder.__init__))
    out = io.StringIO()
    views = []
    router = RunRouter(lambda started: views.append(TextView(started.run, out=out)) or views[-1])
    call = prepare("one two three", "echo:")
    run_calls([call], [router])
    assert {id(b) for b in made if b.n} == {id(views[0].builder)}
    stored = log.reopen(call.call.run)
    assert call.response.text == stored.text == "one two three" and "one two three" in out.getvalue()


def count(made, init):
    def counted(self):
        made.append(self)
        init(self)

    return counted


def test_an_event_is_added_once():
    builder, stamp = events.ResponseBuilder(), events.EventStamper("r")
    hi = stamp(events.TextDelta(text="hi"))
    for _ in range(3):
        builder.add(hi)
    builder.add(stamp(events.TextDelta(text=" you")))
    assert builder.response().text == "hi you"


def test_a_sink_of_the_users_own_needs_no_builder():
    heard = []
    fm.ask("hi", "echo:", sinks=[heard.append])
    assert [e.n for e in heard] == list(range(1, len(heard) + 1))
