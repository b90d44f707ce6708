"""The model that a notebook names for itself, read from its file.

JupyterLab's side of fmnb tells the kernel with every cell. Where nobody tells (nbconvert, papermill, VS Code,
a page without our extension) the file is read: its path is known, or the notebooks of the working folder are
compared with the cells that ran. Knows nothing of models, and of IPython only what it is given.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UNKNOWN = "the notebook's own choice of a model could not be known: its file was not found"
NOT_A_NAME = "the notebook's metadata"  # stands for what is there and is not a model's name
_LARGEST = 200_000_000  # bytes of a notebook that is still read
_MOST = 200  # notebooks of one folder that are compared
_INJECTED = "# Parameters"  # how papermill's own cell begins


@dataclass(frozen=True)
class Own:
    """What a notebook says of itself: the model's name ("" for none), and where it was read."""

    model: str
    path: str = ""


@dataclass(frozen=True)
class Place:
    """What is known of the notebook behind a kernel: `paths` it may have, the `folder` it may lie in, the cells that `executed` gives, since `began`."""

    began: float
    executed: Callable[[], Sequence[str]]
    paths: tuple[str, ...] = ()
    folder: str = ""
    others: tuple[str, ...] = field(default=())  # files that a program which runs notebooks was started with


def own_model(value: Any) -> str:
    """The model's name in a notebook's metadata, "" for none, NOT_A_NAME for an address, a key or anything else that is no name.

    >>> own_model({"model": "echo:"}), own_model({}), own_model(None)
    ('echo:', '', '')
    >>> own_model({"model": "https://elsewhere.example"}) == NOT_A_NAME
    True
    """
    model = value.get("model") if isinstance(value, dict) else None
    if model is None:
        return ""
    named = isinstance(model, str) and len(model) <= 300 and "://" not in model and model.isprintable()
    return model.strip() if named else NOT_A_NAME


def find(place: Place) -> Own | None:
    """What the notebook says, None where it could not be found.

    Args:
        place: what the kernel knows of its notebook.

    Returns:
        The choice of the file at a known path; else the one that all notebooks agree on which hold the cells that ran.
    """
    for path in place.paths:
        if (notebook := _read(Path(path))) is not None:
            return Own(own_model(notebook["metadata"].get("fmnb")), path)
    executed = [cell for cell in map(str.strip, place.executed()) if cell and not cell.startswith(_INJECTED)]
    if not executed:
        return None
    found = [
        Own(own_model(notebook["metadata"].get("fmnb")), str(path))
        for path in _candidates(place)
        if (notebook := _read(path)) is not None and _ran(executed, notebook["cells"])
    ]
    if not found or len({own.model for own in found}) > 1:
        return None
    return found[0] if len(found) == 1 else Own(found[0].model)


def _candidates(place: Place) -> Iterator[Path]:
    seen = set()
    for path in [*map(Path, place.others), *(sorted(Path(place.folder).glob("*.ipynb"))[:_MOST] if place.folder else ())]:
        real = os.path.realpath(path)
        if real not in seen:
            seen.add(real)
            yield path


def _read(path: Path) -> dict[str, Any] | None:
    """A notebook's cells and metadata; None for what is none."""
    try:
        if path.suffix != ".ipynb" or not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        notebook = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        return None
    return {"cells": notebook["cells"], "metadata": m if isinstance(m := notebook.get("metadata"), dict) else {}}


def _ran(executed: Sequence[str], cells: Sequence[Any]) -> bool:
    """Whether the cells that ran stand in the notebook in this order."""
    sources = iter([_source(c).strip() for c in cells if isinstance(c, dict) and c.get("cell_type") == "code"])
    return all(any(cell == source for source in sources) for cell in executed)


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def started_with(pid: int) -> tuple[str, ...]:
    """The notebooks on the command line of a process, as `jupyter nbconvert --execute a.ipynb` has one; () where that cannot be read."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
        folder = os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ()
    return tuple(os.path.join(folder, word) for word in words if word.endswith(".ipynb"))
