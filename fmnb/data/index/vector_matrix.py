"""The vectors of an index in memory as 32-bit floats, in step with its file.

Only what was added since is read from the file; what was removed is dropped. 100,000 vectors of
MiniLM take 150 MB and a scan 10 ms.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ...store.index_file import IndexFile

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


class VectorMatrix:
    """Vectors of unit length by chunk id. `dimensions` is 0 as long as the index has none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: Array | None = None
        self._vectors: Array | None = None  # with room for more rows
        self._rows = 0
        self._seen: tuple[int, int] | None = None  # the file's version and our own number of changes
        self._changes = 0

    def changed(self) -> None:
        """Say that this process has changed the file."""
        self._changes += 1

    def nearest(self, file: IndexFile, vector: Array, limit: int, among: list[int] | None = None) -> list[tuple[int, float]]:
        """Ids and similarity of the nearest chunks, nearest first; `among` are the ids to choose from."""
        import numpy as np

        with self._lock:
            self._synchronize(file, len(vector))
            assert self._ids is not None and self._vectors is not None
            ids, vectors = self._ids[: self._rows], self._vectors[: self._rows]
            if among is not None:
                kept = np.isin(ids, np.asarray(among, np.int64))
                ids, vectors = ids[kept], vectors[kept]
            if not len(ids):
                return []
            # not `@`: the threads of BLAS spin on after each query, for twice the processor time
            scores = np.einsum("ij,j->i", vectors, vector.astype(np.float32))
        top = np.argpartition(-scores, limit - 1)[:limit] if len(scores) > limit else np.arange(len(scores))
        top = top[np.argsort(-scores[top], kind="stable")]
        return [(int(ids[i]), float(scores[i])) for i in top]

    def _synchronize(self, file: IndexFile, dimensions: int) -> None:
        import numpy as np

        seen = file.version(), self._changes
        if seen == self._seen and self._vectors is not None:
            return
        if self._ids is None or self._vectors is None or self._vectors.shape[1] != dimensions:
            self._ids, self._vectors, self._rows = np.zeros(0, np.int64), np.zeros((0, dimensions), np.float32), 0
        if self._rows:
            kept = np.isin(self._ids[: self._rows], np.asarray(file.chunk_ids(), np.int64))
            if not kept.all():
                count = int(kept.sum())
                self._vectors[:count] = self._vectors[: self._rows][kept]
                self._ids[:count] = self._ids[: self._rows][kept]
                self._rows = count
        ids, vectors = file.vectors(int(self._ids[self._rows - 1]) if self._rows else 0, dimensions)
        self._append(np.asarray(ids, np.int64), vectors)
        self._seen = seen

    def _append(self, ids: Array, vectors: Array) -> None:
        import numpy as np

        assert self._ids is not None and self._vectors is not None
        rows = self._rows + len(ids)
        if rows > len(self._vectors):
            room = max(rows, self._rows + self._rows // 4)
            grown, grown_ids = np.zeros((room, self._vectors.shape[1]), np.float32), np.zeros(room, np.int64)
            grown[: self._rows], grown_ids[: self._rows] = self._vectors[: self._rows], self._ids[: self._rows]
            self._vectors, self._ids = grown, grown_ids
        self._vectors[self._rows : rows], self._ids[self._rows : rows] = vectors, ids
        self._rows = rows
