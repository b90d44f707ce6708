"""`%fm index` and `%fm search` as cells."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from fmnb.core.errors import UsageError


@pytest.fixture
def docs():
    Path("docs").mkdir()
    Path("docs/leave.md").write_text("# Leave\n\nContractors give thirty days' notice.\n")
    Path("docs/travel.md").write_text("# Travel\n\nFlights need approval.\n")


def test_documents_are_indexed_searched_and_listed(cells, docs):
    report = cells("%fm index docs --name kb --embedder none")
    assert report.added == ("docs/leave.md", "docs/travel.md")
    found = cells('%fm search kb "notice period"')
    assert found[0].path == "docs/leave.md" and found[0].headings == ("Leave",)
    assert [p.path for p in cells("%fm search kb flights notice --path docs/travel.md --k 3")] == ["docs/travel.md"]
    (row,) = cells("%fm index")
    assert (row["index"], row["documents"], row["embedder"]) == ("kb", 2, "none")
    Path("docs/travel.md").unlink()
    assert cells("%fm index --name kb").removed == ("docs/travel.md",)
    assert cells("kb = fm.Index('kb')\nlen(kb.files)" if "fm" in cells.ns else "import fmnb as fm\nlen(fm.Index('kb').files)") == 1


def test_a_column_of_a_frame_is_indexed(cells):
    cells.ns["tickets"] = pd.DataFrame({"body": ["The screen broke.", "Refund please."], "team": ["tech", "pay"]})
    assert cells("%fm index tickets --column body --name t --embedder none").added == ("frame:tickets",)
    assert [p.details["columns"] for p in cells("%fm search t screen refund --team pay")] == [{"team": "pay"}]
    assert isinstance(cells.fails("%fm search t screen --taem pay"), UsageError)


@pytest.mark.parametrize(
    "line, message",
    [
        ("%fm index docs", "The index needs a name"),
        ("%fm index docs --name", "--name needs a value"),
        ("%fm index docs --name kb --nmae x", "No such option here"),
        ("%fm index missing.pdf --name kb", "There is no such file or folder"),
        ("%fm index frame --column x --name kb", "No such frame in the notebook"),
        ("%fm search kb words", "There is no such index"),
        ("%fm search kb", "Which index, and which words?"),
        ("%fm search kb words --k many", "--k must be a number"),
        ("%fm index --name kb", "There is no such index"),
    ],
)
def test_a_line_that_cannot_work_says_why(cells, docs, line, message):
    error = cells.fails(line)
    assert isinstance(error, UsageError) and error.message == message
    assert not cells("%fm index")


def test_no_index_says_how_to_make_one(cells):
    rows = cells("%fm index")
    assert not rows and "%fm index docs/ --name kb" in str(rows)
