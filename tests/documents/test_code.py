"""Code: Python by its definitions, other languages by blank lines."""

from __future__ import annotations

import pytest

from fmnb.documents.read import read

SOURCE = '''"""What it does."""

import os

LIMIT = 3


# How much fits.
@decorated
def load(path):
    return """
def no_definition():
"""


class Reader:
    x = 1

    def read(self): ...


print(load)
'''


def test_python_is_split_at_its_definitions():
    document = read(SOURCE.encode(), "a.py")
    assert document.media_type == "text/x-python"
    assert [(b.kind, b.place, b.lines) for b in document.blocks] == [
        ("code", "", (1, 5)), ("code", "def load", (8, 13)), ("code", "class Reader", (16, 19)), ("code", "", (22, 22)),
    ]  # fmt: skip
    lines = SOURCE.split("\n")
    for block in document.blocks:
        assert block.text == "\n".join(lines[block.lines[0] - 1 : block.lines[1]])


@pytest.mark.parametrize(
    "source",
    ["def f(:", "x = " + "(" * 50_000, "x = " + "-" * 50_000 + "1", "x" + ".a" * 50_000, "a\0b = 1", "x = '\\d'", "if 1:\n" * 200, "f" + "()" * 50_000, "not " * 50_000 + "x"],
    ids=range(9),
)  # fmt: skip
def test_python_that_does_not_parse_is_read_as_text(source):
    if "\0" in source:
        source = source.replace("\0", "\x01")
    assert read(source.encode(), "a.py").blocks


def test_other_languages_are_split_where_they_begin_anew():
    source = "\n\n".join(f"function f{n}() {{\n" + "  x;\n" * 20 + "}" for n in range(6))
    document = read(source.encode(), "a.js")
    assert len(document.blocks) > 1 and all(b.text.startswith("function") and b.kind == "code" for b in document.blocks)
    assert "\n\n".join(b.text for b in document.blocks) == source
