"""What a reader returns: the blocks of a document in reading order, each with its location."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

BlockKind = Literal["text", "heading", "table", "code", "picture"]


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, heading, table, piece of code or picture of a document.

    `level` is the level of a heading, 1 for the highest. `page` counts from 1. `lines` are the
    first and last line in a text file, from 1. `place` names any other location: `Q1!A2:D40` in a
    workbook, `cell 4` in a notebook, `slide 2`, `row 17`. `values` are columns that filters can use.
    """

    text: str
    kind: BlockKind = "text"
    level: int = 0
    page: int | None = None
    lines: tuple[int, int] | None = None
    place: str = ""
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture inside a document, as encoded bytes."""

    data: bytes
    media_type: str
    page: int | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as its reader found it.

    `notes` say what is missing, such as pages without text. `pages` is the number of pages, None
    where the format has none.
    """

    name: str
    media_type: str
    blocks: tuple[Block, ...]
    title: str = ""
    pages: int | None = None
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text of all blocks.

        >>> Document("a.txt", "text/plain", (Block("one"), Block("two"))).text
        'one\\n\\ntwo'
        """
        return "\n\n".join(b.text for b in self.blocks)
