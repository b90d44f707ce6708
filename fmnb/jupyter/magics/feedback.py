"""Verbs about which answer is better: vote, leaderboard."""

from __future__ import annotations

from typing import Any

from ...comparison.feedback import describe_answer, retract
from ...comparison.feedback import vote as cast
from ...comparison.leaderboard import leaderboard as ranked
from ...core.errors import UsageError
from .arguments import flags_of


def vote(rest: str, shell: Any) -> None:
    """Vote on the last comparison, or take the vote back."""
    words, flags = flags_of(rest, "--undo")
    if flags:
        print("Taken back." if retract() else "There was no vote.")
        return
    if not words:
        raise UsageError("Which answer is best?", hint="`%fm vote left`, right, tie, bad, a position from 0, or a model's name.")
    s = cast(None, words[0], comment=" ".join(words[1:]))
    print(
        {"tie": "Voted: a tie.", "bad": "Voted: none is good."}.get(s.value["said"]) or f"Voted for {describe_answer(s.value['winner'])}."
    )


def leaderboard(rest: str, shell: Any) -> Any:
    """Which model the votes of this notebook prefer; `--all` counts those of all notebooks."""
    words, flags = flags_of(rest, "--all")
    return ranked(words, notebook="all" if flags else None)
