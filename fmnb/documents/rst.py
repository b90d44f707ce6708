"""reStructuredText files: headings and paragraphs, with their lines. Comments are left out."""

from __future__ import annotations

import re
from dataclasses import replace

from .document import Block, Document
from .markdown import HIDDEN
from .plain import decode, paragraphs

_LINE = re.compile(r"([=\-`:.'\"~^_*+#])\1*")
_COMMENT = re.compile(r"\.\.(?:$|\s(?!\s*(?:\[|_|\||__ |[\w:.+-]+::)))")


def read_rst(data: bytes, name: str) -> Document:
    """A reStructuredText file as blocks.

    Args:
        data: The file's bytes.
        name: The file's name.

    Returns:
        The document; the level of a heading is the place of its line's style in the file.

    Raises:
        UsageError: The bytes are not text.

    >>> [(b.kind, b.level, b.text) for b in read_rst(b"Notice\\n======\\n\\nFour weeks.", "a.rst").blocks]
    [('heading', 1, 'Notice'), ('text', 0, 'Four weeks.')]
    """
    text, notes = decode(data, name)
    text, hidden = _without_comments(text)
    styles: list[str] = []
    blocks: list[Block] = []
    for block in paragraphs(text):
        blocks += _headings(block, styles)
    title = next((b.text for b in blocks if b.kind == "heading"), "")
    return Document(name, "text/x-rst", tuple(blocks), title, notes=notes + ((HIDDEN,) if hidden else ()))


def _headings(block: Block, styles: list[str]) -> list[Block]:
    """A paragraph as heading and rest, if its second line underlines its first."""
    assert block.lines is not None
    lines = block.text.split("\n")
    over = len(lines) >= 3 and bool(_LINE.fullmatch(lines[0])) and lines[0] == lines[2]
    title = lines[1 if over else 0].strip()
    under = lines[2 if over else 1] if len(lines) >= 2 else ""
    if not title or _LINE.fullmatch(title) or not _LINE.fullmatch(under) or len(under) < max(3, len(title)):
        return [block]
    style = under[0] + ("/" if over else "")
    if style not in styles:
        styles.append(style)
    used, first = (3 if over else 2), block.lines[0]
    heading = Block(title, "heading", min(6, styles.index(style) + 1), lines=(first, first + used - 1))
    rest = "\n".join(lines[used:])
    return [heading, replace(block, text=rest, lines=(first + used, block.lines[1]))] if rest else [heading]


def _without_comments(text: str) -> tuple[str, bool]:
    """The text with comments blank, and whether one says something."""
    lines, hidden, inside = text.split("\n"), False, False
    for n, line in enumerate(lines):
        if _COMMENT.match(line):
            inside = True
        elif line.strip() and not line[0].isspace():
            inside = False
        if inside:
            hidden = hidden or bool(re.search(r"\w\w", line))
            lines[n] = ""
    return "\n".join(lines), hidden
