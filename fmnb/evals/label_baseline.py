"""Baselines for labels: models that gave every row the same label, and the chance level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .analysis import Analysis
from .results import Results
from .scorers.base import Case, answer_text
from .scorers.text_match import normalize
from .scoring import failure_reason

_MIN_ROWS = 10  # rows
_MAX_LABELS = 12  # more distinct targets are free answers
_MAX_LABEL_LENGTH = 60  # characters
_LABEL_SCORERS = ("choice", "exact", "normalized", "normalised", "starts", "contains")


def label_notes(e: Results, a: Analysis) -> list[str]:
    """Notes on models that gave every row the same label, or do not beat guessing.

    There are none if the targets are not labels.
    """
    if a.scorer.partition(":")[0] not in _LABEL_SCORERS:
        return []
    targets = _targets(e, a)
    chance = _chance(e, a, targets)
    return [*_constant_label_notes(e, a, targets), *(_chance_notes(a, *chance) if chance else ())]


def _constant_label_notes(e: Results, a: Analysis, targets: Sequence[str]) -> Iterator[str]:
    if len(set(targets)) < 2:
        return
    for model in a.matrix.models:
        rows = set(a.matrix.rows.tolist())
        texts = [_label(e, a.scorer, i) for i, x in enumerate(e.answers) if x.model == model and x.row in rows and not failure_reason(x)]
        if len(texts) >= _MIN_ROWS and len({normalize(t) for t in texts}) == 1 and len(texts[0]) <= _MAX_LABEL_LENGTH:
            yield f"{model} gave every row the same label: {texts[0].strip().rstrip('.') or 'nothing'}."


def _label(e: Results, scorer: str, i: int) -> str:
    x = e.answers[i]
    return e.scores[scorer][i].parsed or answer_text(Case(x.text, data=x.data))


def _targets(e: Results, a: Analysis) -> list[str]:
    targets: list[Any] = [e.dataset.samples[i].target for i in a.matrix.rows.tolist()]
    return [normalize(str(t)) for t in targets if t is not None and not isinstance(t, (list, tuple, dict))]


def _chance(e: Results, a: Analysis, targets: Sequence[str]) -> tuple[float, str] | None:
    """The chance level, and the number of choices in words; None if the choices are unknown."""
    choices = [e.dataset.samples[i].values.get("choices") for i in a.matrix.rows.tolist()]
    counts = [len(c) for c in choices if isinstance(c, (list, tuple)) and c]
    if counts and len(counts) == len(choices):
        return sum(1 / n for n in counts) / len(counts), f"{counts[0]} choices" if len(set(counts)) == 1 else "the choices of each row"
    labels = len(set(targets))
    if 2 <= labels <= _MAX_LABELS and len(targets) == len(choices) and len(targets) >= 5 * labels:
        return 1 / labels, f"{labels} labels"
    return None


def _chance_notes(a: Analysis, chance: float, choices: str) -> Iterator[str]:
    for model in a.ranking:
        estimate = a.levels[model].estimate
        if estimate.value < chance:
            yield f"{model} scores below chance ({chance:.0%}, one of {choices})."
        elif estimate.low is not None and estimate.low <= chance and len(a.matrix.rows) >= _MIN_ROWS:
            yield f"{model} is not significantly different from chance ({chance:.0%}, one of {choices})."
