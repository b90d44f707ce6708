"""Scorers: a name and a function from one answer to a `Score`.

Scores lie between 0 and 1 unless documented otherwise. If a scorer cannot score an answer, the
score has an `error`, and the answer counts as a failure with this cause.
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
    """One answer to score, with the row's values and target, structured data, and log probabilities.

    `prompt` is the rendered prompt, "" if unknown.
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
    """A score: its value, the parsed answer, an explanation, and the model's confidence.

    The value is None with an `error`. `points_against` is set by a judge: points of this pair (1, 0.5 or 0) by
    name of the other model.
    """

    value: float | None
    parsed: str = ""
    explanation: str = ""
    error: str = ""
    confidence: float | None = None
    points_against: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Scorer:
    """A scorer: `score` scores one answer, `corpus` all answers together.

    `needs_target` tells whether rows need a target. `prepare` receives all answers before the first is
    scored, for work that is faster in bulk.
    """

    name: str
    score: Callable[[Case], Score]
    needs_target: bool = True
    corpus: Callable[[Sequence[Case]], float] | None = None
    prepare: Callable[[Sequence[Case]], None] | None = None
    description: str = ""


def scorer(value: Any) -> Scorer:
    """Make a scorer from a name ("exact", "numeric:0.01"), or from a function of answer, target and row.

    >>> scorer("contains").score(Case("It is blue.", "blue")).value
    1.0
    >>> scorer(lambda answer, target: len(answer) == target).score(Case("abc", 3)).value
    1.0
    """
    if isinstance(value, Scorer):
        return value
    if isinstance(value, str):
        name, _, argument = value.partition(":")
        if name not in SCORERS:
            matches = difflib.get_close_matches(name, SCORERS, 1)
            raise UsageError(
                "No such scorer", detail=repr(value), hint=f"Did you mean {matches[0]}?" if matches else f"One of {', '.join(SCORERS)}."
            )
        result: Scorer = load(SCORERS[name])(argument)
        return result
    if callable(value):
        return from_function(value)
    raise UsageError(
        "A scorer must be a name or a function", detail=type(value).__name__, hint=f"One of {', '.join(SCORERS)}, or your own function."
    )


def from_function(function: Callable[..., Any]) -> Scorer:
    """A user's function as a scorer; it returns a number, a bool, a Score, or None if it cannot score."""
    name = getattr(function, "__name__", type(function).__name__)
    try:
        n_parameters = len(
            [p for p in inspect.signature(function).parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        )
    except (TypeError, ValueError):
        n_parameters = 2

    def score(case: Case) -> Score:
        value = function(*(case.text, case.target, dict(case.values))[: max(1, min(n_parameters, 3))])
        if isinstance(value, Score):
            return value
        if value is None:
            return Score(None, error="the scorer returned None")
        return Score(float(value))

    return Scorer(
        "function" if name == "<lambda>" else name, score, needs_target=False, description=(inspect.getdoc(function) or "").split("\n")[0]
    )


def score_case(scorer: Scorer, case: Case) -> Score:
    """Score one answer; an exception or a missing target becomes the score's error."""
    if scorer.needs_target and (case.target is None or case.target == ""):
        return Score(None, error="no target")
    try:
        score = scorer.score(case)
    except FmnbError as e:
        return Score(None, error=e.message)
    except Exception as e:  # a user's function may raise anything; the other answers are still scored
        return Score(None, error=f"{type(e).__name__}: {e}"[:200])
    if score.value is not None and not abs(score.value) < float("inf"):
        return Score(None, score.parsed, error="the score is not finite")
    return score


def answer_text(case: Case) -> str:
    """The text of an answer, or the field of a structured answer with a single field.

    >>> answer_text(Case('{"label": "money"}', data={"label": "money"}))
    'money'
    """
    data = case.data
    if data is not None and not isinstance(data, (dict, list, str, int, float, bool)) and hasattr(data, "__dict__"):
        data = vars(data)
    if isinstance(data, dict) and len(data) == 1:
        data = next(iter(data.values()))
    return case.text if data is None or isinstance(data, (dict, list)) else str(data)


def targets(case: Case) -> list[str]:
    """The targets as texts; any of several is correct."""
    values = case.target if isinstance(case.target, (list, tuple, set)) else [case.target]
    return [t if isinstance(t, str) else str(t) for t in values]
