"""A document's blocks to chunks: along headings and sentences, each with its pages, lines or place.

A chunk is longer than MiniLM reads (256 tokens, about 1,200 characters), which ranks better on
Cranfield than chunks of that length, and repeats the end of the chunk before it: each sentence is
among the first 1,200 characters of some chunk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...documents.document import Block, Document
from ...store.index_file import ChunkRow

VERSION = "1"  # of the rules below; an index made with others is rebuilt
SIZE = 1_600  # characters, about 330 tokens
OVERLAP = 400  # characters that a chunk repeats of the one before it
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"')\]]*\s+(?=\S)|(?<=[。！？])|\n\s*\n|\n(?=\s*(?:[-*•]|\d+[.)])\s)")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence, or what is kept together of a block, with the block's location."""

    text: str
    block: Block
    lines: tuple[int, int] | None


def chunks(document: Document, size: int = SIZE, overlap: int = OVERLAP) -> list[ChunkRow]:
    """The chunks of a document in reading order.

    >>> from fmnb.documents.document import Block, Document
    >>> text = Document("a.md", "text/markdown", (Block("Leave", "heading", 1), Block("Thirty days.")))
    >>> [(c.headings, c.text) for c in chunks(text)]
    [(('Leave',), 'Thirty days.')]
    """
    found: list[ChunkRow] = []
    headings: list[tuple[int, str]] = []
    section: list[_Piece] = []

    def end_section() -> None:
        path = tuple(h for _, h in headings)
        for chunk in _pack(section, size, overlap):
            found.append(replace(chunk, n=len(found), headings=path))
        section.clear()

    for block in document.blocks:
        if block.kind == "heading":
            end_section()
            level = block.level or 1
            headings[:] = [h for h in headings if h[0] < level]
            headings.append((level, " ".join(block.text.split())))
            continue
        if section and (
            block.values or section[-1].block.values or section[-1].block.place != block.place and not _same_place(section[-1].block, block)
        ):
            end_section()
        section.extend(_pieces(block, size))
    end_section()
    if not found and headings:  # a document of headings alone
        return [ChunkRow("\n".join(h for _, h in headings), 0)]
    return found


def _same_place(a: Block, b: Block) -> bool:
    """Whether a chunk may hold parts of both: paragraphs of pages may, ranges of a sheet may not."""
    return not a.place and not b.place


def _pieces(block: Block, size: int) -> Iterator[_Piece]:
    """The sentences of a block; tables and code are split at lines."""
    texts = block.text.splitlines(keepends=True) if block.kind in ("table", "code") else _sentences(block.text)
    line = block.lines[0] if block.lines else 0
    for text in texts:
        end = line + text.rstrip("\n").count("\n")
        for part in _cut(text, size):
            yield _Piece(part, block, (line, max(line, end)) if block.lines else None)
        line += text.count("\n")


def _sentences(text: str) -> Iterator[str]:
    """The sentences of a text, each with the white space behind it."""
    at = 0
    for found in _SENTENCE_END.finditer(text):
        yield text[at : found.end()]
        at = found.end()
    if at < len(text):
        yield text[at:]


def _cut(text: str, size: int) -> Iterator[str]:
    """A piece that is longer than a chunk, cut between words where there are some."""
    while len(text) > size:
        at = text.rfind(" ", size // 2, size) + 1 or size
        yield text[:at]
        text = text[at:]
    if text:
        yield text


def _pack(pieces: list[_Piece], size: int, overlap: int) -> Iterator[ChunkRow]:
    """Chunks of whole pieces."""
    current: list[_Piece] = []
    length = 0
    new = False  # whether there is more in it than what it repeats
    for piece in pieces:
        if current and new and length + len(piece.text) > size:
            yield from _chunk(current)
            current = _tail(current, overlap) if piece.block.kind not in ("table", "code") else []
            length, new = sum(len(p.text) for p in current), False
            if length + len(piece.text) > size:
                current, length = [], 0
        current.append(piece)
        length, new = length + len(piece.text), True
    if new:
        yield from _chunk(current)


def _tail(pieces: list[_Piece], overlap: int) -> list[_Piece]:
    """The last pieces that are together no longer than the overlap."""
    kept: list[_Piece] = []
    for piece in reversed(pieces):
        if sum(len(p.text) for p in kept) + len(piece.text) > overlap:
            break
        kept.insert(0, piece)
    return kept


def _chunk(pieces: list[_Piece]) -> Iterator[ChunkRow]:
    """One chunk; none where there is only white space."""
    text = ""
    for before, piece in zip([None, *pieces], pieces, strict=False):
        if before is not None and before.block is not piece.block:
            text = text.rstrip() + "\n\n"
        text += piece.text
    text = text.lstrip("\n").rstrip()
    if not text:
        return
    pages = [p.block.page for p in pieces if p.block.page is not None]
    lines = [n for p in pieces if p.lines for n in p.lines]
    places = [p.block.place for p in pieces if p.block.place]
    columns = {k: v for p in pieces for k, v in p.block.values.items()}
    yield ChunkRow(
        text,
        0,
        (),
        (min(pages), max(pages)) if pages else None,
        (min(lines), max(lines)) if lines else None,
        places[0] if places else "",
        columns,
    )
