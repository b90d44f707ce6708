"""Scores the similarity of meaning of answer and target: the cosine of their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...calls.embed import embed
from .base import Case, Score, Scorer, targets


def similarity(model: str = "") -> Scorer:
    """Cosine of the vectors of answer and target, 0 to 1; `similarity:MODEL` names the embedding model.

    Negative cosines count as 0.
    """
    vectors: dict[str, Any] = {}

    def prepare(cases: Sequence[Case]) -> None:
        texts = list(dict.fromkeys(t for c in cases if c.target not in (None, "") for t in _texts(c) if t not in vectors))
        if texts:
            vectors.update(zip(texts, embed(texts, model or None), strict=True))

    def score(case: Case) -> Score:
        prepare([case])
        vector, *target_vectors = (vectors[t] for t in _texts(case))
        return Score(min(1.0, max(0.0, *(_cosine(vector, g) for g in target_vectors))))

    return Scorer("similarity", score, prepare=prepare, description="cosine of the vectors")


def _texts(case: Case) -> list[str]:
    return [t or " " for t in (case.text, *targets(case))]


def _cosine(a: Any, b: Any) -> float:
    size = float((a @ a) * (b @ b)) ** 0.5
    return float(a @ b) / size if size else 0.0
