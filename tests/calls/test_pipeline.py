"""What surrounds one call: the order of the steps, retries, waits, the host limit, numbering, stopping."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

import fmnb as fm
import fmnb.calls.pipeline as pipeline
import fmnb.calls.steps.retry as retry
from fmnb.calls.call import Options
from fmnb.calls.prepare import prepare
from fmnb.calls.session import session
from fmnb.catalog.resolve import Target
from fmnb.core import event_loop
from fmnb.core.backend import estimate_tokens
from fmnb.core.errors import BudgetError, NotPulledError, RateLimitError, ServerError, StreamInterruptedError, TapeMissError
from fmnb.core.events import Cancelled, Failed, Finished, ReasoningDelta, Started, TextDelta, UsageReported, Waiting, build_response
from fmnb.core.types import ModelInfo, Usage
from fmnb.limits import budget, rate_limit
from fmnb.store import log
from fmnb.store.tape import Tape
from tests.wire.server import Server


class Paid:
    """A hosted model that is a notebook object: it counts its calls, and each script is one call's events or error."""

    def __init__(self, *scripts, where="far.example", price=1.0):
        self.info = ModelInfo("object:paid", "object", where, price_in=price, price_out=price)
        self.scripts = list(scripts)
        self.calls = 0
        self.closed = 0
        self.now = self.most = 0

    async def stream(self, request):
        script = self.scripts[min(self.calls, len(self.scripts) - 1)] if self.scripts else []
        self.calls += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            for step in script:
                if isinstance(step, float):
                    await asyncio.sleep(step)
                elif isinstance(step, BaseException):
                    raise step
                else:
                    yield step
            yield TextDelta(text="done")
            yield Finished()
        finally:
            self.now -= 1
            self.closed += 1

    def count(self, request):
        return estimate_tokens(request)

    def deterministic(self, request):
        return request.temperature == 0


def run(backend, **options):
    """The call's events, and the error it ended in."""
    call = prepare("hello", backend, Options(**options)).call
    events, error = [], None
    try:
        for event in event_loop.iterate_sync(pipeline.run(call)):
            events.append(event)
    except Exception as e:
        error = e
    return events, error


def busy(wait=0.0):
    return RateLimitError("busy", detail="429", hint="Wait.", retry_after=wait)


def test_events_are_numbered_from_one_without_gaps_and_begin_and_end_once():
    for model in ("echo:think", "echo:fail=cut", "echo:fail=bug", "echo:fail=rate_limit,times=1,wait=0.1"):
        events, _ = run(model)
        assert [e.n for e in events] == list(range(1, len(events) + 1))
        assert len({e.run for e in events}) == 1 and isinstance(events[0], Started)
        assert sum(isinstance(e, Finished | Failed | Cancelled) for e in events) == 1
        assert all(a.at <= b.at for a, b in zip(events, events[1:], strict=False))


def test_a_passing_failure_is_tried_again_until_it_passes():
    paid = Paid([busy()], [ServerError("down", retry_after=0)], [])
    events, error = run(paid)
    assert error is None and build_response(events).text == "done" and paid.calls == 3


def test_a_call_is_tried_four_times_and_no_more():
    paid = Paid([busy()])
    _, error = run(paid)
    assert isinstance(error, RateLimitError) and paid.calls == retry.ATTEMPTS == 4


@pytest.mark.parametrize("first", [TextDelta(text="some"), ReasoningDelta(text="hm")])
def test_nothing_is_tried_again_once_part_of_the_answer_came(first):
    paid = Paid([first, ServerError("down", retry_after=0)])
    _, error = run(paid)
    assert isinstance(error, ServerError) and paid.calls == 1


def test_what_will_not_pass_is_not_tried_again():
    paid = Paid([StreamInterruptedError("cut")])
    assert isinstance(run(paid)[1], StreamInterruptedError) and paid.calls == 1


def test_a_wait_that_is_too_long_is_an_error_that_says_how_long():
    paid = Paid([busy(retry.LONGEST_WAIT + 1)])
    _, error = run(paid)
    assert paid.calls == 1 and "asks to wait 121 s" in str(error)


def test_a_wait_is_told_once_a_second_with_what_is_left(monkeypatch):
    clock = [100.0]

    async def sleep(seconds, real=asyncio.sleep):
        clock[0] += seconds
        await real(0)

    monkeypatch.setattr(retry.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(retry.asyncio, "sleep", sleep)
    events, _ = run(Paid([busy(2.2)], []))
    waits = [e for e in events if isinstance(e, Waiting)]
    assert len(waits) == 3 and waits[0].seconds == 2.2 and waits[0].attempt == 2
    assert waits[0].seconds > waits[1].seconds > waits[2].seconds > 0


def test_each_attempt_is_closed_before_the_next():
    paid = Paid([busy()], [busy()], [])
    run(paid)
    assert paid.closed == 3 and paid.most == 1


class Held(Paid):
    """Its calls stay until `together` of them are there and, where it is given, `until()` holds."""

    def __init__(self, together, until=lambda: True, **more):
        super().__init__(**more)
        self.together, self.until = together, until

    async def stream(self, request):
        self.calls += 1
        self.now += 1
        self.most = max(self.most, self.now)
        while self.calls < self.together or not self.until():
            await asyncio.sleep(0.001)
        self.now -= 1
        yield TextDelta(text="done")
        yield Finished()


def test_one_host_is_asked_so_many_things_at_once_and_no_more():
    paid = Held(rate_limit.INITIAL_CONCURRENCY, where="limited.example")

    async def many():
        return await asyncio.gather(*(fm.aask("hello", paid) for _ in range(40)))

    assert len(asyncio.run(many())) == 40 and paid.calls == 40
    assert paid.most == rate_limit.INITIAL_CONCURRENCY


def test_who_waits_for_a_host_says_so():
    heard = []
    paid = Held(rate_limit.INITIAL_CONCURRENCY, lambda: any(isinstance(e, Waiting) for e in heard), where="queue.example")

    async def many():
        return await asyncio.gather(*(fm.aask("hello", paid, sinks=[heard.append]) for _ in range(17)))

    asyncio.run(many())
    assert [e.reason for e in heard if isinstance(e, Waiting)] == ["16 calls to queue.example are under way"]


def test_the_tape_answers_before_the_cache_and_the_cache_before_the_budget(tmp_path):
    paid = Paid([UsageReported(usage=Usage(1, 1, cost=0.5))])
    named = Target("paid", "paid:m", "far.example", False, lambda: paid)
    session.tape = Tape(tmp_path / "t.jsonl")
    run(named, temperature=0)
    budget.set_limit(0.0)
    assert build_response(run(named, temperature=0)[0]).source == "replayed"
    session.tape = None
    assert build_response(run(named, temperature=0)[0]).source == "cached"
    assert isinstance(run(named, temperature=0, cache=False)[1], BudgetError)
    assert paid.calls == 1


def test_an_answer_of_a_notebook_object_is_never_cached():
    one, other = Paid([TextDelta(text="one ")]), Paid([TextDelta(text="other ")])
    assert [build_response(run(m, temperature=0)[0]).text for m in (one, other, one)] == ["one done", "other done", "one done"]
    assert (one.calls, other.calls) == (2, 1)


def test_live_replayed_and_cached_answers_are_equal(tmp_path):
    def plain(r):
        return replace(r, run="", source="", seconds=None, first_token_seconds=None, usage=replace(r.usage, cost=None))

    session.tape = Tape(tmp_path / "t.jsonl")
    live = build_response(run("echo:think", temperature=0)[0])
    replayed = build_response(run("echo:think", temperature=0)[0])
    session.tape = None
    cached = build_response(run("echo:think", temperature=0)[0])
    assert (live.source, replayed.source, cached.source) == ("live", "replayed", "cached")
    assert plain(live) == plain(replayed) == plain(cached)
    assert log.reopen(fm.ask("hello", "echo:think").run).text == live.text


def test_a_replay_costs_nothing():
    paid = Paid([UsageReported(usage=Usage(1, 1, cost=0.5))])
    named = Target("paid", "paid:m", "far.example", False, lambda: paid)
    run(named, temperature=0)
    again = build_response(run(named, temperature=0)[0])
    assert again.source == "cached" and again.cost == 0 and budget.budget().spent == 0.5


def test_replay_only_never_opens_the_model():
    paid = Paid([])
    assert isinstance(run(paid, replay_only=True)[1], TapeMissError) and paid.calls == 0


def test_stopping_closes_the_backends_stream():
    paid = Paid([TextDelta(text="a"), 60.0])
    stream = event_loop.iterate_sync(pipeline.run(prepare("hello", paid).call))
    while not isinstance(next(stream), TextDelta):
        pass
    stream.close()
    assert paid.closed == 1 and paid.now == 0


def test_stopping_closes_the_socket(home):
    with Server() as server:
        (home / "fmnb.toml").write_text(f'[provider.lab]\nbase_url = "{server.url}"\nneeds_key = false\n')
        pieces = iter(fm.stream("hello", "lab:slow"))
        assert next(pieces) == "one"
        pieces.close()
        assert server.wait_for_abort()
    assert log.search()[0]["finish_reason"] == "cancelled" and log.search()[0]["text"].startswith("one")


def test_a_bug_in_a_backend_is_recorded_and_raised_as_it_is():
    events, error = run("echo:fail=bug")
    assert type(error) is RuntimeError and events[-1].error["kind"] == "RuntimeError"


def test_a_model_that_cannot_be_opened_fails_as_an_event_too(monkeypatch, tmp_path):
    monkeypatch.setenv("FMNB_MODELS", str(tmp_path))
    events, error = run("embedded")
    assert isinstance(error, NotPulledError) and events[-1].error["kind"] == "NotPulledError"


def test_calls_from_many_threads_keep_apart():
    answers = {}

    def one(i):
        answers[i] = fm.ask(f"number {i}", "echo:").text

    threads = [threading.Thread(target=one, args=(i,)) for i in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert answers == {i: f"number {i}" for i in range(20)}
    assert len(log.search()) == 20


def test_an_interface_is_not_applied_where_there_is_only_one():
    assert fm.ask("hi", "echo:", api="native").not_applied == ("api",)
    assert fm.ask("hi", "echo:").not_applied == ()


def test_half_a_surrogate_pair_is_counted():
    assert estimate_tokens(prepare("\ud83d", Paid(), Options()).call.request).tokens == 5
