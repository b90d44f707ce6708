"""Code as blocks with their lines: Python by its definitions, other languages by blank lines."""

from __future__ import annotations

import ast
import warnings

from .document import Block, Document
from .plain import decode

_PARSED = 1_000_000  # characters of Python that are parsed
_LINES = 60  # lines of a block in other languages


def read_code(data: bytes, name: str) -> Document:
    """A file of code.

    Args:
        data: The file's bytes.
        name: The file's name; `.py` and `.pyi` are parsed.

    Returns:
        The document. Blocks of Python have the name of their definition as place, such as `def load`.

    Raises:
        UsageError: The bytes are not text.

    >>> [(b.place, b.lines) for b in read_code(b"import a\\n\\ndef f():\\n    pass", "a.py").blocks]
    [('', (1, 1)), ('def f', (3, 4))]
    """
    text, notes = decode(data, name)
    if not name.lower().endswith((".py", ".pyi")):
        return Document(name, "text/x-code", tuple(_pieces(text, 1)), notes=notes)
    return Document(name, "text/x-python", tuple(python_blocks(text)), notes=notes)


def python_blocks(text: str, first: int = 1) -> list[Block]:
    """Python code by its top-level definitions; code that does not parse by its blank lines.

    >>> [b.place for b in python_blocks("x = 1\\n\\nclass A:\\n    y = 2")]
    ['', 'class A']
    """
    tree = _parse(text)
    if tree is None:
        return _pieces(text, first)
    lines = text.split("\n")
    blocks: list[Block] = []
    done = 0  # lines that are in a block
    start = 0  # line before the statements that are no definitions
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            begin = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
            while begin > done and lines[begin - 1].startswith("#"):  # comments above it
                begin -= 1
            blocks += _pieces("\n".join(lines[start:begin]), first + start)
            end = node.end_lineno or node.lineno
            word = "class" if isinstance(node, ast.ClassDef) else "def"
            blocks += _block(lines, begin, end, first, f"{word} {node.name}")
            start = end
        done = node.end_lineno or node.lineno
    return [*blocks, *_pieces("\n".join(lines[start:]), first + start)]


def _block(lines: list[str], begin: int, end: int, first: int, place: str = "") -> list[Block]:
    while begin < end and not lines[begin].strip():
        begin += 1
    while end > begin and not lines[end - 1].strip():
        end -= 1
    text = "\n".join(line.rstrip() for line in lines[begin:end])
    return [Block(text, "code", lines=(first + begin, first + end - 1), place=place)] if text else []


def _pieces(text: str, first: int) -> list[Block]:
    """Code in blocks of `_LINES` lines at most, split where a line begins at the margin after a blank one."""
    lines = text.split("\n")
    blocks: list[Block] = []
    begin = 0
    better = 0  # the last good place for a split
    for n, line in enumerate(lines):
        if n and not lines[n - 1].strip() and line[:1].strip():
            better = n
        if n - begin >= _LINES:
            end = better if better > begin else n
            blocks += _block(lines, begin, end, first)
            begin = end
    return [*blocks, *_block(lines, begin, len(lines), first)]


def _parse(text: str) -> ast.Module | None:
    if len(text) > _PARSED:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in somebody's file is not our user's concern
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
