"""Text files: encodings, paragraphs with their lines."""

from __future__ import annotations

import codecs
import re

from ..core.errors import UsageError
from .document import Block, Document

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: it begins with the same bytes
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BINARY = re.compile("[\x00-\x06\x0e-\x1a\x1c-\x1f]")  # control characters that no text has, but for a few of ANSI escapes
_LINES = 60  # lines of a paragraph; longer ones become several blocks


def decode(data: bytes, name: str) -> tuple[str, tuple[str, ...]]:
    r"""The text of a file and notes about its encoding.

    Args:
        data: The file's bytes: UTF-8, or UTF-16 or UTF-32 with a byte order mark, else Windows-1252.
        name: The file's name, for the error.

    Returns:
        The text with `\n` as line end, and notes.

    Raises:
        UsageError: The bytes are not text.

    >>> decode("naïve".encode("cp1252"), "a.txt")
    ('naïve', ('not UTF-8: read as Windows-1252',))
    """
    bom, encoding = next(((b, e) for b, e in _BOMS if data.startswith(b)), (b"", "utf-8"))
    notes: tuple[str, ...] = ()
    body = data[len(bom) :]
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError:
        if bom:
            text = body.decode(encoding, "replace")
            notes = (f"damaged {encoding.upper().removesuffix('-LE').removesuffix('-BE')}: unreadable bytes are shown as \ufffd",)
        else:
            _refuse_binary(data[:65_536].decode("latin-1"), data, name)
            text = body.decode("cp1252", "replace")
            notes = ("not UTF-8: read as Windows-1252",)
    _refuse_binary(text[:65_536], data, name)
    return text.replace("\r\n", "\n").replace("\r", "\n"), notes


def _refuse_binary(sample: str, data: bytes, name: str) -> None:
    if "\0" in sample or len(_BINARY.findall(sample)) > max(8, len(sample) // 100):
        raise UsageError(
            "The file is not text, and no reader knows its format",
            detail=f"{name}: {len(data):,} bytes",
            hint="Readable are text, Markdown, HTML, code, notebooks, CSV, JSON, Parquet, PDF, docx, pptx, xlsx and images.",
        )


def paragraphs(text: str, first: int = 1) -> list[Block]:
    """Text between blank lines as blocks, with the lines they are on.

    Args:
        text: Lines that end in a line feed.
        first: Number of the first line.

    Returns:
        A block for each paragraph; a long one becomes several.

    >>> [(b.text, b.lines) for b in paragraphs("one\\ntwo\\n\\nthree")]
    [('one\\ntwo', (1, 2)), ('three', (4, 4))]
    """
    found: list[Block] = []
    held: list[str] = []
    for number, line in enumerate([*text.split("\n"), ""], first):
        if line.strip() and len(held) < _LINES:
            held.append(line.rstrip())
            continue
        if held:
            found.append(Block("\n".join(held), lines=(number - len(held), number - 1)))
        held = [line.rstrip()] if line.strip() else []
    return found


def read_text(data: bytes, name: str, media_type: str = "text/plain") -> Document:
    """A text file as its paragraphs.

    Args:
        data: The file's bytes.
        name: The file's name.
        media_type: Type that the document gets.

    Returns:
        The document.

    Raises:
        UsageError: The bytes are not text.

    >>> read_text(b"one\\n\\ntwo", "a.txt").blocks[1].lines
    (3, 3)
    """
    text, notes = decode(data, name)
    return Document(name, media_type, tuple(paragraphs(text)), notes=notes)
