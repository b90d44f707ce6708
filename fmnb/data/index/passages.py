"""Ranked chunks to passages: at most three chunks a document, neighbors joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ...core.sources import Passage
from ...store.index_file import ChunkRow, FileRow, IndexFile
from .chunks import OVERLAP

PER_DOCUMENT = 3  # chunks


@dataclass
class _Group:
    """Chunks of one file that follow each other."""

    file: int
    score: float
    members: dict[int, ChunkRow] = field(default_factory=dict)  # by number in the file


def passages(file: IndexFile, ranked: Sequence[tuple[int, float]], limit: int, source: str) -> tuple[Passage, ...]:
    """The best passages, at most `limit`, of ranked ids of chunks."""
    groups: list[_Group] = []
    per_document: dict[int, int] = {}
    page = limit * PER_DOCUMENT
    for at in range(0, len(ranked), page):  # more are read only where few documents have many chunks
        some = ranked[at : at + page]
        chunks = file.chunks([i for i, _ in some])
        for i, score in some:
            if i in chunks:
                _add(groups, per_document, chunks[i], score, limit)
        if len(groups) == limit:
            break
    files = file.file_ids_of({g.file for g in groups})
    return tuple(_passage(g, files[g.file], source) for g in groups if g.file in files)


def _add(groups: list[_Group], per_document: dict[int, int], chunk: ChunkRow, score: float, limit: int) -> None:
    """Add a chunk to its neighbors, or as a passage of its own if there is room."""
    if per_document.get(chunk.file, 0) >= PER_DOCUMENT:
        return
    group = next((g for g in groups if g.file == chunk.file and _joins(g, chunk)), None)
    if group is None:
        if len(groups) == limit:
            return
        groups.append(group := _Group(chunk.file, score))
    group.members[chunk.n] = chunk
    per_document[chunk.file] = per_document.get(chunk.file, 0) + 1


def _joins(group: _Group, chunk: ChunkRow) -> bool:
    """Whether a chunk stands directly before or after the group, under the same headings."""
    near = group.members.get(chunk.n - 1) or group.members.get(chunk.n + 1)
    return near is not None and near.headings == chunk.headings and near.place == chunk.place


def _passage(group: _Group, file: FileRow, source: str) -> Passage:
    members = [group.members[n] for n in sorted(group.members)]
    text = members[0].text
    for chunk in members[1:]:
        text = _join(text, chunk.text)
    first = members[0]
    return Passage(
        text=text,
        source=source,
        title=_title(file, first.headings),
        location=location(members),
        headings=first.headings,
        path=file.path,
        time=file.mtime or None,
        score=group.score,
        details={"columns": dict(first.columns)} if first.columns else {},
    )


def _title(file: FileRow, headings: Sequence[str]) -> str:
    """The file's name, and the document's title where no heading says it."""
    name = file.path.rpartition("/")[2].removeprefix("frame:")
    return name if not file.title or file.title == name or file.title in headings else f"{file.title} ({name})"


def location(members: Sequence[ChunkRow]) -> str:
    """Where chunks are in their document.

    >>> location([ChunkRow("a", pages=(3, 3)), ChunkRow("b", pages=(3, 4))])
    'pages 3-4'
    """
    for noun, spans in (("page", [c.pages for c in members]), ("line", [c.lines for c in members])):
        known = [s for s in spans if s is not None]
        if known:
            first, last = min(s[0] for s in known), max(s[1] for s in known)
            return f"{noun} {first}" if first == last else f"{noun}s {first}-{last}"
    return members[0].place


def _join(text: str, following: str) -> str:
    """Two neighbors without what the second repeats of the first."""
    for size in range(min(len(text), len(following), OVERLAP), 0, -1):
        if text.endswith(following[:size]):
            return text + following[size:]
    return f"{text}\n\n{following}"
