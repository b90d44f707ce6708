"""The adapter to docling, which is heavy: where it is installed, it reads a Word file, for which it needs no models."""

from __future__ import annotations

import io
import sys

import docx
import pytest

from fmnb.core.errors import MissingPackageError, UsageError
from fmnb.documents.limits import Limits
from fmnb.documents.read import read


@pytest.fixture
def word():
    document = docx.Document()
    document.add_heading("Notice", 1)
    document.add_paragraph("Four weeks.")
    document.add_paragraph("one", style="List Bullet")
    table = document.add_table(2, 2)
    for n, text in enumerate(("who", "weeks", "all", "4")):
        table.cell(n // 2, n % 2).text = text
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def test_docling_gives_headings_texts_and_tables(word):
    pytest.importorskip("docling")
    document = read(word, "a.docx", using="docling")
    assert document.title == "Notice"
    assert [(b.kind, b.level) for b in document.blocks] == [("heading", 1), ("text", 0), ("text", 0), ("table", 0)]
    assert document.blocks[2].text == "- one" and "weeks" in document.blocks[3].text


def test_damaged_files_and_other_formats_are_errors_in_words(word):
    pytest.importorskip("docling")
    with pytest.raises(UsageError, match="does not read this format"):
        read(b"x = 1", "a.py", using="docling")
    with pytest.raises(UsageError, match="docling cannot read"):
        read(b"%PDF-1.4 nothing", "a.pdf", using="docling")


def test_archives_are_checked_first(word):
    pytest.importorskip("docling")
    with pytest.raises(UsageError, match="refused"):
        read(word, "a.docx", using="docling", limits=Limits(members=2))


def test_without_docling_the_error_says_what_to_install(word, monkeypatch):
    monkeypatch.setitem(sys.modules, "docling.document_converter", None)
    with pytest.raises(MissingPackageError, match="pip install docling"):
        read(word, "a.docx", using="docling")
    with pytest.raises(UsageError, match="no such reader"):
        read(word, "a.docx", using="other")
