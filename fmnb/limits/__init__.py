"""Rate limits, concurrency, budgets and cost.

- `rate_limit`: concurrency per host, lowered after HTTP 429
- `send_rate`: how fast calls may be sent, learned from refusals
- `quota`: what remains of a quota that a service reports
- `budget`: the budget of this kernel
- `batch_budget`: the budget of one batch
- `batch_limits`: the limits of a batch: its own and the kernel's
- `cost`: what one call cost
- `usage`: usage of a call that did not finish
- `billed_tokens`: billed prompt tokens, learned from answers
"""
