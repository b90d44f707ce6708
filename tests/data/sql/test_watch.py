"""What runs too long, takes too much memory or is interrupted is stopped, and its error is raised here."""

from __future__ import annotations

import threading

import pytest

from fmnb.data.sql.watch import Limits, Stopped, resident, run_watched


class Query:
    """Work that ends only when it is interrupted, and takes memory meanwhile."""

    def __init__(self, each: int = 0):
        self.stop, self.each, self.held = threading.Event(), each, []

    def __call__(self):
        while not self.stop.wait(0.001):
            self.held.append(bytearray(b"x" * self.each))
        raise RuntimeError("interrupted")

    def interrupt(self):
        self.stop.set()


def test_time_has_a_limit():
    query = Query()
    with pytest.raises(Stopped, match=r"still running after 0\.1 s"):
        run_watched(query, query.interrupt, Limits(seconds=0.1))


@pytest.mark.skipif(not resident(), reason="the memory of a process is not known here")
def test_memory_has_a_limit():
    query = Query(each=1 << 20)
    with pytest.raises(Stopped, match=r"more than 0\.1 GB of memory"):
        run_watched(query, query.interrupt, Limits(seconds=100, memory=50 << 20))


def test_an_interrupt_comes_even_if_the_first_one_is_missed():
    query, calls = Query(), []

    def interrupt():
        calls.append(1)
        if len(calls) == 3:
            query.interrupt()

    with pytest.raises(Stopped):
        run_watched(query, interrupt, Limits(seconds=0.01))
    assert len(calls) == 3


def test_results_and_errors_come_through():
    assert run_watched(lambda: "rows", lambda: None, Limits()) == "rows"
    with pytest.raises(ZeroDivisionError):
        run_watched(lambda: 1 / 0, lambda: None, Limits())
