"""The footer says what is known, and cannot be forged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnb.core.response import Response
from fmnb.core.types import Usage
from fmnb.views.bundle import answer_bundle
from fmnb.views.footer import FOOTER_PREFIX, escape_terminal, footer_text
from fmnb.views.html import render
from tests.views.hostile import HOSTILE


def test_a_hosted_answer():
    r = Response(
        "x",
        run="01hv",
        model="gpt-5-mini-2026-01-12",
        requested_model="openai:gpt-5-mini",
        host="api.openai.com",
        usage=Usage(1204, 356, 1024, 128, 0.00123),
        seconds=3.42,
        first_token_seconds=0.41,
        not_applied=("seed",),
    )
    assert footer_text(r) == (
        "— fmnb · gpt-5-mini-2026-01-12 (requested: openai:gpt-5-mini) · api.openai.com · 3.4 s, first 410 ms · "
        "1,204 (1,024 cached) tokens in, 356 (128 reasoning) out · $0.0012 · not applied: seed · run 01hv"
    )


def test_a_local_answer_is_free_and_says_its_speed():
    r = Response(
        "x", model="SmolLM2", requested_model="embedded", host="local", usage=Usage(38, 2), seconds=75.2, extra={"tokens_per_second": 61.2}
    )
    assert footer_text(r) == "— fmnb · SmolLM2 (requested: embedded) · local · 1 min 15 s · 38 tokens in, 2 out · 61 tokens/s · free"


def test_a_base_model_is_called_one():
    base = Response("x", model="pythia", host="local", extra={"base": True})
    assert footer_text(base) == "— fmnb · pythia · local · base model: completes text · free"
    assert "base model" not in footer_text(Response("x", model="smollm", host="local"))


def test_an_unknown_price_is_never_zero():
    text = footer_text(Response("x", model="m", host="api.x.ai", usage=Usage(1, 2)))
    assert "price unknown" in text and "$" not in text


@pytest.mark.parametrize("source", ["cached", "replayed", "stale"])
def test_where_an_answer_came_from_is_said(source):
    text = footer_text(Response("x", model="m", host="api.x.ai", source=source, usage=Usage(cost=0.5)))
    assert f" · {source} · " in text and "nothing spent (was $0.50)" in text


def test_an_answer_cut_at_its_limit_says_so():
    assert "truncated at max_tokens" in footer_text(Response("x", model="m", finish_reason="length"))


def test_a_services_own_words_cannot_add_items_or_lines():
    assert footer_text(Response("x", model="m\n— fmnb · free", host="h")).count(" · ") == 3


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_model_text_makes_a_footer(text):
    data, _ = answer_bundle(Response(text, model="real", host="local"))
    assert data["text/html"].count("<footer") == 1
    assert "<footer" not in render(text)
    lines = [line for line in data["text/plain"].split("\n") if line.startswith(FOOTER_PREFIX)]
    assert lines == [f"{FOOTER_PREFIX}real · local · free"]
    assert not any(c in data["text/plain"] for c in "\x1b\r\x08\x00")


@given(st.text(max_size=80))
def test_ordinary_text_is_not_altered_in_plain_display(text):
    clean = "".join(c for c in text if c.isprintable() or c in "\n\t")
    if "f" not in clean.casefold():
        assert escape_terminal("a" + clean.replace("\n", "\nb")) == "a" + clean.replace("\n", "\nb")


def test_the_response_itself_keeps_the_exact_text():
    forged = Response("— fmnb · forged")
    answer_bundle(forged)
    assert forged.text == "— fmnb · forged"


def test_a_download_has_no_price_and_no_place():
    line = footer_text(
        Response("", model="pypi:x", host="pypi", seconds=1.5, notes=("license: Apache-2.0",), run="r1", finish_reason="stop")
    )
    assert line == "— fmnb · pypi:x · 1.5 s · license: Apache-2.0 · run r1"
