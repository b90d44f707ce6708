"""One request to several models, and which answer is better.

- `options`: options of `fm.compare`
- `comparison`: `fm.compare`: models, prompts, parameters and samples side by side
- `feedback`: `fm.vote` (a second vote replaces the first), stars, edits, acceptance
- `leaderboard`: `fm.leaderboard`: preferences from votes
"""
