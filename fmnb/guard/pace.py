"""How many calls a host gets at a time, found out as it answers, and how fast.

One `Gate` a host, shared by all runs of this kernel. It starts with a few calls and doubles
them while more calls bring more answers. A refusal for speed lowers it, a wait the service
asks for closes it, and what the service says is left of its allowance is not overdrawn.
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

from ..backend import Allowance
from .tempo import Tempo

FIRST = 16  # calls to a host nobody has asked yet
MOST = 512
_WORTH = 1.15  # times the answers a second that a step up must bring, or it is taken back
_CLIMB = 1.6  # a step up while nothing has been refused
_PROBE = 1.1  # a step up later on
_REST = 8  # rounds between two probes
_DOWN = 0.7  # what a refusal leaves
_FEWER = 0.85  # of the calls at once that were refused: if these are refused too, it is not for how many they are
_SPARE = 1.2  # times the places that a known speed needs on average
_SHARE = 0.97  # of an allowance that is used: clocks and counts differ a little
_APART = 0.7  # of the time between two calls, were they spread evenly, that must be between them
_ROUNDED = 1.0  # seconds by which a moment told in whole seconds may be early
_LONG = 5.0  # seconds of a limit for which that matters little
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
        self.allowed: dict[str, _Left] = {}
        self._clock = clock
        self._sent = self._sent_tokens = 0
        self._waiting: deque[tuple[asyncio.Future[Ticket], int]] = deque()
        self._climbing = True
        self._rest = 0
        self._round = _Round(clock())
        self._before = 0.0  # answers a second of the round before the last step up
        self._stepped_from = 0.0
        self._lowered = 0.0
        self._spell = _Spell()
        self._mean = 0.0  # seconds an answer took, the last ones most
        self._next_at = 0.0  # when the next may leave
        self._alarm: asyncio.TimerHandle | None = None
        self._tempo = Tempo(clock())
        self._told: tuple[float | None] | None = None  # the wait of a refusal whose call has not left yet
        self._fewest = float("inf")  # calls at once at which one was refused without a word on why
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
            left = self.allowed.setdefault(name, _Left(name == "tokens"))
            after = self._sent_tokens - ticket.tokens if left.tokens else self._sent - ticket.sent
            left.hear(said, ticket.at, after, now)
        told, self._told = self._told, None
        if told is not None:
            self._tempo.refused(ticket.at, now, told[0])
        elif answered:
            self._tempo.taken(ticket.at, now)
        else:
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
            self._told = (seconds,)
            return  # it is how many in some time, and not how many at once
        if now - self._lowered > 1.0:  # those under way are refused together: that is one refusal
            self._lowered = now
            self._too_fast = self.flying < _FEWER * self._fewest and self._fewest < float("inf")
            self._fewest = min(self._fewest, self.flying)
            self.limit = max(1.0, min(self.limit, self.flying + 1) * _DOWN)
            self._settle()

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
        return self.flying < self.places() and self._clock() >= self._next_at and self._wait(tokens) <= 0

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
        if self._waiting and self.flying < self.places():
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


class _Left:
    """What is left of one allowance, counted on from what the service says of it.

    The service counts a call when it comes in, so what it says is as old as its answer took.
    It fills its allowance up steadily, and then says when it will be full, or at once, and then
    says when that is: that moment moves with every call, or it does not.
    """

    def __init__(self, tokens: bool):
        self.tokens = tokens
        self.left = float("inf")
        self.limit = 0.0
        self.at = 0.0
        self.until = 0.0
        self.moving = 0.0  # above 0 while the moment moves: it fills up steadily
        self._used = self._resets = 0.0
        self._heard = 0.0
        self._whole = True  # resets are told in whole seconds
        self._longest = 0.0

    def hear(self, said: Allowance, asked: float, after: float, now: float) -> None:
        """What the service said of a call that was let in at `asked`; that much was sent `after` it."""
        if _parts > 1:
            said = Allowance(said.left / _parts, said.limit / _parts, said.reset)
        if asked < self._heard:
            return  # a slow answer tells what is known better
        self._heard = asked
        self._whole = self._whole and said.reset == int(said.reset)
        self._longest = max(self._longest, said.reset)
        until = asked + said.reset + (_ROUNDED if self._whole and self._longest >= _LONG else 0.0)
        used = max(0.0, said.limit - said.left)
        if self.at and said.left < self._last_left:
            moves = until - self.until > 0.002 + 0.2 * (self._last_left - said.left) * self._each()
            self.moving = max(-3.0, min(3.0, self.moving + (1 if moves else -1)))
        self._last_left = said.left
        self._used = 0.95 * self._used + max(0.0, used - 0.5)  # services round what is left down
        self._resets = 0.95 * self._resets + said.reset
        self.limit, self.until, self.at = said.limit, until, now
        self.left = said.left - after + (self.rate * (now - asked) if self.moving >= 0 else 0.0)

    _last_left = float("inf")

    def _each(self) -> float:
        """Seconds that one more moves the moment by, were it moving."""
        return 1 / self.rate if self.rate else 0.0

    @property
    def rate(self) -> float:
        """How many come back a second, where they come back steadily."""
        return _SHARE * self._used / self._resets if self._resets else 0.0

    def take(self, amount: float) -> None:
        self.left -= amount

    def overdrawn(self) -> None:
        """A call was refused although some seemed left; where many did, it was refused for something else."""
        if self.left <= max(2.0, 0.1 * self.limit):
            self.left = min(self.left, 0.0)

    def wait(self, now: float, amount: float = 1) -> float:
        """Seconds until that much is there."""
        if not self.at:
            return 0.0
        spare = min(1.0, 0.02 * self.limit)
        missing = min(amount + spare, self.limit * _SHARE)
        if self.moving >= 0:
            missing -= min(self.limit, self.left + (now - self.at) * self.rate)
            return 0.0 if missing <= 0 else missing / self.rate if self.rate else max(0.0, self.until - now)
        if now >= self.until:  # filled up; what was sent since is counted from here
            self.left, self.at, self.until = self.limit - amount, now, now + 1e9
            return 0.0
        return 0.0 if missing <= self.left else self.until + 0.02 - now


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
    """What was found out about a host: how many calls at once, whether it has refused more, what it says it allows."""

    at_once: float = FIRST
    refused: bool = False
    supplies: tuple[Supply, ...] = ()


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
    return Known(max(1.0, g.limit), bool(g.refused), supplies)


def forget() -> None:
    """Forget what was found out about every host."""
    _gates.clear()
