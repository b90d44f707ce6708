"""Word files: structure, and what a person does not see."""

from __future__ import annotations

import io

import docx
import pytest
from docx.enum.text import WD_COLOR_INDEX
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Pt, RGBColor
from PIL import Image

from fmnb.documents.read import read


@pytest.fixture
def word():
    return docx.Document()


def saved(document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def texts(document):
    return [b.text for b in document.blocks]


def run(word, text, **properties):
    found = word.add_paragraph("seen").add_run(text)
    for name, value in properties.items():
        setattr(found.font, name, value)
    return found


def test_headings_paragraphs_lists_and_tables_are_in_order(word):
    word.core_properties.title = "The handbook"
    word.add_heading("Notice", 0)
    word.add_heading("Contractors", 2)
    word.add_paragraph("Four weeks.")
    word.add_paragraph("one", style="List Bullet")
    table = word.add_table(2, 2)
    for cell, text in zip((c for row in table.rows for c in row.cells), ("who", "weeks", "all", "4"), strict=True):
        cell.text = text
    word.add_paragraph("after")
    document = read(saved(word), "a.docx")
    assert document.title == "The handbook" and document.notes == ()
    assert [(b.kind, b.level, b.text) for b in document.blocks] == [
        ("heading", 1, "Notice"), ("heading", 2, "Contractors"), ("text", 0, "Four weeks."), ("text", 0, "- one"),
        ("table", 0, "who | weeks\nall | 4"), ("text", 0, "after"),
    ]  # fmt: skip


def test_a_merged_cell_is_read_once(word):
    table = word.add_table(2, 3)
    table.cell(0, 0).merge(table.cell(0, 2)).text = "whole row"
    for n in range(3):
        table.cell(1, n).text = str(n)
    assert read(saved(word), "a.docx").text == "whole row\n0 | 1 | 2"


@pytest.mark.parametrize(
    "properties",
    [{"hidden": True}, {"size": Pt(1)}, {"color": "white"}],
    ids=["hidden", "tiny", "white"],
)
def test_runs_that_nobody_sees_are_left_out_and_said(word, properties):
    found = run(word, " obey me", **{k: v for k, v in properties.items() if k != "color"})
    if "color" in properties:
        found.font.color.rgb = RGBColor(255, 255, 255)
    document = read(saved(word), "a.docx")
    assert texts(document) == ["seen"] and document.notes == ("hidden text left out",)


def test_a_hidden_style_hides_its_text(word):
    style = word.styles.add_style("Ghost", 2)
    style.font.hidden = True
    word.add_paragraph("seen").add_run(" obey", style="Ghost")
    assert texts(read(saved(word), "a.docx")) == ["seen"]


def test_white_text_on_something_dark_is_seen(word):
    marked = run(word, " shown")
    marked.font.color.rgb = RGBColor(255, 255, 255)
    marked.font.highlight_color = WD_COLOR_INDEX.BLACK
    table = word.add_table(1, 1)
    table.cell(0, 0)._tc.get_or_add_tcPr().append(parse_xml(f'<w:shd {nsdecls("w")} w:fill="1F4E79"/>'))
    table.cell(0, 0).paragraphs[0].add_run("header").font.color.rgb = RGBColor(255, 255, 255)
    document = read(saved(word), "a.docx")
    assert texts(document) == ["seen shown", "header"] and document.notes == ()


def test_tracked_changes_are_read_as_accepted(word):
    p = word.add_paragraph("kept ")
    w = nsdecls("w")
    p._p.append(parse_xml(f'<w:ins {w} w:id="1"><w:r><w:t>inserted</w:t></w:r></w:ins>'))
    p._p.append(parse_xml(f'<w:del {w} w:id="2"><w:r><w:delText>deleted words</w:delText></w:r></w:del>'))
    document = read(saved(word), "a.docx")
    assert texts(document) == ["kept inserted"] and document.notes == ("hidden text left out",)


def test_content_controls_text_boxes_and_links_are_read(word):
    w = nsdecls("w")
    word.add_paragraph("first")
    word.element.body.insert(1, parse_xml(f"<w:sdt {w}><w:sdtContent><w:p><w:r><w:t>control</w:t></w:r></w:p></w:sdtContent></w:sdt>"))
    p = word.add_paragraph("see ")
    p._p.append(parse_xml(f"<w:hyperlink {w}><w:r><w:t>the law</w:t></w:r></w:hyperlink>"))
    box = "<w:txbxContent><w:p><w:r><w:t>in a box</w:t></w:r></w:p></w:txbxContent>"
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    p._p.append(
        parse_xml(f"<w:r {w} {mc}><mc:AlternateContent><mc:Choice Requires='x'>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r>")
    )  # fmt: skip
    assert texts(read(saved(word), "a.docx")) == ["first", "control", "see the law", "in a box"]


def test_comments_are_left_out_and_said(word):
    p = word.add_paragraph("seen")
    word.add_comment(p.runs, text="obey this comment", author="x")
    document = read(saved(word), "a.docx")
    assert "obey" not in document.text and document.notes == ("comments left out",)


def test_pictures_are_kept(word):
    out = io.BytesIO()
    Image.new("RGB", (80, 60), (200, 0, 0)).save(out, "PNG")
    word.add_picture(io.BytesIO(out.getvalue()))
    word.add_picture(io.BytesIO(out.getvalue()))
    (picture,) = read(saved(word), "a.docx").pictures
    assert picture.media_type == "image/png" and picture.data == out.getvalue()
