"""The model that a notebook's metadata names, read from its file.

JupyterLab's side of fmnb tells the kernel with every cell. Where nobody tells (nbconvert, papermill, VS Code,
a page without our extension) the file is read: its path is known, or the notebooks of the working folder are
compared with the cells that ran. Knows nothing of models, and of IPython only what it is given.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UNKNOWN = "the notebook's own choice of a model could not be known: its file was not found"
AMBIGUOUS = "the notebook's own choice of a model could not be known: several notebooks hold these cells and name different models"
NOT_A_NAME = "the notebook's metadata"  # stands for an entry that is not a model's name
_MAX_BYTES = 200_000_000  # larger notebooks are not read
_MAX_NOTEBOOKS = 200  # notebooks of one folder to compare
_PAPERMILL_CELL = "# Parameters"  # first line of the cell that papermill inserts


@dataclass(frozen=True)
class NotebookChoice:
    """The model in a notebook's metadata ("" for none), and the file it was read from."""

    model: str
    path: str = ""


@dataclass(frozen=True)
class NotebookSearch:
    """What is known about a kernel's notebook.

    Possible `paths`, its `folder`, the `executed` cells, and when the kernel `started`.
    """

    started: float
    executed: Callable[[], Sequence[str]]
    paths: tuple[str, ...] = ()
    folder: str = ""
    others: tuple[str, ...] = field(default=())  # files on the command line of a program that runs notebooks


def model_in_metadata(value: Any) -> str:
    """The model's name in a notebook's metadata, "" if there is none.

    For an address, a key or anything else that is not a name, the result is NOT_A_NAME and the
    reason.

    >>> model_in_metadata({"model": "echo:"}), model_in_metadata({}), model_in_metadata(None)
    ('echo:', '', '')
    >>> model_in_metadata({"model": "https://elsewhere.example"})
    "the notebook's metadata: fmnb.model is an address"
    """
    model = value.get("model") if isinstance(value, dict) else None
    if model is None:
        return ""
    if not isinstance(model, str):
        return f"{NOT_A_NAME}: fmnb.model is {_kind(model)}"
    if "://" in model:
        return f"{NOT_A_NAME}: fmnb.model is an address"
    if len(model) > 300 or not model.isprintable():
        return f"{NOT_A_NAME}: fmnb.model is a long or broken text"
    return model.strip()


def model_name_in(metadata: dict[str, Any]) -> str:
    """Like `model_in_metadata`, for all metadata of a notebook's file.

    In a file, an entry without a name is an error.

    >>> model_name_in({}), model_name_in({"fmnb": {"model": "echo:"}})
    ('', 'echo:')
    >>> model_name_in({"fmnb": "echo:"})
    "the notebook's metadata: fmnb is a text"
    """
    if "fmnb" not in metadata:
        return ""
    ours = metadata["fmnb"]
    if not isinstance(ours, dict):
        return f"{NOT_A_NAME}: fmnb is {_kind(ours)}"
    if "model" in ours and (ours["model"] is None or not str(ours["model"]).strip()):
        return f"{NOT_A_NAME}: fmnb.model is {_kind(ours['model']) if ours['model'] is None else 'empty'}"
    return model_in_metadata(ours)


def _kind(value: Any) -> str:
    """The kind of a JSON value, without the value: it may be a key."""
    kinds = {bool: "true or false", str: "a text", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return kinds.get(type(value), "null")


def find(place: NotebookSearch) -> NotebookChoice | str:
    """Find the notebook and read its choice.

    Args:
        place: what the kernel knows of its notebook.

    Returns:
        The choice of the file at a known path; else of the one that the program was started with; else the one that
        all notebooks of the working folder agree on which hold the cells that ran. Where none can be told, why.
    """
    for path in place.paths:
        if (notebook := _read(Path(path))) is not None:
            return NotebookChoice(model_name_in(notebook["metadata"]), path)
    executed = [cell for cell in map(str.strip, place.executed()) if cell and not cell.startswith(_PAPERMILL_CELL)]
    if not executed:
        return UNKNOWN
    if place.others:  # a notebook named on the command line is the one
        return next(_holding(executed, map(Path, place.others)), UNKNOWN)
    found = list(_holding(executed, sorted(Path(place.folder).glob("*.ipynb"))[:_MAX_NOTEBOOKS])) if place.folder else []
    if not found:
        return UNKNOWN
    if len({own.model for own in found}) > 1:
        return AMBIGUOUS
    return found[0] if len(found) == 1 else NotebookChoice(found[0].model)


def _holding(executed: Sequence[str], paths: Iterable[Path]) -> Iterator[NotebookChoice]:
    """The choices of the notebooks that contain the executed cells."""
    for path in paths:
        if (notebook := _read(path)) is not None and _ran(executed, notebook["cells"]):
            yield NotebookChoice(model_name_in(notebook["metadata"]), str(path))


def _read(path: Path) -> dict[str, Any] | None:
    """A notebook's cells and metadata; None if the file is no notebook."""
    try:
        if path.suffix != ".ipynb" or not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return None
        notebook = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        return None
    return {"cells": notebook["cells"], "metadata": m if isinstance(m := notebook.get("metadata"), dict) else {}}


def _ran(executed: Sequence[str], cells: Sequence[Any]) -> bool:
    """Whether the notebook contains the executed cells in this order."""
    sources = iter([_source(c).strip() for c in cells if isinstance(c, dict) and c.get("cell_type") == "code"])
    return all(any(cell == source for source in sources) for cell in executed)


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def notebooks_of_process(pid: int) -> tuple[str, ...]:
    """The input notebooks on the command line of a process, as in `jupyter nbconvert --execute a.ipynb`.

    A relative path counts from where the process was started and from where it is now, which may differ (papermill's --cwd).
    """
    try:
        process = Path(f"/proc/{pid}")
        words = (process / "cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
        variables = (process / "environ").read_bytes().decode(errors="surrogateescape").split("\0")
        folders = [v[4:] for v in variables if v.startswith("PWD=")] + [os.readlink(process / "cwd")]
    except OSError:
        return ()
    named = [
        w for before, w in zip(words, words[1:], strict=False) if w.endswith(".ipynb") and not w.startswith("-") and before != "--output"
    ]
    return tuple(dict.fromkeys(os.path.join(folder, word) for word in named for folder in folders))
