"""The table of rooms in CONTRIBUTING.md: floors from the import contract, files from each room's docstring."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "fmnb"

# Rooms of the contract that have no files yet.
PLANNED = {
    "guard": "Redaction, policy, moderation, audit.",
    "optimize": "Quantize, compile, plan, improve.",
    "tables": "Verbs over data frames, lazy query plans, guarantees.",
    "tools": "Functions and MCP servers as tools, approval, the tool loop.",
    "tracing": "OpenTelemetry spans.",
    "tuning": "Curate, fine-tune, distill.",
}


class Room(NamedTuple):
    """A folder: `files` maps each module and subfolder to what its room's docstring says of it."""

    path: Path
    summary: str
    files: dict[str, str]


def floors() -> list[list[str]]:
    """The import contract's rooms by floor, the lowest first."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]
    return [re.findall(r"\w+", layer) for layer in reversed(contract["layers"])]


def room(path: Path) -> Room:
    """What the docstring of a folder's `__init__.py` says: a summary, then a list item for each file."""
    text = ast.get_docstring(ast.parse((path / "__init__.py").read_text("utf-8"))) or ""
    files = {n: " ".join(said.split()) for n, said in re.findall(r"^- `(\w+)`: (.+?)(?=\n- |\n\n|\Z)", text, re.M | re.S)}
    return Room(path, " ".join(re.split(r"^- `", text, maxsplit=1, flags=re.M)[0].split()), files)


def rooms(path: Path) -> Iterator[Room]:
    """A folder and those below it that hold code."""
    yield room(path)
    for below in sorted(path.iterdir()):
        if (below / "__init__.py").exists():
            yield from rooms(below)


def rows() -> Iterator[tuple[str, str, str]]:
    """Floor, room and what lives there, the highest floor first."""
    names = floors()
    for floor in range(len(names), 0, -1):
        for name in names[floor - 1]:
            if name in PLANNED:
                yield str(floor), f"`{name}/`", f"{PLANNED[name]} *No files yet.*"
            elif (PACKAGE / name).is_dir():
                for r in rooms(PACKAGE / name):
                    files = ", ".join(f"`{n}` ({said})" for n, said in r.files.items())
                    yield str(floor), f"`{r.path.relative_to(PACKAGE).as_posix()}/`", f"{r.summary} {files}".strip()
            elif (PACKAGE / f"{name}.py").exists():
                yield str(floor), f"`{name}.py`", room_of_file(PACKAGE / f"{name}.py")
            else:
                raise SystemExit(
                    f"The contract in pyproject.toml names the room {name!r}, which has no files: describe it in PLANNED (docs/house.py)."
                )


def room_of_file(path: Path) -> str:
    """The first line of a file's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n")[0]
