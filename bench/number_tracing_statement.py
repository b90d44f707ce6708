"""Statements with labeled figures, and how they are read from files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fmnb.data.numbers.tracer import Tracer

_MARK = re.compile(r"\[\[(!?)(.*?)\]\]")


@dataclass(frozen=True)
class Statement:
    """A statement over a table (or passages); each label is a place and whether the figure there is right."""

    source: str
    text: str
    labels: tuple[tuple[int, int, bool], ...]


def parse_statement(source: str, line: str) -> Statement:
    """A line with `[[figure]]` and `[[!figure]]` as text and labels."""
    text, labels, end = "", [], 0
    for m in _MARK.finditer(line):
        text += line[end : m.start()]
        labels.append((len(text), len(text) + len(m[2]), not m[1]))
        text += m[2]
        end = m.end()
    return Statement(source, text + line[end:], tuple(labels))


def read_statements(path: Path) -> list[Statement]:
    """The statements of a file."""
    found, source = [], ""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("@"):
            source = line[1:]
        elif line and not line.startswith("#"):
            found.append(parse_statement(source, line.replace("\\n", "\n")))
    return found


def read_passages(path: Path) -> tuple[list[Statement], dict[str, Tracer]]:
    """The statements of a file with passages, and a tracer for each set of them."""
    texts: dict[str, list[str]] = {}
    lines, source = [], ""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("@"):
            source = line[1:]
        elif line.startswith(">"):
            texts.setdefault(source, []).append(line[2:])
        elif line and not line.startswith("#"):
            lines.append(parse_statement(source, line))
    return lines, {name: Tracer({}, passages) for name, passages in texts.items()}
