"""How an answer is scored: one kind a file. `SCORERS` in `_names.py` says which name is made where."""
