"""Finds free paraphrases of held-out texts: nearer to the text than the texts around both.

A cosine alone does not separate a paraphrase (0.6 is common) from another question to the same bank
(0.6 is common, too). But the other question has neighbors among the texts that are looked up with it, and
the paraphrase mostly has none. So the similarity to those neighbors is subtracted, and a share of the
held-out text's similarity to other held-out texts (Conneau et al. 2018 correct for hubs in the same way).
Shared words are subtracted, too: two requests of one form are similar by their words alone. The weights are
those of a logistic regression on rewordings and other rows. The rest must reach a threshold, which falls
with the number of texts looked up together, since more texts are more informative.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .text_signatures import Array

# bench/heldout.py measures and prints their effect.
_HUB_WEIGHT, _OVERLAP_WEIGHT = (
    0.13,
    0.69,
)  # of the held-out text's similarity to its neighbors, and of the shared words
_NEAREST_WEIGHT, _NEXT_WEIGHT = 0.42, 0.26  # of the similarity to the nearest background text, and to the fifth to ninth
_NEXT_NEIGHBORS = slice(4, 9)
_DEFAULT_COSINE = 0.3  # for missing or distant neighbors
_NEIGHBORS = 5
_MIN_COSINE = 0.3  # lower cosines are ignored
_SAME_TEXT_COSINE = 0.9  # from here on, texts are versions of one text and not neighbors
_SAME_TEMPLATE_COSINE = 0.8  # minimum similarity of texts of one template
_MAX_NEAREST = 12  # held-out texts compared with a text
_FEW, _MANY = 10, 1_000  # texts looked up together, and the thresholds at these numbers
_LIMIT_FEW, _LIMIT_MANY = 0.18, 0.13
_POOL_SIZE = 2_000  # sample size of the background
_MIN_TEMPLATE_TEXTS = 10  # the held-out texts have one template if most have more such neighbors, and more than a tenth of all
_BLOCK = 1_000


def min_corrected_cosine(n: int) -> float:
    """The threshold of the corrected cosine if `n` texts are looked up together.

    >>> [round(min_corrected_cosine(n), 3) for n in (1, 100, 5_000)]
    [0.18, 0.155, 0.13]
    """
    at = math.log(min(max(n, _FEW), _MANY) / _FEW) / math.log(_MANY / _FEW)
    return _LIMIT_FEW + at * (_LIMIT_MANY - _LIMIT_FEW)


@dataclass(frozen=True)
class Background:
    """The texts that are looked up together: vectors of length 1, one per row."""

    vectors: Array
    min_corrected: float = field(init=False)
    _pool: Array = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.vectors)
        sample = sorted(random.Random(0).sample(range(n), _POOL_SIZE)) if n > _POOL_SIZE else range(n)
        object.__setattr__(self, "min_corrected", min_corrected_cosine(n))
        object.__setattr__(self, "_pool", self.vectors[list(sample)])

    def correction(self, vector: Array) -> float:
        """The correction for a text's neighbors among these texts."""
        cosines = self._pool @ vector
        cosines = cosines[cosines < _SAME_TEXT_COSINE]  # without the text itself and its versions
        count = min(_NEXT_NEIGHBORS.stop, len(cosines))
        top = -np.sort(-np.partition(cosines, len(cosines) - count)[len(cosines) - count :]) if count else cosines
        nearest = float(top[0]) if count else _DEFAULT_COSINE
        following = float(top[_NEXT_NEIGHBORS].mean()) if count == _NEXT_NEIGHBORS.stop else _DEFAULT_COSINE
        return _NEAREST_WEIGHT * max(nearest, _DEFAULT_COSINE) + _NEXT_WEIGHT * max(following, _DEFAULT_COSINE)


@dataclass
class HeldoutVectors:
    """Vectors of held-out texts, of length 1, one per row.

    `neighbor_cosine` is the mean similarity of each text to its neighbors. `same_template`: most texts have
    many similar ones, as texts made from one template do.

    >>> eye = np.eye(8, dtype=np.float32)
    >>> [(i, round(c, 2)) for i, c, _ in HeldoutVectors(eye).near(0.8 * eye[2] + 0.6 * eye[3])]
    [(2, 0.8), (3, 0.6)]
    """

    vectors: Array
    neighbor_cosine: Array = field(init=False)
    same_template: bool = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.vectors)
        self.neighbor_cosine = np.full(n, _DEFAULT_COSINE, np.float32)
        n_similar = np.zeros(n)
        for start in range(0, n, _BLOCK):
            cosines = self.vectors[start : start + _BLOCK] @ self.vectors.T
            n_similar[start : start + _BLOCK] = (cosines >= _SAME_TEMPLATE_COSINE).sum(axis=1) - 1
            cosines[cosines >= _SAME_TEXT_COSINE] = -1.0
            n_neighbors = min(_NEIGHBORS, n)
            top = np.partition(cosines, n - n_neighbors, axis=1)[:, n - n_neighbors :]
            top = np.where(top < -0.99, _DEFAULT_COSINE, top)
            self.neighbor_cosine[start : start + _BLOCK] = (top.sum(axis=1) + _DEFAULT_COSINE * (_NEIGHBORS - n_neighbors)) / _NEIGHBORS

        self.same_template = n > 0 and float(np.median(n_similar)) > max(_MIN_TEMPLATE_TEXTS, 0.1 * n)

    def near(self, vector: Array, background: Background | None = None) -> list[tuple[int, float, float]]:
        """The held-out texts nearest to a vector: index, cosine, and corrected cosine.

        Args:
            vector: Of length 1.
            background: The texts that are looked up together with it.

        Returns:
            At most twelve, nearest first.
        """
        cosines = self.vectors @ vector
        count = min(_MAX_NEAREST, len(cosines))
        top = np.argpartition(-cosines, count - 1)[:count]
        top = top[np.argsort(-cosines[top])]
        correction = background.correction(vector) if background else (_NEAREST_WEIGHT + _NEXT_WEIGHT) * _DEFAULT_COSINE
        return [
            (int(i), float(cosines[i]), float(cosines[i]) - _HUB_WEIGHT * float(self.neighbor_cosine[i]) - correction)
            for i in top
            if cosines[i] >= _MIN_COSINE
        ]


def subtract_overlap(corrected: float, overlap: float) -> float:
    """The corrected cosine minus the part that shared words explain."""
    return corrected - _OVERLAP_WEIGHT * overlap


def make_background(vectors: Sequence[Array]) -> Background | None:
    """The background of texts that are looked up together; None without texts."""
    return Background(np.stack(vectors).astype(np.float32)) if vectors else None
