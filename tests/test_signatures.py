"""Public functions say what they take and give: types without `Any`, and docstrings that an editor shows well."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

import fmnb
from fmnb.calls.call import Options
from fmnb.calls.options import CallOptions, key_docs, key_types, short_signature
from fmnb.comparison.options import CompareOptions
from fmnb.core.registry import PUBLIC, load
from fmnb.evals.options import EvaluateOptions
from fmnb.jupyter.magics.options import OPTIONS, parse

PACKAGE = Path(fmnb.__file__).parent
TABLES = (CallOptions, CompareOptions, EvaluateOptions)

# Where `Any` stays, and why.
ANY = {
    "Response": "data is what the user's own schema says; error, logprobs and extra are JSON",
    "Evaluation": "`again` holds objects of the kernel that made it, for fmnb alone",
    "Record": "one object of JSON, or a row of a table: only its user knows the types of its fields",
    "Bundle": "data by MIME type, as IPython defines it",
}


def members() -> Iterator[tuple[str, Any]]:
    """Public names with their public methods and properties, as functions."""
    for name, ref in PUBLIC.items():
        value = load(ref)
        if inspect.ismodule(value):
            continue
        yield name, value
        for key, member in vars(value).items() if inspect.isclass(value) else ():
            plain = member.__func__ if isinstance(member, (classmethod, staticmethod)) else getattr(member, "fget", member)
            if not key.startswith("_") and inspect.isfunction(plain):
                yield f"{name}.{plain.__name__}", plain


MEMBERS = dict(members())
CALLABLE = {n: f for n, f in MEMBERS.items() if inspect.isclass(f) or inspect.isfunction(f)}


def aliases() -> dict[str, str]:
    """Type aliases of the package with their text: `Any` behind another name is `Any` too."""
    found: dict[str, str] = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.AnnAssign) and "TypeAlias" in ast.unparse(node.annotation) and isinstance(node.target, ast.Name):
                found[node.target.id] = ast.unparse(node.value)
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id] = ast.unparse(node.value)
    return found


ALIASES = aliases()


def words(annotation: str) -> set[str]:
    """The names in an annotation, and those in the aliases among them, but for aliases that may hold `Any`."""
    found, left = set(), set(re.findall(r"(?<!\.)\b[A-Za-z_]\w*\b(?!\.)", annotation))
    while left:
        word = left.pop()
        found.add(word)
        if word in ALIASES and word not in ANY:
            left |= set(re.findall(r"\b[A-Za-z_]\w*\b", ALIASES[word])) - found
    return found


def annotations(value: Any) -> Iterator[tuple[str, str]]:
    signature = inspect.signature(value)
    for p in signature.parameters.values():
        if p.name not in ("self", "cls") and not p.name.startswith("_"):
            yield p.name, p.annotation if isinstance(p.annotation, str) else "Any" if p.annotation is p.empty else str(p.annotation)
    if not inspect.isclass(value):
        given = signature.return_annotation
        yield "return", given if isinstance(given, str) else "Any" if given is signature.empty else str(given)


@pytest.mark.parametrize("name", [n for n in CALLABLE if n not in ANY])
def test_a_public_signature_has_no_any(name):
    assert {p: a for p, a in annotations(CALLABLE[name]) if "Any" in words(a)} == {}


def test_any_is_found_behind_an_alias(monkeypatch):
    monkeypatch.setitem(ALIASES, "Inner", "list[Any]")
    monkeypatch.setitem(ALIASES, "Outer", "Inner | None")
    assert "Any" in words("dict[str, Outer]") and "Any" not in words("Anything | any")


@pytest.mark.parametrize("name", ANY)
def test_every_exception_is_still_needed(name):
    given = ALIASES.get(name) or " ".join(a for _, a in annotations(CALLABLE[name]))
    assert "Any" in re.findall(r"\w+", given)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_docstring_begins_with_a_short_line(name):
    first, *rest = (inspect.getdoc(MEMBERS[name]) or "").split("\n")
    assert 0 < len(first) < 100 and first[-1] in ".:;?!" and (not rest or not rest[0])


@pytest.mark.parametrize("name", [n for n, f in CALLABLE.items() if ".on_" not in n])
def test_a_docstring_describes_every_parameter_and_no_other(name):
    value = CALLABLE[name]
    said = inspect.getdoc(value) or ""
    _, _, listed = said.partition("\nAttributes:\n" if "\nAttributes:\n" in said else "\nArgs:\n")
    named = re.findall(r"^    (\*{0,2}\w+): ", listed.split("\n\n")[0], re.M)
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    given = [stars.get(p.kind, "") + p.name for p in short_signature(value).parameters.values()]
    taken = [n for n in given if n not in ("self", "cls") and not n.startswith("_")]
    assert named == taken or name == "Evaluation"  # fm.evaluate makes one, and nobody else


@pytest.mark.parametrize("name", [n for n, f in CALLABLE.items() if not inspect.isclass(f) and ".on_" not in n])
def test_a_docstring_says_what_comes_back(name):
    value = CALLABLE[name]
    takes = [n for n in short_signature(value).parameters if n not in ("self", "cls")]
    if takes and inspect.signature(value).return_annotation != "None":
        assert "\nReturns:\n" in (inspect.getdoc(value) or "")


def test_an_editor_knows_every_public_name():
    """What stands under TYPE_CHECKING in the front door is all that editors and type checkers see."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    block = next(n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    names = {a.asname for n in block.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert names == set(PUBLIC)


@pytest.mark.parametrize("name", CALLABLE)
def test_options_are_named_where_a_notebook_completes_them(name):
    """`inspect.signature` knows nothing of TypedDicts: a function with `**options` of a table needs `with_options`."""
    assert not [p for p in inspect.signature(CALLABLE[name]).parameters.values() if "Unpack" in str(p.annotation)]


# ---- options


def test_options_of_a_call_have_the_keys_and_types_of_the_table():
    own = {"history", "sample", "parent", "dry_run"}
    assert set(Options.__dataclass_fields__) == set(CallOptions.__annotations__) | own
    texts = ast.parse(inspect.getsource(inspect.getmodule(CallOptions))).body
    table = next(n for n in texts if isinstance(n, ast.ClassDef) and n.name == "CallOptions")
    typed = {n.target.id: ast.unparse(n.annotation) for n in table.body if isinstance(n, ast.AnnAssign)}
    wider = {"schema": "SchemaLike | SchemaSpec | None", "params": "Mapping[str, Any]", "values": "Mapping[str, Any] | None"}
    fields = {n: str(f.type) for n, f in Options.__dataclass_fields__.items() if n not in own}
    assert fields == typed | wider


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.__name__)
def test_every_key_says_what_it_means(table):
    docs = key_docs(table)
    assert set(docs) == set(table.__annotations__)
    for text in docs.values():
        first, *rest = text.split("\n")
        assert len(first) < 100 and (not rest or not rest[0]) and "Any" not in first


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.__name__)
def test_no_key_is_any(table):
    assert not [k for k, t in key_types(table).items() if Any in (t, *get_args(t))]


def test_the_line_has_every_option_of_a_call_and_no_other_text_for_it():
    """`values` are the notebook's names there; a line reads no log probabilities."""
    on_line = {o.key for o in OPTIONS if o.table is CallOptions}
    assert on_line == set(CallOptions.__annotations__) - {"values", "logprobs"}
    assert [o.long for o in OPTIONS if o.table and o.own_help] == ["no-cache"]
    assert all(o.help and not o.help.endswith(".") for o in OPTIONS)


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.table], ids=lambda o: o.long)
def test_an_option_of_the_line_is_named_and_read_as_its_key_is(option):
    assert option.key in option.table.__annotations__
    if not option.off and option.long != "param":
        assert option.name == option.key or (option.name, option.key) == ("with", "sources")  # `with` is a keyword of Python
    assert (option.kind == "switch") == (not option.value) == (key_types(option.table)[option.key] is bool)


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ("", {}),
        ("-t 0.2 --max-tokens 5 --seed 3", {"temperature": 0.2, "max_tokens": 5, "seed": 3}),
        ("--no-cache", {"cache": False}),
        ("--replay-only", {"replay_only": True}),
        ("-p top_p=0.9 -p n=1", {"params": {"top_p": 0.9, "n": 1}}),
        ("--stop A --stop B", {"stop": ("A", "B")}),
        ("--samples 2 -f text", {"format": "text"}),
    ],
)
def test_a_line_gives_the_keys_of_a_call(line, given):
    assert parse(f"echo: {line}").options(CallOptions) == given


def test_a_docstring_begins_with_at_most_100_characters():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                line = (ast.get_docstring(node) or "").split("\n")[0]
                if len(line) > 100:
                    found.append(f"{path.relative_to(PACKAGE)}: {line}")
    assert found == []
