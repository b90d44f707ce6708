"""The gate of a host finds how much it takes, in simulated time: minutes of traffic in a moment."""

from __future__ import annotations

import asyncio
import random

import pytest

from fmnb.batch.duration import HostLoad, estimate_seconds
from fmnb.core.backend import RateLimitState
from fmnb.core.runtime import state
from fmnb.limits import rate_limit
from fmnb.limits.rate_limit import INITIAL_CONCURRENCY, ConcurrencyLimiter, RateCap


class Loop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        real = self._selector.select

        def select(timeout=None):
            if timeout:
                self.now += timeout
            return real(0)

        self._selector.select = select

    def time(self):
        return self.now


class Refused(Exception):
    def __init__(self, wait=None, allowed=None):
        self.wait, self.allowed = wait, allowed


class Far:
    """A service in simulated time; what it allows is decided by `rule(now) -> (allowed, headers, wait)`."""

    def __init__(self, loop, latency=0.2, ceiling=None, slots=None, rule=None, spread=0.5, seed=1):
        self.loop, self.latency, self.ceiling, self.rule = loop, latency, ceiling, rule
        self.slots = asyncio.Semaphore(slots) if slots else None
        self.rng, self.spread = random.Random(seed), spread
        self.flying = self.peak = 0
        self.answered, self.refused = [], []

    async def call(self, tokens=0):
        allowed, headers, wait = self.rule(self.loop.time(), tokens) if self.rule else (True, {}, None)
        if not allowed or (self.ceiling and self.flying >= self.ceiling):
            await asyncio.sleep(0.02)
            self.refused.append(self.loop.time())
            raise Refused(wait, headers)
        self.flying += 1
        self.peak = max(self.peak, self.flying)
        seconds = self.latency * self.rng.uniform(1 - self.spread, 1 + self.spread)
        try:
            if self.slots:
                async with self.slots:
                    await asyncio.sleep(seconds)
            else:
                await asyncio.sleep(seconds)
        finally:
            self.flying -= 1
        self.answered.append(self.loop.time())
        return headers


def bucket(per_minute, burst, publish=True, wait=True, name="requests"):
    state = {"level": float(burst), "at": 0.0}
    rate = per_minute / 60

    def rule(now, tokens):
        amount = tokens if name == "tokens" else 1
        state["level"] = min(burst, state["level"] + (now - state["at"]) * rate)
        state["at"] = now
        allowed = state["level"] >= amount
        state["level"] -= amount if allowed else 0
        said = {name: RateLimitState(int(state["level"]), burst, (burst - state["level"]) / rate)} if publish else {}
        return allowed, said, amount / rate if wait else None

    return rule


def window(limit, seconds):
    state = {"left": limit, "until": seconds}

    def rule(now, tokens):
        if now >= state["until"]:
            state["left"], state["until"] = limit, now - now % seconds + seconds
        allowed = state["left"] >= 1
        state["left"] -= allowed
        return allowed, {"requests": RateLimitState(state["left"], limit, state["until"] - now)}, state["until"] - now

    return rule


WRONG = {
    "minute": lambda taken, now: RateLimitState(600 - taken, 600, 60 - now % 60),  # what a minute allows, where each second is looked at
    "plenty": lambda taken, now: RateLimitState(9_999, 10_000, 0.006),
    "always full": lambda taken, now: RateLimitState(599, 600, 0.1),
}


def ten_a_second(by, said="none", wait=True):
    """Ten a second on average, enforced by the second, by the minute or as a bucket of ten; what the headers say of it is true, rounded, wrong or nothing."""
    each = {"second": 1.0, "minute": 60.0, "bucket": 0.1}[by]
    state = {"window": -1, "used": 0, "level": 10.0, "at": 0.0, "taken": 0, "minute": 0.0}

    def rule(now, tokens):
        if by == "bucket":
            state["level"] = min(10.0, state["level"] + (now - state["at"]) * 10)
            state["at"] = now
            allowed = state["level"] >= 1
            state["level"] -= allowed
            left, limit, reset = state["level"], 10.0, (10 - state["level"]) / 10
        else:
            if (window := int(now // each)) != state["window"]:
                state["window"], state["used"] = window, 0
            allowed = state["used"] < 10 * each
            state["used"] += allowed
            left, limit, reset = 10 * each - state["used"], 10 * each, (window + 1) * each - now
        if now // 60 != state["minute"]:
            state["minute"], state["taken"] = now // 60, 0
        state["taken"] += allowed
        headers = {"true": RateLimitState(left, limit, reset), "rounded": RateLimitState(float(int(left)), limit, float(int(reset + 1)))}
        headers |= {name: of(state["taken"], now) for name, of in WRONG.items()}
        return allowed, {"requests": headers[said]} if said in headers else {}, (0.1 if by == "bucket" else reset) if wait else None

    return rule


def traffic(seconds=60.0, tokens=0, workers=400, **service):
    """Calls through a gate for so long. The gate and the service, afterwards."""
    loop = Loop()
    rng = random.Random(3)

    async def main():
        gate, far = ConcurrencyLimiter(loop.time), Far(loop, **service)

        async def worker():
            while loop.time() < seconds:
                while True:
                    ticket = await gate.acquire(tokens)
                    try:
                        headers = await far.call(tokens)
                        gate.release(ticket, answered=True, rate_limits=headers)
                        break
                    except Refused as e:
                        gate.on_rate_limited(e.wait, published=bool(e.allowed))
                        gate.release(ticket, answered=False, rate_limits=e.allowed)
                        await asyncio.sleep((e.wait or 0.5) * rng.uniform(1.0, 1.25))

        tasks = [asyncio.ensure_future(worker()) for _ in range(workers)]
        await asyncio.sleep(seconds)
        for t in tasks:
            t.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return gate, far

    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def share(far, since=10.0):
    """Refusals among the calls since then."""
    refused, answered = (sum(t > since for t in ts) for ts in (far.refused, far.answered))
    return refused / max(1, refused + answered)


def rate(far, since=10.0, until=60.0):
    return sum(since < t < until for t in far.answered) / (until - since)


def test_a_service_without_limits_gets_more_and_more_at_once():
    gate, far = traffic(20)
    assert far.peak >= 300 and far.answered[0] < 0.4


def test_calls_that_ended_together_leave_some_time_apart():
    loop = Loop()

    async def main():
        gate, left = ConcurrencyLimiter(loop.time), []
        gate.set_known_limit(32)

        async def one(n):
            ticket = await gate.acquire()
            left.append(loop.time())
            await asyncio.sleep(1.0)
            gate.release(ticket, answered=True)

        await asyncio.gather(*(one(n) for n in range(128)))
        return left

    left = loop.run_until_complete(main())
    loop.close()
    assert left[31] == 0.0, "who waits for no answer need not wait"
    assert left[-1] - left[-32] > 0.5, "the last 32 are spread over the second that one takes"
    assert left[-1] < 4.1, "and hardly later"


@pytest.mark.parametrize("latency", [0.02, 0.2, 2.0])
def test_a_hidden_ceiling_is_found_and_kept_to(latency):
    gate, far = traffic(60, latency=latency, ceiling=64)
    assert rate(far) >= 0.65 * 64 / latency and share(far) <= 0.03


@pytest.mark.parametrize("latency", [0.02, 0.2])
def test_where_calls_only_wait_longer_no_more_are_sent(latency):
    gate, far = traffic(60, latency=latency, slots=64)
    assert rate(far) >= 0.85 * 64 / latency and gate.limit <= 160


@pytest.mark.parametrize("burst", [10, 100, 3000])
@pytest.mark.parametrize("latency", [0.02, 1.0])
def test_published_limits_are_not_overdrawn(burst, latency):
    gate, far = traffic(60, latency=latency, rule=bucket(3000, burst))
    assert share(far) <= 0.01 and rate(far) >= 0.8 * 50


def test_published_limits_of_tokens_are_not_overdrawn():
    gate, far = traffic(60, tokens=500, rule=bucket(600_000, 20_000, name="tokens"))
    assert share(far) <= 0.01 and rate(far) >= 0.8 * 20


@pytest.mark.parametrize("seconds", [1.0, 10.0])
def test_limits_that_are_filled_up_at_once_are_not_overdrawn(seconds):
    gate, far = traffic(60, rule=window(50 * seconds, seconds))
    assert share(far) <= 0.01 and rate(far) >= 0.75 * 50


@pytest.mark.parametrize("wait", [True, False])
def test_limits_that_are_not_published_are_kept_to_more_or_less(wait):
    gate, far = traffic(60, rule=bucket(1200, 20, publish=False, wait=wait))
    assert share(far) <= 0.25 and rate(far) >= 0.7 * 20


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("said", ["none", "true", "rounded", *WRONG])
@pytest.mark.parametrize("by, latency", [("second", 0.02), ("second", 0.2), ("bucket", 0.2)])
def test_a_speed_is_kept_to_whatever_is_said_of_it(by, latency, said, wait):
    gate, far = traffic(60, workers=40, latency=latency, rule=ten_a_second(by, said, wait))
    assert share(far) <= 0.01 and rate(far) >= 0.75 * 10


@pytest.mark.parametrize("said", ["none", "true", "rounded", *WRONG])
@pytest.mark.parametrize("wait", [True, False])
def test_a_limit_of_so_many_a_minute_is_kept_to_whatever_is_said_of_it(said, wait):
    gate, far = traffic(190, workers=40, rule=ten_a_second("minute", said, wait))
    assert share(far) <= 0.01 and rate(far, 60, 190) >= 0.75 * 10


def test_a_refusal_lowers_the_speed_though_the_headers_say_that_much_is_left():
    gate, far = traffic(20, workers=100, rule=ten_a_second("second", "plenty"))
    early, late = sum(t < 5 for t in far.refused), sum(5 <= t < 20 for t in far.refused)
    assert early and late <= 2 and 7.5 <= rate(far, 5, 20) <= 10


def test_a_host_that_allows_more_again_gets_more_again():
    slow, fast = ten_a_second("second"), lambda now, tokens: (True, {}, None)
    gate, far = traffic(200, workers=30, latency=0.2, rule=lambda now, tokens: (slow if now < 30 else fast)(now, tokens))
    assert rate(far, 150, 200) > 1.5 * rate(far, 10, 30)


def test_a_host_that_refuses_everything_for_a_while_is_asked_seldom():
    gate, far = traffic(60, workers=100, rule=lambda now, tokens: (not 5 < now < 50, {}, None))
    assert sum(10 < t < 50 for t in far.refused) <= 6 and rate(far, 52, 60) > 5


def test_a_place_that_is_given_up_goes_to_the_next():
    async def go():
        gate = ConcurrencyLimiter()
        ticket = [await gate.acquire() for _ in range(INITIAL_CONCURRENCY)][0]
        first, second = (asyncio.ensure_future(gate.acquire()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        gate.release(ticket, answered=True)
        await asyncio.wait_for(second, 1)
        assert gate.in_flight == INITIAL_CONCURRENCY

    asyncio.run(go())


def test_a_cap_of_so_many_a_minute_spreads_them():
    loop = Loop()

    async def go():
        cap, at = RateCap(600, loop.time), []
        for _ in range(100):
            await cap.acquire()
            at.append(loop.time())
        return at

    at = loop.run_until_complete(go())
    loop.close()
    assert at[-1] == pytest.approx(9.9, abs=1.2) and max(b - a for a, b in zip(at, at[1:], strict=False)) <= 0.11


def trusted(monkeypatch, at_once):
    """Gates that somebody said take so many at once."""

    class Trusting(ConcurrencyLimiter):
        def __init__(self, clock):
            super().__init__(clock)
            self.set_known_limit(at_once)

    monkeypatch.setitem(globals(), "Gate", Trusting)


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("latency", [0.5, 2.0, 5.0])
def test_a_limit_that_is_not_published_is_kept_to_with_many_slow_calls_under_way(monkeypatch, latency, wait):
    trusted(monkeypatch, 100)
    gate, far = traffic(150, workers=100, latency=latency, rule=bucket(600, 600, publish=False, wait=wait))
    assert share(far, since=0.0) <= 0.01 and rate(far, 75, 150) >= 9, "all of them, the first ones too"
    assert gate.per_second is not None or latency == 5.0


@pytest.mark.parametrize("latency", [2.0, 5.0])
def test_calls_that_were_refused_together_are_not_sent_together_again(monkeypatch, latency):
    trusted(monkeypatch, 100)
    gate, far = traffic(100, workers=100, latency=latency, rule=bucket(600, 10, publish=False, wait=False))
    assert sum(t > 1 for t in far.refused) <= 12 and sum(t <= 1 for t in far.refused) <= 95
    assert rate(far, 60, 100) >= 5, "and it is found that it was no limit of how many at once"


@pytest.mark.parametrize("latency", [0.2, 2.0])
def test_a_ceiling_is_known_from_what_it_takes_of_the_first_calls(monkeypatch, latency):
    trusted(monkeypatch, 100)
    gate, far = traffic(60, workers=100, latency=latency, ceiling=64)
    assert len(far.refused) <= 60 and rate(far) >= 0.7 * 64 / latency


def test_growing_beyond_a_slow_speed_is_tried_seldom():
    gate, far = traffic(600, workers=30, latency=0.2, rule=bucket(60, 1, publish=False))
    assert share(far, since=120) <= 0.01 and rate(far, 120, 600) >= 0.75


def test_what_was_learned_of_a_host_s_speed_is_known(monkeypatch):
    gate, far = traffic(60, workers=40, rule=ten_a_second("second"))
    state(rate_limit.Limiters).by_host[0, "far.example"] = gate
    found = rate_limit.host_limits("far.example")
    assert found.per_second == pytest.approx(10, rel=0.25) and found.refused
    low, high = estimate_seconds([HostLoad("far.example", 600, 0, [0.2])], None, None, None)
    assert low >= 600 / 11 and high >= low
