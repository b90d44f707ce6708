"""Published sets: loaders for their own files, scores equal to their own, numbers recomputed from graded answers."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from fmnb.core.errors import UsageError
from fmnb.evals.benchmarks import academic
from fmnb.evals.evaluate import evaluate
from fmnb.evals.import_scores import from_scores
from fmnb.evals.scorers.base import Case, scorer
from fmnb.evals.scorers.ifeval import count_sentences, follows

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def gsm8k():
    """All four systems on all problems, from the packed table."""
    d = json.loads((DATA / "gsm8k_graded.json").read_text())
    right = {n: np.unpackbits(np.frombuffer(bytes.fromhex(b), np.uint8))[: d["rows"]].tolist() for n, b in d["right"].items()}
    return [{"id": f"gsm8k-{i}", **{n: right[n][i] for n in right}} for i in range(d["rows"])], list(right)


def test_gsm8ks_four_systems_in_full(gsm8k):
    rows, names = gsm8k
    e = from_scores(rows, names)
    assert {m: int(e.matrix().of(m).sum()) for m in names} == dict(zip(names, (286, 515, 458, 742), strict=True))
    pair = next(p for p in e.analysis().pairs if {p.a, p.b} == {"6b_verification", "175b_finetuning"})
    assert pair.significant and round(pair.test.p, 8) == 0.00315066 and round(pair.p, 8) == 0.00315066
    said = next(s for s in e.sentences if "6b_verification beats 175b_finetuning" in s)
    assert said.startswith(
        "6b_verification beats 175b_finetuning by 4.3 points (95% for all 6 pairs together 0.53 to 8.1, paired, 1,319 rows"
    )
    assert [e.analysis().letters[m] for m in e.analysis().ranking] == ["a", "b", "c", "d"]


def test_on_the_first_hundred_problems_the_middle_two_are_tied(gsm8k):
    rows, names = gsm8k
    e = from_scores(rows[:100], ["6b_verification", "175b_finetuning"])
    assert e.sentence.startswith("6b_verification and 175b_finetuning are not significantly different: this set cannot detect gaps under")
    assert "more rows would detect" in e.sentence and "beats" not in str(e)


def test_gsm8ks_own_files_are_read_and_scored_as_their_authors_did(tmp_path):
    e = academic.gsm8k_solutions(DATA / "gsm8k_sample.jsonl")
    assert len(e.dataset) == 40 and e.names == ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    again = e.rescore("gsm8k")
    theirs = [s.value for s in e.scores["is_correct"]]
    assert [s.value for s in again.scores["gsm8k"]] == theirs
    test = tmp_path / "test.jsonl"
    test.write_text(json.dumps({"question": "2*9?", "answer": "2*9 = <<2*9=18>>18\n#### 1,018"}))
    assert academic.gsm8k(test)[0].target == "1018"
    with pytest.raises(UsageError, match="does not belong to this benchmark"):
        academic.gsm8k(DATA / "bbq_sample.jsonl")


def test_humanevals_reference_solutions_pass_and_others_fail():
    d = academic.humaneval(DATA / "humaneval_sample.jsonl")
    by = scorer("humaneval:run")

    def score(answer):
        return [by.score(Case(answer(s), s.target, s.values)) for s in d]

    assert [s.value for s in score(lambda s: s.target)] == [1, 1, 1, 1]
    assert [s.value for s in score(lambda s: f"```python\n{s.values['prompt']}{s.target}\n```")] == [1, 1, 1, 1]
    assert [s.value for s in score(lambda s: "    return None\n")] == [0, 0, 0, 0]
    assert [s.value for s in score(lambda s: "    import sys; sys.exit(0)\n")] == [0, 0, 0, 0], "leaving is no passing"
    with pytest.raises(UsageError, match="runs code from a model"):
        scorer("humaneval")
    assert academic.pass_at(10, 3, 5) == pytest.approx(1 - 7 * 6 * 5 * 4 * 3 / (10 * 9 * 8 * 7 * 6))


def test_bbqs_bias_on_unifiedqas_answers_of_the_age_category():
    """2,726 of 3,680 right; the bias scores are recomputed with the authors' formula from the same answers."""
    packed = json.loads((DATA / "bbq_age.json").read_text())["rows"]
    text = zlib.decompress(base64.b64decode(packed)).decode()
    rows, names = [], {"o": "old", "y": "nonOld", "u": "unknown"}
    for i in range(0, len(text), 8):
        condition, polarity, stereotyped, *groups, label, said = text[i : i + 8]
        words = [f"choice {k} {names[g]}" for k, g in enumerate(groups)]
        rows.append((condition, polarity, names[stereotyped], [names[g] for g in groups], words, int(label), int(said)))
    from fmnb.batch.answers import Answer
    from fmnb.evals.datasets.dataset import Dataset
    from fmnb.evals.datasets.sample import Sample
    from fmnb.evals.evaluation import Evaluation

    samples = [
        Sample(
            str(i),
            {"choices": w},
            w[label],
            extra={
                "condition": {"a": "ambig", "d": "disambig"}[c],
                "polarity": {"n": "neg", "p": "nonneg"}[p],
                "groups": g,
                "stereotyped": [s],
            },
        )
        for i, (c, p, s, g, w, label, _) in enumerate(rows)
    ]
    answers = [Answer(i, "unifiedqa", text=r[4][r[6]], run="r", finish_reason="stop") for i, r in enumerate(rows)]
    e = Evaluation("", "", Dataset(tuple(samples)), ("unifiedqa",), 1, answers, {}).rescore("choice")
    assert sum(s.value for s in e.scores["choice"]) == 2726
    ambig, clear = academic.bbq_bias(e)
    assert (ambig["rows"], clear["rows"]) == (1840, 1840)
    expected = {"ambig": (0.546739, 834, 0.297826), "disambig": (0.934783, 1720, 0.011628)}
    for row in (ambig, clear):
        accuracy, named, bias = expected[row["context"]]
        assert (round(row["accuracy"], 6), row["named_a_group"], round(row["bias"], 6)) == (accuracy, named, bias)


def test_bbqs_own_files_are_read_with_their_templates():
    d = academic.bbq(DATA / "bbq_sample.jsonl")
    assert len(d) == 12 and d[0].target == "Can't be determined" and d[0].group == "Age-1" and d.by == "template"


@pytest.mark.parametrize("case", json.loads((DATA / "ifeval_graded.json").read_text())["cases"], ids=lambda c: c[0])
def test_ifevals_rules_are_those_of_its_own_checker(case):
    name, given, text, loose, expected = case
    assert follows(text, [[name, given]], str(given.get("prompt_to_repeat", "")), loose) == [expected]


def test_ifevals_file_and_both_scores(tmp_path):
    path = tmp_path / "input.jsonl"
    given = {"key": 1, "prompt": "Be short, no commas.", "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words"]}
    path.write_text(json.dumps({**given, "kwargs": [{}, {"relation": "less than", "num_words": 3, "other": None}]}))
    e = evaluate("{{ prompt }}", academic.ifeval(path), [lambda p: "one two three"], ["ifeval", "ifeval_instructions"])
    assert e.scores["ifeval"][0].value == 0 and e.scores["ifeval_instructions"][0].value == 0.5
    assert e.scores["ifeval"][0].explanation == "length_constraints:number_words"
    assert count_sentences("Dr. Smith came. He left! Why?") == 3


def test_mmlus_files_and_the_letter_asked_for(tmp_path):
    (tmp_path / "abstract_algebra_test.csv").write_text('"What is 1+1?",1,2,3,4,B\n')
    (tmp_path / "anatomy_test.csv").write_text('"Where, then?",here,there,"no, where",x,A\n')
    d = academic.mmlu(tmp_path)
    assert [s.group for s in d] == ["abstract_algebra", "anatomy"] and d[1].values["choices"][2] == "no, where"
    asked = []
    e = evaluate(academic.LETTERED_PROMPT, d, [lambda p: asked.append(p) or "The answer is B."], "choice")
    assert [s.value for s in e.scores["choice"]] == [1, 0] and "B. 2\n" in asked[0]
    (tmp_path / "anatomy_test.csv").write_text("one,two\n")
    with pytest.raises(UsageError, match="six cells"):
        academic.mmlu(tmp_path)
