"""Filters are SQL; an unknown one is an error."""

from __future__ import annotations

import datetime

import pytest

from fmnb.core.errors import UsageError
from fmnb.data.index.filters import condition


def test_an_unknown_filter_names_the_nearest():
    with pytest.raises(UsageError) as e:
        condition({"prodcut": "A"}, ["product"])
    assert e.value.detail == "prodcut" and e.value.hint == "Did you mean product?"


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", 5, None])
def test_a_date_that_is_none_is_refused(value):
    with pytest.raises(UsageError, match="must be a date"):
        condition({"after": value}, [])


def test_dates_and_times_are_local():
    (seconds,) = condition({"after": "2026-01-31"}, []).values
    assert seconds == datetime.datetime(2026, 1, 31).timestamp()
    assert condition({"before": datetime.date(2026, 1, 31)}, []).values == (seconds,)
