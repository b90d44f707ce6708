"""Citations are checked by code."""

from __future__ import annotations

import pytest

from fmnb.core.citations import check_citations
from fmnb.core.sources import Passage

PASSAGES = {
    1: Passage("Contractors give thirty days' notice in writing.", "kb"),
    2: Passage("Trains are booked in **second** class — always.", "kb"),
}


@pytest.mark.parametrize(
    "text, problems",
    [
        ("Thirty days [1].", [""]),
        ("Thirty days. [1]", [""]),
        ("Thirty days [1][2], [1, 2], [1-2], [1; 2] and [1 and 2].", [""] * 6),
        ("No mark.", []),
        ("A link [1](http://x) and a definition\n[1]: http://x", []),
        ("`a[1]` and\n```python\nx[7]\n```\n", []),
        ("Years [2019] are no marks, [7] is one.", ["there is no passage 7"]),
        (
            "None [0], [Source 77], [passage 1], 【2】 and [9†].",
            ["there is no passage 0", "there is no passage 77", "", "", "there is no passage 9"],
        ),
        ("`x[5]` and ```\na[7]\n```", []),
        ("All [1-4].", ["there is no passage 3"]),
        ("It says “thirty days' notice in writing” [1].", [""]),
        ('It says "thirty  days’ Notice" [1].', [""]),
        ('It says "booked in second class - always" [2].', [""]),
        ('It says "booked in ... class" [2].', [""]),
        ('It says "sixty days of notice" [1].', ["it does not say “sixty days of notice”"]),
        ('It says "booked in second class" [1].', ["it does not say “booked in second class”"]),
        ('A "term" of two words [1].', [""]),
        ('One. It says "something else entirely" without a mark. Two [1].', [""]),
        ('- "sixty days of notice" [1]\n- "second class" [2]', ["it does not say “sixty days of notice”", ""]),
    ],
)
def test_marks_and_their_problems(text, problems):
    assert [c.problem for c in check_citations(text, PASSAGES)] == problems


def test_numbers_of_earlier_turns_are_not_checked():
    later = {n + 4: p for n, p in PASSAGES.items()}
    assert [c.problem for c in check_citations("As before [2], and now [5]; [9].", later)] == ["", "", "there is no passage 9"]


def test_marks_are_where_they_stand():
    text = "Thirty days [1], see [2]."
    assert [text[c.start : c.end] for c in check_citations(text, PASSAGES)] == ["[1]", "[2]"]


def test_a_long_answer_is_checked_quickly():
    text = '"' * 2_000 + "[1" * 2_000 + "[1,2" * 500 + "“a b c " * 500 + "[1]" * 500
    assert check_citations(text, PASSAGES)
