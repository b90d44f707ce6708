"""The reader of each format; each is imported with its first file."""

from __future__ import annotations

from typing import BinaryIO

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
        case "rst":
            from .rst import read_rst

            return read_rst(file.read(), name)
        case "html":
            from .html import read_html

            return read_html(file.read(), name)
        case "notebook":
            from .notebook import read_notebook

            return read_notebook(file.read(), name)
        case "code":
            from .code import read_code

            return read_code(file.read(), name)
        case "csv":
            from .tabular import read_csv

            return read_csv(file.read(), name, limits)
        case "json":
            from .tabular import read_json

            return read_json(file.read(), name, limits)
        case "jsonl":
            from .tabular import read_jsonl

            return read_jsonl(file.read(), name, limits)
        case "parquet":
            from .parquet import read_parquet

            return read_parquet(file, name, limits)
        case "pdf":
            from .pdf import read_pdf

            return read_pdf(file, name, limits)
        case "docx":
            from .docx import read_docx

            return read_docx(file, name, limits)
        case "pptx":
            from .pptx import read_pptx

            return read_pptx(file, name, limits)
        case "xlsx":
            from .xlsx import read_xlsx

            return read_xlsx(file, name, limits)
        case "picture":
            from .picture import read_picture

            return read_picture(file.read(), name)
