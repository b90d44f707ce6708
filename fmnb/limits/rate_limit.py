"""Adaptive concurrency and rate limits per host, learned from its responses.

One `ConcurrencyLimiter` per host is shared by all runs of this kernel. It starts with a few
concurrent calls and doubles them while throughput improves. A rate-limit refusal (HTTP 429) lowers
the concurrency, a requested wait closes the limiter, and reported quotas are not exceeded. Where a
refusal reports nothing, probes find out whether it limits concurrency (one call more than before
is refused again) or the rate (it is accepted, or fewer calls are refused, too). Calls are spaced:
calls sent together queue together, at the host and here, and stay together, since they end
together. `RateCap` is a limit the user sets. Seconds are those of `time.monotonic`; everything
runs on the background event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..core.backend import RateLimitState
from ..core.runtime import state
from .quota import Quota
from .send_rate import SendRate

INITIAL_CONCURRENCY = 16  # concurrent calls to a new host
MAX_CONCURRENCY = 512
_MIN_GAIN = 1.15  # factor of throughput that a step up must bring, or it is undone
_CLIMB_FACTOR = 1.6  # factor of a step up before the first refusal
_PROBE_FACTOR = 1.1  # factor of a step up later on
_ROUNDS_BETWEEN_PROBES = 8  # rounds between two probes
_DECREASE = 0.7  # factor after a refusal
_FEWER_FACTOR = 0.85  # of the refused concurrency: a refusal below it does not limit concurrency
_PROBE_DELAY = 1.0  # seconds after an unexplained refusal until a probe is sent; doubles with each refused probe
_MAX_PROBE_DELAY = 60.0
_MIN_ANSWER_SECONDS = 0.5  # probes are used where answers take at least this many seconds
_PROBES_TO_CONFIRM = 3  # accepted probes in a row after which concurrency is not the limit
_CAPACITY_MARGIN = 1.2  # factor over the concurrency that a known rate needs on average
_SPACING = 0.7  # share of the even spacing between two calls
_TIMER_LATENESS = 0.001  # seconds of timer lateness that may be made up


@dataclass(frozen=True, slots=True)
class Permit:
    """When a call was admitted, and the requests and tokens sent by then, including its own."""

    at: float
    sent: int
    tokens: int


class ConcurrencyLimiter:
    """Limits the calls in flight to one host."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.limit = max(1.0, INITIAL_CONCURRENCY / _process_count)
        self.in_flight = 0
        self.refused = 0  # rate-limit refusals so far
        self.closed_until = 0.0
        self.quotas: dict[str, Quota] = {}
        self._clock = clock
        self._sent = self._sent_tokens = 0
        self._waiting: deque[tuple[asyncio.Future[Permit], int]] = deque()
        self._climbing = True
        self._rest = 0
        self._round = _Round(clock())
        self._previous_rate = 0.0  # answers per second in the round before the last step up
        self._stepped_from = 0.0
        self._lowered_at = -1.0  # when an unexplained refusal last lowered the limit
        self._busy = _BusyPeriod()
        self._mean_seconds = 0.0  # moving average of the seconds per answer
        self._next_at = 0.0  # when the next call may be sent
        self._timer: asyncio.TimerHandle | None = None
        self._send_rate = SendRate(clock())
        self._reported_wait: tuple[float | None] | None = None  # wait requested by a refusal whose call has not been released yet
        self._probe_at = float("inf")  # when a probe, one call above the limit, may be sent
        self._probe_delay = _PROBE_DELAY
        self._probe_sent_at = -1.0  # when the probe was sent
        self._probes_accepted = 0  # in a row
        self._accepted = float("inf")  # calls in flight that were accepted when another was refused
        self._unexplained = False  # the last refusal gave no reason
        self._limited_by_rate = False  # unexplained refusals limit the rate: lower concurrency was refused, too

    async def acquire(self, tokens: int = 0) -> Permit:
        """Wait until a call may be sent; pass the permit to `release`."""
        if not self._waiting and self._can_admit(tokens):
            return self._admit(tokens)
        future: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._waiting.append((future, tokens))
        self._admit_waiting()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():  # the permit was granted already
                self.release(future.result(), answered=False)
            raise

    def _admit(self, tokens: int) -> Permit:
        now = self._clock()
        if not self.in_flight:
            self._busy = _BusyPeriod()
        if now >= self._probe_at and self.in_flight >= self.capacity():
            self._probe_at, self._probe_sent_at = float("inf"), now
        self.in_flight += 1
        self._busy.peak = max(self._busy.peak, self.in_flight)
        self._next_at = max(self._next_at, now - _TIMER_LATENESS) + max(self._gap(), self._send_rate.gap(now))
        self._send_rate.on_sent(now)
        self._sent += 1
        self._sent_tokens += tokens
        for quota in self.quotas.values():
            quota.take(tokens if quota.tokens else 1)
        return Permit(now, self._sent, self._sent_tokens)

    def _gap(self) -> float:
        """Seconds until the next call; 0 until the busy period has seen as many answers as its peak."""
        spell = self._busy
        return _SPACING * self._mean_seconds / spell.peak if spell.answers >= spell.peak else 0.0

    def capacity(self) -> int:
        """Concurrency: the learned limit, or what the learned rate needs if that is more."""
        rate = self._send_rate.rate
        return int(
            self.limit
            if rate is None
            else max(self.limit, min(MAX_CONCURRENCY / _process_count, _CAPACITY_MARGIN * rate * self._mean_seconds + 1))
        )

    @property
    def per_second(self) -> float | None:
        """Calls per second learned from refusals; None without any."""
        return self._send_rate.rate

    def set_known_limit(self, calls: int) -> None:
        """Start from a concurrency that the host is known to support, until it refuses a call."""
        if not self.refused:
            self.limit = max(self.limit, min(float(calls), MAX_CONCURRENCY / _process_count))

    def is_full(self) -> bool:
        """Whether a new call would have to wait."""
        return bool(self._waiting) or not self._can_admit(0)

    def release(self, permit: Permit, *, answered: bool, rate_limits: Mapping[str, RateLimitState] | None = None) -> None:
        """Release the permit of a call that has ended; `answered` is False if it failed."""
        self.in_flight -= 1
        now = self._clock()
        for name, report in (rate_limits or {}).items():
            quota = self.quotas.setdefault(name, Quota(name == "tokens"))
            sent_since = self._sent_tokens - permit.tokens if quota.tokens else self._sent - permit.sent
            if _process_count > 1:
                report = RateLimitState(report.remaining / _process_count, report.limit / _process_count, report.reset)
            quota.update(report, permit.at, sent_since, now)
        reported_wait, self._reported_wait = self._reported_wait, None
        unexplained, self._unexplained = self._unexplained, False
        if permit.at == self._probe_sent_at:
            self._on_probe_ended(now, answered)
        elif unexplained:
            self._on_unexplained_refusal(permit.at, now)
        if reported_wait is not None:
            self._send_rate.on_refused(permit.at, now, reported_wait[0])
        elif answered:
            self._send_rate.on_answered(permit.at, now)
        elif not unexplained or not self._limited_by_rate:  # else the send rate was told already
            self._send_rate.on_failed(permit.at)
        if answered:
            seconds_taken = now - permit.at
            self._mean_seconds += (seconds_taken - self._mean_seconds) * (0.1 if self._mean_seconds else 1.0)
            self._busy.answers += 1
            self._count_answer()
        self._admit_waiting()

    def on_rate_limited(self, seconds: float | None, *, published: bool = False) -> None:
        """Handle a rate-limit refusal of the call that is released next.

        Args:
            seconds: The wait that the service requests, if any.
            published: Whether the service reports its quotas.
        """
        now = self._clock()
        self.refused += 1
        if seconds:
            self.closed_until = max(self.closed_until, now + seconds)
        for quota in self.quotas.values():
            quota.mark_exhausted()
        if seconds or published or self.quotas or self._limited_by_rate:
            self._reported_wait = (seconds,)  # the limit is on the rate, not on concurrency
        else:
            self._unexplained = True

    def _on_unexplained_refusal(self, at: float, now: float) -> None:
        """Lower the limit after a refusal without a reason; the calls still in flight were accepted."""
        if at > self._lowered_at:  # calls in flight are refused together and count as one refusal
            self._lowered_at = now
            if self.in_flight < _FEWER_FACTOR * self._accepted < float("inf"):
                self._limited_by_rate = True
                self._send_rate.on_refused(at, now, None)
            self._stop_climbing()
            self._probes_accepted, self._probe_at = 0, now + self._probe_delay
        self._accepted = max(1.0, float(self.in_flight))
        self.limit = max(1.0, min(self.limit, _DECREASE * self.in_flight))

    def _on_probe_ended(self, now: float, taken: bool) -> None:
        """Handle the end of a probe. If probes are accepted repeatedly, concurrency is not the limit."""
        self._probe_sent_at, self._probe_at = -1.0, now
        if not taken:
            self._probes_accepted, self._probe_delay = 0, min(_MAX_PROBE_DELAY, 2 * self._probe_delay)
            self._probe_at = now + self._probe_delay
            return
        if self._mean_seconds < _MIN_ANSWER_SECONDS:  # answers are about as fast as refusals, so an accepted probe proves nothing
            self._probe_at = float("inf")
            return
        if self.limit < self._accepted:  # that many were accepted before
            self.limit = min(self._accepted, _CLIMB_FACTOR * self.limit + 1)
            return
        self._probes_accepted += 1
        self.limit = min(max(1.0, MAX_CONCURRENCY / _process_count), self.limit + 1)
        if self._probes_accepted >= _PROBES_TO_CONFIRM:
            self._limited_by_rate, self._probe_at = True, float("inf")
            self._climbing = True

    def wait(self) -> float:
        """Seconds until calls may be sent again; 0 if they may now."""
        return self._wait(0)

    def _wait(self, tokens: int) -> float:
        now = self._clock()
        return max(
            [
                0.0,
                self.closed_until - now,
                self._send_rate.wait(now),
                *(quota.wait(now, tokens if quota.tokens else 1) for quota in self.quotas.values()),
            ]
        )

    def _can_admit(self, tokens: int) -> bool:
        return self._has_capacity() and self._clock() >= self._next_at and self._wait(tokens) <= 0

    def _has_capacity(self) -> bool:
        return self.in_flight < self.capacity() or self._clock() >= self._probe_at

    def _admit_waiting(self) -> None:
        """Admit waiting calls while there is capacity; set a timer for the rest."""
        while self._waiting:
            future, tokens = self._waiting[0]
            if not future.done():
                if not self._can_admit(tokens):
                    break
                future.set_result(self._admit(tokens))
            self._waiting.popleft()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and not self._has_capacity() and self._probe_at < float("inf"):
            self._timer = asyncio.get_running_loop().call_later(max(0.0005, self._probe_at - self._clock()), self._admit_waiting)
        elif self._waiting and self._has_capacity():
            seconds = max(self._wait(self._waiting[0][1]), self._next_at - self._clock(), 0.0005)
            self._timer = asyncio.get_running_loop().call_later(min(seconds, 1.0), self._admit_waiting)

    def _count_answer(self) -> None:
        """Count an answer; adjust the limit after a round of answers."""
        r = self._round
        r.answers += 1
        r.busiest = max(r.busiest, self.in_flight + 1)
        now = self._clock()
        if r.answers < max(8, 2 * self.limit) or now - r.began < 0.02:
            return
        rate = r.answers / (now - r.began)
        limit_used = r.busiest >= int(self.limit) * 0.9  # an unused limit proves nothing
        self._round = _Round(now)
        if not limit_used:
            return
        if self._stepped_from:
            stepped_from, self._stepped_from = self._stepped_from, 0.0
            gain = self.limit / stepped_from
            if rate < self._previous_rate * (1 + (gain - 1) * 0.4):  # more calls, hardly more answers: they queue at the host
                self.limit = stepped_from
                self._stop_climbing()
                return
        if self._climbing or self._rest <= 0:
            self._previous_rate, self._stepped_from = rate, self.limit
            self.limit = min(
                max(1.0, MAX_CONCURRENCY / _process_count),
                max(self.limit + 1, self.limit * (_CLIMB_FACTOR if self._climbing else _PROBE_FACTOR)),
            )
            self._rest = _ROUNDS_BETWEEN_PROBES
            self._admit_waiting()
        else:
            self._rest -= 1

    def _stop_climbing(self) -> None:
        self._climbing, self._rest, self._stepped_from = False, _ROUNDS_BETWEEN_PROBES, 0.0
        self._round = _Round(self._clock())


class _BusyPeriod:
    """The time since no call was in flight."""

    def __init__(self) -> None:
        self.peak = 0
        self.answers = 0


class _Round:
    """Consecutive answers at one limit."""

    def __init__(self, now: float):
        self.began = now
        self.answers = 0
        self.busiest = 0


class RateCap:
    """A cap per minute, spread evenly after a small initial burst."""

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic):
        self.per_second = per_minute / 60
        self._clock = clock
        self._next = clock()

    async def acquire(self, amount: float = 1) -> None:
        """Wait until this amount may be sent."""
        now = self._clock()
        at = max(self._next, now - 1.0)  # capacity unused in the last second may be made up
        self._next = at + amount / self.per_second
        if at > now:
            await asyncio.sleep(at - now)

    def correct(self, amount: float) -> None:
        """Correct an earlier amount by a difference."""
        self._next += amount / self.per_second


_process_count = 1  # number of processes that share each host


def set_process_count(parts: int) -> None:
    """Set the number of processes among which every host's limits are divided."""
    global _process_count
    _process_count = max(1, parts)


class Limiters:
    """The limiters of a Runtime, by event loop and host."""

    def __init__(self) -> None:
        self.by_host: dict[tuple[int, str], ConcurrencyLimiter] = {}


def limiter_for(host: str) -> ConcurrencyLimiter:
    """The limiter of a host on the running loop."""
    return state(Limiters).by_host.setdefault((id(asyncio.get_running_loop()), host), ConcurrencyLimiter())


@dataclass(frozen=True, slots=True)
class QuotaRate:
    """A rolling quota ("requests" or "tokens"): what remains, and the units it regains per second."""

    name: str
    remaining: float
    per_second: float


@dataclass(frozen=True, slots=True)
class HostLimits:
    """What was learned about a host: concurrency, refusals, quotas, and calls per second."""

    concurrency: float = INITIAL_CONCURRENCY
    refused: bool = False
    quotas: tuple[QuotaRate, ...] = ()
    per_second: float | None = None


def host_limits(host: str) -> HostLimits:
    """What was learned about a host so far. Safe from any thread.

    >>> host_limits("nobody.example").concurrency
    16
    """
    limiters = [limiter for (_, name), limiter in list(state(Limiters).by_host.items()) if name == host]
    if not limiters:
        return HostLimits()
    limiter = limiters[-1]
    supplies = tuple(QuotaRate(n, max(0.0, s.remaining), s.rate) for n, s in list(limiter.quotas.items()) if s.rolling >= 0 and s.rate)
    return HostLimits(max(1.0, float(limiter.capacity())), bool(limiter.refused), supplies, limiter.per_second)


def forget() -> None:
    """Forget what was learned about all hosts."""
    state(Limiters).by_host.clear()
