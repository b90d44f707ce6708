"""Which rows the dates of a sentence mean."""

from __future__ import annotations

import pandas as pd
import pytest

from fmnb.data.numbers.parse import figures
from fmnb.data.numbers.periods import periods
from fmnb.data.numbers.table import Table

DAYS = Table("days", pd.DataFrame({"day": pd.date_range("2020-01-01", "2023-12-31"), "x": 1.5}))
YEARS = Table("years", pd.DataFrame({"year": range(1950, 2020), "x": 1.5}))


def found(text: str, table: Table = DAYS):
    return periods(text, [f for f in figures(text) if f.kind == "date"], table, [])


@pytest.mark.parametrize(
    "text, low, high",
    [
        ("in 2021", "2021-01-01", "2021-12-31"),
        ("in May 2021", "2021-05-01", "2021-05-31"),
        ("on 29 February 2020", "2020-02-29", "2020-02-29"),
        ("in Q3 2022", "2022-07-01", "2022-09-30"),
        ("from 2020 to 2022", "2020-01-01", "2022-12-31"),
        ("between May 2021 and June 2021", "2021-05-01", "2021-06-30"),
        ("since 2022", "2022-01-01", "9999-12-31"),
        ("after 2022", "2023-01-01", "9999-12-31"),
        ("before 2022", "1000-01-01", "2021-12-31"),
        ("at the end of 2021", "2021-12-01", "2021-12-31"),
    ],
)
def test_a_date_is_a_span_of_days(text, low, high):
    (condition,) = found(text).conditions
    assert condition.value == (low, high)


def test_a_month_of_any_year_is_a_season():
    (condition,) = found("every March").conditions
    assert (condition.relation, condition.value) == ("month", 3)
    assert DAYS.aggregate("count", None, [condition]) == 4 * 31


def test_years_work_on_a_column_of_years():
    (condition,) = found("in the 1990s", YEARS).conditions
    assert YEARS.aggregate("count", None, [condition]) == 10


@pytest.mark.parametrize(
    "text, year", [("in 2021 and the following year", 2022), ("in 2021, two years later", 2023), ("in 2021 and the year before", 2020)]
)
def test_a_year_may_be_stated_by_its_distance(text, year):
    assert found(text).conditions[-1].value == (f"{year}-01-01", f"{year}-12-31")


def test_two_periods_are_a_pair_to_compare():
    assert found("from 2020 to 2022").pair is not None and found("in 2020 against 2021").pair is not None
    assert found("in 2021").pair is None


def test_dates_are_labels_where_the_table_has_no_dates():
    table = Table("t", {"x": [1.5, 2.5]})
    assert found("in 2021", table).conditions == () and found("in 2021", table).used == frozenset()
