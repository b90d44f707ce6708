"""Frames of the notebook as a source, by the names that `--with` has.

DuckDB is opened when they are asked: a tape that has the rows is replayed without it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...core.sources import Retrieved
from ...core.typing import ModelLike
from ...prompts.dataframes import table_of

if TYPE_CHECKING:
    from .tables import Tables

_CELLS = 200_000  # cells of a frame that are read for its state; of a longer one, rows from all over it


class FramesSource:
    """Frames that are asked with SQL, together."""

    def __init__(self, frames: Mapping[str, Any]):
        self.name = " and ".join(frames)
        self._frames = frames
        self._tables: Tables | None = None

    def retrieve(self, question: str, *, limit: int = 8, model: ModelLike | None = None) -> Retrieved:
        """The rows of a query that the model writes."""
        return self._open().retrieve(question, limit=limit, model=model)

    def preview(self, question: str) -> Retrieved:
        """What `retrieve` would send to the model."""
        return self._open().preview(question)

    def state(self) -> str:
        """A hash of names, columns, sizes and cells."""
        content = [(name, *_content(frame)) for name, frame in sorted(self._frames.items())]
        return hashlib.sha256(json.dumps(content, default=str).encode("utf-8", "surrogatepass")).hexdigest()

    def _open(self) -> Tables:
        if self._tables is None:
            from .tables import Tables

            self._tables = Tables(dict(self._frames), name=self.name)
        return self._tables


def _content(frame: Any) -> tuple[Any, ...]:
    """Columns, number of rows and cells as text."""
    table = table_of(frame)
    if table is None or table.rows is None:
        return (repr(type(frame)),)
    step = max(1, table.rows * max(1, table.columns) // _CELLS)
    rows = list(range(0, table.rows, step))
    return table.names, table.rows, [list(map(str, row)) for row in table.take(rows, table.columns)]
