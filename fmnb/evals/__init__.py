"""Which model is better for one's own work: test sets, scorers, evaluations, and what can be said of them."""
