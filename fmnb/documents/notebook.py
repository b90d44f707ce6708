"""Jupyter notebooks: cells and the text of their outputs, with the numbers of the cells."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..core.errors import UsageError
from .code import python_blocks
from .document import Block, Document
from .markdown import HIDDEN, markdown_blocks
from .plain import decode

_OUTPUT = 2_000  # characters of the outputs of one cell
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def read_notebook(data: bytes, name: str) -> Document:
    """A notebook as blocks: the place of each is its cell, `cell 4`, counted from 1.

    Args:
        data: The file's bytes.
        name: The file's name.

    Returns:
        The document. Outputs are in it as far as they are text; long ones are cut, which a note says.

    Raises:
        UsageError: The file is not a notebook.

    >>> cells = '{"cells": [{"cell_type": "markdown", "source": "# One"}]}'
    >>> read_notebook(cells.encode(), "a.ipynb").blocks[0].place
    'cell 1'
    """
    text, notes = decode(data, name)
    try:
        cells = json.loads(text)["cells"]
        parts = [_cell(cell, f"cell {n}") for n, cell in enumerate(cells, 1)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise UsageError(
            "The notebook cannot be read", detail=f"{name}: {type(e).__name__}: {e}"[:200], hint="Save it again from JupyterLab."
        ) from None
    blocks = [block for found, _ in parts for block in found]
    title = next((b.text for b in blocks if b.kind == "heading"), "")
    said = dict.fromkeys(note for _, some in parts for note in some)
    return Document(name, "application/x-ipynb+json", tuple(blocks), title, notes=(*notes, *said))


def _cell(cell: dict[str, Any], place: str) -> tuple[list[Block], list[str]]:
    source, kind = _text(cell.get("source", "")), cell.get("cell_type")
    if kind == "markdown":
        blocks, _, hidden = markdown_blocks(source)
        return [replace(b, place=place) for b in blocks], [HIDDEN] if hidden else []
    if kind != "code":
        return [Block(source, place=place)], []
    found = [Block(b.text, "code", lines=b.lines, place=place) for b in python_blocks(source)]
    output = "\n".join(filter(None, (t.strip("\n") for o in cell.get("outputs", []) for t in _output(o))))
    if not output.strip():
        return found, []
    cut = len(output) > _OUTPUT
    return [*found, Block(output[:_OUTPUT], place=place)], ["long outputs are cut"] if cut else []


def _output(output: dict[str, Any]) -> Iterator[str]:
    if output.get("output_type") == "error":
        yield f"{output.get('ename', '')}: {output.get('evalue', '')}"
    yield _ESCAPES.sub("", _text(output.get("text", "")))
    data = output.get("data") or {}
    yield _ESCAPES.sub("", _text(data.get("text/markdown") or data.get("text/plain") or ""))


def _text(value: Any) -> str:
    return "".join(value) if isinstance(value, list) else str(value)
