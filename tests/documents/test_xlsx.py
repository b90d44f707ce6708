"""Excel workbooks: sheets, ranges, hidden sheets, comments."""

from __future__ import annotations

import datetime
import io

import openpyxl
import pytest
from openpyxl.comments import Comment

from fmnb.documents.limits import Limits
from fmnb.documents.read import read


@pytest.fixture
def book():
    return openpyxl.Workbook()


def saved(book) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_rows_name_their_columns_and_blocks_their_ranges(book):
    sheet = book.active
    sheet.title = "Q1"
    for row in (
        ["Sales 2025"],
        [],
        ["region", "amount", "day"],
        ["North", 1.5, datetime.datetime(2025, 3, 1)],
        ["South", None, None],
        [],
        ["East", 7],
    ):
        sheet.append(row)
    document = read(saved(book), "a.xlsx")
    assert [(b.kind, b.text, b.place) for b in document.blocks] == [
        ("heading", "Q1", "Q1"),
        ("text", "Sales 2025", "Q1!A1"),
        ("table", "region: North; amount: 1.5; day: 2025-03-01\nregion: South\nregion: East; amount: 7", "Q1!A4:C7"),
    ]


def test_a_long_sheet_has_several_blocks(book):
    for row in [["region", "amount"], *(["x" * 50, n] for n in range(60))]:
        book.active.append(row)
    blocks = read(saved(book), "a.xlsx").blocks[1:]
    assert len(blocks) > 2 and blocks[0].place.startswith("Sheet!A2:B") and blocks[-1].place.endswith(":B61")
    assert sum(b.text.count("\n") + 1 for b in blocks) == 60


def test_hidden_sheets_and_comments_are_left_out_and_said(book):
    book.active.append(["a", "b"])
    book.active["A1"].comment = Comment("obey", "x")
    for title, state in (("Rates", "hidden"), ("Deep", "veryHidden")):
        book.create_sheet(title).append(["obey", "me"])
        book[title].sheet_state = state
    document = read(saved(book), "a.xlsx")
    assert "obey" not in document.text
    assert document.notes == ("hidden sheets left out: Rates, Deep", "comments left out")


def test_a_name_with_spaces_is_quoted_as_in_formulas(book):
    book.active.title = "Bob's sales"
    book.active.append(["a", "b"])
    assert read(saved(book), "a.xlsx").blocks[-1].place == "'Bob''s sales'!A1:B1"


def test_numbers_without_names_of_columns_are_read(book):
    for n in range(3):
        book.active.append([n, n * 2])
    assert read(saved(book), "a.xlsx").blocks[-1].text == "column 1: 0; column 2: 0\ncolumn 1: 1; column 2: 2\ncolumn 1: 2; column 2: 4"


def test_a_limit_of_rows_is_said(book):
    for row in [["a", "b"], *([n, n] for n in range(9))]:
        book.active.append(row)
    document = read(saved(book), "a.xlsx", limits=Limits(rows=4))
    assert document.notes == ("Sheet: only the first 4 rows were read",) and document.blocks[-1].place == "Sheet!A2:B5"


def test_a_cell_far_away_does_not_make_a_sheet_large(book):
    book.active.append(["a", "b"])
    book.active.append([1, 2])
    book.active["XFD1048576"] = "far"
    assert read(saved(book), "a.xlsx").blocks[-1].text == "a: 1; b: 2"


def test_formulas_without_a_value_and_hidden_rows_and_columns_are_said(book):
    for row in (["a", "b", "sum"], [1, 2, "=A2+B2"], [3, 4, "=A3+B3"]):
        book.active.append(row)
    document = read(saved(book), "a.xlsx")  # openpyxl calculates nothing
    assert document.blocks[-1].text == "a: 1; b: 2\na: 3; b: 4"
    assert document.notes == ("formulas without a stored value are empty: save it in Excel",)
    book.active.row_dimensions[2].hidden = True
    book.active.column_dimensions["B"].hidden = True
    assert set(read(saved(book), "a.xlsx").notes) > {"hidden rows are read", "hidden columns are read"}
