"""Scorers, one kind per file. `SCORERS` in `core/registry.py` lists their names.

- `base`: what a scorer is
- `text_match`: exact, normalized, contains, regex, F1
- `numeric`: numbers within a tolerance
- `choice`: one of several choices
- `stated_choice`: which choice a text states
- `structured`: JSON and schemas
- `overlap`: ROUGE, BLEU, chrF
- `similarity`: cosine of embeddings
- `code`: Python answers, run in a sandboxed process
- `sql`: SQL answers, run in DuckDB
- `fences`: fenced blocks of an answer
- `ifeval`: IFEval's instructions
- `judge`: `fm.Judge`: a model as judge
"""
