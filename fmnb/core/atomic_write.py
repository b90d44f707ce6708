"""Writes a text file completely or not at all."""

from __future__ import annotations

from pathlib import Path

from .errors import StoreError


def write_atomic(path: Path, text: str) -> Path:
    """Write a temporary file, then rename it: a failure keeps the old file. Raises StoreError."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8", errors="replace")
        part.replace(path)
    except OSError as e:
        raise StoreError(
            "The file cannot be written", detail=f"{path}: {e.strerror or e}", hint="Free some disk space, or name another folder."
        ) from None
    finally:
        if part.is_file():
            part.unlink(missing_ok=True)
    return path
