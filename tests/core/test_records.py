"""The small table: as text, as HTML that cannot act, as a frame."""

from __future__ import annotations

import datetime

import pytest

from fmnb.core.records import Rows


def test_numbers_stand_right_and_words_left():
    assert str(Rows([{"model": "a", "n": 1}, {"model": "long", "n": 100}])) == "model    n\na        1\nlong   100"


def test_html_has_numbers_at_the_right_and_short_words_on_one_line():
    html = Rows([{"model": "a b", "context": 1_050_000, "note": "word " * 9}])._repr_html_()
    assert '<td style="text-align:right;white-space:nowrap">1,050,000</td>' in html and '<td style="text-align:left">word' in html


def test_a_column_that_holds_nothing_is_left_out_of_the_view_and_not_of_the_data():
    rows = Rows([{"a": 1, "b": None}])
    assert "b" not in str(rows) and rows[0] == {"a": 1, "b": None}


def test_long_and_broken_lines_become_one_short_one():
    (line,) = str(Rows([{"t": "a\n" + "x" * 100}])).splitlines()[1:]
    assert len(line) == 60 and line.endswith("…")


def test_whole_texts_wrap_and_are_not_cut():
    rows = Rows([{"check": "a", "hint": "word " * 20 + "end"}, {"check": "b", "hint": ""}], whole=True)
    lines = str(rows).splitlines()
    assert "…" not in str(rows) and lines[2].startswith("       word") and lines[2].endswith("end") and lines[3] == "b"
    assert "word end" in rows._repr_html_() and "…" not in rows._repr_html_()


def test_html_is_escaped():
    html = Rows([{"<b>": "<script>x</script>"}], note="<i>")._repr_html_()
    assert "<script>" not in html and "<b>" not in html and "<i>" not in html


def test_nothing_says_so():
    assert (
        str(Rows([])) == "nothing"
        and str(Rows([], note="no aliases")) == "no aliases"
        and "no aliases" in Rows([], note="no aliases")._repr_html_()
    )


def test_dates_lists_and_fractions_read_well():
    assert str(Rows([{"d": datetime.datetime(2026, 1, 31, 9, 5), "l": [1, 2], "f": 0.123456}])).splitlines()[1].split("  ") == [
        "2026-01-31 09:05",
        "1, 2",
        "0.1235",
    ]


def test_it_becomes_a_frame_with_all_columns():
    pytest.importorskip("pandas")
    assert list(Rows([{"a": 1}], ("a", "b")).df.columns) == ["a", "b"]


def test_a_note_shows_code_as_code_and_nothing_as_mathematics():
    page = Rows([{"a": 1}], note="`%fm help` costs $1 of $5")._repr_html_()
    assert "<code>%fm help</code>" in page and "`" not in page and "$" not in page
    assert "<code>%fm x</code>" in Rows([], note="`%fm x`")._repr_html_()
