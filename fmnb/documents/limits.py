"""How large a document may be, and how long reading it may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of reading one document.

    A file over a limit of the first group is refused. Of a document over a limit of the second
    group the beginning is read, and a note says what was left out.

    Args:
        size: Bytes of the file.
        inflated: Bytes of an archive (docx, pptx, xlsx) once its members are inflated.
        ratio: How many times larger than its compressed form a member of an archive may be.
        members: Files in an archive.
        memory: Bytes of memory of the process that parses a document.
        seconds: Seconds that the process may take.
        characters: Characters of text.
        rows: Rows of a table.
        pages: Pages of a PDF, slides of a presentation.
        pictures: Pictures that are kept.
        picture_bytes: Bytes of all pictures that are kept.
    """

    size: int = 200_000_000
    inflated: int = 200_000_000
    ratio: int = 100
    members: int = 10_000
    memory: int = 1 << 30
    seconds: float = 60.0

    characters: int = 20_000_000
    rows: int = 100_000
    pages: int = 5_000
    pictures: int = 200
    picture_bytes: int = 50_000_000


LIMITS = Limits()  # the defaults
