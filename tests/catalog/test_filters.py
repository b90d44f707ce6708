"""The words after `%fm models`."""

from __future__ import annotations

import pytest

import fmnb as fm
from fmnb.catalog import filters
from fmnb.catalog.entries import Entry

SMALL = Entry("embedded", "pypi", ready="yes", context=8192, price_in=0.0, price_out=0.0, license="Apache-2.0", size=98_000_000)
HOSTED = Entry(
    "openai:gpt-x",
    "openai",
    ready="%fm key set openai",
    host="api.openai.com",
    local=False,
    context=400_000,
    inputs=("text", "image"),
    price_in=1.0,
)
PAINTER = Entry("sd", "hf", ready="loaded", outputs=("image",), chat=False, size=5_000_000_000)
VECTORS = Entry("minilm", "pypi", outputs=("vector",), chat=False)
BASE = Entry("opt", "hf", chat=False)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("", [SMALL, HOSTED, PAINTER, VECTORS, BASE]),
        ("local", [SMALL, PAINTER, VECTORS, BASE]),
        ("hosted", [HOSTED]),
        ("ready", [SMALL, PAINTER]),
        ("loaded", [PAINTER]),
        ("free", [SMALL]),
        ("vision", [HOSTED]),
        ("image", [PAINTER]),
        ("embed", [VECTORS]),
        ("base", [BASE]),
        ("chat", [SMALL, HOSTED]),
        ("<4GB", [SMALL]),
        (">=4gb", [PAINTER]),
        (">100k", [HOSTED]),
        ("<10k apache", [SMALL]),
        ("GPT", [HOSTED]),
        ("local apache <1GB", [SMALL]),
        ("nosuch", []),
    ],
)
def test_every_word_must_fit(query, kept):
    tests = filters.tests(query)
    assert [e for e in (SMALL, HOSTED, PAINTER, VECTORS, BASE) if all(t(e) for t in tests)] == kept


def test_what_is_not_known_is_neither_small_nor_large():
    assert not any(t(BASE) for t in [*filters.tests("<4GB"), *filters.tests(">4GB")])


def test_models_of_the_price_table_that_write_are_found_by_chat():
    found = {r["model"]: r["outputs"] for r in fm.models("openai", ask=False) if r["model"].startswith("openai:")}
    assert (
        found["openai:gpt-4o"] == "text" and found["openai:gpt-image-1"] == "image" and found["openai:text-embedding-3-small"] == "vector"
    )
    assert found["openai:gpt-4o-mini-tts"] == found["openai:gpt-4o-transcribe"] == ""


def test_base_models_are_known_as_such_before_they_are_here():
    completes = {r["model"] for r in fm.models("base local", ask=False)}
    assert {"pythia-160m", "opt-125m", "bloom-560m"} <= completes and "embedded" not in completes
    assert {r["provider"] for r in fm.models("pythia", ask=False)} == {"hf"}


@pytest.mark.parametrize("query", ["<4GB", "< 4 GB", "<4 gb local", "<0.001TB"])
def test_a_size_may_be_written_with_spaces(query):
    assert all(t(SMALL) for t in filters.tests(query)) and not all(t(HOSTED) for t in filters.tests(query))
    assert filters.plain_words(query) == []
