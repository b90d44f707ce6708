"""What a batch's user allows: requests and tokens a minute, money in all."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import budget, rate_limit
from .batch_budget import KernelPurse, Purse


@dataclass(frozen=True)
class BatchLimits:
    """Requests and tokens a minute, the batch's own budget, and its part of the kernel's."""

    requests: rate_limit.Rate | None = None
    tokens: rate_limit.Rate | None = None
    purse: Purse | None = None
    kernel: KernelPurse = field(default_factory=KernelPurse)

    def purses(self) -> list[Purse]:
        """What each call must be paid from: the batch's own budget and the kernel's, where there are any."""
        own: list[Purse] = [] if self.purse is None else [self.purse]
        return own if budget.budget().limit is None else [*own, self.kernel]
