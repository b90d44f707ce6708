"""A failed cell as text: its source and its traceback, for a prompt about it.

It holds no exception, whose frames would keep the notebook's values in memory. Imports nothing
heavy, since it is made in the kernel whenever a cell fails.
"""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_CELL = re.compile(r"<ipython-input|/ipykernel_\d+/|<stdin>|^<string>")
_FRAMES = 12


@dataclass(frozen=True, slots=True)
class FailedCell:
    """A cell as it was run, and its traceback as plain text."""

    source: str
    traceback: str

    @classmethod
    def from_error(cls, source: str, error: BaseException) -> FailedCell:
        """The failed cell of an exception."""
        return cls(source, traceback_of(error))


def traceback_of(error: BaseException) -> str:
    """The traceback as plain text, then the error.

    Lines of notebook cells are shown with their code; of libraries only the function, so
    that the same mistake reads the same on every machine.
    """
    lines = []
    for frame in traceback.extract_tb(error.__traceback__):
        file = frame.filename.replace("\\", "/")
        if "/IPython/" in file or "/ipykernel/" in file:
            continue
        if _CELL.search(file):
            lines.append(
                f"line {frame.lineno} of the cell"
                + ("" if frame.name == "<module>" else f", in {frame.name}")
                + f": {frame.line or ''}".rstrip(": ")
            )
        else:
            lines.append(f"in {frame.name} ({file.rsplit('/', 1)[-1]})")
    shown = lines if len(lines) <= _FRAMES else [*lines[:2], "...", *lines[-_FRAMES + 3 :]]
    if isinstance(error, SyntaxError):
        last = [f"line {error.lineno} of the cell: {(error.text or '').strip()}", f"{type(error).__name__}: {error.msg}"]
    else:
        last = [x.strip() for x in traceback.format_exception_only(type(error), error)]
    return _ANSI.sub("", "\n".join([*shown, *last]))
