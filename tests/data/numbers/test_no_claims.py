"""Figures that claim nothing are set aside."""

from __future__ import annotations

import pytest

from fmnb.data.numbers.check import check_numbers

TABLES = {"cars": [{"name": "a", "mpg": 21.4}, {"name": "b", "mpg": 33.0}]}
NOTHING = [
    "1. The fleet got lighter.\n2. Fuel economy improved.\n3. Japan leads.",
    "Here are the top 3 reasons for this:",
    "There are two ways to read this table.",
    "First, look at the averages. Second, compare the medians.",
    "Step 1: load the data. Step 2: group by origin.",
    "One of the clearest patterns is the trend in weight.",
    "See figure 2 and section 3.1 for details.",
    "Use `df.head(10)` to see the first rows.",
    "Three things stand out.",
    "On the one hand, weight matters; on the other, power does.",
    "## 2. Results",
    "It is hard to say with 100% certainty.",
    "Python 3.11 or newer is needed.",
    "Call it 24/7 or not, this is a second-order effect.",
    "We could use a t-test at the 5% level.",
    "At first glance, the second half looks better.",
    "My confidence: 8/10.",
    "I rounded to 1 decimal place.",
    "```\nprint(42)\n```",
]


@pytest.mark.parametrize("text", NOTHING)
def test_nothing_is_marked_where_nothing_is_claimed(text):
    assert not [f for f in check_numbers(text, TABLES).figures if f.counts]


def test_claims_beside_them_still_count():
    report = check_numbers("1. The mean mpg is 27.2.", TABLES)
    assert [f.state for f in report.figures] == ["no_claim", "recomputed"] and report.coverage == "1 of 1 figures traced"
