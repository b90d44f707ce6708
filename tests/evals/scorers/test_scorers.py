"""Scorers against the field's own libraries and hand-made answers; what they say of answers they cannot judge."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnb.core.errors import UsageError
from fmnb.core.registry import SCORERS, load
from fmnb.evals.scorers.base import Case, Score, score_case, scorer
from fmnb.evals.scorers.choice import read_choice
from fmnb.evals.scorers.numeric import last_number
from fmnb.evals.scorers.overlap import rouge_f1
from fmnb.evals.scorers.text_match import token_f1

words = st.lists(st.sampled_from("the quick brown fox jumps over lazy dog 42 and a".split()), max_size=12).map(" ".join)


def value(name, text, target=None, **values):
    return score_case(scorer(name), Case(text, target, values)).value


@pytest.mark.parametrize(
    ("name", "text", "target", "expected"),
    [
        ("exact", " Paris\n", "Paris", 1),
        ("exact", "paris", "Paris", 0),
        ("exact", "b", ["a", "b"], 1),
        ("normalized", "The answer, Paris!", "answer paris", 1),
        ("contains", "I think it is PARIS.", "paris", 1),
        ("contains", "Straße", "STRASSE", 1),
        ("starts", "Yes, because", "yes", 1),
        ("regex", "order 1234 sent", r"\d{4}", 1),
        ("regex:^yes", "No", None, 0),
        ("numeric", "so 1,234 in all.", 1234, 1),
        ("numeric", "-3.5", "-3.5", 1),
        ("numeric:0.1", "3.1", "3.14", 1),
        ("numeric:1%", "99", "100", 1),
        ("numeric", "99", "100", 0),
        ("numeric", "I do not know", 7, 0),
        ("json", '{"a": 1, "b": "X"}', {"a": 1, "b": "y"}, 0.5),
        ("json", 'Sure: ```json\n{"a": [2, 1]}\n```', '{"a": [1, 2]}', 1),
        ("json", "no", {"a": 1}, 0),
        ("json", "[1, 2]", None, 1),
        ("schema:name, score float", '{"name": "a", "score": 1.5}', None, 1),
        ("schema:name, score float", '{"name": "a"}', None, 0),
    ],
)
def test_scores_of_hand_made_answers(name, text, target, expected):
    assert value(name, text, target) == expected


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("B", "B", 1),
        ("The answer is (B).", 1, 1),
        ("**Answer: C**", "B", 0),
        ("blue", "B", 1),
        ("It is blue, not because of the sky.", "blue", 1),
        ("red or blue", "blue", 0),
        ("Answer: Z", "B", 0),
    ],
)
def test_choices_by_letter_number_or_words(text, target, expected):
    assert value("choice", text, target, choices=["red", "blue", "green"]) == expected


def test_a_structured_answer_of_one_field_is_that_field():
    for name, data, target in (
        ("exact", {"label": "money"}, "money"),
        ("numeric", {"n": 4}, "4"),
        ("choice:yes|no", {"a": "no"}, "no"),
        ("f1", {"t": "a b"}, "a b"),
    ):
        assert score_case(scorer(name), Case(json.dumps(data), target, data=data)).value == 1
    two = {"label": "money", "why": "it says so"}
    assert score_case(scorer("exact"), Case(json.dumps(two), "money", data=two)).value == 0
    assert score_case(scorer("json"), Case(json.dumps(two), {"label": "money"}, data=two)).value == 1


def test_choices_given_with_the_scorer():
    assert value("choice:yes|no|maybe", "Yes.", "yes") == 1 and value("choice:yes|no", "perhaps", "yes") == 0
    assert read_choice("It cannot be told", ["can be told", "cannot be told"]) == "cannot be told"


def test_the_models_own_probability_of_its_choice():
    logprobs = ({"token": " B", "logprob": -0.2231435513, "top": [[" B", -0.2231435513], [" A", -1.6094379124], ["The", -5.0]]},)
    s = scorer("choice").score(Case("B", "B", {"choices": ["red", "blue"]}, logprobs=logprobs))
    assert s.value == 1 and s.confidence == pytest.approx(0.8, abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(words, words)
def test_rouge_is_that_of_rouge_score(a, b):
    from rouge_score.rouge_scorer import RougeScorer

    theirs = RougeScorer(["rouge1", "rouge2", "rougeL"]).score(a, b)
    for kind in ("1", "2", "L"):
        assert rouge_f1(a, b, kind) == pytest.approx(theirs[f"rouge{kind}"].fmeasure, abs=1e-9)


def test_rouge_of_texts_longer_than_a_machine_word():
    from rouge_score.rouge_scorer import RougeScorer

    a = " ".join(str(i % 97) for i in range(0, 900, 2))
    b = " ".join(str(i % 89) for i in range(0, 900, 3))
    assert rouge_f1(a, b) == pytest.approx(RougeScorer(["rougeL"]).score(a, b)["rougeL"].fmeasure, abs=1e-9)


def test_bleu_and_chrf_are_sacrebleus_published_ones():
    references = [
        ["The dog bit the man.", "It was not unexpected.", "The man bit him first."],
        ["The dog had bit the man.", "No one was surprised.", "The man had bitten the dog."],
    ]
    system = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."]
    cases = [Case(s, [r[i] for r in references]) for i, s in enumerate(system)]
    assert scorer("bleu").corpus(cases) * 100 == pytest.approx(48.530827, abs=1e-6)
    assert scorer("chrf").corpus(cases) * 100 == pytest.approx(59.727518, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(words.filter(bool), words.filter(bool))
def test_a_rows_bleu_and_chrf_are_those_of_sacrebleus_sentences(a, b):
    import sacrebleu

    assert value("bleu", a, b) * 100 == pytest.approx(sacrebleu.sentence_bleu(a, [b]).score, abs=1e-9)
    assert value("chrf", a, b) * 100 == pytest.approx(sacrebleu.sentence_chrf(a, [b]).score, abs=1e-9)


def test_squads_f1():
    assert token_f1("The cat", "a cat") == 1 and token_f1("", "") == 1 and token_f1("x", "") == 0
    assert value("f1", "in the year 1999", ["1998", "1999"]) == pytest.approx(0.5)


@settings(max_examples=80, deadline=None)
@given(st.integers(-(10**9), 10**9) | st.floats(-1e6, 1e6).map(lambda x: round(x, 3)))
def test_a_number_is_read_as_it_was_written(n):
    assert last_number(f"First 17, and so the answer is {n:,}.") == pytest.approx(n)


def test_code_runs_only_when_it_is_meant():
    with pytest.raises(UsageError, match="runs code from a model"):
        scorer("code")


@pytest.mark.parametrize(
    ("text", "right", "why"),
    [
        ("```python\ndef f(x):\n    return x + 1\n```", 1, ""),
        ("def f(x): return x", 0, "AssertionError"),
        ("def f(x: return", 0, "SyntaxError"),
        ("", 0, "no code"),
        ("x = bytearray(3 << 30)", 0, "MemoryError"),
        ("open('/proc/self/environ').read().index('SECRET')", 0, "/proc"),
        ("import os; os.environ['SECRET']", 0, "KeyError"),
        ("open('big', 'wb').write(b'x' * (1 << 26))", 0, ""),
        ("import os; os._exit(3)", 0, "exit code 3"),
    ],
)
def test_code_is_run_with_its_tests_within_limits(text, right, why, monkeypatch):
    monkeypatch.setenv("SECRET", "SECRET")
    s = scorer("code:run").score(Case(text, values={"test": "assert f(1) == 2"}))
    assert s.value == right and why in s.explanation


def test_code_that_does_not_end_is_stopped_and_the_others_are_scored():
    from fmnb.evals.scorers.code import run_all

    found = run_all([("while True: pass", ""), ("import time; time.sleep(600)", ""), ("x = 1", "assert x")], seconds=4)
    assert [s.value for s in found] == [0, 0, 1] and "still running" in found[0].explanation


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="namespaces are Linux's")
def test_code_reaches_no_network():
    s = scorer("code:run").score(Case("import socket; socket.create_connection(('127.0.0.1', 9), 1)"))
    assert s.value == 0 and ("unreachable" in s.explanation or "refused" in s.explanation)


def test_sql_by_its_result():
    setup = "create table t(a int, b varchar); insert into t values (1, 'x'), (2, 'y'), (3, 'y')"

    def sql(text, target):
        return score_case(scorer("sql"), Case(text, target, {"setup": setup}))

    assert sql("```sql\nselect b, count(*) as n from t group by b;\n```", "select b, count(*) from t group by 1").value == 1
    assert sql("select a from t order by a desc", "select a from t").value == 1
    assert sql("select a from t order by a desc", "select a from t order by a").value == 0
    assert sql("select a from t where a > 1", "select a from t").explanation == "2 rows, the target has 3"
    assert "nothere" in sql("select * from nothere", "select 1").explanation
    assert sql("select * from read_csv('/etc/passwd')", "select 1").value == 0
    assert "target's query failed" in sql("select 1", "selec").error


def test_a_missing_target_and_a_scorer_that_raises_are_errors_of_that_answer():
    assert score_case(scorer("exact"), Case("a", None)) == Score(None, error="no target")

    def broken(answer, target):
        raise KeyError("x")

    assert score_case(scorer(broken), Case("a", "b")).error == "KeyError: 'x'"
    assert score_case(scorer(lambda a: float("nan")), Case("a")).error == "the score is not finite"
    assert score_case(scorer(lambda a: None), Case("a")).error == "the scorer returned None"


def test_functions_take_answer_target_and_row():
    assert scorer(lambda a, t, row: row["n"] == 3).score(Case("", None, {"n": 3})).value == 1
    assert scorer(len).score(Case("abc")).value == 3
    assert scorer(lambda *a: Score(0.5, explanation="so")).score(Case("")).explanation == "so"


def test_names_are_checked_and_the_nearest_is_named():
    with pytest.raises(UsageError, match="Did you mean exact"):
        scorer("exakt")
    for bad in ("regex:(", "numeric:x", "rouge:9", "schema", 7):
        with pytest.raises(UsageError):
            scorer(bad)


def test_every_row_of_the_table_of_scorers_leads_somewhere():
    for ref in SCORERS.values():
        if "judge" not in ref:
            assert callable(load(ref))


def test_scorers_of_one_kind_have_names_of_their_own():
    from fmnb.evals.scorers.judge import Judge
    from fmnb.evals.scoring import scorers_of

    def one(text):
        return "A"

    def two(text):
        return "B"

    def names(*given):
        return [s.name for s in scorers_of(list(given))]

    assert [s.name for s in scorers_of("ifeval,ifeval:loose")] == ["ifeval", "ifeval:loose"]
    assert names("regex:a", "regex:b", "exact") == ["regex:a", "regex:b", "exact"]
    assert names(lambda a: 1, lambda a: 0) == ["function", "function_2"]
    assert names(Judge(one), Judge(two)) == ["judge:one", "judge:two"] and names(Judge(one)) == ["judge"]
    assert names("judge:echo:", "judge") == ["judge:echo:", "judge"]
    assert names(Judge(one, rubric="short"), Judge(one, rubric="kind")) == ["judge:one", "judge:one_2"]
    (mine,) = scorers_of("judge:one", {"one": one})
    assert mine.model is one and mine.name == "judge:one"


@pytest.mark.parametrize("text", ["It is −3.5 °C", "－3.5", "﹣3.5", "-3.5"])
def test_a_minus_as_typesetting_has_it(text):
    assert value("numeric", text, "-3.5") == 1 and value("numeric", "-3.5", "−3.5") == 1
