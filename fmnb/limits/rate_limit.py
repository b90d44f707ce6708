"""How many calls a host gets at a time, found out as it answers, and how fast.

One `Gate` a host, shared by all runs of this kernel. It starts with a few calls and doubles
them while more calls bring more answers. A refusal for speed lowers it, a wait the service
asks for closes it, and what the service says is left of its allowance is not overdrawn. Of one
that says nothing it is found out whether it is for how many there are at once (a call more than
were taken is refused again) or for how many in some time (it is taken, or fewer are refused, too).
Calls leave some time apart: those that leave together wait for each other, there and here,
and go on doing so, since they end together. `Rate` is a user's own cap. Seconds are those of
`time.monotonic`; everything belongs to the one event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..core.backend import Allowance
from .quota import Left
from .send_rate import Tempo

FIRST = 16  # calls to a host nobody has asked yet
MOST = 512
_WORTH = 1.15  # times the answers a second that a step up must bring, or it is taken back
_CLIMB = 1.6  # a step up while nothing has been refused
_PROBE = 1.1  # a step up later on
_REST = 8  # rounds between two probes
_DOWN = 0.7  # what a refusal leaves
_FEWER = 0.85  # of the calls at once that were refused: if these are refused too, it is not for how many they are
_TRY = 1.0  # seconds after such a refusal until one more than the limit is sent; twice as long each time that it is refused
_SELDOM = 60.0
_SLOW = 0.5  # seconds of an answer, from which that is done
_ENOUGH = 3  # of them taken in a row: it is no limit of how many at once
_SPARE = 1.2  # times the places that a known speed needs on average
_APART = 0.7  # of the time between two calls, were they spread evenly, that must be between them
_LATE = 0.001  # seconds that timers are late, which may be made up


@dataclass(frozen=True, slots=True)
class Ticket:
    """When a call was let in, and how many requests and tokens had been by then, its own among them."""

    at: float
    sent: int
    tokens: int


class Gate:
    """How many calls are under way to one host, and how many may be."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.limit = max(1.0, FIRST / _parts)
        self.flying = 0
        self.refused = 0  # for speed, so far
        self.closed_until = 0.0
        self.allowed: dict[str, Left] = {}
        self._clock = clock
        self._sent = self._sent_tokens = 0
        self._waiting: deque[tuple[asyncio.Future[Ticket], int]] = deque()
        self._climbing = True
        self._rest = 0
        self._round = _Round(clock())
        self._before = 0.0  # answers a second of the round before the last step up
        self._stepped_from = 0.0
        self._lowered = -1.0  # when the limit was, for refusals that said nothing
        self._spell = _Spell()
        self._mean = 0.0  # seconds an answer took, the last ones most
        self._next_at = 0.0  # when the next may leave
        self._alarm: asyncio.TimerHandle | None = None
        self._tempo = Tempo(clock())
        self._told: tuple[float | None] | None = None  # the wait of a refusal whose call has not left yet
        self._try_at = float("inf")  # when one more than the limit may go, to see whether it is one
        self._try_after = _TRY
        self._tried = -1.0  # when that one left
        self._beyond = 0  # of them taken in a row
        self._taken = float("inf")  # calls at once that were left when others were refused
        self._unsaid = False  # such a refusal said nothing of why
        self._too_fast = False  # such refusals are for speed, for fewer calls at once were refused too

    async def enter(self, tokens: int = 0) -> Ticket:
        """Wait for a place; the ticket goes to `leave`."""
        if not self._waiting and self._free(tokens):
            return self._admit(tokens)
        turn: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, tokens))
        self._next()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the place was ours already
                self.leave(turn.result(), answered=False)
            raise

    def _admit(self, tokens: int) -> Ticket:
        now = self._clock()
        if not self.flying:
            self._spell = _Spell()
        if now >= self._try_at and self.flying >= self.places():
            self._try_at, self._tried = float("inf"), now
        self.flying += 1
        self._spell.peak = max(self._spell.peak, self.flying)
        self._next_at = max(self._next_at, now - _LATE) + max(self._gap(), self._tempo.gap(now))
        self._tempo.sent(now)
        self._sent += 1
        self._sent_tokens += tokens
        for left in self.allowed.values():
            left.take(tokens if left.tokens else 1)
        return Ticket(now, self._sent, self._sent_tokens)

    def _gap(self) -> float:
        """Seconds to the next call; none while there are not yet as many as there will be: they wait for no answer."""
        spell = self._spell
        return _APART * self._mean / spell.peak if spell.answers >= spell.peak else 0.0

    def places(self) -> int:
        """Calls at once: as many as were found, and as many as the speed that was found needs."""
        rate = self._tempo.rate
        return int(self.limit if rate is None else max(self.limit, min(MOST / _parts, _SPARE * rate * self._mean + 1)))

    @property
    def per_second(self) -> float | None:
        """Calls a second as learned from what was refused; None where nothing was refused for speed."""
        return self._tempo.rate

    def trust(self, calls: int) -> None:
        """Somebody who knows the host says that it takes so many; held to be so until it refuses."""
        if not self.refused:
            self.limit = max(self.limit, min(float(calls), MOST / _parts))

    def full(self) -> bool:
        """Whether who comes now must wait."""
        return bool(self._waiting) or not self._free(0)

    def leave(self, ticket: Ticket, *, answered: bool, allowed: Mapping[str, Allowance] | None = None) -> None:
        """A call has ended; `answered` unless it failed."""
        self.flying -= 1
        now = self._clock()
        for name, said in (allowed or {}).items():
            left = self.allowed.setdefault(name, Left(name == "tokens"))
            after = self._sent_tokens - ticket.tokens if left.tokens else self._sent - ticket.sent
            if _parts > 1:
                said = Allowance(said.left / _parts, said.limit / _parts, said.reset)
            left.hear(said, ticket.at, after, now)
        told, self._told = self._told, None
        unsaid, self._unsaid = self._unsaid, False
        if ticket.at == self._tried:
            self._one_more(now, answered)
        elif unsaid:
            self._one_too_many(ticket.at, now)
        if told is not None:
            self._tempo.refused(ticket.at, now, told[0])
        elif answered:
            self._tempo.taken(ticket.at, now)
        elif not unsaid or not self._too_fast:  # else the tempo has heard of it
            self._tempo.gone(ticket.at)
        if answered:
            took = now - ticket.at
            self._mean += (took - self._mean) * (0.1 if self._mean else 1.0)
            self._spell.answers += 1
            self._count()
        self._next()

    def slow_down(self, seconds: float | None, *, published: bool = False) -> None:
        """The service refused a call for speed, which leaves next, and asks for a wait, if it does; `published` when it says what is left."""
        now = self._clock()
        self.refused += 1
        if seconds:
            self.closed_until = max(self.closed_until, now + seconds)
        for left in self.allowed.values():
            left.overdrawn()
        if seconds or published or self.allowed or self._too_fast:
            self._told = (seconds,)  # it is how many in some time, and not how many at once
        else:
            self._unsaid = True

    def _one_too_many(self, at: float, now: float) -> None:
        """The call that was sent at that time was refused without a word on why: so many as are left were taken."""
        if at > self._lowered:  # those that were under way are refused together: that is one refusal
            self._lowered = now
            if self.flying < _FEWER * self._taken < float("inf"):
                self._too_fast = True
                self._tempo.refused(at, now, None)
            self._settle()
            self._beyond, self._try_at = 0, now + self._try_after
        self._taken = max(1.0, float(self.flying))
        self.limit = max(1.0, min(self.limit, _DOWN * self.flying))

    def _one_more(self, now: float, taken: bool) -> None:
        """The one call beyond the limit has ended. Where that is taken again and again, it was not for how many there were that others were refused."""
        self._tried, self._try_at = -1.0, now
        if not taken:
            self._beyond, self._try_after = 0, min(_SELDOM, 2 * self._try_after)
            self._try_at = now + self._try_after
            return
        if self._mean < _SLOW:  # a refusal takes about as long as an answer: that one was taken says nothing
            self._try_at = float("inf")
            return
        if self.limit < self._taken:  # so many were taken before
            self.limit = min(self._taken, _CLIMB * self.limit + 1)
            return
        self._beyond += 1
        self.limit = min(max(1.0, MOST / _parts), self.limit + 1)
        if self._beyond >= _ENOUGH:
            self._too_fast, self._try_at = True, float("inf")
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
                self._tempo.wait(now),
                *(left.wait(now, tokens if left.tokens else 1) for left in self.allowed.values()),
            ]
        )

    def _free(self, tokens: int) -> bool:
        return self._place() and self._clock() >= self._next_at and self._wait(tokens) <= 0

    def _place(self) -> bool:
        return self.flying < self.places() or self._clock() >= self._try_at

    def _next(self) -> None:
        """Let in who waits, as far as there is place; look again when there may be more."""
        while self._waiting:
            turn, tokens = self._waiting[0]
            if not turn.done():
                if not self._free(tokens):
                    break
                turn.set_result(self._admit(tokens))
            self._waiting.popleft()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._waiting and not self._place() and self._try_at < float("inf"):
            self._alarm = asyncio.get_running_loop().call_later(max(0.0005, self._try_at - self._clock()), self._next)
        elif self._waiting and self._place():
            seconds = max(self._wait(self._waiting[0][1]), self._next_at - self._clock(), 0.0005)
            self._alarm = asyncio.get_running_loop().call_later(min(seconds, 1.0), self._next)

    def _count(self) -> None:
        """One more answer; after a round of them the limit is looked at."""
        r = self._round
        r.answers += 1
        r.busiest = max(r.busiest, self.flying + 1)
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
            if rate < self._before * (1 + (gain - 1) * 0.4):  # more calls, hardly more answers: they queue there
                self.limit = stepped_from
                self._settle()
                return
        if self._climbing or self._rest <= 0:
            self._before, self._stepped_from = rate, self.limit
            self.limit = min(max(1.0, MOST / _parts), max(self.limit + 1, self.limit * (_CLIMB if self._climbing else _PROBE)))
            self._rest = _REST
            self._next()
        else:
            self._rest -= 1

    def _settle(self) -> None:
        self._climbing, self._rest, self._stepped_from = False, _REST, 0.0
        self._round = _Round(self._clock())


class _Spell:
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


class Rate:
    """A cap of so many a minute, spread evenly after a small first burst."""

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic):
        self.per_second = per_minute / 60
        self._clock = clock
        self._next = clock()

    async def enter(self, amount: float = 1) -> None:
        """Wait until this much may go."""
        now = self._clock()
        at = max(self._next, now - 1.0)  # what was not used in the last second may be made up
        self._next = at + amount / self.per_second
        if at > now:
            await asyncio.sleep(at - now)

    def correct(self, amount: float) -> None:
        """It was that much more, or less, than was thought."""
        self._next += amount / self.per_second


_parts = 1  # of how many processes that share a host this is one


def divide(parts: int) -> None:
    """From now on this process has one of so many parts of every host's limits."""
    global _parts
    _parts = max(1, parts)


_gates: dict[tuple[int, str], Gate] = {}


def gate(host: str) -> Gate:
    """The gate of a host, for the running loop."""
    return _gates.setdefault((id(asyncio.get_running_loop()), host), Gate())


@dataclass(frozen=True, slots=True)
class Supply:
    """An allowance that comes back steadily: "requests" or "tokens", how many there are now, how many more a second."""

    name: str
    left: float
    per_second: float


@dataclass(frozen=True, slots=True)
class Known:
    """What was found out about a host: how many calls at once, whether it has refused more, what it says it allows, and calls a second that it took."""

    at_once: float = FIRST
    refused: bool = False
    supplies: tuple[Supply, ...] = ()
    per_second: float | None = None


def known(host: str) -> Known:
    """What was found out about a host so far; from any thread.

    >>> known("nobody.example").at_once
    16
    """
    gates = [g for (_, name), g in list(_gates.items()) if name == host]
    if not gates:
        return Known()
    g = gates[-1]
    supplies = tuple(Supply(n, max(0.0, s.left), s.rate) for n, s in list(g.allowed.items()) if s.moving >= 0 and s.rate)
    return Known(max(1.0, float(g.places())), bool(g.refused), supplies, g.per_second)


def forget() -> None:
    """Forget what was found out about every host."""
    _gates.clear()
