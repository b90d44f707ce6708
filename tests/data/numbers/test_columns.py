"""Tables of every kind become the same columns."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fmnb.core.errors import UsageError
from fmnb.data.numbers.columns import columns_of

ROWS = {
    "city": ["Oslo", "Rome", None, "Oslo"],
    "rain_mm": [1.5, None, 3.0, 4.0],
    "day": [datetime.date(2024, 1, 1), datetime.date(2024, 1, 2), None, datetime.date(2024, 2, 1)],
    "open": [True, False, True, None],
    "visits": [3, 4, 5, 6],
}
KINDS = {
    "pandas": lambda: pd.DataFrame(ROWS),
    "pandas extension types": lambda: pd.DataFrame(ROWS).convert_dtypes(),
    "polars": lambda: pl.DataFrame(ROWS),
    "arrow": lambda: pa.table(ROWS),
    "dict of columns": lambda: ROWS,
    "list of dicts": lambda: [dict(zip(ROWS, values, strict=True)) for values in zip(*ROWS.values(), strict=True)],
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_gives_the_same_columns(kind):
    city, rain, day, is_open, visits = columns_of(KINDS[kind](), {}, {})
    assert (city.kind, rain.kind, day.kind, is_open.kind, visits.kind) == ("text", "number", "date", "flag", "number")
    assert [city.labels[c] if c >= 0 else None for c in city.codes] == ROWS["city"]
    assert np.array_equal(rain.numbers, np.array([1.5, np.nan, 3.0, 4.0]), equal_nan=True) and rain.unit == "mm"
    assert str(day.days[3]) == "2024-02-01" and np.isnat(day.days[2])
    assert visits.whole and not rain.whole


def test_an_index_with_a_name_is_a_column():
    frame = pd.DataFrame({"murder": [1.0, 2.0]}, index=pd.Index(["Ohio", "Iowa"], name="state"))
    assert [c.name for c in columns_of(frame, {}, {})] == ["state", "murder"]


def test_units_come_from_arguments_attributes_brackets_and_names():
    frame = pd.DataFrame({"temp": [1.0], "Time (hours)": [2.0], "price_usd": [3.0], "speed": [4.0], "note": [5.0]})
    frame.attrs["units"] = {"temp": "°F", "speed": "mph"}
    units = {c.name: c.unit for c in columns_of(frame, {"temp": "°C"}, {})}
    assert units == {"temp": "°c", "Time (hours)": "hours", "price_usd": "USD", "speed": "mph", "note": None}


@pytest.mark.parametrize("form", ["%b %d %Y", "%m/%d/%Y", "%d.%m.%Y", "%Y-%m-%d", "%B %d, %Y"])
def test_texts_that_are_dates_in_one_form_are_dates(form):
    days = [datetime.date(2024, 1, 31), datetime.date(2024, 2, 29)]
    (column,) = columns_of({"when": [d.strftime(form) for d in days]}, {}, {})
    assert column.kind == "date" and [str(d) for d in column.days] == ["2024-01-31", "2024-02-29"]


def test_times_with_zones_keep_their_local_day():
    zoned = pd.DataFrame({"at": pd.to_datetime(["2024-01-01 23:30"]).tz_localize("America/New_York")})
    assert str(columns_of(zoned, {}, {})[0].days[0]) == "2024-01-01"


def test_years_months_identifiers_and_few_values_are_told_from_amounts():
    frame = pd.DataFrame({"year": [2020, 2021] * 20, "order_id": range(40), "cylinders": [4, 8] * 20, "price": np.arange(40) / 7})
    year, order, cylinders, price = columns_of(frame, {}, {})
    assert year.year and order.identifier and cylinders.few == {4.0, 8.0} and price.measured
    assert not year.measured and not order.measured


def test_what_is_no_table_is_an_error_that_says_what_to_pass():
    with pytest.raises(UsageError, match="not int"):
        columns_of(5, {}, {})
    with pytest.raises(UsageError, match="collect"):
        columns_of(pl.DataFrame(ROWS).lazy(), {}, {})


def test_columns_of_one_name_stay_two():
    frame = pd.DataFrame([["Oslo", 12.5, 1.0], ["Rome", 14.0, 2.0]], columns=["city", "price", "price"])
    assert [c.name for c in columns_of(frame, {}, {})] == ["city", "price", "price (2)"]
