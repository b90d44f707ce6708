"""Large images and videos of the log and the cache: files named by hash, beside the database.

Events of up to a megabyte keep their bytes. A larger one keeps their SHA-256, and the bytes are one
file in `media/` of the state folder, shared by all runs that show them. The table `media` lists
these runs; the file is deleted with the last of them. Files are written and deleted inside write
transactions of the database, so that two kernels cannot conflict.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..config.settings import state_dir
from ..core import media
from ..core.atomic_write import replace_file
from ..core.errors import StoreError
from ..core.events import Event, Media, Notice, event_from_dict, event_to_dict

LIMIT = media.INLINE  # maximum bytes stored in the event
_ORPHAN = 3600.0  # seconds after which a file without a run is considered abandoned
_STRAY = ".part"


def folder() -> Path:
    """The folder of the files."""
    return state_dir() / "media"


def strip_media(event: Event) -> dict[str, Any]:
    """The JSON form of an event, with large bytes replaced by their hash."""
    if not _is_large(event):
        return event_to_dict(event)
    out = event_to_dict(event)
    out["data"] = ""
    return out | {"sha256": _hash(event.data), "size": len(event.data)}  # type: ignore[union-attr]


def save(db: sqlite3.Connection, run: str, events: Iterable[Event]) -> None:
    """Write large media of the events to files and record their run. Inside a write transaction."""
    for event in events:
        if _is_large(event):
            name = _hash(event.data)  # type: ignore[union-attr]
            _write(folder() / name, event.data)  # type: ignore[union-attr]
            db.execute("INSERT OR IGNORE INTO media VALUES (?,?)", (name, run))


def restore_media(data: dict[str, Any]) -> Event | None:
    """The inverse of `strip_media`: a notice replaces missing bytes; None for an unknown kind."""
    if not isinstance(data, dict) or not (name := str(data.get("sha256", ""))):
        return event_from_dict(data)
    try:
        found = (folder() / Path(name).name).read_bytes()
    except OSError:
        found = b""
    if _hash(found) != name:
        kind = str(data.get("media_type", "picture")).partition("/")[0]
        lost = f"the {kind} of {media.format_size(int(data.get('size', 0)))} is no longer in the log's folder"
        return Notice(kind="warning", text=lost, run=data.get("run", ""), n=data.get("n", 0), at=data.get("at", 0.0))
    event = event_from_dict({k: v for k, v in data.items() if k not in ("sha256", "size")})
    return replace(event, data=found) if isinstance(event, Media) else event


def is_available(data: dict[str, Any]) -> bool:
    """Whether the bytes of an event are available, inline or in their file."""
    name = str(data.get("sha256", ""))
    return not name or (folder() / Path(name).name).is_file()


def drop(db: sqlite3.Connection, runs: Iterable[str]) -> None:
    """Remove the media of these runs; files without a run are deleted. Inside a write transaction."""
    db.executemany("DELETE FROM media WHERE run=?", [(r,) for r in runs])
    if not folder().is_dir():
        return
    shown = {row[0] for row in db.execute("SELECT DISTINCT sha256 FROM media").fetchall()}
    for file in folder().iterdir():
        if file.name not in shown and (not file.name.endswith(_STRAY) or _age(file) > _ORPHAN):
            file.unlink(missing_ok=True)


def _is_large(event: Event) -> bool:
    return isinstance(event, Media) and len(event.data) > LIMIT


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _age(file: Path) -> float:
    try:
        return time.time() - file.stat().st_mtime
    except OSError:
        return 0.0


def _write(file: Path, data: bytes) -> None:
    if file.is_file():
        return
    part = file.with_name(f"{file.name}.{os.getpid()}{_STRAY}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
            f.write(data)
        replace_file(part, file)
    except OSError as e:
        part.unlink(missing_ok=True)
        raise StoreError(
            f"A file of {media.format_size(len(data))} cannot be written to {file.parent}",
            detail=str(e),
            hint="Free some disk space, then `%fm log on`.",
        ) from None
