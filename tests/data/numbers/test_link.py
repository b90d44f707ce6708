"""Which columns and values a sentence names."""

from __future__ import annotations

import pandas as pd
import pytest

from fmnb.data.numbers.link_columns import SURE, link_columns
from fmnb.data.numbers.link_values import link_values
from fmnb.data.numbers.table import Table
from fmnb.data.numbers.words import words

FRAME = pd.DataFrame(
    {
        "agent": ["Chiara Rossi", "Dev Patel", "Amara Okafor", "Dev Patel"],
        "country": ["Norway", "Japan", "United States", "Norway"],
        "sky": ["rain", "fog", "sun", "snow"],
        "gender": ["male", "female", "male", "female"],
        "grade": ["PG", "R", "PG-13", "R"],
        "temp_max": [1.5, 2.5, 3.5, 4.5],
        "temp_min": [0.5, 1.5, 2.5, 3.5],
        "Miles_per_Gallon": [20.5, 30.5, 25.5, 22.5],
        "unit_price": [3.5, 4.5, 5.5, 6.5],
        "net_generation": [10.5, 11.5, 12.5, 13.5],
        "qty": [3, 9, 17, 25],
        "weight_kg": [70.5, 60.5, 80.5, 90.5],
    }
)
TABLE = Table("visits", FRAME, aliases={"horses": "qty"})


@pytest.mark.parametrize(
    "text, column",
    [
        ("the maximum temperature", "temp_max"),
        ("the coldest night", "temp_min"),
        ("30 mpg", "Miles_per_Gallon"),
        ("miles per gallon", "Miles_per_Gallon"),
        ("the unit price", "unit_price"),
        ("unit prices", "unit_price"),
        ("it generated power", "net_generation"),
        ("the quantity", "qty"),
        ("many horses", "qty"),
        ("the heaviest", "weight_kg"),
        ("`weight_kg`", "weight_kg"),
        ("the sixth column", "temp_max"),
    ],
)
def test_a_column_is_named_by_words_short_forms_and_adjectives(text, column):
    found = link_columns(text, words(text), TABLE)
    assert found and found[0].column.name == column and found[0].score >= SURE


@pytest.mark.parametrize("text", ["nothing of it", "the general rule", "a minute ago"])
def test_other_words_name_no_column(text):
    assert link_columns(text, words(text), TABLE) == []


@pytest.mark.parametrize(
    "text, value",
    [
        ("Chiara Rossi won", "Chiara Rossi"),
        ("Rossi won", "Chiara Rossi"),
        ("Patel's visits", "Dev Patel"),
        ("Japanese visitors", "Japan"),
        ("Norwegians", "Norway"),
        ("in the US", "United States"),
        ("visitors from the United States", "United States"),
        ("rainy days", "rain"),
        ("it was foggy", "fog"),
        ("sunny days", "sun"),
        ("the women", "female"),
        ("rated R", "R"),
        ("PG-13 films", "PG-13"),
    ],
)
def test_a_value_is_named_by_its_words_and_their_forms(text, value):
    assert [m.places[0][1] for m in link_values(text, words(text), TABLE)] == [value]


@pytest.mark.parametrize("text", ["tell us more", "a r b", "the sunken ship"])
def test_other_words_name_no_value(text):
    assert link_values(text, words(text), TABLE) == []


def test_initials_name_a_value_that_alone_has_them():
    table = Table("firms", {"firm": ["General Motors", "General Electric", "US Steel"], "sales": [1.5, 2.5, 3.5]})
    found = link_values("GM beat GE", words("GM beat GE"), table)
    assert [m.places[0][1] for m in found] == ["General Motors", "General Electric"]
