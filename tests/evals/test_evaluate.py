"""fm.evaluate from rows to the sentence: what is counted, left out, said, kept, compared; bad input goes on or is refused in words."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas
import pytest

import fmnb as fm
from fmnb.core.errors import BudgetError, Interrupted, UsageError
from fmnb.core.events import Cancelled, Scored, Started
from fmnb.evals.datasets import heldout
from fmnb.evals.evaluate import evaluate, reopen
from fmnb.evals.import_scores import from_scores
from fmnb.store import log
from tests.batch.test_estimate import Priced

ROWS = [{"q": f"{i}+{i}", "target": str(2 * i), "kind": ["even", "odd"][i % 2]} for i in range(40)]


def right(text):
    return str(2 * int(re.search(r"\d+", text).group()))


def even_only(text):
    n = int(re.search(r"\d+", text).group())
    return str(2 * n) if n % 2 == 0 else "no idea"


def test_the_sentence_has_gap_interval_rows_and_pairing():
    e = evaluate("Add {{ q }}", ROWS, [right, even_only])
    assert e.sentence == "right beats even_only by 50.0 points (95% 33.8 to 66.2, paired, 40 rows)."
    row = e.pairs[0]
    assert (row["test"], row["only_a"], row["only_b"], row["better"], row["draws"]) == ("McNemar, exact", 20, 0, "right", 2000)
    assert [(r["model"], r["score"], r["letters"]) for r in e.models] == [("right", 1, "a"), ("even_only", 0.5, "b")]
    worst = e.slices()[0]
    assert (worst["column"], worst["value"], worst["model"], worst["score"]) == ("kind", "odd", "even_only", 0)


def test_every_score_is_an_event_and_the_run_reopens_without_a_model():
    calls = []

    def counted(text):
        calls.append(text)
        return right(text)

    e = evaluate("Add {{ q }}", ROWS[:5], [counted], ["exact", "contains"])
    events = log.events_of(e.run)
    assert isinstance(events[0], Started) and events[0].kind == "evaluate" and events[0].meta["batch"] == e.batch
    scored = [x for x in events if isinstance(x, Scored)]
    assert len(scored) == 10 and {x.answer for x in scored} == {a.run for a in e.answers}
    again = fm.Evaluation.reopen(e.run)
    assert again.sentences == e.sentences and [a.text for a in again.answers] == [a.text for a in e.answers]
    other = again.rescore(lambda answer, target: len(answer))
    assert other.matrix().values.max() == 1 and len(calls) == 5 and other.run != e.run
    with pytest.raises(UsageError, match="not an evaluation"):
        reopen(e.answers[0].run)


def test_missing_targets_are_left_out_for_every_model_and_counted():
    rows = [{**r, "target": r["target"] if i % 4 else None} for i, r in enumerate(ROWS)]
    e = evaluate("Add {{ q }}", rows, [right, even_only])
    assert len(e.matrix().rows) == 30 and "10 rows are dropped for every model: 10 × no target." in e.sentences


def test_a_scorer_that_raises_is_counted_and_the_others_go_on():
    def fussy(answer, target):
        if answer == "6":
            raise RuntimeError("not this one")
        return answer == target

    e = evaluate("Add {{ q }}", ROWS, [right], [fussy, "exact"])
    assert e.matrix("fussy").values.sum() == 39 and e.matrix("exact").values.sum() == 40
    assert e.sentences[0] == "1 of 40 answers of right failed and is excluded: 1 × RuntimeError: not this one."


def test_no_target_at_all_is_refused_before_a_model_is_called():
    def never(text):
        raise AssertionError("called")

    with pytest.raises(UsageError, match="no row has one.*Name the column"):
        evaluate("Add {{ q }}", [{"q": "1+1"}], [never])
    with pytest.raises(UsageError, match="Did you mean"):
        evaluate("{{ q }}", ROWS, [never], target="taget")
    with pytest.raises(UsageError, match="has no rows"):
        evaluate("{{ q }}", [], [never])
    with pytest.raises(UsageError, match="same id"):
        evaluate("{{ q }}", [{"id": 1, "q": "a", "target": "a"}, {"id": 1, "q": "b", "target": "b"}], [never])
    with pytest.raises(UsageError, match="named twice"):
        evaluate("{{ q }}", ROWS, [never], ["exact", "exact"])
    with pytest.raises(UsageError, match="head must be a whole number"):
        evaluate("{{ q }}", ROWS, [never], head="three")
    with pytest.raises(UsageError, match="No such value of missing"):
        evaluate("{{ q }}", ROWS, [never], missing="ignore")


def test_samples_are_averaged_before_pairing():
    state = {}

    def flaky(text):
        state[text] = state.get(text, 0) + 1
        return right(text) if state[text] % 2 else "no"

    e = evaluate("Add {{ q }}", ROWS[:20], [flaky, even_only], samples=2, cache=False)
    assert set(e.matrix().of("flaky")) == {0.5} and e.matrix().within_row_variance["flaky"] == pytest.approx(0.5)
    assert e.pairs[0]["test"] in ("t", "sign flips") and "2 samples each" in e.sentence
    need = [int(re.search(r"about ([\d,]+) rows", e.power(0.05, samples=k)).group(1).replace(",", "")) for k in (1, 2, 20)]
    assert need[0] > need[1] > need[2], "more answers to a row shrink what differs within it"
    with pytest.raises(UsageError, match="variance between answers"):
        evaluate("Add {{ q }}", ROWS[:20], [right, even_only]).power(0.05, samples=3)


def test_prompts_are_evaluated_like_models():
    e = evaluate("{{ q }}", ROWS, [right, even_only], prompts=["Add up", "Please add"], samples=2)
    assert e.names == ("right, Add up", "even_only, Add up", "right, Please add", "even_only, Please add")
    assert e.matrix().values.mean(axis=0).tolist() == [1, 0.5, 1, 0.5] and len(e.pairs) == 6
    assert [a.model for a in e.answers[:8]] == [n for n in e.names for _ in range(2)]
    again = reopen(e.run)
    assert again.sentences == e.sentences and again.names == e.names and again.rescore("contains").names == e.names
    assert {r["group"] for r in e.groups("right, Please add")} >= {"accuracy", "robustness"}
    with pytest.raises(UsageError, match="unknown in this kernel"):
        again.groups("right, Add up")
    with pytest.raises(UsageError, match="same name"):
        evaluate("{{ q }}", ROWS, [right], prompts=["Add up", "Add up"])


def test_rows_of_one_user_are_a_cluster_and_the_sentence_says_so():
    rng = np.random.default_rng(1)
    rows = [{"q": i, "user": f"u{i // 10}", "a": 1, "b": int(rng.random() < [0.2, 1.0][(i // 10) % 2])} for i in range(240)]
    e = from_scores(rows, ["a", "b"], group="user")
    assert "240 rows, 24 users" in e.sentence and e.pairs[0]["test"] == "t over clusters"
    assert any("Rows of one user are alike" in s for s in e.sentences)
    few = from_scores(rows[:50], ["a", "b"], group="user")
    assert "not significantly different" in few.sentence and "5 users are too few for a verdict" in few.sentence
    alone = from_scores([{k: v for k, v in r.items() if k != "user"} for r in rows[:50]], ["a", "b"])
    assert "beats" in alone.sentence, "the same rows without users would have claimed too much"


def test_few_rows_that_differ_cannot_tell_and_say_so():
    e = from_scores([{"q": i, "a": 1, "b": int(i >= 5)} for i in range(60)], ["a", "b"])
    assert (
        e.sentence
        == "a and b are not significantly different: only 5 rows differ, and fewer than 6 can never be significant (paired, 60 rows, score, gap 8.3 points)."
    )
    e = from_scores([{"q": i, "a": 1, "b": int(i >= 6)} for i in range(60)], ["a", "b"])
    assert (
        e.sentence == "a beats b by 10.0 points (paired, 60 rows, score, p = 0.031); no interval: only 6 of 60 rows differ from the rest."
    )


def test_among_many_models_p_is_raised_for_all_pairs():
    rng = np.random.default_rng(7)
    rows = [{"q": i, **{m: int(rng.random() < 0.5) for m in "abcd"}, "e": int(rng.random() < 0.95)} for i in range(200)]
    e = from_scores(rows, list("abcde"))
    a = e.analysis()
    assert all(p.p >= p.test.p for p in a.pairs) and {p.better for p in a.pairs if p.significant} == {"e"}
    assert a.letters["e"] == "a" and {a.letters[m] for m in "abcd"} == {"b"}


def test_scores_beyond_one_are_told_in_their_own_unit():
    e = from_scores([{"q": i, "a": 10 + i % 3, "b": 12 + i % 4} for i in range(60)], ["a", "b"])
    assert re.match(r"b beats a by 2\.5 \(95% ", e.sentence) and "points" not in e.sentence


def test_two_runs_compare_on_the_rows_they_share():
    before = evaluate("Add {{ q }}", [{"id": i, **r} for i, r in enumerate(ROWS)], [right])
    rows = [{"id": i, **r} for i, r in enumerate(ROWS)][2:]
    rows[0] = {**rows[0], "target": "other"}
    after = evaluate("Add: {{ q }}", rows, [even_only])
    c = before.compare(after)
    assert c.rows == 37 and c.dropped == {"only in the earlier run": 2, "whose content changed": 1}
    assert str(c).startswith("even_only (before: right) got worse by 51.4 points (95% 34.5 to 68.2, paired, 37 rows, p < .001).")
    assert len(c.regressed) == 19 and not c.improved
    assert before.compare(before).sentences == ["right scored the same on every row (paired, 40 rows)."]
    with pytest.raises(UsageError, match="no row in common"):
        before.compare(from_scores([{"q": "z", "right": 1}], ["right"], scorer="exact"))
    with pytest.raises(UsageError, match="no scorer in common"):
        before.compare(from_scores([{"q": "z", "right": 1}], ["right"], scorer="other"))


def test_saved_loaded_exported(tmp_path):
    e = evaluate("Add {{ q }}", ROWS, [right, even_only], ["exact", "numeric"])
    path = e.save(tmp_path / "run.json")
    again = fm.Evaluation.load(path)
    assert again.sentences == e.sentences and again.models == e.models and str(again.compare(e)).count("same on every row") == 2
    inspect = json.loads(e.export(tmp_path / "log.json").read_text())
    assert inspect["version"] == 2 and len(inspect["samples"]) == 40 and inspect["samples"][0]["scores"]["exact"]["value"] == 1
    assert inspect["samples"][1]["input"] == "Add 1+1" and inspect["eval"]["model"] == "right"
    (tmp_path / "other.json").write_text("[1]")
    for bad in ("other.json", "nothere.json"):
        with pytest.raises(UsageError):
            fm.Evaluation.load(tmp_path / bad)
    path.write_text(path.read_text().replace('"answers"', '"answer"'))
    with pytest.raises(UsageError, match="damaged"):
        fm.Evaluation.load(path)


def test_tables_for_reading():
    e = evaluate("Add {{ q }}", ROWS[:10], [right, even_only], ["exact", "f1"])
    frame = e.df
    assert isinstance(frame, pandas.DataFrame) and len(frame) == 20 and {"exact", "f1", "run", "target"} <= set(frame.columns)
    assert all(r["model"] == "even_only" for r in e.failures()) and len(e.failures()) == 5
    text = e.to_markdown()
    assert text.startswith("**right beats") or text.startswith("**right and even_only")
    assert "| scorer | model | score |" in text
    assert "needs about" in e.power(0.05)
    with pytest.raises(UsageError, match="at most 1"):
        e.power(5)
    with pytest.raises(UsageError, match="No such column to slice by"):
        e.slices("colour")


def test_prompts_of_held_out_rows_are_held_out():
    d = fm.Dataset.from_rows(ROWS).split(heldout=0.5)
    evaluate("Add {{ q }} now", d, [right])
    held = d["heldout"][0]
    from fmnb.evals.datasets.sample import fingerprint

    assert fingerprint(f"Add {held.values['q']} now") in heldout.known_fingerprints()
    logged = fm.Dataset.from_log("Add")
    assert len(logged.without_heldout()) == len(d) - len(d["heldout"])


def test_the_same_call_again_pays_nothing():
    calls = []

    def counted(text):
        calls.append(text)
        return right(text)

    evaluate("Add {{ q }}", ROWS[:6], [counted])
    before = len(calls)
    e = evaluate("Add {{ q }}", ROWS[:6], ["echo:"])
    again = evaluate("Add {{ q }}", ROWS[:6], ["echo:"])
    assert before == 6 and {a.source for a in again.answers} == {"cached"} and again.scores == e.scores


def test_rows_that_repeat_are_said_and_half_characters_do_no_harm(recwarn):
    e = evaluate("{{ q }}", [*ROWS[:6], *ROWS[:1], {"q": "\ud800 half", "target": "\ufffd half"}], ["echo:"], "contains")
    assert any("1 row repeats a question: rows of one question form a cluster" in s for s in e.sentences)
    assert e.scores["contains"][-1].value == 1 and reopen(e.run).sentences == e.sentences and not recwarn.list


def test_stopped_while_scoring_the_answers_are_kept():
    def stopped(answer):
        raise KeyboardInterrupt

    with pytest.raises(Interrupted) as e:
        evaluate("Add {{ q }}", ROWS[:6], ["echo:"], stopped)
    assert isinstance(log.events_of(e.value.run)[-1], Cancelled)
    assert {a.source for a in evaluate("Add {{ q }}", ROWS[:6], ["echo:"]).answers} == {"cached"}


def test_with_the_log_off_it_still_evaluates():
    log.set_enabled(False)
    try:
        e = evaluate("Add {{ q }}", ROWS[:6], [right])
        assert e.matrix().values.sum() == 6
    finally:
        log.set_enabled(True)


def test_a_budget_is_one_for_all_prompts():
    model = Priced(out=100)  # ten cents a row
    rows = [{"w": f"word{i}", "answer": "done"} for i in range(6)]
    ways = [fm.Prompt("Say {{ w }}", name="a"), fm.Prompt("Tell {{ w }}", name="b")]
    with pytest.raises(BudgetError):
        fm.evaluate("", rows, model, "exact", target="answer", prompts=ways, budget=0.95, max_tokens=100)
    assert model.calls == 9


def test_a_report_that_is_written_gives_its_path(tmp_path):
    e = evaluate("Add {{ q }}", ROWS[:6], [right])
    path = e.to_html(tmp_path / "report.html")
    assert path == tmp_path / "report.html" and path.read_text() == e.to_html()


def test_groups_are_called_by_their_column_in_the_plural():
    rows = [{"q": i, "category": f"c{i % 12}", "a": i % 2, "b": int(i % 3 > 0)} for i in range(120)]
    e = from_scores(rows, ["a", "b"], group="category")
    assert "12 categories" in str(e) and "categorys" not in str(e) + e.to_html()


def test_a_misspelled_option_of_an_evaluation_names_the_nearest_of_its_own():
    with pytest.raises(UsageError, match="taget.*Did you mean target"):
        fm.evaluate("{{ q }}", [{"q": "a", "target": "a"}], "echo:", taget="target")
