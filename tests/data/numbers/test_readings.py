"""What a sentence names is computed: each kind of reading, with a right figure and a wrong one."""

from __future__ import annotations

import pytest

from fmnb.data.numbers.tracer import Tracer

from .statements import SHOPS, figures_of, states

# statement, right figure, wrong figure, operation
KINDS = [
    ("Oslo had sales of X in 2021.", "412.5", "421.5", "value"),
    ("Average sales in Norway were X.", "348.9", "349.8", "mean"),
    ("The median of sales is X.", "407.25", "470.25", "median"),
    ("Total visitors in Italy: X.", "6,410", "6,140", "sum"),
    ("The highest rating is X.", "4.6", "4.5", "max"),
    ("The lowest number of visitors was X.", "780", "870", "min"),
    ("Sales have a standard deviation of X.", "163.54", "136.54", "std"),
    ("X rows are about Norway.", "4", "5", "count"),
    ("There are X different shops.", "4", "6", "distinct"),
    ("X rating is missing.", "One", "Three", "count"),
    ("X of the rows are from shops with more than 1,200 visitors.", "62.5%", "26.5%", "share"),
    ("Italy accounts for X of total sales.", "60.2%", "62.0%", "share of sum"),
    ("Among rows from Norway, X are outdoor.", "50%", "25%", "share"),
    ("X of rows in Italy are outdoor.", "75%", "60%", "share"),
    ("In Milan, average sales were X lower than in Rome.", "272.13", "227.13", "difference"),
    ("Sales in Oslo grew by X from 2021 to 2022.", "20.8%", "28.0%", "growth"),
    ("Average sales in Rome are X those in Bergen.", "2.7 times", "3.7 times", "ratio"),
    ("Bergen ranks X by average sales.", "4th", "2nd", "rank"),
    ("The top two shops account for X of sales.", "63.8%", "68.3%", "top"),
    ("Visitors per shop: X.", "2,644.5", "2,464.5", "per group"),
    ("The correlation of sales and visitors is X.", "0.98", "0.89", "correlation"),
    ("Ratings range from X to 4.6.", "3.8", "3.3", "min"),
    ("The table has X columns.", "seven", "nine", "columns"),
    ("X rows have more than 1,200 visitors.", "5", "3", "count"),
    ("X rows are not outdoor.", "3", "6", "count"),
]


@pytest.mark.parametrize("statement, right, wrong, operation", KINDS)
def test_a_right_figure_is_traced_with_its_operation(statement, right, wrong, operation):
    figure = figures_of(statement.replace("X", right, 1))[right]
    assert figure.traced, figure
    assert figure.source.operation == operation and figure.source.table == "shops"


@pytest.mark.parametrize("statement, right, wrong, operation", KINDS)
def test_a_wrong_figure_is_not(statement, right, wrong, operation):
    assert not figures_of(statement.replace("X", wrong, 1))[wrong].traced


def test_the_source_leads_back_to_the_rows():
    figure = figures_of("Average sales in Norway were 348.9.")["348.9"]
    assert figure.state == "recomputed" and figure.computed == SHOPS[SHOPS.country == "Norway"].sales_usd.mean()
    assert figure.source.conditions == (("country", "=", "Norway"),) and figure.source.rows == 4
    assert figure.explanation.startswith("traced to your data: mean of sales_usd where country = 'Norway' in shops = 348.875 (4 rows)")


def test_percentage_points_are_no_percent():
    tracer = Tracer({"t": [{"group": g, "rate_pct": v} for g, v in (("a", 40.0), ("b", 30.0))]})
    assert figures_of("The rate of a is 10 percentage points above that of b.", tracer)["10 percentage points"].traced
    assert not figures_of("The rate of a is 10% above that of b.", tracer)["10%"].traced
    assert figures_of("The rate of a is 33% above that of b.", tracer)["33%"].traced


def test_a_figure_in_another_unit_is_converted_and_one_of_another_sort_refused():
    tracer = Tracer({"trips": [{"trip": "Alpha", "length_km": 10.0}, {"trip": "Beta", "length_km": 24.0}]})
    found = states("Alpha has a length of 10 km, or 6.2 miles. Beta has a length of 24 kg.", tracer)
    assert found == {"10": "exact", "6.2": "exact", "24": "untraced"}


def test_words_of_a_users_own_are_aliases():
    tracer = Tracer({"t": [{"n": "a", "hp": 90.0}, {"n": "b", "hp": 120.0}]}, aliases={"horses": "hp"})
    assert figures_of("On average there are 105 horses.", tracer)["105"].traced


def test_several_figures_belong_to_their_own_groups():
    text = "Average sales: Oslo 455.38, Bergen 242.38, Rome 663.25, Milan 391.13."
    assert set(states(text).values()) == {"recomputed"}
    swapped = "Average sales: Oslo 242.38, Bergen 455.38."
    assert not any(f.traced for f in figures_of(swapped).values())
    assert set(states("Oslo and Bergen have average sales of 455.38 and 242.38.").values()) == {"recomputed"}
    assert set(states("In 2022, Oslo had 1,333 visitors and Bergen 845.").values()) == {"exact"}


def test_relative_years_lead_to_their_rows():
    found = figures_of("Sales in Oslo rose from 412.5 in 2021 to 498.25 the following year.")
    assert found["412.5"].traced and found["498.25"].traced


def test_a_sentence_takes_its_subject_from_the_one_before():
    found = states("Rome is the largest shop. In 2022 it had 1,990 visitors. Its average rating is 4.55.")
    assert found == {"1,990": "exact", "4.55": "recomputed"}


def test_a_markdown_table_is_read_cell_by_cell():
    text = "| shop | average sales |\n|---|---|\n| Oslo | 455.38 |\n| Rome | 636.25 |"
    assert states(text) == {"455.38": "recomputed", "636.25": "differs"}


def test_items_under_a_heading_are_about_what_it_names():
    text = "### Italy\n- Rows: 4\n- **Average sales:** 527.19\n- Highest rating: 4.6\n\n### Norway\n- Average sales: 348.88\n"
    assert set(states(text).values()) == {"recomputed"}
    assert states("### Italy\n- Average sales: 348.88")["348.88"] != "recomputed"


def test_the_others_are_those_that_are_not_named():
    found = figures_of("Outdoor shops have average sales of 527.85 and 288.33 for the others.")
    assert found["527.85"].traced and found["288.33"].traced


def test_a_second_superlative_takes_the_statistic_of_the_first():
    found = figures_of("Rome has the highest average sales (663.25) and Bergen the lowest (242.38).")
    assert found["663.25"].traced and found["242.38"].traced


def test_the_answer_of_an_analyst_with_headings_lists_and_a_table():
    text = (
        "## Overview\n\nThe 8 rows cover 4 shops.\n\n**Key figures**\n1. Total sales are $3,504.25.\n2. Rome leads with an average of 663.25, "
        "compared with 242.38 in Bergen (174% higher).\n\n| shop | visitors | average rating |\n|---|---|---|\n| Oslo | 2,543 | 4.2 |\n"
        "| Milan | 2,315 | 3.95 |\n"
    )
    found = states(text)
    assert {k for k, v in found.items() if v not in ("exact", "recomputed")} <= {"2,543", "2,315"}, found
    assert len(found) >= 9
