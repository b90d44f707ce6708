"""Which format a file has, from its first bytes and its name.

The bytes decide where they can: a PDF named `.txt` is read as a PDF.
"""

from __future__ import annotations

import re
from typing import Literal

from ..core.errors import UsageError
from ..core.media import sniff as sniff_picture

Kind = Literal[
    "text", "markdown", "rst", "html", "notebook", "code", "csv", "jsonl", "json", "parquet", "pdf", "docx", "pptx", "xlsx", "picture"
]

_SUFFIXES: dict[str, Kind] = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".qmd", ".rmd"), "markdown"),
    ".rst": "rst",
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".csv", ".tsv", ".tab"), "csv"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    ".json": "json",
    ".ipynb": "notebook",
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    ".pdf": "pdf",
    **dict.fromkeys((".docx", ".docm"), "docx"),
    **dict.fromkeys((".pptx", ".pptm", ".ppsx"), "pptx"),
    **dict.fromkeys((".xlsx", ".xlsm"), "xlsx"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".webp"), "picture"),
    **dict.fromkeys(
        ".py .pyi .r .jl .sql .js .jsx .mjs .ts .tsx .java .kt .scala .c .h .cc .cpp .hpp .cs .go .rs .rb .php .pl .lua .swift .sh .bash "
        ".ps1 .m .f90 .css .scss .vue .toml .yaml .yml .ini .cfg .xml .proto .tf .gradle .cmake".split(),
        "code",
    ),
}
_OFFICE: tuple[tuple[bytes, Kind], ...] = ((b"word/", "docx"), (b"ppt/", "pptx"), (b"xl/", "xlsx"))
_APART = ("pdf", "docx", "pptx", "xlsx", "parquet", "picture")  # formats whose first bytes are known
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLD = {".doc": "docx", ".xls": "xlsx", ".ppt": "pptx"}
_OTHER = {
    ".rtf": "docx",
    ".odt": "docx",
    ".ods": "xlsx",
    ".odp": "pptx",
    ".epub": "HTML",
    ".pages": "docx",
    ".numbers": "xlsx",
    ".xlsb": "xlsx",
}
SNIFFED = 4_096  # bytes from which the format is found

MEDIA_TYPES: dict[Kind, str] = {
    "text": "text/plain",
    "markdown": "text/markdown",
    "rst": "text/x-rst",
    "html": "text/html",
    "notebook": "application/x-ipynb+json",
    "code": "text/x-code",
    "csv": "text/csv",
    "jsonl": "application/jsonl",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def kind_of(head: bytes, name: str, tail: bytes = b"") -> Kind:
    """The format of a file.

    Args:
        head: The first bytes, at least 4,096 where the file has them.
        name: The file's name.
        tail: The last bytes; those of an archive list its members.

    Returns:
        The format; "text" for an unknown suffix.

    Raises:
        UsageError: No reader knows the format, or the file is not what its suffix says.

    >>> kind_of(b"%PDF-1.7", "report.txt"), kind_of(b"one", "notes.md")
    ('pdf', 'markdown')
    """
    suffix = suffix_of(name)
    if b"%PDF-" in head[:1_024]:
        return "pdf"
    if head.startswith(b"PAR1"):
        return "parquet"
    if sniff_picture(head).startswith("image/"):
        return "picture"
    if head.startswith(b"PK\x03\x04"):
        return _office(head + tail, name, suffix)
    if head.startswith(_OLE):
        raise _old_or_encrypted(name, suffix)
    if suffix in _OTHER or head.startswith(b"{\\rtf"):
        raise UsageError("No reader knows this format", detail=name, hint=f"Save it as {_OTHER.get(suffix, 'docx')}, and read that file.")
    kind = _SUFFIXES.get(suffix, "text")
    if kind in _APART and head:
        raise UsageError(
            "The file is not what its name says", detail=f"{name} does not begin like {_article(suffix)} file", hint="Is it complete?"
        )
    if kind == "text" and re.match(rb"(?i)(?:\xef\xbb\xbf)?\s*(?:<!doctype html|<html)\b", head):
        return "html"
    return kind


def suffix_of(name: str) -> str:
    """The suffix of a name in lower case, with its dot.

    >>> suffix_of("Report.PDF"), suffix_of("Makefile")
    ('.pdf', '')
    """
    found = re.search(r"[^/\\](\.[^./\\]+)$", name.strip())
    return found[1].lower() if found else ""


def _office(data: bytes, name: str, suffix: str) -> Kind:
    for folder, kind in _OFFICE:
        if folder in data:
            return kind
    known = _SUFFIXES.get(suffix)
    if known in ("docx", "pptx", "xlsx"):
        return known
    if suffix in _OTHER:
        raise UsageError("No reader knows this format", detail=name, hint=f"Save it as {_OTHER[suffix]}, and read that file.")
    raise UsageError("Archives are not read", detail=name, hint="Unpack it, and read the files in it.")


def _old_or_encrypted(name: str, suffix: str) -> UsageError:
    if suffix in _OLD:
        return UsageError(
            "No reader knows this format", detail=f"{name}: the binary format of Office before 2007", hint=f"Save it as {_OLD[suffix]}."
        )
    return UsageError("The file is encrypted", detail=name, hint="Save a copy without a password, and read that.")


def _article(suffix: str) -> str:
    return f"a{'n' if suffix[1:2] in 'aeiox' else ''} {suffix}"
