"""What remains of a quota that a service reports, tracked between its reports."""

from __future__ import annotations

from ..core.backend import RateLimitState

SHARE = 0.97  # share of a quota that is used: clocks and counts differ a little
_ROUNDED = 1.0  # seconds by which a time reported in whole seconds may be early
_LONG = 5.0  # seconds; for longer resets that error hardly matters


class Quota:
    """One quota of a service.

    The service counts a call when it arrives, so a report is as old as its answer took. A quota
    either refills steadily (rolling), and the reset time is when it will be full, or all at once,
    and the reset time is when that happens. In the first case the reset time moves with every call.
    """

    def __init__(self, tokens: bool):
        self.tokens = tokens
        self.remaining = float("inf")
        self.limit = 0.0
        self.updated = 0.0
        self.reset_at = 0.0
        self.rolling = 0.0  # above 0 while the reset time moves: it refills steadily
        self._used = self._resets = 0.0
        self._updated_at = 0.0
        self._whole_seconds = True  # resets are reported in whole seconds
        self._longest_reset = 0.0

    def update(self, report: RateLimitState, admitted_at: float, after: float, now: float) -> None:
        """Take in the report for a call admitted at `asked`; `after` is how much was sent since."""
        if admitted_at < self._updated_at:
            return  # a slow answer brings an outdated report
        self._updated_at = admitted_at
        self._whole_seconds = self._whole_seconds and report.reset == int(report.reset)
        self._longest_reset = max(self._longest_reset, report.reset)
        until = admitted_at + report.reset + (_ROUNDED if self._whole_seconds and self._longest_reset >= _LONG else 0.0)
        used = max(0.0, report.limit - report.remaining)
        if self.updated and report.remaining < self._last_remaining:
            moves = until - self.reset_at > 0.002 + 0.2 * (self._last_remaining - report.remaining) * self._seconds_per_unit()
            self.rolling = max(-3.0, min(3.0, self.rolling + (1 if moves else -1)))
        self._last_remaining = report.remaining
        self._used = 0.95 * self._used + max(0.0, used - 0.5)  # services round the remainder down
        self._resets = 0.95 * self._resets + report.reset
        self.limit, self.reset_at, self.updated = report.limit, until, now
        self.remaining = report.remaining - after + (self.rate * (now - admitted_at) if self.rolling >= 0 else 0.0)

    _last_remaining = float("inf")

    def _seconds_per_unit(self) -> float:
        """Seconds by which one unit moves the reset time of a rolling quota."""
        return 1 / self.rate if self.rate else 0.0

    @property
    def rate(self) -> float:
        """Units that a rolling quota regains per second."""
        return SHARE * self._used / self._resets if self._resets else 0.0

    def take(self, amount: float) -> None:
        self.remaining -= amount

    def mark_exhausted(self) -> None:
        """A call was refused although something remained. If much remained, the refusal had another cause."""
        if self.remaining <= max(2.0, 0.1 * self.limit):
            self.remaining = min(self.remaining, 0.0)

    def wait(self, now: float, amount: float = 1) -> float:
        """Seconds until that amount is available."""
        if not self.updated:
            return 0.0
        spare = min(1.0, 0.02 * self.limit)
        shortfall = min(amount + spare, self.limit * SHARE)
        if self.rolling >= 0:
            shortfall -= min(self.limit, self.remaining + (now - self.updated) * self.rate)
            return 0.0 if shortfall <= 0 else shortfall / self.rate if self.rate else max(0.0, self.reset_at - now)
        if now >= self.reset_at:  # the quota was reset; count from here
            self.remaining, self.updated, self.reset_at = self.limit - amount, now, now + 1e9
            return 0.0
        return 0.0 if shortfall <= self.remaining else self.reset_at + 0.02 - now
