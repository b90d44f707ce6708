"""Answers as sentences: abbreviations, lists, Markdown tables, code, length."""

from __future__ import annotations

from fmnb.data.numbers.sentences import LONGEST, sentences


def test_sentences_have_their_places():
    text = "It rose approx. 3 %. Then it fell.\n- Oslo: 4\n- Rome: 5"
    found = list(sentences(text))
    assert [s.text for s in found] == ["It rose approx. 3 %.", "Then it fell.", "- Oslo: 4", "- Rome: 5"]
    assert all(text[s.start : s.start + len(s.text)] == s.text for s in found)


def test_a_cell_of_a_table_is_read_with_its_header_and_row():
    text = "| site | mean |\n|---|---:|\n| Oslo | **4.5** |\n| Rome | 7 |"
    found = list(sentences(text))
    assert [s.text.rstrip() for s in found] == ["mean for Oslo: 4.5**", "mean for Rome: 7"]
    first = found[0]
    assert text[first.start + first.figures_from :].startswith("4.5")


def test_code_blocks_are_left_out():
    assert [s.text for s in sentences("Before.\n```\nx = 4\n```\nAfter 5.")] == ["Before.", "After 5."]


def test_no_sentence_is_long():
    parts = list(sentences("word " * 2000))
    assert len(parts) > 10 and max(len(s.text) for s in parts) <= LONGEST
