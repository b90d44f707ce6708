"""What is left of an allowance that a service publishes, counted on between what it says of it."""

from __future__ import annotations

from ..core.backend import Allowance

SHARE = 0.97  # of an allowance that is used: clocks and counts differ a little
_ROUNDED = 1.0  # seconds by which a moment told in whole seconds may be early
_LONG = 5.0  # seconds of a limit for which that matters little


class Left:
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
        return SHARE * self._used / self._resets if self._resets else 0.0

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
        missing = min(amount + spare, self.limit * SHARE)
        if self.moving >= 0:
            missing -= min(self.limit, self.left + (now - self.at) * self.rate)
            return 0.0 if missing <= 0 else missing / self.rate if self.rate else max(0.0, self.until - now)
        if now >= self.until:  # filled up; what was sent since is counted from here
            self.left, self.at, self.until = self.limit - amount, now, now + 1e9
            return 0.0
        return 0.0 if missing <= self.left else self.until + 0.02 - now
