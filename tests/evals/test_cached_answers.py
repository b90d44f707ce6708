"""Answers that were not asked for now: how many and how old, in every report, and how to ask again."""

from __future__ import annotations

import re

import pytest

import fmnb as fm
from fmnb.evals.evaluate import evaluate
from fmnb.store.db import database
from tests.batch.service import Service

ROWS = [{"id": i, "w": f"word{i}", "target": f"word{i}"} for i in range(20)]


@pytest.fixture
def service(monkeypatch):
    with Service() as running:
        monkeypatch.setenv("VLLM_BASE_URL", running.url)
        yield running


def earlier(days):
    """All that the log holds was so long ago."""
    with database().write() as db:
        db.execute("UPDATE runs SET started = started - ?", (days * 86400,))


def test_a_rerun_says_that_its_answers_are_old_and_fresh_asks_again(service, tmp_path):
    first = evaluate("Say {{ w }}", ROWS, ["vllm:m"])
    assert first.cache_use.count == 0 and "cache" not in str(first)
    earlier(3)
    service.answer = lambda body: "broken"  # the service has changed
    again = evaluate("Say {{ w }}", ROWS, ["vllm:m"])
    assert len(service.requests) == 20 and "scores 100.0%" in again.sentence
    told = again.sentences[-1]
    assert re.match(r"20 of 20 answers came from the cache, requested 2\d{3}-\d\d-\d\d \d\d:\d\d \(3 days before\); `fresh=True`", told), (
        told
    )
    for report in (again.to_html(), again.to_markdown(), again._repr_html_(), str(fm.Evaluation.reopen(again.run))):
        assert "answers came from the cache" in report
    assert fm.Evaluation.load(again.save(tmp_path / "e.json")).sentences == again.sentences
    assert again.rescore("contains").cache_use == again.cache_use
    fresh = evaluate("Say {{ w }}", ROWS, ["vllm:m"], fresh=True)
    assert len(service.requests) == 40 and "scores 0.0%" in fresh.sentence and fresh.cache_use.count == 0
    assert "scores 0.0%" in evaluate("Say {{ w }}", ROWS, ["vllm:m"]).sentence, "what was asked last is what is known"


def test_some_old_answers_are_counted_beside_new_ones(service):
    evaluate("Say {{ w }}", ROWS[:5], ["vllm:m"])
    earlier(0.5)
    evaluate("Say {{ w }}", ROWS[5:10], ["vllm:m"])
    earlier(1)
    e = evaluate("Say {{ w }}", ROWS, ["vllm:m"])
    assert e.cache_use.count == 10 and re.search(
        r"10 of 20 answers came from the cache, requested from .* to .* \(1 day to 1 day before\)|\(1 day before\)", str(e)
    )


def test_rows_that_ask_the_same_in_one_run_are_not_old(service):
    e = evaluate("Say {{ w }}", [{"w": "one", "target": "one"}] * 3, ["vllm:m"])
    assert len(service.requests) == 1 and e.cache_use.count == 0
