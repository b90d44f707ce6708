"""Where an index's file is: `.fmnb/NAME.db` in the working folder, or in a folder above it."""

from __future__ import annotations

import re
from pathlib import Path

from ...config.settings import working_folder
from ...core.errors import StoreError, UsageError

FOLDER = ".fmnb"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def index_path(name: str) -> Path:
    """The file of an index: the nearest that exists, else the one to create in the working folder.

    Raises:
        UsageError: The name is none, such as a path.
        StoreError: The working folder was deleted.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(
            "An index's name is letters, digits, - and _",
            detail=repr(name)[:60],
            hint="For example fm.Index('kb'); its file is .fmnb/kb.db.",
        )
    here = _here()
    for folder in (here, *here.parents):
        if (path := folder / FOLDER / f"{name}.db").is_file():
            return path
    return here / FOLDER / f"{name}.db"


def index_names() -> dict[str, Path]:
    """The indexes that exist, by name, those of the working folder before those above it."""
    here = _here()
    found: dict[str, Path] = {}
    for folder in (here, *here.parents):
        try:
            files = sorted((folder / FOLDER).glob("*.db"))
        except OSError:
            continue
        for path in files:
            if _NAME.fullmatch(path.stem):
                found.setdefault(path.stem, path)
    return found


def make_folder(path: Path) -> None:
    """Create the folder of an index's file. Git ignores what is in it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        ignore = path.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", "utf-8")
    except OSError as e:
        hint = "There is a file of this name: move it away." if path.parent.is_file() else "Work in a folder that you can write to."
        raise StoreError(f"The folder {path.parent} cannot be made", detail=e.strerror or str(e), hint=hint) from None


def _here() -> Path:
    here = working_folder()
    if here is None:
        raise StoreError("The working folder no longer exists", hint="Change to another folder: %cd.")
    return here
