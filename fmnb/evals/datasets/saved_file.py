"""Data sets as JSONL files: a header line, then one line per row, sorted by id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.atomic_write import write_atomic
from ...core.errors import UsageError
from ...core.version import __version__
from . import formats
from .sample import Sample


def path_of(path: str | Path) -> Path:
    """The path with `~` expanded, and with .jsonl if it has no extension."""
    file = Path(path).expanduser()
    return file if file.suffix else file.with_suffix(".jsonl")


def is_saved(path: Path) -> bool:
    """Whether the file starts with the header line that `write` writes."""
    try:
        with path_of(path).open(encoding="utf-8") as f:
            return f.readline(400).startswith('{"dataset":')
    except (OSError, UnicodeDecodeError):
        return False


def version_of(samples: Sequence[Sample]) -> str:
    """The first 12 hex digits of the SHA-256 of the rows, in any order."""
    rows = sorted(_line(s.to_dict()) for s in samples)
    return hashlib.sha256("\n".join(rows).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def write(file: Path, samples: Sequence[Sample], name: str, by: str, notes: Sequence[str]) -> None:
    """Write header and rows."""
    header: dict[str, Any] = {"dataset": name, "version": version_of(samples), "rows": len(samples), "fmnb": __version__}
    if by:
        header["by"] = by
    if notes:
        header["notes"] = list(notes)
    lines = [_line(header), *(_line(s.to_dict()) for s in sorted(samples, key=lambda s: s.id))]
    write_atomic(file, "\n".join(lines) + "\n")


def read(file: Path) -> tuple[tuple[Sample, ...], Mapping[str, Any]]:
    """Rows and header. UsageError for a file that `write` did not write."""
    rows = formats.read(file)
    if not rows or "dataset" not in rows[0]:
        raise UsageError("The file is not a saved data set", detail=file.name, hint="Read other files with fm.Dataset.from_rows(path).")
    return tuple(Sample.from_dict(r) for r in rows[1:]), rows[0]


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=False)
