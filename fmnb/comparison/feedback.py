"""Votes, stars and other feedback on answers: events in the log, retracted by later events."""

from __future__ import annotations

from typing import Any

from ..calls.session import session
from ..core.errors import UsageError
from ..core.events import Feedback, emit
from ..core.response import Response
from ..store import feedback as feedback_store
from .comparison import Comparison

_CHOICES = ("left", "right", "tie", "bad")


def vote(comparison: Comparison | None, choice: str | int | Response, *, comment: str = "", user: str = "") -> Feedback:
    """Vote for the best answer of a comparison.

    A second vote by the same user replaces the first; `fm.retract` retracts it. Answers that failed
    are not part of a vote.

    Args:
        comparison: The comparison; None for that of the last cell.
        choice: "left" or "right" as shown, "tie", "bad" (none is good), a model's name, or the answer
            itself. A number counts from 0 in `comparison.responses`; in a string, such as "2", it
            counts from 1 as shown, as the buttons and `%fm vote 2` do.
        comment: A comment, stored with the vote.
        user: Who votes; "" for the user of this kernel.

    Returns:
        The vote, as an event of the log.

    Raises:
        UsageError: There is no such answer, it failed, there is no comparison, or no log to store
            the vote.

    >>> from fmnb.comparison.compare import compare
    >>> c = compare("hi", ["echo:", "echo:think"])
    >>> vote(c, "left").value["winner"] == c[0].run
    True
    """
    c = _require_comparison(comparison)
    if c.by_row:
        raise UsageError("The comparison has several questions", hint="Vote on one row: fm.vote(comparison.row(0), ...).")
    shown = [c.responses[i] for i in c.display_order]
    winner = None
    if isinstance(choice, str) and choice in _CHOICES:
        if choice in ("left", "right"):
            if len(shown) != 2:
                raise UsageError(
                    f"left and right are ambiguous among {len(shown)} answers",
                    hint="Give a position as shown, such as `%fm vote 1`, or a name.",
                )
            winner = shown[choice == "right"]
    else:
        try:
            winner = _find_answer(c, choice)
        except (KeyError, IndexError):
            names = ", ".join(c.labels)
            raise UsageError(
                "No such answer to vote for",
                detail=repr(choice),
                hint=f"One of {', '.join(_CHOICES)}, {f'1 to {len(c)}' if isinstance(choice, str) else f'0 to {len(c) - 1}'}, or {names}.",
            ) from None
    answered = [r for r in shown if not r.error]
    if winner is not None and winner.error:
        label = c.labels[[r.run for r in c.responses].index(winner.run)]
        raise UsageError("That answer failed, so it cannot be the best", detail=label, hint="Vote for another one, or vote `bad`.")
    if choice == "tie" and len(answered) < 2:
        raise UsageError("A tie needs two answers", detail=f"{len(shown) - len(answered)} of {len(shown)} failed")
    retract(c, user=user)
    outcome = "tie" if choice == "tie" else "bad" if choice == "bad" else "win"
    value = {"said": outcome, "winner": winner.run if winner else None, "runs": [r.run for r in answered or shown], "blind": c.blind}
    return _record(c.run, "vote", value, user=user, text=comment)


def describe_answer(run: str) -> str:
    """The label of an answer of the last comparison, and its position on screen, from 1."""
    c = _require_comparison(None)
    runs = [r.run for r in c.responses]
    at = runs.index(run)
    return f"{c.labels[at]} (number {list(c.display_order).index(at) + 1} of {len(c.display_order)} as shown)"


def _find_answer(c: Comparison, choice: Any) -> Response:
    if isinstance(choice, Response):
        return {r.run: r for r in c.responses}[choice.run]
    if isinstance(choice, str):
        if not choice.isdecimal():
            return c[choice]
        if int(choice) < 1:
            raise IndexError(choice)
        return c.responses[list(c.display_order)[int(choice) - 1]]
    if not isinstance(choice, int) or isinstance(choice, bool):
        raise KeyError(choice)
    return c[choice]


def retract(of: Comparison | Response | str | None = None, kind: str = "", *, user: str = "") -> int:
    """Retract a user's vote on a comparison, or their feedback of one kind on an answer.

    Args:
        of: The comparison, the answer, or the id of its run; None for the comparison of the last cell.
        kind: The kind of feedback: star, edit, comment, accept, ...; for a comparison a vote unless
            another kind is named.
        user: Who gave it; "" for the user of this kernel.

    Returns:
        How many votes or feedback events were retracted.

    Raises:
        UsageError: There is no comparison, or no kind is named for an answer.

    >>> from fmnb.calls.model import ask
    >>> r = ask("hi", "echo:")
    >>> feedback(r, "star", True).kind, retract(r, "star")
    ('star', 1)
    """
    if of is None or isinstance(of, Comparison):
        kind = kind or "vote"
        events = _require_comparison(of).votes
    elif kind:
        events = feedback_store.feedback_on([of.run if isinstance(of, Response) else of])
    else:
        raise UsageError("Name the kind of feedback to retract", hint='For instance fm.retract(answer, "star").')
    retracted = [e for e in events if e.kind == kind and e.user == user]
    for e in retracted:
        _record(e.run, "undo", None, user=user, undoes=e.n)
    return len(retracted)


def feedback(run: str | Response, kind: str, value: object = None, *, user: str = "", text: str = "") -> Feedback:
    """Record feedback on an answer: an opinion or behavior of a user.

    Args:
        run: The answer, or the id of its run.
        kind: The kind of feedback: star, edit, comment, copied, dwell, or your own kind.
        value: Its value, of any type that has a JSON form. The value of an edit is the new text.
        user: Whose feedback it is; "" for the user of this kernel.
        text: A comment; the new text of an edit that has no `value`.

    Returns:
        The feedback, as an event of the log.

    Raises:
        UsageError: The run is not in the log, or the kind is "vote" or "undo".

    >>> from fmnb.calls.model import ask
    >>> feedback(ask("hi", "echo:"), "copied").kind
    'copied'
    """
    if not kind or kind in ("vote", "undo"):
        raise UsageError(
            "Invalid kind of feedback", detail=repr(kind), hint="To vote, use fm.vote. Other kinds: star, copied, or your own."
        )
    if kind == "edit" and value is None:  # the new text of an edit is its value
        value, text = text or None, ""
    return _record(run.run if isinstance(run, Response) else run, kind, value, user=user, text=text)


def accept(run: str | Response, *, user: str = "") -> Feedback:
    """Record that an answer was good enough to use.

    Args:
        run: The answer, or the id of its run.
        user: Who accepted it; "" for the user of this kernel.

    Returns:
        The feedback, as an event of the log.

    Raises:
        UsageError: The run is not in the log.

    >>> from fmnb.calls.model import ask
    >>> accept(ask("hi", "echo:")).kind
    'accept'
    """
    return feedback(run, "accept", True, user=user)


def _record(run: str, kind: str, value: Any, *, user: str = "", text: str = "", undoes: int = 0) -> Feedback:
    """Write feedback to the log, then emit it: listeners may rely on the log."""
    event = feedback_store.add(run, kind, value, user=user, text=text, undoes=undoes)
    emit(event, session.global_sinks)
    return event


def _require_comparison(comparison: Comparison | None) -> Comparison:
    c = comparison if comparison is not None else session.last_comparison
    if not isinstance(c, Comparison):
        raise UsageError("There is no comparison to vote on", hint="Compare two models first: `%%fm a b`.")
    if not c.run:
        raise UsageError(
            "The log was off during the comparison, so votes cannot be stored", hint="Turn it on with `%fm log on`, and compare again."
        )
    return c
