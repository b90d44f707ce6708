"""Indexes that stay open between cells, so that their vectors are read once."""

from __future__ import annotations

from pathlib import Path

from ...core.runtime import state
from .index import Index


class OpenIndexes:
    """The open indexes of this process, by their file, with the identity of the file."""

    def __init__(self) -> None:
        self.by_path: dict[Path, tuple[int, Index]] = {}


def open_index(name: str) -> Index:
    """The index of this name, opened once.

    Raises:
        UsageError: The name is not valid.
    """
    index = Index(name)
    if not index.path.is_file():
        return index
    identity = index.path.stat().st_ino  # a file that was deleted and made anew is another one
    opened = state(OpenIndexes).by_path
    known = opened.get(index.path)
    if known is None or known[0] != identity:
        if known is not None:
            known[1].close()
        opened[index.path] = known = identity, index
    return known[1]
