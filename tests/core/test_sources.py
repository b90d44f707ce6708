"""Passages in the form in which a log keeps them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnb.core.answer_checks import check_answer
from fmnb.core.sources import Passage, passage_to_dict, passages_from


def test_a_passage_comes_back_as_it_was():
    passage = Passage("Cats purr.", "kb", "a.md", "line 3", ("Cats", "Noises"), "docs/a.md", 12.5, True, details={"sql": "select 1"})
    assert passages_from(json.loads(json.dumps([passage_to_dict(passage, 7)]))) == {7: passage}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: (
        st.lists(x, max_size=4)
        | st.dictionaries(st.sampled_from(["n", "text", "source", "headings", "time", "columns", "rows"]), x, max_size=7)
    ),
    max_leaves=20,
)


@given(JSON)
def test_anything_else_is_left_out(value):
    assert isinstance(passages_from(value), dict)


@pytest.mark.parametrize(
    "tables", [None, 5, {"t": None}, {"t": {"columns": "ab", "rows": 1}}, {"t": {"columns": ["a"], "rows": [[1, 2], 3]}}]
)
def test_tables_of_another_form_are_left_out(tables):
    checks = check_answer("Revenue was 12.", [passage_to_dict(Passage("The revenue was 12.", "kb"), 1)], tables)
    assert checks is not None and checks.coverage.endswith("of 1 figures traced")
    assert check_answer("It is 12.", [], tables) is None and check_answer("It is 12.", ["x"], tables) is None
