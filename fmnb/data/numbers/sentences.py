"""An answer as short sentences; a cell of a Markdown table is read as "header for row label: cell"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 700  # characters that are read at once, so that no expression meets a long text
_END = re.compile(r"(?<=[.!?])[\"”’)\]*]*\s+(?=[A-Z0-9\"“(*$€£-])|\n+")
_ABBREVIATION = re.compile(
    r"\b(?:approx|avg|no|vs|e\.g|i\.e|ca|dept|std|max|min|fig|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|mr|mrs|ms|dr|st|u\.s)\.$",
    re.I,
)
_LIST_MARK = re.compile(r"[\s#>*•-]*\(?(?:\d{1,2}|[a-zA-Z])[.)]")
_TABLE_ROW = re.compile(r"^\s*\|(.+)\|\s*$")
_RULE = re.compile(r"\s*:?-+:?\s*")
_FENCE = re.compile(r"^\s*(?:```|~~~)")


@dataclass(frozen=True)
class Sentence:
    """One sentence and where it starts; figures before `figures_from` are not the answer's.

    `opens` tells that it begins a paragraph, a list item or a heading.
    """

    text: str
    start: int
    figures_from: int = 0
    opens: bool = False


def split(text: str) -> list[tuple[int, str]]:
    """The sentences of a text with their places.

    >>> [s for _, s in split("It rose approx. 3 %. Then it fell.")]
    ['It rose approx. 3 %.', 'Then it fell.']
    """
    found: list[tuple[int, str]] = []
    begin = 0
    for m in _END.finditer(text):
        piece = text[begin : m.start()]
        tail = piece[-16:]
        unfinished = _ABBREVIATION.search(tail) or (len(piece) < 40 and _LIST_MARK.fullmatch(piece))
        if unfinished and "\n" not in m.group():
            continue
        found += _short(piece, begin)
        begin = m.end()
    return found + _short(text[begin:], begin)


def _short(piece: str, start: int) -> list[tuple[int, str]]:
    """The piece in parts of at most LONGEST characters, cut at a space where there is one."""
    parts = []
    while len(piece) > LONGEST:
        cut = piece.rfind(" ", LONGEST // 2, LONGEST) + 1 or LONGEST
        parts.append((start, piece[:cut]))
        start, piece = start + cut, piece[cut:]
    return [(s, p) for s, p in [*parts, (start, piece)] if p.strip()]


def sentences(answer: str) -> Iterator[Sentence]:
    """The sentences of an answer, without code blocks.

    >>> [s.text for s in sentences("| site | mean |\\n|---|---|\\n| Oslo | 4.5 |")]
    ['mean for Oslo: 4.5 ']
    """
    header: list[str] | None = None
    code = False
    line_end = 0
    for start, text in split(answer):
        opens = start == 0 or "\n" in answer[line_end:start]
        line_end = start + len(text)
        if _FENCE.match(text):
            code, header = not code, None
            continue
        if code:
            continue
        row = _TABLE_ROW.match(text)
        if not row:
            header = None
            yield Sentence(text, start, opens=opens)
            continue
        cells, place = [], row.start(1)
        for cell in row.group(1).split("|"):
            cells.append((place, cell))
            place += len(cell) + 1
        if all(_RULE.fullmatch(cell) for _, cell in cells):
            continue
        if header is None:
            header = [cell.strip(" *`") for _, cell in cells]
            continue
        yield from _cells(cells, header, start)


def _cells(cells: list[tuple[int, str]], header: list[str], start: int) -> Iterator[Sentence]:
    label = cells[0][1].strip(" *`")
    for j, (place, cell) in enumerate(cells):
        if not re.search(r"\d", cell) or (j == 0 and not re.fullmatch(r"[\s\d.,%$€-]+", cell)):
            continue
        lead = len(cell) - len(cell.lstrip(" *`"))
        name = header[j] if j < len(header) else ""
        before = f"{name} for {label}: " if j else f"{name}: "
        yield Sentence(before + cell[lead:], start + place + lead - len(before), len(before))
