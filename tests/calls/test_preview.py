"""A preview: everything that would go out, and nothing goes."""

from __future__ import annotations

import pytest

from fmnb.calls.call import Options
from fmnb.calls.prepare import prepare
from fmnb.calls.preview import preview, show
from fmnb.core.types import Image
from fmnb.store import log
from tests.calls.test_pipeline import Paid


def of(model, prompt="hello", **options):
    return preview(prepare(prompt, model, Options(**options)))


def test_it_says_to_whom_how_much_and_what():
    p = of("openai:gpt-5-mini", system="Be brief.", temperature=0.5, stop=("END",), params={"top_p": 0.5})
    text = str(p)
    for words in (
        "openai:gpt-5-mini",
        "api.openai.com",
        "Be brief.",
        "hello",
        "temperature=0.5",
        "END",
        "top_p=0.5",
        "estimated",
        "±20 %",
        "at most $",
    ):
        assert words in text
    assert not p.tokens.exact and not log.search()


def test_the_price_is_of_the_prompt_and_the_longest_answer():
    assert of(Paid([], price=2.0), "x" * 396, max_tokens=900).cost == pytest.approx(2.0 * (103 + 900) / 1e6)
    assert "unknown" in str(of(Paid([], price=None))) and "free" in str(of("echo:"))


def test_a_model_that_cannot_be_called_yet_says_why_and_is_shown_all_the_same(monkeypatch, tmp_path):
    monkeypatch.setenv("FMNB_MODELS", str(tmp_path))
    p = of("embedded")
    assert "%fm pull embedded" in p.problem and "hello" in str(p) and "free" in str(p)


def test_images_are_told_and_not_printed():
    text = str(of("echo:", attach=[Image(b"\x89PNG" * 100, "image/png", "a plot")]))
    assert "image/png, 400 bytes: a plot" in text


def test_html_is_escaped():
    assert "<script>" not in of("echo:", "<script>x</script>")._repr_html_()


def test_several_are_shown_one_below_the_other():
    both = show([prepare("hi", m) for m in ("echo:", "echo:think")])
    assert str(both).count("to       echo:") == 2 and both._repr_html_().count("<pre") == 2


def test_a_picture_is_said_to_be_a_flat_number(home):
    from fmnb.core.backend import estimate_tokens
    from fmnb.core.types import Image, Message, Request, Text

    text, picture = Text("hello"), Image(b"", "image/png")
    assert "picture" not in estimate_tokens(Request("m", (Message("user", (text,)),))).error
    assert "a picture counts as 800" in estimate_tokens(Request("m", (Message("user", (text, picture)),))).error
