"""Figures of a sentence: values, intervals, kinds, units, bounds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnb.data.numbers.parse import figures

FORMS = {
    "1,234.5 people": (1234.5, "number", None),
    "$3.2 million": (3.2e6, "number", "USD"),
    "€1.2bn": (1.2e9, "number", "EUR"),
    "$45k": (45e3, "number", "USD"),
    "(4,500)": (4500, "number", None),
    "-3.4": (-3.4, "number", None),
    "minus 7": (-7, "number", None),
    "12.5%": (12.5, "percent", None),
    "12 percent": (12, "percent", None),
    "3.1 percentage points": (3.1, "points", None),
    "7.2 points": (7.2, "points", None),
    "1.9 times": (1.9, "multiple", None),
    "3x": (3, "multiple", None),
    "fifteenfold": (15, "multiple", None),
    "doubled": (2, "multiple", None),
    "two thirds": (2 / 3, "fraction", None),
    "half": (0.5, "fraction", None),
    "3rd": (3, "ordinal", None),
    "third": (3, "ordinal", None),
    "#4": (4, "ordinal", None),
    "forty-two": (42, "number", None),
    "1 234 567": (1234567, "number", None),
    "1.234,5": (1234.5, "number", None),
    "1.5e-3": (0.0015, "number", None),
    "30 mpg": (30, "number", "mpg"),
    "30°C": (30, "number", "°c"),
    "90 minutes": (90, "number", "minutes"),
    "twenty-five percent": (25, "percent", None),
}


@pytest.mark.parametrize("text", FORMS)
def test_a_figure_is_read_with_its_value_kind_and_unit(text):
    value, kind, unit = FORMS[text]
    (figure,) = figures(f"It was {text} here.")
    assert (round(figure.value, 9), figure.kind, figure.unit) == (round(value, 9), kind, unit)
    assert f"It was {text} here."[figure.start : figure.end] == figure.text


@pytest.mark.parametrize(
    "text",
    ["A320", "PG-13", "v1.2.3", "version 3.11.2", "at 14:05", "`df.head(10)`", "https://a.b/1", "No. 462", "T-17", "x2y", "Q"],
)
def test_names_codes_and_times_are_no_figures(text):
    assert figures(f"See {text} there.") == []


def test_the_interval_is_what_rounds_to_the_figure():
    figure = figures("12.5%")[0]
    assert figure.low == pytest.approx(12.45) and figure.high == pytest.approx(12.55)
    assert figures("about 30")[0].low == pytest.approx(29.25)
    assert figures("1.2 million")[0].high == pytest.approx(1.25e6)
    assert figures("12,000")[0].high == pytest.approx(12_060)
    assert figures("12,345")[0].high == pytest.approx(12_345.5)


@pytest.mark.parametrize(
    "text, bound",
    [
        ("more than 30", ">"),
        ("over $30", ">"),
        ("at least 30", ">="),
        ("below 30", "<"),
        ("up to 30", "<="),
        ("exceed a weight of 30 kg", ">"),
        ("over the 30 years", ""),
        ("ranges from 3 up to 30", ""),
        ("exactly 30", ""),
    ],
)
def test_words_before_a_figure_bound_it(text, bound):
    assert figures(text)[-1].bound == bound


def test_a_range_has_no_minus_sign():
    assert [f.value for f in figures("between 10–20 and 30-40")] == [10, 20, 30, 40]


def test_digits_joined_by_commas_are_no_thousands_where_the_groups_are_uneven():
    assert [f.value for f in figures("382,1393")] == [382, 1393]


def test_a_very_long_number_is_no_figure():
    assert figures("1" * 400) == [] and figures("1e999") == []


def test_years_are_dates_where_words_say_so_and_numbers_elsewhere():
    kinds = [(f.text, f.kind) for f in figures("In 2015 we sold 2015 units, and 1999 was worse.")]
    assert kinds == [("2015", "date"), ("2015", "number"), ("1999", "date")]


@pytest.mark.parametrize(
    "text, grain, year, month",
    [
        ("on 4 May 2015", "day", 2015, 5),
        ("on 2015-05-04", "day", 2015, 5),
        ("in May 2015", "month", 2015, 5),
        ("in Q2 2015", "quarter", 2015, 4),
        ("in the second quarter of 2015", "quarter", 2015, 4),
        ("in the 1990s", "decade", 1990, 0),
        ("in the 17th century", "century", 1600, 0),
        ("every March", "month of any year", 0, 3),
    ],
)
def test_dates_are_read_with_the_parts_that_are_stated(text, grain, year, month):
    (date,) = [f for f in figures(text) if f.kind == "date"]
    assert (date.when.grain, date.when.year, date.when.month) == (grain, year, month)


def test_a_verb_is_no_month():
    assert figures("it may 2 or march on") and not [f for f in figures("they may and march") if f.kind == "date"]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789.,-+%$€ ()xkMbn\ntheoandQ'/#`~*|:;–", max_size=120))
def test_no_text_breaks_the_parser_and_figures_never_overlap(text):
    found = figures(text)
    assert all(text[f.start : f.end].strip() == f.text.strip() and f.low <= f.high for f in found)
    assert all(a.end <= b.start for a, b in zip(found, found[1:], strict=False))
