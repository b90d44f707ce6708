"""PowerPoint files: titles, texts, tables, charts and speaker notes by slide, and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from ..core.errors import UsageError
from ..core.optional import require
from .archive import check_archive
from .document import Block, Document
from .kinds import MEDIA_TYPES
from .limits import Limits
from .markdown import HIDDEN
from .pictures import Pictures
from .table_text import cell_text, table_blocks


def read_pptx(file: BinaryIO, name: str, limits: Limits) -> Document:
    """A PowerPoint file as blocks; the page of each is its slide.

    Args:
        file: The file.
        name: Name of the document.
        limits: The limits of the archive, of slides and of pictures.

    Returns:
        The document. Hidden slides are left out, which a note says.

    Raises:
        UsageError: The file is damaged, encrypted or over a limit.
        MissingPackageError: python-pptx is not installed.
    """
    pptx = require("pptx", "docs", "to read PowerPoint files")
    members = check_archive(file, name, limits)
    try:
        opened = pptx.Presentation(file)
    except (KeyError, ValueError, AttributeError) as e:
        raise UsageError("The file is damaged", detail=f"{name}: {e}"[:300], hint="Save it again in PowerPoint.") from None
    blocks: list[Block] = []
    pictures = Pictures(limits)
    hidden: list[str] = []
    left_out = False
    slides = list(opened.slides)
    for number, slide in enumerate(slides[: limits.pages], 1):
        if slide._element.get("show") in ("0", "false"):
            hidden.append(str(number))
            continue
        seen = _Seen(opened.slide_width or 0, opened.slide_height or 0)
        blocks += _slide(slide, number, pictures, seen)
        left_out = left_out or seen.left_out
    notes = [HIDDEN] if left_out else []
    notes += [f"hidden slide{'s' * (len(hidden) > 1)} left out: {', '.join(hidden)}"] if hidden else []
    if len(slides) > limits.pages:
        notes.append(f"only the first {limits.pages:,} slides were read")
    if any(m.startswith("ppt/comments/") for m in members):
        notes.append("comments left out")
    title = opened.core_properties.title or next((b.text for b in blocks if b.kind == "heading"), "")
    title = "" if title == "PowerPoint Presentation" else title
    return Document(name, MEDIA_TYPES["pptx"], tuple(blocks), title, len(slides), tuple(pictures.found), (*notes, *pictures.notes))


class _Seen:
    """Which shapes of a slide a person sees: none that are hidden, none beside the slide."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self.left_out = False

    def __call__(self, shape: Any, in_group: bool) -> bool:
        """Whether a shape is seen; shapes of a group have a system of coordinates of their own."""
        hidden = bool(shape._element.xpath("./*/p:cNvPr[@hidden='1' or @hidden='true']"))
        if not hidden and not in_group and None not in (shape.left, shape.top, shape.width, shape.height):
            across = shape.left >= self._width or shape.left + shape.width <= 0
            hidden = across or shape.top >= self._height or shape.top + shape.height <= 0
        self.left_out = self.left_out or (hidden and getattr(shape, "has_text_frame", False) and bool(shape.text_frame.text.strip()))
        return not hidden


def _slide(slide: Any, number: int, pictures: Pictures, seen: _Seen) -> Iterator[Block]:
    place = f"slide {number}"
    heading = slide.shapes.title
    if heading is not None and heading.text_frame.text.strip() and seen(heading, False):
        yield Block(" ".join(heading.text_frame.text.split()), "heading", 1, page=number, place=place)
    for shape in _shapes(slide.shapes, seen):
        if heading is not None and shape.shape_id == heading.shape_id:
            continue
        yield from _shape(shape, number, place, pictures)
    if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame) is not None and frame.text.strip():
        yield Block(_lines(frame.text), page=number, place=f"{place}, speaker notes")


def _shape(shape: Any, number: int, place: str, pictures: Pictures) -> Iterator[Block]:
    if getattr(shape, "has_table", False):
        rows = [[cell.text for cell in row.cells] for row in shape.table.rows]
        yield from table_blocks(rows, page=number, place=place)
    elif getattr(shape, "has_chart", False):
        with suppress(KeyError, ValueError, AttributeError, NotImplementedError):  # kinds of charts that the library does not know
            yield from table_blocks(_chart(shape.chart), page=number, place=place)
    elif shape.has_text_frame and shape.text_frame.text.strip():
        yield Block(_lines(shape.text_frame.text), page=number, place=place)
    with suppress(KeyError, ValueError, AttributeError):  # a linked picture has no bytes here
        pictures.add(shape.image.blob, page=number, place=place)


def _shapes(shapes: Iterable[Any], seen: _Seen, in_group: bool = False) -> Iterator[Any]:
    """Shapes from top to bottom, those of groups in the place of their group."""
    for shape in sorted(shapes, key=lambda s: (s.top or 0, s.left or 0)):
        if not seen(shape, in_group):
            continue
        if hasattr(shape, "shapes"):
            yield from _shapes(shape.shapes, seen, in_group=True)
        else:
            yield shape


def _chart(chart: Any) -> list[list[str]]:
    title = chart.chart_title.text_frame.text if chart.has_title and chart.chart_title.has_text_frame else ""
    plot = chart.plots[0]
    head = [title, *(s.name for s in plot.series)]
    return [head, *([str(c), *(cell_text(s.values[n]) for s in plot.series)] for n, c in enumerate(plot.categories))]


def _lines(text: str) -> str:
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.replace("\x0b", "\n").split("\n"))))
