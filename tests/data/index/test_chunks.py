"""Documents become chunks along headings and sentences, and nothing is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fmnb.data.index.chunks import OVERLAP, SIZE, chunks
from fmnb.documents.document import Block, Document


def document(*blocks):
    return Document("a", "text/plain", blocks)


def test_each_chunk_has_the_headings_above_it():
    found = chunks(
        document(
            Block("Leave", "heading", 1),
            Block("One."),
            Block("Notice", "heading", 2),
            Block("Two."),
            Block("Travel", "heading", 1),
            Block("Three."),
        )
    )
    assert [(c.headings, c.text, c.n) for c in found] == [
        (("Leave",), "One.", 0),
        (("Leave", "Notice"), "Two.", 1),
        (("Travel",), "Three.", 2),
    ]


def test_a_chunk_over_two_pages_names_both():
    (found,) = chunks(document(Block("On the first page.", page=3), Block("On the second.", page=4)))
    assert found.pages == (3, 4) and found.text == "On the first page.\n\nOn the second."


def test_lines_of_a_chunk_are_those_of_its_sentences():
    text = "".join(f"Sentence number {i} is here.\n" for i in range(200))
    found = chunks(document(Block(text, lines=(11, 210))))
    lines = text.splitlines()
    for c in found:
        first, last = c.lines
        assert c.text.splitlines() == lines[first - 11 : last - 10]
    assert [c.n for c in found] == list(range(len(found))) and len(found) > 3
    assert found[0].lines[0] == 11 and found[-1].lines[1] == 210


def test_a_chunk_repeats_the_end_of_the_one_before():
    text = " ".join(f"This is sentence number {i}." for i in range(300))
    found = chunks(document(Block(text)))
    for before, after in zip(found, found[1:], strict=False):
        shared = next(n for n in range(OVERLAP, 0, -1) if before.text.endswith(after.text[:n].rstrip()))
        assert shared > OVERLAP // 2


def test_rows_and_ranges_are_not_mixed():
    rows = [Block(f"row {i}", place=f"row {i}", values={"n": i}) for i in range(3)]
    assert [(c.place, c.columns) for c in chunks(document(*rows))] == [(f"row {i}", {"n": i}) for i in range(3)]


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=3_000), max_size=6)
)
def test_every_word_is_in_a_chunk_and_none_is_too_long(texts):
    found = chunks(document(*(Block(t) for t in texts)))
    words = {w for t in texts for w in t.split() if len(w) < SIZE // 2}
    everything = " ".join(c.text for c in found)
    assert all(w in everything for w in words)
    assert all(len(c.text) <= SIZE + 2 * len(texts) for c in found) and [c.n for c in found] == list(range(len(found)))
