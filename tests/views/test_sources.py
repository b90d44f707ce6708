"""Sources below an answer: every service's form, once each, folded, and unable to act."""

from __future__ import annotations

import pytest

from fmnb.core.response import Response
from fmnb.views.bundle import answer_bundle
from fmnb.views.sources import Source, sources, sources_html, sources_text


@pytest.mark.parametrize(
    ("extra", "wanted"),
    [
        ({"sources": [{"title": "cats.pdf, page 3", "text": "Cats purr."}]}, Source("cats.pdf, page 3", "Cats purr.")),
        (
            {"citations": [{"type": "page_location", "cited_text": "Cats purr.", "document_title": "cats.pdf", "start_page_number": 3}]},
            Source("cats.pdf, page 3", "Cats purr."),
        ),
        (
            {
                "citations": [
                    {"text": "purr", "sources": [{"type": "document", "id": "d1", "document": {"title": "Cats", "snippet": "Cats purr."}}]}
                ]
            },
            Source("Cats", "Cats purr."),
        ),
        (
            {"citations": [{"type": "url_citation", "url": "https://a.example/x", "title": "A page"}]},
            Source("A page", "", "https://a.example/x"),
        ),
    ],
)
def test_each_service_names_its_sources_in_a_form_of_its_own(extra, wanted):
    assert sources(Response("", extra=extra)) == [wanted]


def test_a_source_is_named_once():
    one = {"title": "a", "text": "b"}
    assert len(sources(Response("", extra={"sources": [one, one]}))) == 1


def test_they_are_folded_below_the_answer_and_in_words_everywhere():
    data, _ = answer_bundle(Response("They purr.", finish_reason="stop", extra={"sources": [{"title": "cats.pdf", "text": "Cats purr."}]}))
    assert "<details" in data["text/html"] and "<summary" in data["text/html"] and "open" not in data["text/html"].split("<details")[1][:80]
    assert "1 source" in data["text/plain"] and "cats.pdf" in data["text/plain"] and "cats.pdf" in data["text/markdown"]
    assert sources_html(Response("x")) == sources_text(Response("x")) == ""


def test_a_hostile_source_stays_text():
    bad = {"title": "<img src=x onerror=alert(1)>", "text": "<script>x</script>", "url": "javascript:alert(1)"}
    html = sources_html(Response("", extra={"sources": [bad]}))
    assert "<img" not in html and "<script" not in html and "href" not in html


def test_what_is_no_source_is_passed_over():
    assert sources(Response("", extra={"sources": ["x", {}, {"title": 3}], "citations": [None, {"sources": ["y"]}]})) == []
