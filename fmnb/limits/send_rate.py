"""How fast calls may be sent to a host, learned from its refusals, with or without reported limits.

A refusal ends a stretch of time in which a number of calls was accepted. Together with the wait
that followed, until a call was accepted again, it gives the calls per second that the host allows:
600 in two seconds and then none for 58 are ten per second, and so are ten and then none for the
rest of the second. From then on calls are sent evenly, slightly slower than that. The rate grows
back towards the rate that was refused, and beyond it only after a long time. Seconds are those of
the caller's clock.
"""

from __future__ import annotations

_SAFETY = 0.97  # share of the measured or refused rate
_DECREASE = 0.95  # highest factor after a refused rate
_MIN_FACTOR = 0.5  # lowest factor, where few calls were measured
_MANY_CALLS = 20
_ROUGH_CEILING = 1.15  # ceiling over the measured rate, where the wait is not known exactly
_CLOSE_CEILING = 1.03  # the same where the wait is known well
_SHORT_WAIT = 0.1  # share of a stretch; a shorter wait makes little difference
_GROWTH = 0.03  # growth per second, up to `_SAFETY` of the refused rate
_MIN_GROWTH = 0.05  # calls per second, per second
_GROWTH_BEYOND = 0.005  # growth per second above that
_QUIET_SECONDS = 60.0  # seconds without a refusal before the rate grows beyond; doubles after each refusal this causes
_MAX_QUIET_SECONDS = 900.0
_QUIET_CALLS = 300  # and calls, so that refusals caused by it stay rare
_FIRST_PAUSE = 0.25  # seconds of pause where the host requests no wait; grows while it refuses
_PAUSE_FACTOR = 3
_MAX_PAUSE = 20.0


class SendRate:
    """Calls per second to one host. `rate` is None until a call is refused for its rate."""

    def __init__(self, now: float):
        self.rate: float | None = None
        self._began = now  # start of the current stretch
        self._sent = self._refused = 0
        self._reacted_at = -1.0  # when a refusal last changed the rate; refusals of calls sent earlier belong to it
        self._open_at = self._ended = 0.0
        self._pauses = 0  # in a row, without an accepted call
        self._probe: float | None = None  # when the call was sent that tests whether the host accepts calls again
        self._stretch: tuple[float | None, int] = None, 0  # the stretch that a refusal ended: its rate and the calls sent
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
        """Seconds until a call may be sent; a short time while a probe is in flight."""
        if self._pauses and self._probe is not None:
            return 0.05
        return max(0.0, self._open_at - now)

    def on_sent(self, now: float) -> None:
        """A call is sent."""
        self._sent += 1
        if self._pauses and self._probe is None:
            self._probe = now

    def on_answered(self, at: float, now: float) -> None:
        """The call sent at time `at` was answered."""
        if at <= self._reacted_at or not self._pauses:
            return
        rate, sent = self._stretch
        calls = max(1, sent - self._refused)
        allowed = calls / max(1e-3, at - self._began)
        least = _MIN_FACTOR * rate if rate is not None and calls < _MANY_CALLS else 0.0
        self.rate = min(_DECREASE * rate if rate is not None else float("inf"), max(least, _SAFETY * allowed))
        rest, busy = at - self._ended, self._ended - self._began
        if calls >= _MANY_CALLS and (rest > busy or rest < _SHORT_WAIT * busy):  # a burst used the whole quota, or the wait hardly counts
            self._ceiling = min(self._ceiling, _CLOSE_CEILING * allowed)
        elif calls >= _MANY_CALLS and rate is not None:
            self._ceiling = min(self._ceiling, _ROUGH_CEILING * allowed)
        self._began, self._sent, self._refused = at, self._sent - sent, 0
        self._pauses, self._probe, self._grown_at = 0, None, now

    def on_refused(self, at: float, now: float, wait: float | None) -> None:
        """The call sent at time `at` was refused for its rate."""
        self._open_at = max(self._open_at, now + (wait or 0.0))
        if at <= self._reacted_at:
            self._refused += 1
            return
        if self._pauses:
            self._sent -= 1  # it does not belong to the stretch
        else:
            self._refused += 1
            self._stretch, self._ended = (self.rate, self._sent), now
            if self.rate is not None:
                if self.rate > _SAFETY * self._ceiling:  # growth beyond the ceiling caused it
                    self._quiet_seconds = min(_MAX_QUIET_SECONDS, 2 * self._quiet_seconds)
                self._ceiling = self.rate
        self._reacted_at, self._probe = now, None
        self._open_at = max(self._open_at, now + (wait or min(_MAX_PAUSE, _FIRST_PAUSE * _PAUSE_FACTOR**self._pauses)))
        self._pauses += 1

    def on_failed(self, at: float) -> None:
        """The call sent at time `at` failed for another reason."""
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
