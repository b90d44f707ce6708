"""The reader of each format; each is imported with its first file."""

from __future__ import annotations

from typing import BinaryIO

from ..core.errors import UsageError
from .document import Document
from .kinds import MEDIA_TYPES, Kind
from .limits import Limits


def parse(kind: Kind, file: BinaryIO, name: str, limits: Limits) -> Document:
    """Read a file whose format is known, in this process.

    Args:
        kind: The format.
        file: The file, open at its start.
        name: Name of the document.
        limits: How much of it is read.

    Returns:
        The document as its reader made it; control characters are still in it.

    Raises:
        UsageError: The file is damaged or encrypted.
        MissingPackageError: The reader needs a package.

    >>> import io
    >>> parse("text", io.BytesIO(b"one"), "a.txt", Limits()).text
    'one'
    """
    match kind:
        case "text":
            from .plain import read_text

            return read_text(file.read(), name, MEDIA_TYPES[kind])
        case "markdown":
            from .markdown import read_markdown

            return read_markdown(file.read(), name)
        case "picture":
            from .picture import read_picture

            return read_picture(file.read(), name)
    raise UsageError("No reader knows this format", detail=name)
