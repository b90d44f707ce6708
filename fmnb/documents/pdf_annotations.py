"""Form fields, text boxes and comments of a PDF's pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .document import Block

_HIDDEN, _NO_VIEW = 2, 32  # flags of an annotation
_PASSWORD = 1 << 13  # flag of a field


def page_fields(page: Any, number: int) -> tuple[list[Block], bool]:
    """What is filled in on a form, text boxes that were added, and whether there are comments.

    Args:
        page: The page, as pypdf has it.
        number: Its number, from 1.

    Returns:
        Blocks `label: value` of visible fields, but for passwords, and whether there are comments.
    """
    fields: list[Block] = []
    comments = False
    for reference in page.get("/Annots") or []:
        found = reference.get_object()
        kind, said = found.get("/Subtype"), str(found.get("/Contents") or "").strip()
        if int(found.get("/F") or 0) & (_HIDDEN | _NO_VIEW):
            continue
        if kind == "/FreeText" and said:
            fields.append(Block(said, page=number))
        elif kind == "/Widget":
            value, label = _inherited(found, "/V"), str(found.get("/TU") or _inherited(found, "/T") or "")
            text = "" if value is None or hasattr(value, "get_data") else str(value).removeprefix("/").strip()
            if text and text != "Off" and not int(_inherited(found, "/Ff") or 0) & _PASSWORD:
                fields.append(Block(f"{label}: {text}" if label else text, page=number))
        elif said and kind not in ("/Link", "/Popup"):
            comments = True
    return fields, comments


def _inherited(field: Any, key: str) -> Any:
    """An entry of a field, or of the fields above it."""
    for _ in range(10):
        if field is None or field.get(key) is not None:
            break
        above = field.get("/Parent")
        field = above.get_object() if above is not None else None
    return None if field is None else field.get(key)


def with_fields(blocks: Iterable[Block], fields: dict[int, list[Block]]) -> Iterator[Block]:
    """Blocks with those of the fields at the end of their page.

    >>> [b.text for b in with_fields([Block("a", page=1), Block("b", page=2)], {1: [Block("x: y", page=1)], 2: []})]
    ['a', 'x: y', 'b']
    """
    left = dict(fields)
    for block in blocks:
        for page in [n for n in left if n < (block.page or 0)]:
            yield from left.pop(page)
        yield block
    for page in left:
        yield from left[page]
