"""Stopping one run among several, from another thread."""

from __future__ import annotations

import asyncio
import threading

import pytest

import fmnb as fm
from fmnb.calls import run as calls_run
from fmnb.calls.prepare import prepare
from fmnb.core.backend import estimate_tokens
from fmnb.core.errors import Interrupted
from fmnb.core.events import Event, Finished, Started, TextDelta
from fmnb.core.types import ModelInfo
from fmnb.store import log

SLOW = "word " * 200


class Stopper:
    """A sink that stops the run it is for, once text of it has come, or at its start where none will come."""

    def __init__(self, which: int = 0, at: type[Event] = TextDelta):
        self.which, self.at, self.runs = which, at, []

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started) and event.run not in self.runs:
            self.runs.append(event.run)
        if isinstance(event, self.at) and self.runs.index(event.run) == self.which and event.run in calls_run.running_calls():
            threading.Thread(target=calls_run.stop, args=(event.run,)).start()  # as the sidebar does: from another thread


def test_a_stopped_call_keeps_what_had_come_and_is_an_interrupt():
    with pytest.raises(Interrupted) as stopped:
        fm.ask(SLOW, "echo:slow=5", sinks=[Stopper()])
    assert 0 < len(stopped.value.response.text) < len(SLOW.strip()) and stopped.value.response.finish_reason == "cancelled"
    assert log.reopen(stopped.value.run).finish_reason == "cancelled" and not calls_run.running_calls()


def test_its_neighbours_go_on():
    class Neighbour:
        """Answers in one piece when the other run has been stopped."""

        info = ModelInfo("object:neighbour", "object", "here", price_in=0.0, price_out=0.0)

        async def stream(self, request):
            while len(calls_run.running_calls()) > 1 or not stopper.runs:
                await asyncio.sleep(0.001)
            yield TextDelta(text="whole")
            yield Finished()

        def count(self, request):
            return estimate_tokens(request)

        def deterministic(self, request):
            return False

    stopper = Stopper(0)
    both = fm.compare(SLOW, models=["echo:slow=5", Neighbour()], sinks=[stopper])
    assert [r.finish_reason for r in both.responses] == ["cancelled", "stop"] and both.responses[1].text == "whole"


def test_a_call_that_waits_for_its_turn_can_be_stopped():
    with pytest.raises(Interrupted):
        fm.ask("x", "echo:hang", sinks=[Stopper(at=Started)])


def test_a_run_that_is_not_under_way_is_not_stopped():
    assert not calls_run.stop("nosuch")
    answer = fm.ask("x", "echo:")
    assert not calls_run.stop(answer.run)


def test_the_next_call_is_as_ever():
    with pytest.raises(Interrupted):
        fm.ask("x", "echo:hang", sinks=[Stopper(at=Started)])
    assert fm.ask("hello", "echo:").text == "hello"


def test_a_call_that_is_stopped_before_its_first_event_has_its_model():
    call = prepare("hi", "echo:").call
    first, *_, last = calls_run.stop_events(call, 0)
    assert isinstance(first, Started) and (first.n, first.model) == (1, call.request.model)
    assert [type(e).__name__ for e in calls_run.stop_events(call, 3)][0] != "Started" and last.n > first.n
