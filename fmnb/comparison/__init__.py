"""Comparisons of models, votes on their answers, and the leaderboard.

- `options`: options of `fm.compare`
- `compare`: `fm.compare`: models, prompts, parameters and samples side by side
- `grid`: combinations of prompts, parameters, models and samples
- `comparison`: `Comparison`: the answers, with votes and feedback
- `feedback`: `fm.vote`, stars, edits, acceptance, and how to retract them
- `leaderboard`: `fm.leaderboard`: models ranked by votes
"""
