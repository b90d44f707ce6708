"""Writes a text file completely or not at all."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from .errors import StoreError

_PATIENCE, _PAUSE = 1.0, 0.02  # seconds


def write_atomic(path: Path, text: str) -> Path:
    """Write a temporary file, then rename it: a failure keeps the old file. Raises StoreError."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8", errors="replace")
        replace_file(part, path)
    except OSError as e:
        raise StoreError(
            "The file cannot be written", detail=f"{path}: {e.strerror or e}", hint="Free some disk space, or name another folder."
        ) from None
    finally:
        if part.is_file():
            part.unlink(missing_ok=True)
    return path


def replace_file(part: Path, path: Path) -> None:
    """Rename a file to a name that may exist.

    Windows refuses while another process has that file open, such as a kernel that reads it or a virus
    scanner. They are quick, so this tries again for a second.
    """
    until = time.monotonic() + (_PATIENCE if sys.platform == "win32" else 0.0)
    while True:
        try:
            os.replace(part, path)
            return
        except PermissionError:
            if time.monotonic() >= until:
                raise
            time.sleep(_PAUSE)
