"""The limits of a batch: requests and tokens per minute, and its budgets."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import budget, rate_limit
from .batch_budget import BatchBudget, SessionBudget


@dataclass(frozen=True)
class BatchLimits:
    """Requests and tokens per minute, the batch's own budget, and its share of the kernel's."""

    requests: rate_limit.RateCap | None = None
    tokens: rate_limit.RateCap | None = None
    budget: BatchBudget | None = None
    session_budget: SessionBudget = field(default_factory=SessionBudget)

    def budgets(self) -> list[BatchBudget]:
        """The budgets each call is paid from: the batch's own and the kernel's, where set."""
        own: list[BatchBudget] = [] if self.budget is None else [self.budget]
        return own if budget.budget().limit is None else [*own, self.session_budget]
