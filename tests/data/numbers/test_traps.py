"""Traps: figures that look right and are not, and right ones that look wrong."""

from __future__ import annotations

import pandas as pd
import pytest

from fmnb.data.numbers.tracer import Tracer

from .statements import figures_of, states

CARS = pd.DataFrame(
    {
        "name": ["pontiac grand prix", "pontiac grand prix", "mazda glc", "vw rabbit", "fiat 128", "ford pinto"],
        "origin": ["USA", "USA", "Japan", "Europe", "Europe", "USA"],
        "cylinders": [8, 8, 4, 4, 4, 4],
        "mpg": [16.0, 14.0, 46.6, 29.04, 24.06, None],
        "rain": [0.0, 2.5, 4.0, 1.5, 0.0, 3.5],
        "flight": [101, 202, 303, 404, 505, 606],
    }
)
TRACER = Tracer({"cars": CARS})


def one(text: str, figure: str) -> str:
    return figures_of(text, TRACER)[figure].state


def test_a_value_rounded_twice_or_cut_off_does_not_match():
    tracer = Tracer({"t": [{"name": "a", "cost": 6365.48}, {"name": "b", "cost": 322.52}]})
    assert states("The cost of a is 6,366. The cost of b is 322.", tracer) == {"6,366": "differs", "322": "differs"}
    assert states("The cost of a is 6,365.5. The cost of b is 323.", tracer) == {"6,365.5": "exact", "323": "exact"}


def test_nothing_matches_zero_millions():
    assert one("Total mpg is 0.0M.", "0.0M") in ("untraced", "differs")


def test_a_missing_value_counts_as_a_row_and_not_as_a_value():
    assert one("There are 6 rows.", "6") == "recomputed"
    assert one("One mpg value is missing.", "One") == "recomputed"
    assert one("The average mpg is 25.94.", "25.94") == "recomputed"


def test_a_name_with_several_rows_has_no_single_cell():
    assert one("The pontiac grand prix has an mpg of 16.", "16") != "exact"
    assert one("The pontiac grand prix has an average mpg of 15.", "15") == "recomputed"
    assert one("The mazda glc has an mpg of 46.6.", "46.6") == "exact"


def test_identifiers_are_not_averaged():
    tracer = Tracer({"t": [{"order_id": i, "city": "ab"[i % 2], "paid": float(i)} for i in range(100, 140)]})
    assert (
        not figures_of("The average for a is 119.", tracer)["119"].traced
        or "paid" in figures_of("The average for a is 119.", tracer)["119"].explanation
    )


def test_words_with_two_meanings():
    assert one("From what I can see, 3 cars and 5 others differ.", "3") != "exact"
    assert one("The maximum of 46.6 mpg is reached by the mazda glc.", "46.6") in ("exact", "recomputed")
    assert one("At most 46.6 mpg are reached.", "46.6") != "no_claim"


@pytest.mark.parametrize("text", ["Films rated PG-13 differ.", "Variety No. 462 differs.", "See A320 and T-17."])
def test_names_with_digits_are_no_figures(text):
    assert figures_of(text, TRACER) == {}


def test_a_condition_is_no_trace():
    found = {f.text: f.state for f in TRACER.check("3 cars have more than 24 mpg, and 2 cars are 8-cylinder.").figures}
    assert found == {"3": "recomputed", "24": "condition", "2": "recomputed", "8": "condition"}


def test_the_k_of_a_top_k_is_no_claim():
    assert one("The top 2 cars differ in mpg.", "2") == "condition"


def test_direction_and_base_are_kept():
    tracer = Tracer({"t": [{"firm": "Alpha", "sales": 120.0}, {"firm": "Beta", "sales": 100.0}]})
    assert states("Alpha has sales 20% higher than Beta.", tracer) == {"20%": "recomputed"}
    assert states("Beta has sales 17% lower than Alpha.", tracer) == {"17%": "recomputed"}
    assert states("Beta has sales 20% lower than Alpha.", tracer)["20%"] != "recomputed"
    assert states("Beta has sales 20% higher than Alpha.", tracer)["20%"] != "recomputed"


def test_a_share_has_the_base_that_is_named():
    assert one("33% of the cars from the USA have 4 cylinders.", "33%") == "recomputed"
    assert one("25% of the cars from the USA have 4 cylinders.", "25%") not in ("exact", "recomputed")
    assert one("25% of the 4-cylinder cars are from the USA.", "25%") == "recomputed"


def test_context_does_not_cross_tables():
    tracer = Tracer({"a": [{"town": "Oslo", "height": 12.5}], "b": [{"river": "Glomma", "length": 604.0}]})
    report = tracer.check("Oslo has a height of 12.5. The length of the Glomma is 604. Its height is 604.")
    assert [f.traced for f in report.figures] == [True, True, False]


def test_a_coincidence_among_many_columns_is_not_taken():
    """A two-digit figure meets one of many columns easily, so it counts only where its column is named."""
    tracer = Tracer({"t": [{"name": n, **{f"x{i}": (7 * i + k) % 97 for i in range(30)}} for k, n in enumerate("ABCDEF")]})
    traced = [n for n in range(10, 97) if figures_of(f"Concerning E we find {n}.", tracer)[str(n)].traced]
    assert traced == []


def test_amber_needs_a_close_reading():
    assert one("The mazda glc has an mpg of 64.6.", "64.6") == "differs"
    assert one("The mazda glc has an mpg of 44.6.", "44.6") == "differs"
    assert one("The mazda glc has an mpg of 4.", "4") == "untraced"
    assert figures_of("The mazda glc has an mpg of 64.6.", TRACER)["64.6"].explanation.startswith(
        "the table gives 46.6: mpg where name = 'mazda glc'"
    )


def test_what_holds_for_all_is_not_read_as_one_groups():
    assert states("Oslo had 1,210 visitors in 2021 and the average sales are 438.03.")["438.03"] == "recomputed"
    assert states("The mean rating in Rome, 4.17, is high.").get("4.17") != "differs"  # that of all shops


def test_a_count_of_the_tables_own_rows_is_no_measure():
    report = TRACER.check("| origin | cars | average mpg |\n|---|---|---|\n| Europe | 26.55 | 26.55 |")
    assert [f.traced for f in report.figures] == [False, True]
    assert not figures_of("Europe has 26.55 cars.", TRACER)["26.55"].traced
