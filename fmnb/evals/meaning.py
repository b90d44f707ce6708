"""Which held-out text says the same as another one in other words: by how far their likeness stands above what is usual there.

A cosine alone does not tell a free paraphrase (0.6 is common) from another question to the same
bank (0.6 is common, too). So the cosine of a text and a held-out text is taken less what each of
them has with its other neighbors (Conneau et al. 2018 correct for hubs in the same way), less a
share of the words they have in common: two requests in one form are alike by their words alone.
What is left must pass a limit that few held-out texts reach among themselves. Where many texts
are looked up together they are the better background: a paraphrase stands out among them, and
one of a thousand questions to the same bank does not.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .likeness import Array

# Measured by bench/heldout.py, which prints the trade-off around them.
LIMIT = 0.32  # the least that counts
SHARE = 0.1  # of the held-out texts may pass the limit among themselves; else it rises
_NEIGHBORS = 5
_OF_TEXT, _OF_HELD, _OF_WORDS = 0.25, 0.35, 0.3  # how much of the neighbors' likeness, and of the words', is taken off
_USUAL = 0.3  # likeness to neighbors that are missing, where few texts are held out
_LEAST = 0.3  # cosine under which nothing is looked at
_SAME = 0.9  # held-out texts this alike are versions of one text: none is the other's neighbor
_FORM = 0.8  # texts of one template are this alike, and more
_FIRST, _CLOSE = 12, 30  # texts looked at, and texts among which their neighbors are found
_SOME, _ENOUGH = 300, 10  # texts that the limit is set by, at most and at least
_MANY = 10  # such texts, and a tenth of all: then a template made them
_BLOCK = 1_000
TOGETHER = 20  # texts that are looked up together, from which on they are a background
LIMIT_TOGETHER = 0.3
_POOL = 2_000  # of them, drawn where there are more
_RANKS = slice(4, 9)  # neighbors that are looked at: the first few may be paraphrases, too
_OF_POOL = 0.4  # how much of what they are alike above the usual is taken off, for the text and for the held-out text

Overlap = Callable[[int, int], float]


@dataclass(frozen=True)
class Background:
    """Texts that are looked up together: their vectors, and how alike those next to each held-out text are to it."""

    pool: Array
    of_held: Array

    def usual(self, vector: Array) -> float:
        """How alike the texts next to one of them are to it; versions of it do not count."""
        cosines = self.pool @ vector
        return float(_next(cosines[cosines < _SAME][:, None])[0])


def _next(cosines: Array) -> Array:
    """Of each column the mean of its highest values after the first few."""
    high = min(_RANKS.stop, len(cosines))
    if high <= _RANKS.start:
        return np.full(cosines.shape[1], _USUAL, np.float32)
    best = -np.sort(np.partition(-cosines, high - 1, axis=0)[:high], axis=0)
    return np.asarray(best[_RANKS].mean(axis=0))


@dataclass
class Meanings:
    """Vectors of held-out texts, of length 1, one a row. `level` is each one's likeness to its neighbors.

    `crowded` says that most texts have many others much like them, as where a template made them.

    >>> eye = np.eye(8, dtype=np.float32)
    >>> [(i, round(c, 2)) for i, c, _ in Meanings(eye).near(0.8 * eye[2] + 0.6 * eye[3])]
    [(2, 0.8), (3, 0.6)]
    """

    vectors: Array
    limit: float = LIMIT
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

        self.crowded = n > 0 and float(np.median(alike)) > max(_MANY, 0.1 * n)

    def background(self, vectors: Array) -> Background | None:
        """What texts that are looked up together, one a row, tell about what is usual; None where they are few."""
        if len(vectors) < TOGETHER:
            return None
        if len(vectors) > _POOL:
            vectors = vectors[sorted(random.Random(0).sample(range(len(vectors)), _POOL))]
        return Background(vectors, _next(vectors @ self.vectors.T))

    def near(self, vector: Array, but: Sequence[int] = (), background: Background | None = None) -> list[tuple[int, float, float]]:
        """The held-out texts nearest to a vector: which, the cosine, and how far it stands above the neighbors'.

        Args:
            vector: Of length 1.
            but: Held-out texts that are left out.
            background: The texts that are looked up together with it.

        Returns:
            At most twelve, nearest first.
        """
        cosines = self.vectors @ vector
        cosines[list(but)] = -1.0
        many = min(_CLOSE, len(cosines))
        top = np.argpartition(-cosines, many - 1)[:many]
        top = top[np.argsort(-cosines[top])]
        alike = self.vectors[top] @ self.vectors[top].T >= _SAME
        found = []
        own = background.usual(vector) if background else _USUAL
        for a in range(min(_FIRST, many)):
            cosine = float(cosines[top[a]])
            if cosine < _LEAST:
                break
            others = cosines[top[~alike[a]]][:_NEIGHBORS]
            usual = (float(np.maximum(others, 0.0).sum()) + _USUAL * (_NEIGHBORS - len(others))) / _NEIGHBORS
            high = cosine - _OF_TEXT * usual - _OF_HELD * float(self.level[top[a]])
            if background:
                high -= _OF_POOL * (max(0.0, own - _USUAL) + max(0.0, float(background.of_held[top[a]]) - _USUAL))
            found.append((int(top[a]), cosine, high))
        return found

    def rise(self, words: Overlap) -> None:
        """Raise the limit until few held-out texts would be taken for another of them. `words` is the overlap of two of them."""
        n = len(self.vectors)
        if n < _ENOUGH:
            return
        some = random.Random(0).sample(range(n), min(n, _SOME))
        best = []
        for i in some:
            versions = np.flatnonzero(self.vectors @ self.vectors[i] >= _SAME).tolist()
            near = self.near(self.vectors[i], [i, *versions])
            best.append(max((less_words(high, words(i, j)) for j, _, high in near), default=0.0))
        self.limit = max(LIMIT, float(np.quantile(best, 1 - SHARE)))


def less_words(high: float, overlap: float) -> float:
    """What a likeness of meaning is worth where the words are alike, too."""
    return high - _OF_WORDS * overlap
