"""A document as one text for a prompt, with marks where a page, slide or range begins."""

from __future__ import annotations

from .document import Document


def document_text(document: Document) -> str:
    """The text of a document with marks for its locations, and what is not in it at the end.

    Args:
        document: Any document.

    Returns:
        The text; it ends in a line feed.

    >>> from .document import Block
    >>> print(document_text(Document("a.pdf", "application/pdf", (Block("Notice", "heading", 1, page=2), Block("Four weeks.", page=2)))))
    [page 2]
    # Notice
    <BLANKLINE>
    Four weeks.
    <BLANKLINE>
    """
    parts: list[str] = []
    last = ""
    for block in document.blocks:
        mark = block.place or (f"page {block.page}" if block.page is not None else "")
        head = f"[{mark}]\n" if mark and mark != last else ""
        last = mark
        parts.append(head + ("#" * max(1, block.level) + " " if block.kind == "heading" else "") + block.text)
    if document.notes:
        parts.append(f"({'; '.join(document.notes)})")
    return "\n\n".join(parts) + "\n"
