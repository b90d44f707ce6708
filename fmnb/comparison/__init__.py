"""Comparisons of models, votes on their answers, and the leaderboard.

- `options`: options of `fm.compare`
- `comparison`: `fm.compare`: models, prompts, parameters and samples side by side
- `feedback`: `fm.vote`, stars, edits, acceptance, and how to retract them
- `leaderboard`: `fm.leaderboard`: models ranked by votes
"""
