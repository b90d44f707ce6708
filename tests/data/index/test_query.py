"""Questions become full-text queries in which no character is an operator."""

from __future__ import annotations

import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from fmnb.data.index.query import full_text_query, words


def test_stop_words_are_left_out_unless_there_are_no_others():
    assert words("Which of the contractors are on leave?") == ["contractors", "leave"]
    assert words("to be or not to be") == ["to", "be", "or", "not"]


@given(st.text(max_size=80))
def test_any_text_is_a_valid_query(text):
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE t USING fts5(x, tokenize='porter unicode61')")
    if query := full_text_query(words(text)):
        db.execute("SELECT * FROM t WHERE t MATCH ?", (query,)).fetchall()
    db.close()
