"""Figures and citations of an answer are marked where they stand, and nothing else changes."""

from __future__ import annotations

import re

import pytest

from fmnb.core.response import Response
from fmnb.core.sources import Passage, passage_to_dict
from fmnb.views.bundle import answer_bundle, answer_html

SOURCES = [passage_to_dict(Passage("Revenue was 675 million in the north and 30 in the south.", "kb", "a.md", "page 2"), 1)]


def response(text):
    return Response(text, model="m", requested_model="m", host="local", extra={"sources": SOURCES})


def html(text):
    return answer_html(response(text), "markdown", False)


def plain(html):
    return re.sub(r"<[^>]*>", "", html)


@pytest.mark.parametrize(
    "text",
    [
        "Revenue was 30 in the south [1].",
        "- **30** in the south\n- 31 in the north",
        "| south | north |\n|---|---|\n| 30 | 675 |",
        "See http://example.org/2024/30 and [30 pages](http://x/30).",
        "`x = 30` and\n\n```python\ny = 30\n```\n",
        "It cost $30 and $675 million, that is $x^2 + 30$.",
        "# 30 things\n\n1. 30\n2. 31\n",
        "<b>30</b> & 31 \ue0f0 private",
        "A*30*B _30_ ~~30~~",
    ],
)
def test_marks_change_no_text(text):
    bare = answer_html(Response(text), "markdown", False)
    shown = re.sub(r" <small [^>]*>\[the table gives[^<]*</small>", "", html(text))
    assert plain(shown) == plain(bare) and not re.search("[\ue0f1\ue0f2\ue100-\ue109]", shown)


def test_a_traced_figure_says_where_it_comes_from():
    shown = html("Revenue was 30 in the south [1], and 99 in the west.")
    assert re.search(r'<span style="[^"]*underline dashed[^"]*" title="traced to passage 1[^"]*">30</span>', shown)
    assert re.search(r'title="not traced">99</span>', shown)


def test_the_output_without_a_kernel_has_passages_and_counts():
    data, _ = answer_bundle(response('Revenue was 30 in the south [1]. "It rained all day" [1]. So [4].'))
    assert "1 source, 1 cited" in data["text/html"] and "a.md" in data["text/html"] and "page 2" in data["text/html"]
    assert "1 of 1 figures traced" in data["text/html"] and "2 of 3 citations unverified" in data["text/html"]
    assert "(unverified: it does not say “It rained all day”)" in data["text/html"]
    assert "(unverified: there is no passage 4)" in data["text/markdown"] and "(unverified: there is no passage 4)" in data["text/plain"]
    assert "\ue0f0" not in data["text/markdown"] + data["text/plain"]


def test_an_answer_without_sources_is_as_before():
    assert answer_html(Response("30 [1]"), "markdown", False) == answer_html(Response("30 [1]", extra={"sources": []}), "markdown", False)


def test_hostile_sources_are_inert():
    bad = [passage_to_dict(Passage("<script>alert(1)</script> 30 \x1b[2J", "kb", "<img src=x>", '"><b>'), 1)]
    data, _ = answer_bundle(Response("It is 30 [1].", extra={"sources": bad}))
    assert "<script>" not in data["text/html"] and "<img" not in data["text/html"] and "\x1b" not in data["text/plain"]
