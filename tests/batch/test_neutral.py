"""A template with nothing in it: what labels of local models are weighed against."""

from fmnb.batch.rows import prepare_rows
from fmnb.calls.call import Options


def neutral(prompt: str, value: object, **options) -> list[str]:
    rows = prepare_rows(prompt, ["echo:"], Options(**options), ["cell"])
    ((_, call),) = rows.calls((value,), 0)
    return [r.messages[-1].text for r in call.neutral]


def test_rows_with_a_schema_bring_their_template_with_nothing_in_it():
    assert neutral("Mood of {{ cell }}?", "x", schema="mood good|bad") == ["Mood of N/A?", "Mood of ?", "Mood of [MASK]?"]


def test_a_template_that_words_cannot_fill_has_none():
    assert neutral("Half is {{ cell / 2 }}.", 4, schema="mood good|bad") == []


def test_rows_without_a_schema_bring_none():
    assert neutral("Mood of {{ cell }}?", "x") == []
