"""`fm.check_numbers`: bounds, languages, records, marks."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fmnb as fm
from fmnb.core.sources import Passage
from fmnb.data.numbers.marks import marks
from fmnb.data.numbers.tracer import MOST_FIGURES, MOST_TEXT

from .statements import SHOPS, TRACER

TEXT = "Oslo had sales of 412.5 in 2021, Bergen of 999.\nAverage sales were 438.03 over the 8 rows."


def test_the_report_counts_only_what_claims_something():
    report = fm.check_numbers(TEXT, {"shops": SHOPS})
    assert [f.state for f in report.figures] == ["exact", "label", "untraced", "recomputed", "recomputed"]
    assert report.coverage == "3 of 4 figures traced" and [f.text for f in report.traced] == ["412.5", "438.03", "8"]


def test_records_are_json_and_a_frame():
    report = fm.check_numbers(TEXT, {"shops": SHOPS})
    record = json.loads(json.dumps(report.to_dict()))["figures"][0]
    assert record["source"]["conditions"] == [["shop", "=", "Oslo"], ["year", "period", ["2021-01-01", "2021-12-31"]]]
    assert TEXT[slice(*record["span"])] == record["text"]
    assert list(report.df.state) == [f.state for f in report.figures] and report.df.column[0] == "sales_usd"


def test_marks_are_the_figures_that_claim_something():
    report = fm.check_numbers(TEXT, {"shops": SHOPS})
    found = marks(report)
    assert [TEXT[m.start : m.end] for m in found] == ["412.5", "999", "438.03", "8"]
    assert found[0].title.startswith("traced to your data: sales_usd") and found[1].title == "not traced"


def test_the_same_text_gives_the_same_report():
    assert fm.check_numbers(TEXT, {"shops": SHOPS}) == fm.check_numbers(TEXT, {"shops": SHOPS.copy()})


def test_passages_may_be_what_an_index_found():
    report = fm.check_numbers("The notice period is 14 days.", passages=[Passage("The notice period is 14 days.", "kb")])
    assert report.figures[0].state == "passage"


def test_only_200_figures_and_50_kb_are_searched_and_it_says_so():
    many = fm.check_numbers("The mean is 5.\n" * 300, {"shops": SHOPS})
    assert len(many.figures) == MOST_FIGURES and "figures after the first 200" in many.notes[0]
    long = fm.check_numbers("Words. " * 8000 + "Average sales were 438.03.", {"shops": SHOPS})
    assert len("Words. " * 8000) > MOST_TEXT and long.figures == () and "50,000 characters" in long.notes[0]


@pytest.mark.parametrize(
    "text",
    [
        "Der mittlere Umsatz lag bei 438,03 und der größte Laden ist in Rom mit 671,0 im Jahr 2021.",
        "Les ventes moyennes sont de 438,03 et la plus grande boutique est à Rome avec 671,0 en 2021.",
        "平均売上は438.03で、最大の店舗はローマです。",
    ],
)
def test_other_languages_are_not_read_rather_than_left_untraced(text):
    report = fm.check_numbers(text, {"shops": SHOPS})
    assert report.figures == () and report.notes == ("not searched: only English is read",) and report.coverage == ""


def test_of_two_tables_the_one_that_the_sentence_names_is_read():
    other = [{"product": "Lamp", "stock": 44}, {"product": "Desk", "stock": 57}]
    report = fm.check_numbers("Lamp has a stock of 44. Oslo had 1,210 visitors in 2021.", {"shops": SHOPS, "stock": other})
    assert [f.source.table for f in report.traced] == ["stock", "shops"]


def test_what_is_no_text_is_an_error():
    with pytest.raises(fm.errors.UsageError, match=r"Pass response\.text"):
        fm.check_numbers(SHOPS, {})  # type: ignore[arg-type]
    with pytest.raises(fm.errors.UsageError, match="not int"):
        fm.check_numbers("5", {"t": 5})  # type: ignore[dict-item]


WORDS = (
    "Oslo Bergen Norway sales average total the of in from to more than twice half % $ 1,200 412.5 2021 | - * # ( ) , . ; : ` per share rose by "
    "fell median highest top two rank third times each outdoor not missing between and or € 5e3 -7 Q2 May 1990s 12% points \n"
).split(" ")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join) | st.text(max_size=200))
def test_no_text_breaks_the_tracer(text):
    report = TRACER.check(text)
    assert all(text[slice(*f.span)].strip() == f.text.strip() for f in report.figures)


@pytest.mark.parametrize(
    "piece", ["1", "1.", "1,", "a1", "a_", "-", "$", "(", "one and ", "12% of ", "Oslo 12 ", "|", "`", "in 2021 ", "5 times more than "]
)
def test_hostile_repetitions_end(piece):
    TRACER.check((piece * MOST_TEXT)[:MOST_TEXT])


def test_values_beyond_the_first_60000_of_a_column_are_named_in_a_note(monkeypatch):
    monkeypatch.setattr("fmnb.data.numbers.table.MOST_VALUES", 2)
    report = fm.check_numbers("Milan had 1,100 visitors in 2021.", {"shops": SHOPS})
    assert "values of shop" in report.notes[0] and not report.figures[0].traced


def test_pandas_is_imported_only_for_the_frame():
    code = (
        "import sys, fmnb as fm; r = fm.check_numbers('Oslo has 3.', {'t': [{'city': 'Oslo', 'shops': 3}]}); "
        "before = 'pandas' in sys.modules; r.df; print(before, 'pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
