"""How fast calls may leave for a host, learned from what it refuses, whatever it says or does not say of its limits.

A refusal ends a stretch of time in which so many calls were taken. With the wait that followed
it, until a call was taken again, that is how many a second the host allows: 600 in two seconds
and then none for 58 are ten a second, and so are ten and then none for the rest of the second.
From then on calls leave evenly at a little less. It grows back towards the speed at which it
was refused, and beyond that only after a long time. Seconds are those of the caller's clock.
"""

from __future__ import annotations

_SAFETY = 0.97  # of what was measured, or refused
_DECREASE = 0.95  # what is left at most of a speed that was refused
_MIN_FACTOR = 0.5  # and at least where it was measured by few calls
_MANY_CALLS = 20
_ROUGH_CEILING = 1.15  # times what was measured, the host does not allow: the wait is not known exactly
_CLOSE_CEILING = 1.03  # the same where it is known well
_SHORT_WAIT = 0.1  # of a stretch: so short a wait makes little difference
_GROWTH = 0.03  # a second, up to `_SAFETY` of the speed that was refused
_MIN_GROWTH = 0.05  # calls a second that it grows by in each
_GROWTH_BEYOND = 0.005  # a second, above that
_QUIET_SECONDS = 60.0  # seconds without a refusal before it grows beyond; twice as long after each that came of it
_MAX_QUIET_SECONDS = 900.0
_QUIET_CALLS = 300  # and so many calls, so that what comes of it is no share of them worth a word
_FIRST_PAUSE = 0.25  # seconds nothing is sent where the host names no wait; longer and longer while it refuses
_PAUSE_FACTOR = 3
_MAX_PAUSE = 20.0


class SendRate:
    """Calls a second to one host. `rate` is None until it refuses one for speed."""

    def __init__(self, now: float):
        self.rate: float | None = None
        self._began = now  # of the stretch that is counted
        self._sent = self._refused = 0
        self._reacted_at = -1.0  # when a refusal was last heeded: those of calls that were sent before are the same one
        self._open_at = self._ended = 0.0
        self._pauses = 0  # in a row, without a call taken
        self._probe: float | None = None  # when the one call was sent that shows whether it is open again
        self._stretch: tuple[float | None, int] = None, 0  # that a refusal ended: its rate, and calls sent in it
        self._ceiling = float("inf")
        self._quiet_seconds = _QUIET_SECONDS
        self._grown_at = now

    def gap(self, now: float) -> float:
        """Seconds between two calls."""
        if self.rate is None:
            return 0.0
        self._grow(now)
        return 1 / self.rate

    def wait(self, now: float) -> float:
        """Seconds until a call may leave; some time that is looked at again while a probe is under way."""
        if self._pauses and self._probe is not None:
            return 0.05
        return max(0.0, self._open_at - now)

    def on_sent(self, now: float) -> None:
        """A call leaves."""
        self._sent += 1
        if self._pauses and self._probe is None:
            self._probe = now

    def on_answered(self, at: float, now: float) -> None:
        """The call that was sent at that time was answered."""
        if at <= self._reacted_at or not self._pauses:
            return
        rate, sent = self._stretch
        calls = max(1, sent - self._refused)
        allowed = calls / max(1e-3, at - self._began)
        least = _MIN_FACTOR * rate if rate is not None and calls < _MANY_CALLS else 0.0
        self.rate = min(_DECREASE * rate if rate is not None else float("inf"), max(least, _SAFETY * allowed))
        rest, busy = at - self._ended, self._ended - self._began
        if calls >= _MANY_CALLS and (rest > busy or rest < _SHORT_WAIT * busy):  # all were used at once, or the wait hardly counts
            self._ceiling = min(self._ceiling, _CLOSE_CEILING * allowed)
        elif calls >= _MANY_CALLS and rate is not None:
            self._ceiling = min(self._ceiling, _ROUGH_CEILING * allowed)
        self._began, self._sent, self._refused = at, self._sent - sent, 0
        self._pauses, self._probe, self._grown_at = 0, None, now

    def on_refused(self, at: float, now: float, wait: float | None) -> None:
        """The call that was sent at that time was refused for speed."""
        self._open_at = max(self._open_at, now + (wait or 0.0))
        if at <= self._reacted_at:
            self._refused += 1
            return
        if self._pauses:
            self._sent -= 1  # it is no call of the stretch
        else:
            self._refused += 1
            self._stretch, self._ended = (self.rate, self._sent), now
            if self.rate is not None:
                if self.rate > _SAFETY * self._ceiling:  # it came of growing beyond
                    self._quiet_seconds = min(_MAX_QUIET_SECONDS, 2 * self._quiet_seconds)
                self._ceiling = self.rate
        self._reacted_at, self._probe = now, None
        self._open_at = max(self._open_at, now + (wait or min(_MAX_PAUSE, _FIRST_PAUSE * _PAUSE_FACTOR**self._pauses)))
        self._pauses += 1

    def on_failed(self, at: float) -> None:
        """The call that was sent at that time ended in another way."""
        if self._probe == at:
            self._probe = None

    def _grow(self, now: float) -> None:
        assert self.rate is not None
        seconds, self._grown_at = min(1.0, now - self._grown_at), now
        near = _SAFETY * self._ceiling
        if self.rate < near:
            self.rate = min(near, self.rate + max(_GROWTH * self.rate, _MIN_GROWTH) * seconds)
        elif now - self._reacted_at > max(self._quiet_seconds, _QUIET_CALLS / self.rate):
            self.rate *= 1 + _GROWTH_BEYOND * seconds
