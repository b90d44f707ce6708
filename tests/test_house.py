"""The house: no file imports, by whatever way, what imports it, and none inside imports the package's front door."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import fmnb
from docs.house import PLANNED, floors, room

PACKAGE = Path(fmnb.__file__).parent


def modules(package: Path) -> dict[str, Path]:
    """The files of a package by the names of their modules."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(package: Path) -> dict[str, set[str]]:
    """What each module imports of its package: at the top, in a function, or for annotations alone."""
    files = modules(package)
    return {name: set(_imported(name, path, files)) - {name} for name, path in files.items()}


def _imported(name: str, path: Path, files: dict[str, Path]) -> Iterator[str]:
    here = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name in files)
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base in files:
                yield from (full if (full := f"{base}.{a.name}") in files else base for a in node.names)


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a ring, the first of them also at the end; [] where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as e:
        return list(reversed(e.args[1]))
    return []


def test_no_circle_not_by_a_late_import_nor_one_for_annotations():
    found = circle(imports(PACKAGE))
    assert not found, " imports ".join(found)


def test_nobody_inside_imports_the_front_door():
    graph = imports(PACKAGE)
    assert not sorted(name for name, seen in graph.items() if PACKAGE.name in seen)


WAYS = {
    "top": "from .b import x",
    "absolute": "import house.b",
    "late": "def f():\n    from .b import x",
    "annotation": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from . import b",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_circle_is_found_whatever_the_import(tmp_path, way):
    house = tmp_path / "house"
    (house / "room").mkdir(parents=True)
    for file, text in {
        "__init__": "",
        "a": WAYS[way],
        "b": "from .room import c",
        "room/__init__": "",
        "room/c": "from .. import a",
    }.items():
        (house / f"{file}.py").write_text(text)
    assert set(circle(imports(house))) == {"house.a", "house.b", "house.room.c"}
    (house / "room" / "c.py").write_text("import json\nfrom os import path")
    assert circle(imports(house)) == []


ROOMS = [p.parent for p in sorted(PACKAGE.rglob("__init__.py")) if p.parent != PACKAGE]


@pytest.mark.parametrize("folder", ROOMS, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_a_rooms_docstring_lists_its_files(folder):
    """The table of rooms in CONTRIBUTING is made of these docstrings."""
    files = {p.stem for p in folder.glob("*.py") if not p.stem.startswith("_")}
    rooms = {p.name for p in folder.iterdir() if (p / "__init__.py").exists()}
    assert set(room(folder).files) == files | rooms


def test_only_rooms_and_the_front_door_stand_at_the_top():
    assert {p.stem for p in PACKAGE.glob("*.py")} == {"__init__", "__main__"}
    known = {name for floor in floors() for name in floor}
    there = {p.parent.name for p in PACKAGE.glob("*/__init__.py")}
    assert there <= known and known - there == {*PLANNED, "__main__"}  # what is planned is described until it has files


@pytest.mark.parametrize("top", [PACKAGE, PACKAGE.parent / "tests"], ids=lambda p: p.name)
def test_every_folder_with_code_is_a_package(top):
    """Folders have names such as `torch` and `io`: outside a package they would hide the modules of that name."""
    folders = {p.parent for p in top.rglob("*.py")}
    assert not [str(f) for f in sorted(folders) if not (f / "__init__.py").exists()]


@pytest.mark.parametrize("folder", ROOMS, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_no_room_exports_a_function_named_like_one_of_its_files(folder):
    tree = ast.parse((folder / "__init__.py").read_text("utf-8"))
    names = {a.asname or a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names}
    names |= {n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    assert not names & {p.stem for p in folder.iterdir()}
