"""Stopping one run among several, from another thread."""

from __future__ import annotations

import threading
import time

import pytest

import fmnb as fm
from fmnb import performing
from fmnb.errors import Interrupted
from fmnb.store import log

SLOW = "word " * 200


def soon(count: int, which: int = 0) -> threading.Thread:
    """Stop a run once `count` are under way and something has come."""

    def stop():
        while len(performing.running()) < count:
            time.sleep(0.005)
        time.sleep(0.3)
        assert performing.stop(performing.running()[which])

    t = threading.Thread(target=stop)
    t.start()
    return t


def test_a_stopped_call_keeps_what_had_come_and_is_an_interrupt():
    t = soon(1)
    with pytest.raises(Interrupted) as stopped:
        fm.ask(SLOW, "echo:slow=60")
    t.join()
    assert 0 < len(stopped.value.response.text) < len(SLOW.strip()) and stopped.value.response.finish == "cancelled"
    assert log.reopen(stopped.value.run).finish == "cancelled" and not performing.running()


def test_its_neighbours_go_on():
    t = soon(2, 1)
    both = fm.compare(SLOW[:150], models=["echo:slow=60", "echo:slow=61"])
    t.join()
    assert sorted(r.finish for r in both.responses) == ["cancelled", "stop"]


def test_a_call_that_waits_for_its_turn_can_be_stopped():
    t = soon(1)
    with pytest.raises(Interrupted):
        fm.ask("x", "echo:hang")
    t.join()


def test_a_run_that_is_not_under_way_is_not_stopped():
    assert not performing.stop("nosuch")
    answer = fm.ask("x", "echo:")
    assert not performing.stop(answer.run)


def test_the_next_call_is_as_ever():
    t = soon(1)
    with pytest.raises(Interrupted):
        fm.ask("x", "echo:hang")
    t.join()
    assert fm.ask("hello", "echo:").text == "hello"
