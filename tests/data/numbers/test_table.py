"""Aggregates, masks and groups are what pandas computes."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from bench.number_tracing_tables import orders, tickets
from fmnb.data.numbers.condition import Condition
from fmnb.data.numbers.table import Table

ORDERS = orders()
TABLE = Table("orders", ORDERS)
CONDITIONS = {
    "=": (Condition("region", "=", "North"), ORDERS.region == "North"),
    "!=": (Condition("region", "!=", "North"), ORDERS.region != "North"),
    "in": (Condition("region", "in", ("North", "West")), ORDERS.region.isin(["North", "West"])),
    "flag": (Condition("returned", "=", True), ORDERS.returned),
    ">": (Condition("quantity", ">", 3.0), ORDERS.quantity > 3),
    "<=": (Condition("quantity", "<=", 3.0), ORDERS.quantity <= 3),
    "period": (Condition("order_date", "period", ("2023-02-01", "2023-02-28")), ORDERS.order_date.dt.strftime("%Y-%m") == "2023-02"),
    "month": (Condition("order_date", "month", 3), ORDERS.order_date.dt.month == 3),
    "quarter": (Condition("order_date", "quarter", 4), ORDERS.order_date.dt.quarter == 2),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_conditions_keep_the_rows_that_pandas_keeps(name):
    condition, expected = CONDITIONS[name]
    assert (TABLE.mask([condition]) == expected.to_numpy()).all()


@pytest.mark.parametrize("operation", ["mean", "median", "sum", "min", "max", "std"])
def test_aggregates_are_those_of_pandas(operation):
    rows = ORDERS[(ORDERS.region == "North") & (ORDERS.quantity > 3)]
    conditions = (Condition("region", "=", "North"), Condition("quantity", ">", 3.0))
    expected = getattr(rows.revenue_usd, operation)()
    assert TABLE.aggregate(operation, "revenue_usd", conditions) == pytest.approx(expected)


@pytest.mark.parametrize("operation", ["mean", "median", "sum", "min", "max"])
def test_groups_are_those_of_pandas(operation):
    labels = TABLE.columns["product"].labels
    found = {labels[c]: v for c, v in TABLE.groups(operation, "product", "revenue_usd", ()).items()}
    assert found == pytest.approx(ORDERS.groupby("product").revenue_usd.agg(operation).to_dict())


def test_missing_values_are_counted_and_left_out():
    frame = tickets()
    table = Table("tickets", frame)
    assert table.aggregate("count", None, [Condition("Satisfaction", "missing", None)]) == frame.Satisfaction.isna().sum()
    assert table.aggregate("known", "Satisfaction", ()) == frame.Satisfaction.notna().sum()
    assert table.aggregate("mean", "Satisfaction", ()) == pytest.approx(frame.Satisfaction.mean())
    assert table.aggregate("distinct", "Team", ()) == 4


def test_a_cell_needs_one_row_or_equal_values():
    table = Table("t", pd.DataFrame({"name": ["a", "a", "b", "c", "c"], "x": [1.0, 2.0, 3.0, 4.0, 4.0]}))
    values = [table.aggregate("value", "x", [Condition("name", "=", n)]) for n in "abc"]
    assert math.isnan(values[0]) and values[1:] == [3.0, 4.0]


def test_an_empty_table_and_a_column_without_values_break_nothing():
    assert Table("t", pd.DataFrame({"x": pd.Series([], dtype=float)})).rows == 0
    table = Table("t", pd.DataFrame({"x": [float("nan")] * 3, "y": [None] * 3}))
    assert math.isnan(table.aggregate("mean", "x", ())) and table.aggregate("distinct", "y", ()) == 0
