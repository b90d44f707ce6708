"""Rate limits, concurrency, budgets and cost.

- `rate_limit`: how many calls a host gets at once, and how a 429 slows them down
- `send_rate`: how fast calls may be sent, learned from refusals
- `quota`: what is left of a limit that a service reports
- `budget`: the spending cap of this kernel
- `batch_budget`: the budget of one batch
- `batch_limits`: what a batch may ask and spend: its own limits and the kernel's
- `cost`: what one call cost
- `usage`: tokens and cost of a call that did not finish
- `billed_tokens`: prompt tokens that services bill, learned from their answers
"""
