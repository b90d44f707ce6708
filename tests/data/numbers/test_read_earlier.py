"""Figures that were traced are operands of others."""

from __future__ import annotations

import pytest

from .statements import figures_of

STATEMENTS = [
    ("Sales in Oslo rose from 412.5 in 2021 to 498.25 in 2022, an increase of X.", "85.75", "87.55"),
    ("Sales in Oslo rose from 412.5 in 2021 to 498.25 in 2022, a gain of X.", "21%", "12%"),
    ("Total sales were 3,504.25, or roughly X.", "$3.5k", "$3.9k"),
    ("Norway has 4 rows (X).", "50%", "45%"),
    ("Rome averages 663.25 in sales and Bergen 242.38, a difference of X.", "420.88", "428.08"),
    ("Rome averages 663.25 in sales and Bergen 242.38, X as much.", "2.7 times", "3.7 times"),
    ("Total sales were 3,504.25, of which Italy contributed X.", "60%", "56%"),
]


@pytest.mark.parametrize("statement, right, wrong", STATEMENTS)
def test_a_figure_follows_from_figures_said_before(statement, right, wrong):
    right_one, wrong_one = figures_of(statement.replace("X", right))[right], figures_of(statement.replace("X", wrong))[wrong]
    assert right_one.traced, right_one
    assert not wrong_one.traced, wrong_one


def test_figures_that_were_not_traced_are_no_operands():
    found = figures_of("Sales in Oslo rose from 400.5 in 2021 to 490.5 in 2022, an increase of 90.")
    assert not found["90"].traced
