"""The Runtime: one memory for a process, others beside it, and the right one everywhere a call goes."""

from __future__ import annotations

import asyncio
import threading

import pytest

from fmnb.core import event_loop
from fmnb.core.runtime import Runtime, runtime, state


class Counter:
    def __init__(self):
        self.n = 0


def test_one_object_of_a_class_is_remembered():
    assert state(Counter) is state(Counter)


def test_another_runtime_remembers_apart():
    state(Counter).n = 3
    with Runtime() as other:
        assert state(Counter).n == 0 and runtime() is other
        state(Counter).n = 7
        with Runtime():
            assert state(Counter).n == 0
        assert state(Counter).n == 7
    assert state(Counter).n == 3


def test_a_failure_inside_ends_it_too():
    before = runtime()
    with pytest.raises(ZeroDivisionError), Runtime():
        raise ZeroDivisionError
    assert runtime() is before


def test_it_follows_a_call_into_the_event_loop_and_its_threads():
    async def in_the_loop():
        inner = await asyncio.create_task(in_a_task())
        return runtime(), inner, await event_loop.to_thread(runtime)

    async def in_a_task():
        return runtime()

    async def stream():
        async for item in event_loop.thread_stream(lambda put, stop: put(runtime())):
            yield item

    with Runtime() as own:
        assert event_loop.run_sync(in_the_loop()) == (own, own, own)
        assert list(event_loop.iterate_sync(stream())) == [own]
    assert event_loop.run_sync(in_the_loop())[0] is runtime() is not own


def test_two_runtimes_in_two_threads_do_not_mix():
    seen = {}
    meet = threading.Barrier(2)

    def work(name):
        with Runtime():
            state(Counter).n = name
            meet.wait(30)
            seen[name] = event_loop.run_sync(read())

    async def read():
        return state(Counter).n

    threads = [threading.Thread(target=work, args=(n,)) for n in (1, 2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert seen == {1: 1, 2: 2}


def test_a_state_is_made_once_however_many_threads_ask():
    made = []

    class Slow:
        def __init__(self):
            made.append(self)

    own = Runtime()
    found = []
    threads = [threading.Thread(target=lambda: found.append(own.state(Slow))) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert len({id(f) for f in found}) == len(made) == 1
