"""What failed is told apart from what was scored: no score for who answered nothing, no verdict that failures made."""

from __future__ import annotations

import json
import re

import pytest

import fmnb as fm
from fmnb.core.errors import UsageError
from fmnb.evals.ci_check import check
from fmnb.evals.evaluate import evaluate
from fmnb.evals.import_scores import from_scores

ROWS = [{"q": f"{i}+{i}", "target": str(2 * i)} for i in range(40)]


def number(text):
    return int(re.search(r"\d+", text).group())


def right(text):
    return str(2 * number(text))


def failing(*rows, otherwise=right):
    def model(text):
        if number(text) in rows:
            raise ValueError("broken")
        return otherwise(text)

    return model


def test_a_function_that_always_raises_is_not_beaten():
    def never(text):
        raise RuntimeError("out of order")

    e = evaluate("Add {{ q }}", ROWS, ["echo:", never])
    assert e.sentences[0].startswith("never answered none of 40 calls and has no score: 40 ×")
    assert e.sentence.startswith(e.sentences[0]) and "echo: scores 0.0%" in e.sentence
    assert "beats" not in str(e) and not e.pairs and set(e.analysis().levels) == {"echo:"}
    assert [(r["model"], r["score"], r["failed"]) for r in e.models] == [("echo:", 0, None), ("never", None, 40)]
    assert [p for p in re.findall("<p[^>]*>(?:<strong>)?(.*?)<", e._repr_html_())][:2] == e.sentences[:2], "what failed comes first"
    counted = evaluate("Add {{ q }}", ROWS, ["echo:", never], missing="failure")
    assert "beats" not in str(counted), "nothing was answered, so nothing counts as 0"


def test_a_model_without_a_key_is_not_beaten(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    e = evaluate("{{ q }}", [{"q": str(i), "target": str(i)} for i in range(20)], ["echo:", "openai:gpt-5-mini"])
    assert re.match(r"openai:gpt-5-mini answered none of 20 calls and has no score: 20 × .*key", e.sentence)
    assert "beats" not in str(e) and "scores 100.0%" in str(e)


def test_when_nothing_answered_nothing_is_scored_and_everything_still_shows(tmp_path):
    def never(text):
        raise RuntimeError("out of order")

    def nor(text):
        raise RuntimeError("out of order")

    e = evaluate("Add {{ q }}", ROWS, [never, nor], ["exact", "contains"])
    assert e.sentence.startswith("Nothing was scored: no model answered. 40 × never failed: ") and "out of order" in e.sentence
    assert e.sentences == [e.sentence]
    assert "no model answered" in e.to_html() and "no model answered" in e.to_markdown() and "no model answered" in repr(e)
    assert not e.pairs and not e.slices() and len(e.models) == 4 and len(e.df) == 80 and len(e.failures(limit=100)) == 80
    assert fm.Evaluation.load(e.save(tmp_path / "e.json")).sentences == e.sentences == fm.Evaluation.reopen(e.run).sentences
    with pytest.raises(UsageError, match="exact has no scores to compare"):
        e.analysis()
    assert all(r["value"] is None for r in e.groups(score="exact") if r["group"] == "accuracy")
    assert "scores" in (tmp_path / "e.json").read_text() and e.export(tmp_path / "log.json").exists()


def test_a_scorer_that_raises_on_every_row_has_scored_nothing():
    def broken(answer, target):
        raise KeyError("label")

    e = evaluate("Add {{ q }}", ROWS, [right, "echo:"], [broken, "exact"])
    assert e.sentences[0] == "Not scored by broken: 80 × KeyError: 'label'." and e.sentence == e.sentences[0]
    assert "tied" not in str(e) and "right beats echo:" in str(e)
    assert [p["scorer"] for p in e.pairs] == ["exact"]


@pytest.mark.parametrize(("fail", "allowed", "verdict"), [(2, 0.05, True), (3, 0.05, False), (3, 0.1, True), (1, 0, False), (0, 0, True)])
def test_the_share_of_failures_that_allows_a_verdict_can_be_set(fail, allowed, verdict):
    e = evaluate("Add {{ q }}", ROWS, [failing(*range(fail)), "echo:"], max_failures=allowed)
    assert ("model beats echo:" in str(e)) is verdict and len(e.matrix().rows) == (40 - fail if verdict else 40)
    if not verdict:
        limit = f"{100 * allowed:g}%"
        assert (
            f"model has no verdict: {fail} of its 40 answers failed ({2.5 * fail:g}%; at most {limit} may fail for a verdict)"
            in e.sentences[0]
        )
        assert "Its other answers average 100.0% by exact" in e.sentences[0]
    elif fail:
        assert e.sentences[0].startswith(f"{fail} of 40 answers of model failed and are excluded: {fail} ×")
    assert fm.Evaluation.reopen(e.run).sentences == e.sentences


def test_counting_failures_as_nothing_is_said_and_must_be_asked_for():
    e = evaluate("Add {{ q }}", ROWS, [right, failing(*range(8))], missing="failure")
    assert e.sentences[0].startswith('8 of 40 answers of model failed and count as 0 (missing="failure"): 8 ×')
    assert "right beats model by 20.0 points" in str(e)


def test_a_verdict_that_failures_could_turn_is_none():
    """Without its failed rows `a` is ahead by 3 points; with them as 0 it is behind."""
    rows = [{"q": i, "a": None if i < 20 else 1, "b": 0 if 20 <= i < 35 else 1} for i in range(500)]
    e = from_scores(rows, ["a", "b"])
    assert "a and b have no verdict: a is ahead of b only if its failed answers are excluded (gap 3.1 points" in str(e)
    assert e.pairs[0]["better"] is None and "beats" not in str(e)
    rows = [{**r, "b": 0 if 20 <= r["q"] < 60 else 1} for r in rows]
    assert "a beats b by 8.3 points" in str(from_scores(rows, ["a", "b"])), "failures could not turn this one"


def test_of_several_samples_those_that_came_are_averaged():
    state = {}

    def flaky(text):
        state[text] = state.get(text, 0) + 1
        if state[text] == 2 and number(text) == 5:
            raise ValueError("once")
        return right(text)

    e = evaluate("Add {{ q }}", ROWS, [flaky], samples=2, cache=False)
    assert e.matrix().values.sum() == 40 and "1 of 80 answers of flaky failed and is excluded" in str(e)


@pytest.mark.parametrize("bad", [-0.1, 1.5, "5%", True])
def test_a_share_that_is_none_is_refused(bad):
    with pytest.raises(UsageError, match="number from 0 to 1"):
        evaluate("Add {{ q }}", ROWS, [right], max_failures=bad)


def test_evaluations_saved_before_still_open(tmp_path):
    """A file without what newer ones hold: failed answers count as 0, as they did when it was made."""
    e = evaluate("Add {{ q }}", ROWS, [right, failing(*range(8))], missing="failure")
    d = json.loads(e.save(tmp_path / "e.json").read_text())
    for name in ("max_failures", "begun", "asked", "sources", "against"):
        d.pop(name)
    (tmp_path / "old.json").write_text(json.dumps(d))
    old = fm.Evaluation.load(tmp_path / "old.json")
    assert old.sentences == e.sentences and "right beats model by 20.0 points" in str(old) and old.cache_use.count == 0
    assert check(old, old).code == 0
