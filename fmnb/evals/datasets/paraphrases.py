"""Which held-out text says the same as another one in other words: one that is nearer to it than the texts it stands among.

A cosine alone does not tell a free paraphrase (0.6 is common) from another question to the same
bank (0.6 is common, too). But the other question has neighbors among the texts that are looked up
with it, and the paraphrase mostly has none: so the likeness to those neighbors is taken off, and a
share of what the held-out text is like to other held-out ones (Conneau et al. 2018 correct for hubs
in the same way). Words in common are taken off, too: two requests in one form are alike by their
words alone. The weights are those of a logistic regression on rewordings and other rows; what is
left must pass a limit, which falls as more texts are looked up together and say more.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .text_signatures import Array

# Measured by bench/heldout.py, which prints what they give.
_OF_HELD, _OF_WORDS = 0.13, 0.69  # how much of the held-out text's likeness to its neighbors, and of the common words, is taken off
_OF_NEAREST, _OF_NEXT = 0.42, 0.26  # of the text's likeness to the nearest text it is looked up with, and to those after the fourth
_NEXT = slice(4, 9)
_USUAL = 0.3  # likeness to neighbors that are missing, or far
_NEIGHBORS = 5
_LEAST = 0.3  # cosine under which nothing is looked at
_SAME = 0.9  # texts this alike are versions of one text: none is the other's neighbor
_FORM = 0.8  # texts of one template are this alike, and more
_FIRST = 12  # held-out texts that are looked at
_FEW, _MANY = 10, 1_000  # texts looked up together, and the limits for so many
_LIMIT_FEW, _LIMIT_MANY = 0.18, 0.13
_POOL = 2_000  # of the texts looked up together, drawn where there are more
_CROWD = 10  # such neighbors, and a tenth of all: then a template made the held-out texts
_BLOCK = 1_000


def limit(n: int) -> float:
    """What must be left of a likeness where so many texts are looked up together.

    >>> [round(limit(n), 3) for n in (1, 100, 5_000)]
    [0.18, 0.155, 0.13]
    """
    at = math.log(min(max(n, _FEW), _MANY) / _FEW) / math.log(_MANY / _FEW)
    return _LIMIT_FEW + at * (_LIMIT_MANY - _LIMIT_FEW)


@dataclass(frozen=True)
class Background:
    """The texts that are looked up together: vectors of length 1, one a row."""

    vectors: Array
    limit: float = field(init=False)
    _pool: Array = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.vectors)
        drawn = sorted(random.Random(0).sample(range(n), _POOL)) if n > _POOL else range(n)
        object.__setattr__(self, "limit", limit(n))
        object.__setattr__(self, "_pool", self.vectors[list(drawn)])

    def of(self, vector: Array) -> float:
        """What is taken off for the neighbors that one of the texts has among them."""
        cosines = self._pool @ vector
        cosines = cosines[cosines < _SAME]  # neither itself nor versions of it
        many = min(_NEXT.stop, len(cosines))
        best = -np.sort(-np.partition(cosines, len(cosines) - many)[len(cosines) - many :]) if many else cosines
        nearest = float(best[0]) if many else _USUAL
        after = float(best[_NEXT].mean()) if many == _NEXT.stop else _USUAL
        return _OF_NEAREST * max(nearest, _USUAL) + _OF_NEXT * max(after, _USUAL)


@dataclass
class Meanings:
    """Vectors of held-out texts, of length 1, one a row. `level` is each one's likeness to its neighbors.

    `crowded` says that most texts have many others much like them, as where a template made them.

    >>> eye = np.eye(8, dtype=np.float32)
    >>> [(i, round(c, 2)) for i, c, _ in Meanings(eye).near(0.8 * eye[2] + 0.6 * eye[3])]
    [(2, 0.8), (3, 0.6)]
    """

    vectors: Array
    level: Array = field(init=False)
    crowded: bool = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.vectors)
        self.level = np.full(n, _USUAL, np.float32)
        alike = np.zeros(n)
        for at in range(0, n, _BLOCK):
            cosines = self.vectors[at : at + _BLOCK] @ self.vectors.T
            alike[at : at + _BLOCK] = (cosines >= _FORM).sum(axis=1) - 1
            cosines[cosines >= _SAME] = -1.0
            few = min(_NEIGHBORS, n)
            best = np.partition(cosines, n - few, axis=1)[:, n - few :]
            best = np.where(best < -0.99, _USUAL, best)
            self.level[at : at + _BLOCK] = (best.sum(axis=1) + _USUAL * (_NEIGHBORS - few)) / _NEIGHBORS

        self.crowded = n > 0 and float(np.median(alike)) > max(_CROWD, 0.1 * n)

    def near(self, vector: Array, background: Background | None = None) -> list[tuple[int, float, float]]:
        """The held-out texts nearest to a vector: which, the cosine, and what is left of it without what is usual.

        Args:
            vector: Of length 1.
            background: The texts that are looked up together with it.

        Returns:
            At most twelve, nearest first.
        """
        cosines = self.vectors @ vector
        many = min(_FIRST, len(cosines))
        top = np.argpartition(-cosines, many - 1)[:many]
        top = top[np.argsort(-cosines[top])]
        own = background.of(vector) if background else (_OF_NEAREST + _OF_NEXT) * _USUAL
        return [(int(i), float(cosines[i]), float(cosines[i]) - _OF_HELD * float(self.level[i]) - own) for i in top if cosines[i] >= _LEAST]


def subtract_overlap(left: float, overlap: float) -> float:
    """What a likeness of meaning is worth where the words are alike, too."""
    return left - _OF_WORDS * overlap


def make_background(vectors: Sequence[Array]) -> Background | None:
    """That of texts that are looked up together; None where there are none."""
    return Background(np.stack(vectors).astype(np.float32)) if vectors else None
