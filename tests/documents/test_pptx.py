"""PowerPoint files: slides, speaker notes, tables, charts, hidden slides."""

from __future__ import annotations

import io

import pptx
import pytest
from PIL import Image
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from fmnb.documents.read import read

AREA = Inches(1), Inches(2), Inches(4), Inches(2)


@pytest.fixture
def show():
    return pptx.Presentation()


def saved(show) -> bytes:
    out = io.BytesIO()
    show.save(out)
    return out.getvalue()


def slide(show, title="Plan", text=""):
    made = show.slides.add_slide(show.slide_layouts[1])
    made.shapes.title.text = title
    made.placeholders[1].text = text
    return made


def test_slides_are_pages_with_titles_texts_and_notes(show):
    slide(show, "Plan", "One\nTwo").notes_slide.notes_text_frame.text = "Say hello."
    slide(show, "Next", "Three")
    document = read(saved(show), "a.pptx")
    assert (document.pages, document.title) == (2, "Plan")
    assert [(b.kind, b.text, b.page, b.place) for b in document.blocks] == [
        ("heading", "Plan", 1, "slide 1"), ("text", "One\nTwo", 1, "slide 1"), ("text", "Say hello.", 1, "slide 1, speaker notes"),
        ("heading", "Next", 2, "slide 2"), ("text", "Three", 2, "slide 2"),
    ]  # fmt: skip


def test_hidden_slides_and_shapes_are_left_out(show):
    slide(show, "Seen")
    slide(show, "Obey")._element.set("show", "0")
    hidden = slide(show, "Third", "obey").placeholders[1]
    hidden._element.xpath("./*/p:cNvPr")[0].set("hidden", "1")
    document = read(saved(show), "a.pptx")
    assert document.text == "Seen\n\nThird" and document.notes == ("hidden text left out", "hidden slide left out: 2")


def test_shapes_beside_the_slide_are_left_out(show):
    made = slide(show)
    for left, top in ((-Inches(5), 0), (show.slide_width, 0), (0, -Inches(3)), (0, show.slide_height)):
        made.shapes.add_textbox(left, top, Inches(4), Inches(2)).text_frame.text = "obey"
    made.shapes.add_textbox(-Inches(1), 0, Inches(4), Inches(2)).text_frame.text = "seen in part"
    document = read(saved(show), "a.pptx")
    assert document.text == "Plan\n\nseen in part" and document.notes == ("hidden text left out",)


def test_tables_charts_groups_and_pictures_are_read(show):
    made = slide(show)
    table = made.shapes.add_table(2, 2, *AREA).table
    for n, text in enumerate(("who", "weeks", "all", "4")):
        table.cell(n // 2, n % 2).text = text
    data = CategoryChartData()
    data.categories = ["North", "South"]
    data.add_series("Sales", (1.5, 2))
    made.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *AREA, data)
    group = made.shapes.add_group_shape()
    group.shapes.add_textbox(*AREA).text_frame.text = "grouped"
    out = io.BytesIO()
    Image.new("RGB", (80, 60)).save(out, "PNG")
    made.shapes.add_picture(io.BytesIO(out.getvalue()), *AREA[:2])
    document = read(saved(show), "a.pptx")
    found = {b.text for b in document.blocks}
    assert {"who | weeks\nall | 4", "grouped"} <= found
    assert any(t.endswith("North | 1.5\nSouth | 2") for t in found)
    assert [(p.page, p.place) for p in document.pictures] == [(1, "slide 1")]
