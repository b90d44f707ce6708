"""Verbs about answers: vote, leaderboard."""

from __future__ import annotations

from typing import Any

from ...comparison.feedback import describe_answer, retract
from ...comparison.feedback import vote as cast
from ...comparison.leaderboard import leaderboard as ranked
from ...core.errors import UsageError
from .arguments import flags_of


def vote(rest: str, shell: Any) -> None:
    """Vote on the last comparison, or retract the vote."""
    words, flags = flags_of(rest, "--undo")
    if flags:
        print("Vote retracted." if retract() else "There was no vote.")
        return
    if not words:
        raise UsageError("Name the best answer", hint="`%fm vote left`, right, tie, bad, a number from 1 as shown, or a model's name.")
    s = cast(None, words[0], comment=" ".join(words[1:]))
    print(
        {"tie": "Voted: a tie.", "bad": "Voted: none is good."}.get(s.value["said"]) or f"Voted for {describe_answer(s.value['winner'])}."
    )


def leaderboard(rest: str, shell: Any) -> Any:
    """Rank models by the votes in this notebook; `--all` includes all notebooks."""
    words, flags = flags_of(rest, "--all")
    return ranked(words, notebook="all" if flags else None)
