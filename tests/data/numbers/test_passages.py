"""Figures are traced to passages by their value and the words around them."""

from __future__ import annotations

import pytest

from fmnb.data.numbers.check import check_numbers
from fmnb.data.numbers.tracer import Tracer

from .statements import figures_of, states

STATION = Tracer(
    {},
    [
        "It has operated since 1899 and employs 9 people in winter and 31 in summer. Snow depth reached 8.3 m in April 1944.",
        "Contractors are bound by a notice period of 14 days, employees by one of 60 days. The fee is €4,850 a month.",
    ],
)


@pytest.mark.parametrize(
    "text, figure",
    [
        ("In winter 9 people work there.", "9"),
        ("In summer 31 people work there.", "31"),
        ("Contractors have a notice period of 14 days.", "14"),
        ("Employees have to give 60 days of notice.", "60"),
        ("The monthly fee is €4,850.", "€4,850"),
        ("The snow was 8.3 m deep in April 1944.", "April 1944"),
        ("The station has run since 1899.", "1899"),
    ],
)
def test_the_same_value_beside_the_same_words_is_traced(text, figure):
    found = figures_of(text, STATION)[figure]
    assert found.state == "passage" and found.source.quote and found.source.passage is not None


@pytest.mark.parametrize(
    "text, figure",
    [
        ("In summer 9 people work there.", "9"),
        ("Employees have to give 14 days of notice.", "14"),
        ("Contractors have a notice period of 60 days.", "60"),
        ("The monthly fee is €4,580.", "€4,580"),
        ("The monthly fee is $4,850.", "$4,850"),
        ("The station has run since 1889.", "1889"),
    ],
)
def test_another_figure_of_the_same_sentence_or_another_value_is_not(text, figure):
    assert figures_of(text, STATION)[figure].state == "untraced"


def test_the_source_gives_the_place_in_the_passage():
    source = figures_of("In summer 31 people work there.", STATION)["31"].source
    assert STATION.passages.occurrences[source.passage].passage == 0
    text = "It has operated since 1899 and employs 9 people in winter and 31 in summer."
    assert text[source.start :].startswith("31")


def test_tables_come_first_and_passages_fill_the_rest():
    tracer = Tracer({"t": [{"team": "Red", "staff": 12}, {"team": "Blue", "staff": 30}]}, ["The office opened in 2019 with 45 desks."])
    found = states("Red has a staff of 12. The office has 45 desks.", tracer)
    assert found == {"12": "exact", "45": "passage"}


def test_a_figure_of_another_year_is_not_traced():
    passage = "In 2024 there were 12 staff in Oslo. Bergen had 30 staff."
    states = {t: [f.state for f in check_numbers(t, passages=[passage]).figures if f.text in ("12", "30")] for t in (
        "In 2025 there were 12 staff in Oslo.", "In 2024 there were 12 staff in Oslo.", "In 2025 there were 30 staff in Bergen.", "There were 12 staff in Oslo.",
    )}  # fmt: skip
    assert list(states.values()) == [["untraced"], ["passage"], ["passage"], ["passage"]]
