"""Which of several mentions belongs to which figure."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from fmnb.data.numbers.binding import bind
from fmnb.data.numbers.parse import figures


@dataclass(frozen=True)
class Name:
    """A name in a sentence."""

    name: str
    start: int
    end: int


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Oslo has 12, Rome 15 and Bern 18.", ["Oslo", "Rome", "Bern"]),
        ("Oslo (12), Rome (15) and Bern (18).", ["Oslo", "Rome", "Bern"]),
        ("12 in Oslo, 15 in Rome and 18 in Bern.", ["Oslo", "Rome", "Bern"]),
        ("Oslo, Rome and Bern have 12, 15 and 18 respectively.", ["Oslo", "Rome", "Bern"]),
        ("Oslo, Rome and Bern have 12, 15 and 18.", ["Oslo", "Rome", "Bern"]),
        ("The mean is 12 for Oslo while it is 15 for Rome.", ["Oslo", "Rome"]),
        ("Oslo averages 12, compared with 15 for Rome.", ["Oslo", "Rome"]),
        ("Oslo: 12; Rome: 15.", ["Oslo", "Rome"]),
        ("There are 12 Oslo, 15 Rome and 18 Bern entries.", ["Oslo", "Rome", "Bern"]),
        ("Oslo people manage 12, Rome ones 15 and Bern ones 18.", ["Oslo", "Rome", "Bern"]),
    ],
)
def test_each_figure_gets_its_own_name(text, expected):
    names = [Name(m.group(), *m.span()) for m in re.finditer("Oslo|Rome|Bern", text)]
    found = figures(text)
    assert [[n.name for n in bind(f, names, found, text)] for f in found] == [[name] for name in expected]


def test_one_figure_of_two_names_may_belong_to_both():
    text = "Oslo and Rome together have 27."
    names = [Name(m.group(), *m.span()) for m in re.finditer("Oslo|Rome", text)]
    assert len(bind(figures(text)[0], names, figures(text), text)) == 2
