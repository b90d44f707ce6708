"""What a scorer is: a name and a function from one answer to a Score.

Scores lie between 0 and 1 where nothing else is said. A scorer that cannot judge an answer
says why (`error`); the answer then counts as a failure, and the reason is counted.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...core.errors import FmnbError, UsageError
from ...core.registry import SCORERS, load


@dataclass(frozen=True, slots=True)
class Case:
    """One answer to be scored: the row's values, what a good answer is, the text, its data if structured, its tokens' log probabilities.

    `prompt` is what was asked, "" where that is not known.
    """

    text: str
    target: Any = None
    values: Mapping[str, Any] = field(default_factory=dict)
    data: Any = None
    logprobs: tuple[Mapping[str, Any], ...] = ()
    id: str = ""
    model: str = ""
    run: str = ""
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """How good: `value` (None with an `error`), what was read out of the answer, why, and how sure the model was, 0 to 1.

    `against` is a judge's: by the other model's name the points of their own duel, 1, 0.5 or 0.
    """

    value: float | None
    read: str = ""
    why: str = ""
    error: str = ""
    confidence: float | None = None
    against: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Scorer:
    """`score` judges one answer; `needs_target` says it cannot without one; `corpus` is a figure for all answers together.

    `ahead` is given all answers before the first is scored, for what is quicker done at once.
    """

    name: str
    score: Callable[[Case], Score]
    needs_target: bool = True
    corpus: Callable[[Sequence[Case]], float] | None = None
    ahead: Callable[[Sequence[Case]], None] | None = None
    about: str = ""


def scorer(given: Any) -> Scorer:
    """A scorer by name ("exact", "numeric:0.01"), a Scorer, or a function of (answer), (answer, target) or (answer, target, row).

    >>> scorer("contains").score(Case("It is blue.", "blue")).value
    1.0
    >>> scorer(lambda answer, target: len(answer) == target).score(Case("abc", 3)).value
    1.0
    """
    if isinstance(given, Scorer):
        return given
    if isinstance(given, str):
        name, _, argument = given.partition(":")
        if name not in SCORERS:
            near = difflib.get_close_matches(name, SCORERS, 1)
            raise UsageError(
                "No such scorer", detail=repr(given), hint=f"Did you mean {near[0]}?" if near else f"One of {', '.join(SCORERS)}."
            )
        made: Scorer = load(SCORERS[name])(argument)
        return made
    if callable(given):
        return of_function(given)
    raise UsageError(
        "A scorer is a name or a function", detail=type(given).__name__, hint=f"One of {', '.join(SCORERS)}, or your own function."
    )


def of_function(function: Callable[..., Any]) -> Scorer:
    """A user's function as a scorer: what it returns is a number, True or False, a Score, or None where it cannot tell."""
    name = getattr(function, "__name__", type(function).__name__)
    try:
        takes = len([p for p in inspect.signature(function).parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)])
    except (TypeError, ValueError):
        takes = 2

    def score(case: Case) -> Score:
        given = function(*(case.text, case.target, dict(case.values))[: max(1, min(takes, 3))])
        if isinstance(given, Score):
            return given
        if given is None:
            return Score(None, error="the scorer gave nothing")
        return Score(float(given))

    return Scorer(
        "function" if name == "<lambda>" else name, score, needs_target=False, about=(inspect.getdoc(function) or "").split("\n")[0]
    )


def judged(by: Scorer, case: Case) -> Score:
    """The score, whatever happens: what a scorer raises becomes the score's error, and so does a missing target."""
    if by.needs_target and (case.target is None or case.target == ""):
        return Score(None, error="no target")
    try:
        score = by.score(case)
    except FmnbError as e:
        return Score(None, error=e.message)
    except Exception as e:  # a user's function may raise anything; the other answers are still scored
        return Score(None, error=f"{type(e).__name__}: {e}"[:200])
    if score.value is not None and not abs(score.value) < float("inf"):
        return Score(None, score.read, error="the score is no finite number")
    return score


def said(case: Case) -> str:
    """The answer as words: of a structured answer with one field, that field; else its text.

    >>> said(Case('{"label": "money"}', data={"label": "money"}))
    'money'
    """
    data = case.data
    if data is not None and not isinstance(data, (dict, list, str, int, float, bool)) and hasattr(data, "__dict__"):
        data = vars(data)
    if isinstance(data, dict) and len(data) == 1:
        data = next(iter(data.values()))
    return case.text if data is None or isinstance(data, (dict, list)) else str(data)


def targets(case: Case) -> list[str]:
    """The good answers as texts: one, or any of several."""
    several = case.target if isinstance(case.target, (list, tuple, set)) else [case.target]
    return [t if isinstance(t, str) else str(t) for t in several]
