"""Markdown files: headings, paragraphs, lists, tables and code, with their lines.

Only the block structure is parsed; text stays as it is written. What a page made of the file would
not show (comments, hidden elements, link definitions) is left out.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from .document import Block, BlockKind, Document
from .plain import decode, paragraphs
from .visible import SUSPECT, hidden_spans

HIDDEN = "hidden text left out"
_PARSED = 5_000_000  # characters; of a longer file only the paragraphs are found
_KINDS: dict[str, BlockKind] = {"table_open": "table", "fence": "code", "code_block": "code"}
_CODE_SPAN = re.compile(r"(`+)[^`\n]+\1")
_FRONT_MATTER = re.compile(r"---\n(.*?\n)(?:---|\.\.\.)(?:\n|$)", re.S)
_COMMENT = re.compile(r"(?m)^ {0,3}\[[^\]\n]+\]:\s*(?:#|<>)\s*[\"'(]")  # a link definition that is used as a comment
_TITLE = re.compile(r"(?m)^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$")


def read_markdown(data: bytes, name: str) -> Document:
    """A Markdown file as blocks.

    Args:
        data: The file's bytes.
        name: The file's name.

    Returns:
        The document; its title is that of the front matter, else its first heading.

    Raises:
        UsageError: The bytes are not text.

    >>> [(b.kind, b.level, b.text) for b in read_markdown(b"# One\\n\\ntwo", "a.md").blocks]
    [('heading', 1, 'One'), ('text', 0, 'two')]
    """
    text, notes = decode(data, name)
    blocks, title, hidden = markdown_blocks(text)
    return Document(name, "text/markdown", tuple(blocks), title, notes=notes + ((HIDDEN,) if hidden else ()))


def markdown_blocks(text: str) -> tuple[list[Block], str, bool]:
    """Blocks of a Markdown text, its title, and whether it has hidden text.

    >>> markdown_blocks("one <!-- two -->")[0][0].text
    'one'
    """
    title = ""
    if front := _FRONT_MATTER.match(text):
        found = _TITLE.search(front[1])
        title = found[1].strip() if found else ""
        text = "\n" * front[0].count("\n") + text[front.end() :]
    if len(text) > _PARSED:
        return paragraphs(text), title, False
    text, hidden = _without_hidden(text)
    hidden = hidden or bool(_COMMENT.search(text))
    lines = text.split("\n")
    blocks: list[Block] = []
    for token in _parser().parse(text):
        if token.level or not token.map:
            continue
        blocks += _blocks(token, lines)
    title = title or next((b.text for b in blocks if b.kind == "heading"), "")
    return blocks, title, hidden


def _blocks(token: Any, lines: list[str]) -> list[Block]:
    first, last = token.map
    while last > first + 1 and not lines[last - 1].strip():
        last -= 1
    where = (first + 1, last)
    raw = "\n".join(line.rstrip() for line in lines[first:last])
    match token.type:
        case "heading_open":
            text = re.sub(r"^\s{0,3}#+\s*|\s+#+\s*$", "", raw) if token.markup.startswith("#") else raw.rpartition("\n")[0].strip()
            return [Block(text, "heading", int(token.tag[1]), lines=where)] if text else []
        case "fence" | "code_block":
            return [Block(token.content.rstrip("\n"), "code", lines=where)] if token.content.strip() else []
        case "table_open":
            return [Block(raw, "table", lines=where)]
        case "html_block":
            text = re.sub(r"<[a-zA-Z/][^<>]*>", "", raw)
            return [Block(text.strip(), lines=where)] if text.strip() else []
        case "hr":
            return []
    return paragraphs(raw, first + 1) if last - first > 1 else [Block(raw.strip(), lines=where)]


@functools.cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.disable("inline")  # text stays as it is written
    return parser


def _without_hidden(text: str) -> tuple[str, bool]:
    """The text with hidden parts blank, so that lines stay the same, and whether there were any."""
    if not SUSPECT.search(text):
        return text, False
    markup = text.split("\n")
    for token in _parser().parse(text):
        if token.type in ("fence", "code_block") and token.map:
            for n in range(*token.map):
                markup[n] = " " * len(markup[n])
    masked = _CODE_SPAN.sub(lambda m: " " * len(m[0]), "\n".join(markup))
    hidden = False
    parts, at = [], 0
    for start, end in hidden_spans(masked):
        parts += [text[at:start], re.sub(r"[^\n]", "", text[start:end])]
        hidden = hidden or bool(re.search(r"\w\w", re.sub(r"<[^<>!]*>", "", text[start:end])))
        at = end
    return "".join([*parts, text[at:]]), hidden
