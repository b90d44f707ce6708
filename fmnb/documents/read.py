"""Reads any supported file as a document.

path or bytes ─► kind ─► reader ─► inert document

Text is read here. Formats with a parser of their own (PDF, docx, pptx, xlsx, Parquet), and large files, are
read in a child process with limits of memory and time (`child`), so that no file can end the kernel.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Literal

from ..core.errors import FmnbError, UsageError
from ..core.media import format_size
from .document import Block, Document, Picture
from .formats import parse
from .inert_document import inert_document
from .kinds import SNIFFED, Kind, kind_of
from .limits import LIMITS, Limits

Describe = Callable[[bytes, str], str]

_ADDRESS = re.compile(r"(?i)([a-z][a-z0-9+.-]+)://|(data|file|ftps?|https?|javascript|about|blob|mailto|jar|view-source):")
_IN_CHILD: frozenset[Kind] = frozenset({"pdf", "docx", "pptx", "xlsx", "parquet"})
_LARGE = 4_000_000  # bytes of text that are not read in this process: parsed, they may take a hundred times as much


def read(
    source: str | Path | bytes,
    name: str = "",
    *,
    limits: Limits = LIMITS,
    describe: Describe | None = None,
    using: Literal["", "docling"] = "",
) -> Document:
    """Read a file as blocks of text with their locations.

    Args:
        source: A path, or the bytes of a file.
        name: Name of the document, by default that of the file; its suffix tells the format of text.
        limits: How large the file may be, and how long reading may take.
        describe: Says what is on a picture, given its bytes and media type. Without it, pictures have no text.
        using: `"docling"` reads with docling, which recognizes the layout of pages.

    Returns:
        The document. Its notes say what was left out or could not be read.

    Raises:
        UsageError: The file is missing, too large, damaged, encrypted or in a format that no reader knows, or
            the source is an address.
        MissingPackageError: The reader needs a package; the message has the command that installs it.

    >>> read(b"# Notice\\n\\nThree months.", "contract.md").blocks[1].text
    'Three months.'
    """
    if isinstance(source, bytes):
        document = _read(io.BytesIO(source), len(source), name or "document", limits, using)
    else:
        refuse_address(str(source))
        path = Path(source).expanduser()
        with open_regular(path) as file:
            document = _read(file, os.fstat(file.fileno()).st_size, name or path.name, limits, using)
    if describe is not None:
        document = _described(document, describe)
    return inert_document(document, limits)


def refuse_address(source: str) -> None:
    """Raise UsageError for an address such as `https://` or `file://`; paths pass.

    >>> refuse_address("docs/handbook.pdf")
    """
    if found := _ADDRESS.match(source):
        scheme = (found[1] or found[2]).lower()
        web = scheme in ("http", "https")
        raise UsageError(
            "A reader takes files, not addresses",
            detail=source.split("?")[0].split(",")[0][:200],
            hint="Download it, and read the file." if web else f"`{scheme}:` is refused; give the path of a file.",
        )


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; a pipe or device is refused without waiting for it.

    Raises UsageError for whatever else cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        raise UsageError("There is no such file", detail=str(path), hint=f"Relative paths start at {Path.cwd()}.") from None
    except IsADirectoryError:
        raise UsageError("This is a folder", detail=str(path), hint="Name the files in it.") from None
    except (OSError, ValueError) as e:
        if path.is_dir():  # Windows says that access is denied
            raise UsageError("This is a folder", detail=str(path), hint="Name the files in it.") from None
        reason = getattr(e, "strerror", None) or str(e)
        raise UsageError("The file cannot be read", detail=f"{path}: {reason}", hint="Check the path and its permissions.") from None
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise UsageError("This is a folder", detail=str(path), hint="Name the files in it.")
    raise UsageError("Only a regular file can be read", detail=f"{path} is a pipe or a device", hint="Copy its content into a file first.")


def _read(file: BinaryIO, size: int, name: str, limits: Limits, using: str) -> Document:
    if size > limits.size:
        raise UsageError(
            "The file is too large to read",
            detail=f"{name}: {format_size(size)}, the limit is {format_size(limits.size)}",
            hint="Split it, or read a part of it.",
        )
    try:
        head = file.read(SNIFFED)
        file.seek(max(0, size - 65_536))
        tail = file.read(65_536)
        file.seek(0)
    except OSError as e:
        raise UsageError(
            "The file cannot be read", detail=f"{name}: {e.strerror or e}", hint="Check the path and its permissions."
        ) from None
    kind = kind_of(head, name, tail)
    if using not in ("", "docling"):
        raise UsageError("There is no such reader", detail=repr(using), hint="`using` is docling, or is left out.")
    try:
        if using:
            from .docling import read_with_docling

            return read_with_docling(kind, file, name, limits)
        if kind in _IN_CHILD or (size > _LARGE and kind != "picture"):
            from .child import parse_in_child

            return parse_in_child(kind, file, name, limits)
        return parse(kind, io.BytesIO(file.read(limits.size)), name, limits)
    except FmnbError:
        raise
    except (OSError, ValueError, RecursionError, MemoryError) as e:  # what a damaged file makes parsers raise
        raise UsageError("The file cannot be read", detail=f"{name}: {type(e).__name__}: {e}"[:300], hint="Is it complete?") from None


def _described(document: Document, describe: Describe) -> Document:
    """The document with a block for each picture, before the text that follows its page."""
    blocks = list(document.blocks)
    for picture in document.pictures:
        if text := describe(picture.data, picture.media_type).strip():
            block = Block(text, "picture", page=picture.page, place=picture.place)
            blocks.insert(_after_page(blocks, picture), block)
    return replace(document, blocks=tuple(blocks))


def _after_page(blocks: list[Block], picture: Picture) -> int:
    if picture.page is None:
        return len(blocks)
    return next((n for n, b in enumerate(blocks) if b.page is not None and b.page > picture.page), len(blocks))
