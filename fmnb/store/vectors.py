"""Cached embeddings, by hash of model and text, as 32-bit floats in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .db import database

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_PAGE = 500  # keys per query


def get(keys: Sequence[bytes]) -> dict[bytes, Array]:
    """The cached vectors for these keys."""
    import numpy as np

    found: dict[bytes, Array] = {}
    for at in range(0, len(keys), _PAGE):
        some = tuple(keys[at : at + _PAGE])
        marks = ",".join("?" * len(some))
        for row in database().rows(f"SELECT key, data FROM vectors WHERE key IN ({marks})", some):
            found[bytes(row["key"])] = np.frombuffer(row["data"], "<f4")
    return found


def put(vectors: Mapping[bytes, Array], run: str) -> None:
    """Store vectors; deleting the run deletes them."""
    with database().write() as db:
        db.executemany("INSERT OR REPLACE INTO vectors VALUES (?,?,?)", [(k, run, v.astype("<f4").tobytes()) for k, v in vectors.items()])
