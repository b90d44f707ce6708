"""The judge: both orders, ties on disagreement, what it does with nonsense, and two published judges on 100 labelled pairs."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import pytest

import fmnb as fm
from fmnb.core.errors import UsageError
from fmnb.evals.scorers.judge import AnswerPair, Judge, Verdict, combine_orders, diagnose, judge_pairs, make_pairs, parse_verdict, win_rates

DATA = Path(__file__).parents[1] / "data"
ROWS = [{"q": f"question {i}", "target": f"good {i}"} for i in range(8)]


def parts(text):
    return [re.search(rf"<answer_{x}>\n(.*?)\n</answer_{x}>", text, re.DOTALL).group(1) for x in "AB"]


def longer(text):
    a, b = parts(text)
    return json.dumps({"verdict": "A" if len(a) > len(b) else "B" if len(b) > len(a) else "tie"})


def first(text):
    return '{"verdict": "A"}'


def short_answer(text):
    return "short"


def long_answer(text):
    return "a much longer answer"


def test_both_orders_are_asked_and_names_are_unseen():
    seen = []

    def spy(text):
        seen.append(text)
        return longer(text)

    e = fm.evaluate("{{ q }}", ROWS, [short_answer, long_answer], Judge(spy, rubric="Longer is better."))
    assert len(seen) == 16 and not any("short_answer" in t or "long_answer" in t for t in seen)
    assert all("Longer is better." in t for t in seen)
    assert sorted(map(tuple, map(parts, seen))) == [("a much longer answer", "short")] * 8 + [("short", "a much longer answer")] * 8
    assert [s.value for s in e.scores["judge"]] == [0, 1] * 8


def test_a_judge_that_likes_the_first_place_decides_nothing_and_is_found_out():
    names = ["a", "b"]
    pairs = [AnswerPair(i, 0, *names, f"q{i}", f"{i} one", f"{i} two!") for i in range(12)]
    verdicts, _ = judge_pairs(Judge(first), pairs)
    assert {v.winner for v in verdicts} == {None} and set(win_rates(verdicts).values()) == {0.5}
    c = diagnose(verdicts)
    assert (c.first_position, c.second_position, c.consistent.value) == (12, 0, 0)
    assert str(c).startswith(
        "The judge kept its verdict on 0% of 12 swaps and is biased toward the first position (p < .001): the others are ties; uncalibrated"
    )


def test_a_judge_that_says_nothing_usable_has_scored_nothing_and_the_cause_is_said():
    def babble(text):
        return "Both are lovely in their own way."

    def broken(text):
        raise ValueError("the server of the judge is down")

    for by, cause in ((babble, "The answer is not JSON"), (broken, "the server of the judge is down")):
        e = fm.evaluate("{{ q }}", ROWS, [short_answer, long_answer], Judge(by))
        assert e.sentence.startswith("Not scored by judge: 16 × no verdict") and cause in e.sentence and not e.pairs
        assert e.judge_diagnostics["judge"].n_unusable == 8 and "8 of its verdicts were unusable and are excluded" in str(e)
        assert "tied" not in str(e) and "beats" not in str(e) and cause in e.to_html() and cause in e._repr_html_()
        assert {r["score"] for r in e.models} == {None}
        assert fm.Evaluation.reopen(e.run).sentence == e.sentence


def test_three_models_are_compared_by_their_own_duels():
    def answers(name):
        def model(text):
            return f"{name} says {text}"

        model.__name__ = name
        return model

    def cyclic(text):
        """One beats two, two beats three, three beats one: everybody wins half of all."""
        a, b = (t.split()[0] for t in parts(text))
        return json.dumps({"verdict": "A" if (a, b) in {("one", "two"), ("two", "three"), ("three", "one")} else "B"})

    rows = [{"q": f"question {i}"} for i in range(30)]
    e = fm.evaluate("{{ q }}", rows, [answers(n) for n in ("one", "two", "three")], Judge(cyclic))
    assert set(e.matrix().values.ravel()) == {0.5}
    assert {(p["a"], p["b"]): p["better"] for p in e.pairs} == {("one", "two"): "one", ("one", "three"): "three", ("two", "three"): "two"}
    assert fm.Evaluation.reopen(e.run).pairs == e.pairs


def test_failures_give_no_points_with_an_uninformative_judge(tmp_path):
    """A judge that always calls a tie says nothing, however often one of the models fails."""

    def tie(text):
        return '{"verdict": "tie"}'

    def fails(text):
        if int(re.search(r"\d+", text).group()) % 30 == 0:
            raise ValueError("overloaded")
        return "fails says so"

    rows = [{"q": f"question {i}"} for i in range(60)]
    e = fm.evaluate("{{ q }}", rows, [short_answer, long_answer, fails], Judge(tie))
    assert [p["gap"] for p in e.pairs] == [0, 0, 0] and "beats" not in str(e)
    assert e.sentences[0].startswith("2 of 60 answers of fails failed and are excluded: 2 ×")
    assert fm.Evaluation.load(e.save(tmp_path / "e.json")).pairs == e.pairs


def test_equal_answers_are_a_tie_and_cost_nothing():
    def never(text):
        raise AssertionError("asked")

    verdicts, run = judge_pairs(Judge(never), [AnswerPair(0, 0, "a", "b", "q", "same ", " same")])
    assert verdicts == [Verdict(verdicts[0].pair, None, identical=True)] and run == "" and verdicts[0].usable


def test_one_model_is_judged_against_the_targets():
    e = fm.evaluate("{{ q }}", ROWS, [long_answer], Judge(longer))
    assert e.matrix("judge").values.mean() == 1
    with pytest.raises(UsageError, match="A judge needs two answers"):
        fm.evaluate("{{ q }}", [{"q": "a"}], [long_answer], Judge(longer))


def test_a_judge_that_does_not_exist_is_told_before_the_first_call():
    def never(text):
        raise AssertionError("called")

    with pytest.raises(fm.FmnbError, match="No model of that name"):
        fm.evaluate("{{ q }}", ROWS, [never, long_answer], "judge:nosuch")


def test_a_judge_among_the_judged_is_warned_about():
    with pytest.warns(UserWarning, match="judges its own answers"):
        fm.evaluate("{{ q }}", ROWS[:1], ["echo:", "echo:think"], "judge:echo:")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fm.evaluate("{{ q }}", ROWS[:1], ["echo:", "echo:think"], Judge(longer))


def test_fifty_votes_of_people_calibrate_it():
    def one(text):
        return "short"

    def two(text):
        return "a longer one"

    for i in range(50):
        c = fm.compare(f"question {i}", [one, two])
        fm.vote(c, 0 if i < 10 else 1)
    rows = [{"q": f"question {i}"} for i in range(50)]
    e = fm.evaluate("{{ q }}", rows, [one, two], Judge(longer))
    c = e.judge_diagnostics["judge"]
    assert {r["judge"] for r in e.models} == {f"agrees 80%, kappa {c.kappa:.2f}"} and "agrees 80%" in e.to_html()
    assert c.calibrated and c.n_human_labels == 50 and c.agreement.value == 0.8
    assert "agrees with people on 80% (67% to 89%) of 50 labels" in str(e) and "uncalibrated" not in str(e)


def test_two_published_judges_on_the_hundred_natural_pairs():
    """GPT-4: 92.5 % right over both orders and 93 % consistent; ChatGPT: 73 % and 62 %, as recomputed from the released verdicts."""
    d = json.loads((DATA / "llmbar_natural.json").read_text())
    found = {}
    for name, said in d["judges"].items():
        verdicts = []
        for i, (one, two) in enumerate(zip(said["first"], said["swapped"], strict=True)):
            # the file says which output won; a judge says a place, and places turn with the order
            places = ("A" if one == "1" else "B", "B" if two == "1" else "A")
            side = combine_orders(*places)
            verdicts.append(Verdict(AnswerPair(i, 0, "1", "2", f"q{i}", "x", "y"), {"a": "1", "b": "2", None: None}[side], *places))
        humans = {(f"q{i}", frozenset("12")): label for i, label in enumerate(d["label"])}
        c = diagnose(verdicts, humans)
        right = sum((said["first"][i] == w) + (said["swapped"][i] == w) for i, w in enumerate(d["label"])) / 200
        found[name] = (right, c.consistent.value, c.agreement.value, c.first_position, c.second_position)
    assert found["GPT-4"][:2] == (0.925, 0.93) and found["ChatGPT"][:2] == (0.73, 0.62)
    assert found["GPT-4"][2] == pytest.approx(0.89, abs=0.03) and found["GPT-4"][3] + found["GPT-4"][4] == 7


@pytest.mark.parametrize(
    ("said", "read"), [({"verdict": "A"}, "A"), ("**B**", "B"), ("Tie.", "tie"), ("Answer A", "A"), ("A and B", ""), (None, ""), ("{", "")]
)
def test_verdicts_are_read_strictly(said, read):
    assert parse_verdict(said) == read


def test_three_models_meet_in_pairs():
    texts = {(0, m, s): m for m in "abc" for s in range(2)}
    assert len(make_pairs(["a", "b", "c"], ["q"], {(0, "a", 0): "a", (0, "b", 0): "b"}, [None], 2)) == 1, "who did not answer meets nobody"
    found = make_pairs(["a", "b", "c"], ["q"], texts, [None], 2)
    assert [(d.a, d.b, d.sample) for d in found] == [
        ("a", "b", 0),
        ("a", "c", 0),
        ("b", "c", 0),
        ("a", "b", 1),
        ("a", "c", 1),
        ("b", "c", 1),
    ]
