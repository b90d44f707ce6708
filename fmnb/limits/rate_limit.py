"""How many calls a host gets at a time, found out as it answers, and how fast.

One `ConcurrencyLimiter` a host, shared by all runs of this kernel. It starts with a few calls and doubles
them while more calls bring more answers. A refusal for speed lowers it, a wait the service
asks for closes it, and what the service says is left of its allowance is not overdrawn. Of one
that says nothing it is found out whether it is for how many there are at once (a call more than
were taken is refused again) or for how many in some time (it is taken, or fewer are refused, too).
Calls leave some time apart: those that leave together wait for each other, there and here,
and go on doing so, since they end together. `RateCap` is a user's own cap. Seconds are those of
`time.monotonic`; everything belongs to the one event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..core.backend import RateLimitState
from .quota import Quota
from .send_rate import SendRate

INITIAL_CONCURRENCY = 16  # calls to a host nobody has asked yet
MAX_CONCURRENCY = 512
_MIN_GAIN = 1.15  # times the answers a second that a step up must bring, or it is taken back
_CLIMB_FACTOR = 1.6  # a step up while nothing has been refused
_PROBE_FACTOR = 1.1  # a step up later on
_ROUNDS_BETWEEN_PROBES = 8  # rounds between two probes
_DECREASE = 0.7  # what a refusal leaves
_FEWER_FACTOR = 0.85  # of the calls at once that were refused: if these are refused too, it is not for how many they are
_PROBE_DELAY = 1.0  # seconds after such a refusal until one more than the limit is sent; twice as long each time that it is refused
_MAX_PROBE_DELAY = 60.0
_MIN_ANSWER_SECONDS = 0.5  # seconds of an answer, from which that is done
_PROBES_TO_CONFIRM = 3  # of them taken in a row: it is no limit of how many at once
_CAPACITY_MARGIN = 1.2  # times the places that a known speed needs on average
_SPACING = 0.7  # of the time between two calls, were they spread evenly, that must be between them
_TIMER_LATENESS = 0.001  # seconds that timers are late, which may be made up


@dataclass(frozen=True, slots=True)
class Permit:
    """When a call was let in, and how many requests and tokens had been by then, its own among them."""

    at: float
    sent: int
    tokens: int


class ConcurrencyLimiter:
    """How many calls are under way to one host, and how many may be."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.limit = max(1.0, INITIAL_CONCURRENCY / _process_count)
        self.in_flight = 0
        self.refused = 0  # for speed, so far
        self.closed_until = 0.0
        self.quotas: dict[str, Quota] = {}
        self._clock = clock
        self._sent = self._sent_tokens = 0
        self._waiting: deque[tuple[asyncio.Future[Permit], int]] = deque()
        self._climbing = True
        self._rest = 0
        self._round = _Round(clock())
        self._previous_rate = 0.0  # answers a second of the round before the last step up
        self._stepped_from = 0.0
        self._lowered_at = -1.0  # when the limit was, for refusals that said nothing
        self._busy = _BusyPeriod()
        self._mean_seconds = 0.0  # seconds an answer took, the last ones most
        self._next_at = 0.0  # when the next may leave
        self._timer: asyncio.TimerHandle | None = None
        self._send_rate = SendRate(clock())
        self._reported_wait: tuple[float | None] | None = None  # the wait of a refusal whose call has not left yet
        self._probe_at = float("inf")  # when one more than the limit may go, to see whether it is one
        self._probe_delay = _PROBE_DELAY
        self._probe_sent_at = -1.0  # when that one left
        self._probes_accepted = 0  # of them taken in a row
        self._accepted = float("inf")  # calls at once that were left when others were refused
        self._unexplained = False  # such a refusal said nothing of why
        self._limited_by_rate = False  # such refusals are for speed, for fewer calls at once were refused too

    async def acquire(self, tokens: int = 0) -> Permit:
        """Wait for a place; the ticket goes to `release`."""
        if not self._waiting and self._can_admit(tokens):
            return self._admit(tokens)
        turn: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, tokens))
        self._admit_waiting()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the place was ours already
                self.release(turn.result(), answered=False)
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
        for left in self.quotas.values():
            left.take(tokens if left.tokens else 1)
        return Permit(now, self._sent, self._sent_tokens)

    def _gap(self) -> float:
        """Seconds to the next call; none while there are not yet as many as there will be: they wait for no answer."""
        spell = self._busy
        return _SPACING * self._mean_seconds / spell.peak if spell.answers >= spell.peak else 0.0

    def capacity(self) -> int:
        """Calls at once: as many as were found, and as many as the speed that was found needs."""
        rate = self._send_rate.rate
        return int(
            self.limit
            if rate is None
            else max(self.limit, min(MAX_CONCURRENCY / _process_count, _CAPACITY_MARGIN * rate * self._mean_seconds + 1))
        )

    @property
    def per_second(self) -> float | None:
        """Calls a second as learned from what was refused; None where nothing was refused for speed."""
        return self._send_rate.rate

    def set_known_limit(self, calls: int) -> None:
        """Somebody who knows the host says that it takes so many; held to be so until it refuses."""
        if not self.refused:
            self.limit = max(self.limit, min(float(calls), MAX_CONCURRENCY / _process_count))

    def is_full(self) -> bool:
        """Whether who comes now must wait."""
        return bool(self._waiting) or not self._can_admit(0)

    def release(self, ticket: Permit, *, answered: bool, rate_limits: Mapping[str, RateLimitState] | None = None) -> None:
        """A call has ended; `answered` unless it failed."""
        self.in_flight -= 1
        now = self._clock()
        for name, said in (rate_limits or {}).items():
            left = self.quotas.setdefault(name, Quota(name == "tokens"))
            after = self._sent_tokens - ticket.tokens if left.tokens else self._sent - ticket.sent
            if _process_count > 1:
                said = RateLimitState(said.remaining / _process_count, said.limit / _process_count, said.reset)
            left.update(said, ticket.at, after, now)
        told, self._reported_wait = self._reported_wait, None
        unsaid, self._unexplained = self._unexplained, False
        if ticket.at == self._probe_sent_at:
            self._on_probe_ended(now, answered)
        elif unsaid:
            self._on_unexplained_refusal(ticket.at, now)
        if told is not None:
            self._send_rate.on_refused(ticket.at, now, told[0])
        elif answered:
            self._send_rate.on_answered(ticket.at, now)
        elif not unsaid or not self._limited_by_rate:  # else the tempo has heard of it
            self._send_rate.on_failed(ticket.at)
        if answered:
            took = now - ticket.at
            self._mean_seconds += (took - self._mean_seconds) * (0.1 if self._mean_seconds else 1.0)
            self._busy.answers += 1
            self._count_answer()
        self._admit_waiting()

    def on_rate_limited(self, seconds: float | None, *, published: bool = False) -> None:
        """The service refused a call for speed, which leaves next, and asks for a wait, if it does; `published` when it says what is left."""
        now = self._clock()
        self.refused += 1
        if seconds:
            self.closed_until = max(self.closed_until, now + seconds)
        for left in self.quotas.values():
            left.mark_exhausted()
        if seconds or published or self.quotas or self._limited_by_rate:
            self._reported_wait = (seconds,)  # it is how many in some time, and not how many at once
        else:
            self._unexplained = True

    def _on_unexplained_refusal(self, at: float, now: float) -> None:
        """The call that was sent at that time was refused without a word on why: so many as are left were taken."""
        if at > self._lowered_at:  # those that were under way are refused together: that is one refusal
            self._lowered_at = now
            if self.in_flight < _FEWER_FACTOR * self._accepted < float("inf"):
                self._limited_by_rate = True
                self._send_rate.on_refused(at, now, None)
            self._stop_climbing()
            self._probes_accepted, self._probe_at = 0, now + self._probe_delay
        self._accepted = max(1.0, float(self.in_flight))
        self.limit = max(1.0, min(self.limit, _DECREASE * self.in_flight))

    def _on_probe_ended(self, now: float, taken: bool) -> None:
        """The one call beyond the limit has ended. Where that is taken again and again, it was not for how many there were that others were refused."""
        self._probe_sent_at, self._probe_at = -1.0, now
        if not taken:
            self._probes_accepted, self._probe_delay = 0, min(_MAX_PROBE_DELAY, 2 * self._probe_delay)
            self._probe_at = now + self._probe_delay
            return
        if self._mean_seconds < _MIN_ANSWER_SECONDS:  # a refusal takes about as long as an answer: that one was taken says nothing
            self._probe_at = float("inf")
            return
        if self.limit < self._accepted:  # so many were taken before
            self.limit = min(self._accepted, _CLIMB_FACTOR * self.limit + 1)
            return
        self._probes_accepted += 1
        self.limit = min(max(1.0, MAX_CONCURRENCY / _process_count), self.limit + 1)
        if self._probes_accepted >= _PROBES_TO_CONFIRM:
            self._limited_by_rate, self._probe_at = True, float("inf")
            self._climbing = True

    def wait(self) -> float:
        """Seconds until the gate may open again; 0 where it is open."""
        return self._wait(0)

    def _wait(self, tokens: int) -> float:
        now = self._clock()
        return max(
            [
                0.0,
                self.closed_until - now,
                self._send_rate.wait(now),
                *(left.wait(now, tokens if left.tokens else 1) for left in self.quotas.values()),
            ]
        )

    def _can_admit(self, tokens: int) -> bool:
        return self._has_capacity() and self._clock() >= self._next_at and self._wait(tokens) <= 0

    def _has_capacity(self) -> bool:
        return self.in_flight < self.capacity() or self._clock() >= self._probe_at

    def _admit_waiting(self) -> None:
        """Let in who waits, as far as there is place; look again when there may be more."""
        while self._waiting:
            turn, tokens = self._waiting[0]
            if not turn.done():
                if not self._can_admit(tokens):
                    break
                turn.set_result(self._admit(tokens))
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
        """One more answer; after a round of them the limit is looked at."""
        r = self._round
        r.answers += 1
        r.busiest = max(r.busiest, self.in_flight + 1)
        now = self._clock()
        if r.answers < max(8, 2 * self.limit) or now - r.began < 0.02:
            return
        rate = r.answers / (now - r.began)
        full = r.busiest >= int(self.limit) * 0.9  # a limit that is not used says nothing
        self._round = _Round(now)
        if not full:
            return
        if self._stepped_from:
            stepped_from, self._stepped_from = self._stepped_from, 0.0
            gain = self.limit / stepped_from
            if rate < self._previous_rate * (1 + (gain - 1) * 0.4):  # more calls, hardly more answers: they queue there
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
    """The time since there was no call under way."""

    def __init__(self) -> None:
        self.peak = 0
        self.answers = 0


class _Round:
    """Some answers in a row at one limit."""

    def __init__(self, now: float):
        self.began = now
        self.answers = 0
        self.busiest = 0


class RateCap:
    """A cap of so many a minute, spread evenly after a small first burst."""

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic):
        self.per_second = per_minute / 60
        self._clock = clock
        self._next = clock()

    async def acquire(self, amount: float = 1) -> None:
        """Wait until this much may go."""
        now = self._clock()
        at = max(self._next, now - 1.0)  # what was not used in the last second may be made up
        self._next = at + amount / self.per_second
        if at > now:
            await asyncio.sleep(at - now)

    def correct(self, amount: float) -> None:
        """It was that much more, or less, than was thought."""
        self._next += amount / self.per_second


_process_count = 1  # of how many processes that share a host this is one


def set_process_count(parts: int) -> None:
    """From now on this process has one of so many parts of every host's limits."""
    global _process_count
    _process_count = max(1, parts)


_limiters: dict[tuple[int, str], ConcurrencyLimiter] = {}


def limiter_for(host: str) -> ConcurrencyLimiter:
    """The gate of a host, for the running loop."""
    return _limiters.setdefault((id(asyncio.get_running_loop()), host), ConcurrencyLimiter())


@dataclass(frozen=True, slots=True)
class QuotaRate:
    """An allowance that comes back steadily: "requests" or "tokens", how many there are now, how many more a second."""

    name: str
    remaining: float
    per_second: float


@dataclass(frozen=True, slots=True)
class HostLimits:
    """What was found out about a host: how many calls at once, whether it has refused more, what it says it allows, and calls a second that it took."""

    concurrency: float = INITIAL_CONCURRENCY
    refused: bool = False
    quotas: tuple[QuotaRate, ...] = ()
    per_second: float | None = None


def host_limits(host: str) -> HostLimits:
    """What was found out about a host so far; from any thread.

    >>> host_limits("nobody.example").concurrency
    16
    """
    gates = [g for (_, name), g in list(_limiters.items()) if name == host]
    if not gates:
        return HostLimits()
    g = gates[-1]
    supplies = tuple(QuotaRate(n, max(0.0, s.remaining), s.rate) for n, s in list(g.quotas.items()) if s.rolling >= 0 and s.rate)
    return HostLimits(max(1.0, float(g.capacity())), bool(g.refused), supplies, g.per_second)


def forget() -> None:
    """Forget what was found out about every host."""
    _limiters.clear()
