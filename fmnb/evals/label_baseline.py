"""What a score does not say: that a model gave every row the same label, and that guessing would do as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .analysis import Analysis
from .results import Results
from .scorers.base import Case, said
from .scorers.text_match import flat
from .scoring import failure

_FEWEST = 10  # rows that make a habit
_LABELS = 12  # different targets that are labels, and no free answers
_LONG = 60  # characters of a label
_KINDS = ("choice", "exact", "normalized", "normalised", "starts", "contains")


def label_notes(e: Results, a: Analysis) -> list[str]:
    """Of each compared model whether it gave all rows one label, and whether it is below guessing; nothing where targets are no labels."""
    if a.scorer.partition(":")[0] not in _KINDS:
        return []
    targets = _targets(e, a)
    chance = _chance(e, a, targets)
    return [*_same(e, a, targets), *(_guessing(a, *chance) if chance else ())]


def _same(e: Results, a: Analysis, targets: Sequence[str]) -> Iterator[str]:
    if len(set(targets)) < 2:
        return
    for model in a.matrix.models:
        kept = set(a.matrix.rows.tolist())
        texts = [_label(e, a.scorer, i) for i, x in enumerate(e.answers) if x.model == model and x.row in kept and not failure(x)]
        if len(texts) >= _FEWEST and len({flat(t) for t in texts}) == 1 and len(texts[0]) <= _LONG:
            yield f"{model} gave every row the same label: {texts[0].strip().rstrip('.') or 'nothing'}."


def _label(e: Results, scorer: str, i: int) -> str:
    x = e.answers[i]
    return e.scores[scorer][i].read or said(Case(x.text, data=x.data))


def _targets(e: Results, a: Analysis) -> list[str]:
    found: list[Any] = [e.dataset.samples[i].target for i in a.matrix.rows.tolist()]
    return [flat(str(t)) for t in found if t is not None and not isinstance(t, (list, tuple, dict))]


def _chance(e: Results, a: Analysis, targets: Sequence[str]) -> tuple[float, str] | None:
    """What guessing among the choices scores, and how many there are; None where they are not known."""
    listed = [e.dataset.samples[i].values.get("choices") for i in a.matrix.rows.tolist()]
    counts = [len(c) for c in listed if isinstance(c, (list, tuple)) and c]
    if counts and len(counts) == len(listed):
        return sum(1 / n for n in counts) / len(counts), f"{counts[0]} choices" if len(set(counts)) == 1 else "the choices of each row"
    labels = len(set(targets))
    if 2 <= labels <= _LABELS and len(targets) == len(listed) and len(targets) >= 5 * labels:
        return 1 / labels, f"{labels} labels"
    return None


def _guessing(a: Analysis, chance: float, among: str) -> Iterator[str]:
    for model in a.order:
        found = a.levels[model].estimate
        if found.value < chance:
            yield f"{model} is below guessing ({chance:.0%}, one of {among})."
        elif found.low is not None and found.low <= chance and len(a.matrix.rows) >= _FEWEST:
            yield f"{model} is not told apart from guessing ({chance:.0%}, one of {among})."
