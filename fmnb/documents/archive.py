"""Checks a docx, pptx or xlsx file, a zip archive of XML, before a library opens it.

The directory says how large the members are; they are also inflated once, piece by piece, so that a
directory that lies is found. A DTD in a member is refused: Office writes none, and entities are an attack.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from typing import BinaryIO

from ..core.errors import UsageError
from ..core.media import format_size
from .limits import Limits

_PIECE = 1 << 18
_SMALL = 16 << 20  # bytes; a smaller member does no harm, and a table of equal cells is compressed far
_DTD = re.compile(rb"<\0?!\0?(?:D\0?O\0?C\0?T\0?Y\0?P\0?E|E\0?N\0?T\0?I\0?T\0?Y)")
_OVERLAP = 32  # bytes of a piece that are looked at again with the next one


def check_archive(file: BinaryIO, name: str, limits: Limits) -> frozenset[str]:
    """Check a zip archive of XML, and return the names of its members.

    Args:
        file: The archive; it is at its start afterwards.
        name: The file's name, for the error.
        limits: How large it may be once inflated, how far it may be compressed, how many members it may have.

    Returns:
        The names of the members.

    Raises:
        UsageError: It is no archive, damaged, encrypted, over a limit, or has a DTD.

    >>> import io
    >>> check_archive(io.BytesIO(b"PK"), "a.docx", Limits())
    Traceback (most recent call last):
    fmnb.core.errors.UsageError: The file is damaged: a.docx: File is not a zip file. Save it again.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _check_directory(members, name, limits)
            total = 0
            for member in members:
                total = _inflate(archive, member, total, name, limits)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError, OverflowError) as e:
        raise UsageError("The file is damaged", detail=f"{name}: {e}"[:300], hint="Save it again.") from None
    finally:
        file.seek(0)
    return frozenset(m.filename for m in members)


def _check_directory(members: list[zipfile.ZipInfo], name: str, limits: Limits) -> None:
    if len(members) > limits.members:
        raise _refused(name, f"{len(members):,} files in it, the limit is {limits.members:,}")
    inflated = sum(m.file_size for m in members)
    if inflated > limits.inflated:
        raise _refused(name, f"{format_size(inflated)} once inflated, the limit is {format_size(limits.inflated)}")
    if len({m.filename for m in members}) < len(members):
        raise _refused(name, "two members have the same name")
    for m in members:
        if m.flag_bits & 1:
            raise UsageError("The file is encrypted", detail=name, hint="Save a copy without a password, and read that.")
        if m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _refused(name, f"its compression ({m.compress_type}) is none that Office uses")
        if m.file_size > _SMALL and m.file_size > limits.ratio * max(1, m.compress_size):
            raise _refused(name, f"a member inflates to more than {limits.ratio} times its size, like a zip bomb")


def _inflate(archive: zipfile.ZipFile, member: zipfile.ZipInfo, total: int, name: str, limits: Limits) -> int:
    """Inflate a member, look for a DTD, and return how many bytes all members have so far."""
    xml = member.filename.lower().endswith((".xml", ".rels", ".vml"))
    last = b""
    with archive.open(member) as stream:
        while piece := stream.read(_PIECE):
            total += len(piece)
            if total > limits.inflated:
                raise _refused(name, f"more than {format_size(limits.inflated)} once inflated")
            if xml and _DTD.search(last + piece):
                raise _refused(name, f"{member.filename} has a DTD, which can define entities")
            last = piece[-_OVERLAP:]
    return total


def _refused(name: str, why: str) -> UsageError:
    return UsageError("The file is refused", detail=f"{name}: {why}", hint="If you trust it, save it again with its own program.")
