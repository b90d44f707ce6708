"""Damaged files of every format: an error in words or a document, never anything else."""

from __future__ import annotations

import io
import random
import zipfile

import docx
import openpyxl
import pandas as pd
import pptx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnb.core.errors import UsageError
from fmnb.documents.document import Document
from fmnb.documents.read import read

from .pdfs import flowing

TEXTS = ["a.txt", "a.md", "a.rst", "a.html", "a.py", "a.js", "a.csv", "a.tsv", "a.json", "a.jsonl", "a.ipynb", "a", "a.png"]


def readable(data: bytes, name: str) -> Document | None:
    """The document, or None where the file is refused in words."""
    try:
        document = read(data, name)
    except UsageError as e:
        assert name in str(e) or "a" in e.detail
        return None
    assert all(b.text.strip() for b in document.blocks)
    return document


@given(st.binary(max_size=400), st.sampled_from(TEXTS))
def test_any_bytes_are_a_document_or_refused(data, name):
    readable(data, name)


MARKS = [
    "# ",
    "```",
    "|",
    "---",
    "\n",
    "\n\n",
    "<!--",
    "-->",
    "<p hidden>",
    "</p>",
    "<table>",
    "<td>",
    "[",
    "]: # (",
    '"',
    ",",
    ";",
    "{",
    "}",
    "def f():",
    "    ",
    "\u202e",
    "\U000e0041",
    "é",
    "\0",
]


@given(st.lists(st.sampled_from(MARKS) | st.text(max_size=6), max_size=60).map("".join), st.sampled_from(TEXTS))
def test_any_text_is_read_with_lines_that_are_there(text, name):
    document = readable(text.encode("utf-8", "replace"), name)
    count = text.count("\n") + text.count("\r") + 1
    for block in document.blocks if document else ():
        assert block.lines is None or 1 <= block.lines[0] <= block.lines[1] <= count, block
        assert not any(c in block.text for c in "\0\u202e\U000e0041\r")


@given(st.text(alphabet=st.characters(categories=["Cc", "Cf", "Zl", "Zp", "Lu", "Zs"]), max_size=80))
def test_no_control_characters_are_left(text):
    document = readable(text.encode("utf-8"), "a.txt")
    for block in document.blocks if document else ():
        assert all(c in "\n\t" or ord(c) >= 32 for c in block.text) and not set(block.text) & set(map(chr, range(0x7F, 0xA0)))


def saved(document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def samples() -> dict[str, bytes]:
    word = docx.Document()
    word.add_heading("Notice", 1)
    word.add_table(2, 2).cell(0, 0).text = "x"
    show = pptx.Presentation()
    show.slides.add_slide(show.slide_layouts[1]).shapes.title.text = "Plan"
    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    frame = io.BytesIO()
    pd.DataFrame({"a": range(50), "s": ["x"] * 50}).to_parquet(frame)
    return {
        "a.pdf": flowing(("Heading1", "Notice"), ("Normal", "Four weeks. " * 30)),
        "a.docx": saved(word),
        "a.pptx": saved(show),
        "a.xlsx": saved(book),
        "a.parquet": frame.getvalue(),
    }


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.pptx", "a.xlsx", "a.parquet"])
def test_fifty_damaged_files_are_refused_or_read(name):
    data, chance = samples()[name], random.Random(name)
    for n in range(10):
        damaged = bytearray(data)
        for _ in range((1, 10, 100, 0)[n % 4]):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        readable(bytes(damaged[: chance.randrange(len(damaged))] if n % 4 == 3 else damaged), name)


@pytest.mark.parametrize("name", ["a.docx", "a.pptx", "a.xlsx"])
def test_archives_with_damaged_members_are_refused_or_read(name):
    """The check sum of an archive finds flipped bytes; here the members are damaged before they are packed."""
    chance = random.Random(name)
    with zipfile.ZipFile(io.BytesIO(samples()[name])) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    for _ in range(10):
        hit = chance.choice([n for n in members if n.endswith((".xml", ".rels"))])
        content = bytearray(members[hit])
        for _ in range(chance.choice((1, 5))):
            content[chance.randrange(len(content))] = chance.randrange(32, 127)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for n, old in members.items():
                archive.writestr(n, bytes(content) if n == hit else old)
        readable(out.getvalue(), name)
