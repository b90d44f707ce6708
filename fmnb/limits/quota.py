"""What is left of an allowance that a service publishes, counted on between what it says of it."""

from __future__ import annotations

from ..core.backend import RateLimitState

SHARE = 0.97  # of an allowance that is used: clocks and counts differ a little
_ROUNDED = 1.0  # seconds by which a moment told in whole seconds may be early
_LONG = 5.0  # seconds of a limit for which that matters little


class Quota:
    """What is left of one allowance, counted on from what the service says of it.

    The service counts a call when it comes in, so what it says is as old as its answer took.
    It fills its allowance up steadily, and then says when it will be full, or at once, and then
    says when that is: that moment moves with every call, or it does not.
    """

    def __init__(self, tokens: bool):
        self.tokens = tokens
        self.remaining = float("inf")
        self.limit = 0.0
        self.updated = 0.0
        self.reset_at = 0.0
        self.rolling = 0.0  # above 0 while the moment moves: it fills up steadily
        self._used = self._resets = 0.0
        self._updated_at = 0.0
        self._whole_seconds = True  # resets are told in whole seconds
        self._longest_reset = 0.0

    def update(self, said: RateLimitState, asked: float, after: float, now: float) -> None:
        """What the service said of a call that was let in at `asked`; that much was sent `after` it."""
        if asked < self._updated_at:
            return  # a slow answer tells what is known better
        self._updated_at = asked
        self._whole_seconds = self._whole_seconds and said.reset == int(said.reset)
        self._longest_reset = max(self._longest_reset, said.reset)
        until = asked + said.reset + (_ROUNDED if self._whole_seconds and self._longest_reset >= _LONG else 0.0)
        used = max(0.0, said.limit - said.remaining)
        if self.updated and said.remaining < self._last_remaining:
            moves = until - self.reset_at > 0.002 + 0.2 * (self._last_remaining - said.remaining) * self._seconds_per_unit()
            self.rolling = max(-3.0, min(3.0, self.rolling + (1 if moves else -1)))
        self._last_remaining = said.remaining
        self._used = 0.95 * self._used + max(0.0, used - 0.5)  # services round what is left down
        self._resets = 0.95 * self._resets + said.reset
        self.limit, self.reset_at, self.updated = said.limit, until, now
        self.remaining = said.remaining - after + (self.rate * (now - asked) if self.rolling >= 0 else 0.0)

    _last_remaining = float("inf")

    def _seconds_per_unit(self) -> float:
        """Seconds that one more moves the moment by, were it moving."""
        return 1 / self.rate if self.rate else 0.0

    @property
    def rate(self) -> float:
        """How many come back a second, where they come back steadily."""
        return SHARE * self._used / self._resets if self._resets else 0.0

    def take(self, amount: float) -> None:
        self.remaining -= amount

    def mark_exhausted(self) -> None:
        """A call was refused although some seemed left; where many did, it was refused for something else."""
        if self.remaining <= max(2.0, 0.1 * self.limit):
            self.remaining = min(self.remaining, 0.0)

    def wait(self, now: float, amount: float = 1) -> float:
        """Seconds until that much is there."""
        if not self.updated:
            return 0.0
        spare = min(1.0, 0.02 * self.limit)
        missing = min(amount + spare, self.limit * SHARE)
        if self.rolling >= 0:
            missing -= min(self.limit, self.remaining + (now - self.updated) * self.rate)
            return 0.0 if missing <= 0 else missing / self.rate if self.rate else max(0.0, self.reset_at - now)
        if now >= self.reset_at:  # filled up; what was sent since is counted from here
            self.remaining, self.updated, self.reset_at = self.limit - amount, now, now + 1e9
            return 0.0
        return 0.0 if missing <= self.remaining else self.reset_at + 0.02 - now
