"""Names in strings, which are imported when they are needed: they stand in the registries alone, and each of them is there."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fmnb
from fmnb.core.registry import CHECKERS, ENGINES, METHODS, OPENERS, PUBLIC, SCORERS, load
from fmnb.jupyter.magics.line import VERBS

PACKAGE = Path(fmnb.__file__).parent
REGISTRIES = {"core/registry.py": {"PUBLIC", "METHODS", "ENGINES", "SCORERS", "OPENERS", "CHECKERS"}, "jupyter/magics/line.py": {"VERBS"}}
# Jupyter Server imports its extension by a name that we hand over.
HANDED_OVER = {("__init__.py", "fmnb.jupyter.server")}
ROWS = {
    **{
        f"{kind} {name}": row
        for kind, rows in (
            ("public", PUBLIC),
            ("method", METHODS),
            ("engine", ENGINES),
            ("scorer", SCORERS),
            ("opener", OPENERS),
            ("checker", CHECKERS),
        )
        for name, row in rows.items()
    },
    **{f"verb {name}": verb.run for name, verb in VERBS.items()},
}
MODULES = {p.stem if p.suffix else p.name for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}
_MODULE = re.compile(
    r"fmnb\.(\w+)[.\w]*(?::\w*)?|(?s:.*)(?:import|from) fmnb\.(\w+)(?s:.*)"
)  # a name, its beginning, or code that imports it


def _named(source: str, registries: set[str] = frozenset()) -> Iterator[tuple[int, str]]:
    """The strings of a source that name a module of ours, with their lines; docstrings and registries left out."""
    tree = ast.parse(source)
    skipped: set[int] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            skipped.add(id(body[0].value))
        if node in tree.body and isinstance(node, ast.Assign) and {ast.unparse(t) for t in node.targets} <= registries:
            skipped |= {id(n) for n in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            found = _MODULE.fullmatch(node.value)
            if found and MODULES & {*found.groups()}:
                yield node.lineno, node.value


@pytest.mark.parametrize(
    "source",
    [
        'load("fmnb.core.types:Usage")',
        'importlib.import_module("fmnb.providers.echo")',
        'WAYS = {w: f"fmnb.providers.images_{w}:stream" for w in ways}',
        'type(value).__module__ == "fmnb.prompts.prompt"',
        'run([python, "-c", "import json; from fmnb.core.types import Usage"])',
        'def f():\n    PUBLIC = {"ask": "fmnb.calls.model:ask"}',
    ],
)
def test_a_module_named_by_a_string_is_found(source):
    assert len(list(_named(source, {"PUBLIC"}))) == 1


def test_a_registry_a_docstring_and_another_name_are_not():
    assert (
        list(
            _named(
                '"""As fmnb.calls.model:ask."""\nPUBLIC = {"ask": "fmnb.calls.model:ask"}\nFILE = "fmnb.toml"\nprint("fmnb.model is an address")',
                {"PUBLIC"},
            )
        )
        == []
    )


def test_only_the_registries_name_modules_by_strings():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        for line, text in _named(path.read_text("utf-8"), REGISTRIES.get(name, set())):
            if (name, text) not in HANDED_OVER:
                found.append(f"{name}:{line}: {text!r}")
    assert found == []


def _dynamic(source: str) -> Iterator[tuple[int, str]]:
    """Imports whose module is made of other names, and public names looked up from inside."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__"):
            name = node.args[0] if node.args else None
            known = isinstance(name, ast.Constant) and isinstance(name.value, str) and not name.value.startswith((".", "fmnb"))
            if not known or len(node.args) > 1 or node.keywords:
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Name) and node.id == "PUBLIC":
            yield node.lineno, "PUBLIC"


# Where a module's name is a variable: the registry, the door for optional packages, and readers of tables by their library.
VARIABLE = {"core/registry.py", "core/optional.py", "prompts/attachments.py", "__init__.py"}


@pytest.mark.parametrize(
    "source",
    [
        'import_module("..batch.map", __package__)',
        'importlib.import_module(f"{__package__}.map")',
        'import_module(".".join(["fmnb", "batch"]))',
        '__import__(name, fromlist=["x"])',
        'load(PUBLIC["map"])',
    ],
)
def test_an_import_that_is_put_together_is_found(source):
    assert len(list(_dynamic(source))) == 1 and not list(_dynamic('importlib.import_module("pyarrow.parquet")'))


def test_no_import_is_put_together_from_names():
    paths = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    found = {name: list(_dynamic(path.read_text("utf-8"))) for name, path in paths.items() if name not in VARIABLE}
    assert {name: some for name, some in found.items() if some} == {}


def test_what_is_handed_over_is_there():
    assert {text for _, text in HANDED_OVER} == {point["module"] for point in fmnb._jupyter_server_extension_points()}
    __import__("fmnb.jupyter.server")


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_a_registry_is_there(name):
    try:
        load(ROWS[name])
    except ModuleNotFoundError as e:
        if (e.name or "").startswith("fmnb"):
            raise
        pytest.skip(f"needs {e.name}")


@pytest.mark.parametrize("name", METHODS)
def test_a_row_of_a_method_is_a_method_of_a_public_class(name):
    kind, _, method = name.partition(".")
    assert inspect.isroutine(getattr(getattr(fmnb, kind), method))
