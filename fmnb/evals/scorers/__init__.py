"""How an answer is scored: one kind a file. `SCORERS` in `core/registry.py` says which name is made where."""
