"""The one loop: draining, idling, stopping, workers, merging, forks."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from fmnb.core import event_loop


async def count(n, pause=0.0, seen=None):
    try:
        for i in range(n):
            yield i
            await asyncio.sleep(pause)
    finally:
        if seen is not None:
            seen.append("closed")


def test_a_stream_is_drained_in_order_in_the_callers_thread():
    assert list(event_loop.iterate_sync(count(100))) == list(range(100))


def test_an_error_comes_after_what_came_before_it():
    async def fails():
        yield 1
        raise ValueError("no")

    got = []
    with pytest.raises(ValueError):
        for item in event_loop.iterate_sync(fails()):
            got.append(item)
    assert got == [1]


def test_the_caller_may_do_something_while_nothing_comes():
    idle = threading.Event()

    async def waits():
        while not idle.is_set():
            await asyncio.sleep(0.01)
        yield "after"

    assert list(event_loop.iterate_sync(waits(), idle.set)) == ["after"]


def test_leaving_early_closes_the_stream_before_going_on():
    seen = []
    items = event_loop.iterate_sync(count(1000, 0.01, seen))
    assert next(items) == 0
    items.close()
    assert seen == ["closed"]


def test_a_stream_that_does_not_close_does_not_hold_the_caller(monkeypatch):
    monkeypatch.setattr(event_loop, "_CLOSE", 0.05)
    release = threading.Event()

    async def stubborn():
        try:
            yield 1
            await asyncio.sleep(60)
        finally:
            while not release.is_set():
                await asyncio.sleep(0.01)

    items = event_loop.iterate_sync(stubborn())
    next(items)
    items.close()
    release.set()


def test_it_works_below_a_running_loop():
    async def cell():
        return list(event_loop.iterate_sync(count(3)))

    assert asyncio.run(cell()) == [0, 1, 2]


def test_a_stream_of_the_background_loop_is_awaited_in_ones_own():
    async def cell():
        return [i async for i in event_loop.iterate_async(count(50))]

    assert asyncio.run(cell()) == list(range(50))


def test_a_worker_gives_what_a_blocking_thread_puts():
    def body(put, stop):
        for i in range(1000):
            put(i)

    assert list(event_loop.iterate_sync(event_loop.thread_stream(body))) == list(range(1000))


def test_a_worker_is_told_to_stop():
    stopped = threading.Event()

    def body(put, stop):
        put(1)
        if stop.wait(10):
            stopped.set()

    items = event_loop.iterate_sync(event_loop.thread_stream(body))
    next(items)
    items.close()
    assert stopped.wait(5)


def test_a_workers_error_is_raised_where_it_is_read():
    def body(put, stop):
        put(1)
        raise KeyError("x")

    items = event_loop.iterate_sync(event_loop.thread_stream(body))
    assert next(items) == 1
    with pytest.raises(KeyError):
        next(items)


def test_merged_streams_keep_their_own_order_and_lose_nothing():
    got = list(event_loop.iterate_sync(event_loop.merge({"a": count(50, 0.001), "b": count(50)})))
    assert [i for n, i in got if n == "a"] == [i for n, i in got if n == "b"] == list(range(50))


def test_leaving_a_merge_closes_all_its_streams():
    seen = []
    items = event_loop.iterate_sync(event_loop.merge({"a": count(1000, 0.01, seen), "b": count(1000, 0.01, seen)}))
    next(items)
    items.close()
    assert seen == ["closed"] * 2


def test_wait_gives_the_result_or_the_error():
    async def one():
        return 1

    async def none():
        raise ValueError

    assert event_loop.run_sync(one()) == 1
    with pytest.raises(ValueError):
        event_loop.run_sync(none())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_has_a_loop_of_its_own():
    assert list(event_loop.iterate_sync(count(2))) == [0, 1]
    pid = os.fork()
    if pid == 0:
        os._exit(0 if list(event_loop.iterate_sync(count(3))) == [0, 1, 2] else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert list(event_loop.iterate_sync(count(2))) == [0, 1]
