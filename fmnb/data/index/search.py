"""Both rankings of an index, by words and by meaning, fused by reciprocal rank.

Reciprocal rank fusion with k = 60: Cormack, Clarke and Büttcher, SIGIR 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...store.index_file import ALL, Condition, IndexFile
from .query import full_text_query, words
from .vector_matrix import VectorMatrix

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

DEPTH = 100  # chunks of each ranking
_K = 60
_READ, _WORDS = 500, 50  # distinct words of a long prompt that are looked up, and of those that are searched for
_UNRELATED = 0.12  # similarity of MiniLM below which texts have nothing in common
_RELATED = 0.35  # of the best similarity; what is farther away has nothing to do with the question
_MANY = 20_000  # chunks that a query may match: its time grows with them, so the rarest words are kept


def rank(file: IndexFile, matrix: VectorMatrix, question: str, vector: Array | None, condition: Condition = ALL) -> list[tuple[int, float]]:
    """Ids of chunks and their scores, best first. Without a vector, BM25 alone."""
    found = words(question)[:_READ]
    if file.count()[0] > _MANY or len(found) > _WORDS:
        found = file.rarest(found, _MANY)[:_WORDS]
    by_words = file.match(full_text_query(found), DEPTH, condition)
    if vector is None:
        return fuse([by_words])
    among = file.chunk_ids(condition) if condition.sql else None
    nearest = matrix.nearest(file, vector, DEPTH, among)
    by_meaning = [i for i, similarity in nearest if similarity >= max(_UNRELATED, _RELATED * nearest[0][1])]
    return fuse([by_words, by_meaning])


def fuse(rankings: Sequence[Sequence[int]]) -> list[tuple[int, float]]:
    """One ranking of several; of equal scores the first ranking's order counts.

    >>> [i for i, _ in fuse([[1, 2, 3], [3, 1]])]
    [1, 3, 2]
    """
    scores: dict[int, float] = {}
    for ranking in rankings:
        for position, i in enumerate(ranking, 1):
            scores[i] = scores.get(i, 0.0) + 1 / (_K + position)
    return sorted(scores.items(), key=lambda item: -item[1])
