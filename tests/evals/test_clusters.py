"""What is said of users with unequal numbers of rows, of questions asked twice, and of several comparisons at once."""

from __future__ import annotations

import re
import zlib

import numpy as np
import pytest

from fmnb.core.errors import UsageError
from fmnb.evals.datasets import dedupe
from fmnb.evals.datasets.dataset import Dataset
from fmnb.evals.datasets.sample import Sample
from fmnb.evals.evaluate import evaluate
from fmnb.evals.import_scores import from_scores
from fmnb.evals.report.number_text import gap_text
from fmnb.evals.report.page import _gap_mark, page
from fmnb.evals.report.plots import Mark
from fmnb.evals.report.sentences import ranked_pairs


def rows_of(sizes, models, seed=0, question=True):
    """Right-or-wrong rows: `models` gives each one's share, moved by the user."""
    random = np.random.default_rng(seed)
    users = np.repeat(np.arange(len(sizes)), sizes)
    moved = {m: random.normal(0, 0.12, len(sizes)) for m in models}
    return [
        {"q": f"question number {i}", "user": f"u{u}", **{m: int(random.random() < p + moved[m][u]) for m, p in models.items()}}
        for i, u in enumerate(users)
    ]


# ---- one question asked by many


@pytest.mark.parametrize(
    "column",
    [{"q": "What is the capital of France?"}, {"input": "Say hi"}, {"ticket": "Paper jam", "ticket_id": None}],
    ids=lambda c: next(iter(c)),
)
def test_one_question_asked_by_fifty_users_is_one_question(column):
    rows = [{**{k: v or f"T-{i}" for k, v in column.items()}, "user": f"u{i}", "a": 1, "b": 0} for i in range(50)]
    e = from_scores(rows, ["a", "b"])
    assert "beats" not in str(e) and "1 question is too few for a verdict, however many users asked it" in e.sentence
    assert "49 rows repeat a question" in str(e)


def test_the_prompt_says_what_is_asked():
    rows = [{"q": f"Number {i % 3}?", "note": f"row {i}", "user": f"u{i}", "target": "x"} for i in range(60)]
    e = evaluate("{{ q }}", rows, [_x, _y], "exact")
    assert "3 questions are too few" in e.sentence
    assert "beats" in evaluate("{{ q }} {{ note }}", rows, [_x, _y], "exact").sentence
    assert "3 questions are too few" in evaluate("{{ user }} asks: {{ q }}", rows, [_x, _y], "exact").sentence


def _x(text):
    return "x"


def _y(text):
    return "y"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"q": "What is 2+2?", "user": "a"}, {"q": "what is  2+2", "user": "b"}, True),
        ({"q": "2+2"}, {"q": "2-2"}, False),
        ({"q": "Say “hi”!", "user_id": 1}, {"q": "say hi", "user_id": 2}, True),
        ({"q": "price?", "name": "lamp"}, {"q": "price?", "name": "chair"}, False),
        ({"q": "price?", "product_id": 1}, {"q": "price?", "product_id": 2}, True),
        (
            {"messages": [{"role": "user", "content": "hi"}], "input": "a"},
            {"messages": [{"role": "user", "content": "ho"}], "input": "a"},
            False,
        ),
        ({"q": "ok?", "asked_by": "ada@example.org"}, {"q": "ok?", "asked_by": "bob@example.org"}, True),
        ({"q": "ok?", "at": "2026-01-02T10:00:00Z"}, {"q": "ok?", "at": "2026-01-03T11:30:00Z"}, True),
        ({"q": "ok?", "paid": "yes"}, {"q": "ok?", "paid": "no"}, False),
        ({"q": "ok?", "userId": 5}, {"q": "ok?", "userId": 6}, True),
        ({"level": 3}, {"level": 3}, False),  # a column of a few values is not known to be a question
    ],
)
def test_equal_questions_are_found_whatever_stands_beside_them(one, other, same):
    a, b = dedupe.questions([Sample("1", one), Sample("2", other)])
    assert (a is not None and a == b) is same
    assert bool(dedupe.exact([Sample("1", one), Sample("2", other)])) is (same or "level" in one)


def test_duplicates_are_dropped_though_their_users_differ():
    d = Dataset.from_rows(
        [{"q": "How?", "user": "ada", "id": 1}, {"q": "how", "user": "bob", "id": 2}, {"q": "Why?", "user": "bob", "id": 3}]
    )
    assert [s.id for s in d.dedupe()] == ["1", "3"]
    long = "how do I set the page margins of a printed report to two centimeters"
    near = Dataset.from_rows([{"q": long, "user": "ada from accounting in Oslo"}, {"q": long + " please", "user": "bob"}])
    assert len(near.dedupe()) == 2 and len(near.dedupe(similarity=0.8)) == 1


def test_users_and_questions_are_named_where_both_repeat():
    random = np.random.default_rng(0)
    rows = [
        {"q": f"question number {q}", "user": f"u{u}", "a": 0.5 * random.random(), "b": 0.3 + 0.5 * random.random()}
        for u in range(20)
        for q in range(15)
    ]
    e = from_scores(rows, ["a", "b"])
    assert re.match(r"b beats a by .* points \(95% .*, paired, 300 rows, 20 users, 15 questions, score\)", e.sentence)
    assert e.pairs[0]["test"] == "t over users and questions"
    few = from_scores([r for r in rows if int(r["q"].split()[-1]) < 5], ["a", "b"])
    assert "5 questions are too few for a verdict, however many rows there are" in few.sentence


# ---- unequal users


def test_one_heavy_user_is_said_with_what_the_others_say():
    rows = rows_of([150, *[5] * 14], {"a": 0.5, "b": 0.72})
    e = from_scores(rows, ["a", "b"])
    assert "15 users, effective number 3" in e.sentence
    assert re.search(r"One user has 68% of the rows; with equal weight for every user, b is ahead of a by .* points \(95% ", e.sentence)
    one = from_scores(rows, ["b"])
    assert "no interval: one user has 68% of the rows. With equal weight for every user, it scores" in one.sentence
    pair = e.pairs[0]
    assert (
        pair["largest"] == pytest.approx(150 / 220)
        and pair["worth"] < 4
        and pair["gap_by_user"] is not None
        and pair["bootstrap_low"] is None
    )


def test_where_users_and_rows_disagree_no_winner_is_named():
    random = np.random.default_rng(3)
    users = np.repeat(np.arange(12), [30, 30, 30, 30, 30, 30, 30, 2, 2, 2, 2, 2])
    rows = [
        {"q": f"question number {i}", "user": f"u{u}", "a": 0.5, "b": float(0.5 + (0.05 if u < 7 else -0.2) + random.normal(0, 0.02))}
        for i, u in enumerate(users)
    ]
    e = from_scores(rows, ["a", "b"])
    assert e.analysis().pairs[0].p < 0.05 and "beats" not in str(e)
    assert (
        "b and a are not significantly different: b is ahead by" in e.sentence and "but not with equal weight for every user" in e.sentence
    )
    assert "With equal weight for every user, a is ahead of b by" in e.sentence


def test_rows_without_a_user_are_counted_in_words():
    rows = rows_of([10] * 12, {"a": 0.5, "b": 0.6})
    for r in rows[::40]:
        r["user"] = None
    assert "3 rows have no user; each counts as a user of its own." in from_scores(rows, ["a", "b"]).sentences


def test_advice_is_in_users_where_rows_have_users():
    e = from_scores(rows_of([20] * 20, {"a": 0.5, "b": 0.5}), ["a", "b"])
    assert re.search(r"about [\d,]+ more users would detect \d+ points", e.sentence) and "more rows" not in e.sentence
    assert re.search(r"needs about [\d,]+ users, about [\d,]+ more than now", e.power(0.02))
    assert (
        "more rows would"
        in from_scores([{k: v for k, v in r.items() if k != "user"} for r in rows_of([20] * 20, {"a": 0.5, "b": 0.5})], ["a", "b"]).sentence
    )


# ---- several comparisons tell one story


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("sizes", [[1] * 150, [8] * 15, [60, 30, 20, 15, 12, 10, 8, 6, 5, 4]], ids=["rows", "users", "unequal"])
def test_verdict_interval_letters_plot_and_table_agree(seed, sizes):
    shares = {"a": 0.5, "b": 0.55, "c": 0.66, "d": 0.8}
    e = from_scores(rows_of(sizes, shares, seed), list(shares))
    a = e.analysis()
    for p, row in zip(a.pairs, e.pairs, strict=True):
        said = next(s for s in e.sentences if {p.a, p.b} == set(re.match(r"(\w) (?:beats|and) (\w) ", s).groups()))
        mark: Mark = _gap_mark(p)
        assert (
            ("beats" in said)
            == p.significant
            == mark.strong
            == (row["better"] is not None)
            == (not set(a.letters[p.a]) & set(a.letters[p.b]))
        )
        assert mark.value == row["gap"] and (mark.low, mark.high) == (row["low_all"], row["high_all"])
        if p.interval:
            low, high = p.interval
            assert (low >= 0 or high <= 0) if p.significant else low <= 0 <= high
            assert p.significant == (p.p < 0.05)
        if p.test.gap.low is not None and not p.significant and p.test.p > 0.05:
            assert p.test.gap.low <= 0 <= p.test.gap.high
        seen = re.search(r"cannot detect gaps under ([\d.]+) points?.*\(gap ([\d.]+) points", said)
        if seen:
            assert float(seen[2]) < float(seen[1]), said
            advised = re.search(r"would detect ([\d.]+) point", said)
            assert advised is None or float(advised[1]) < float(seen[1])


def test_the_smallest_gap_is_that_of_all_comparisons():
    rows = rows_of([1] * 200, dict.fromkeys("abcdef", 0.5))
    two, six = from_scores(rows, ["a", "b"]), from_scores(rows, list("abcdef"))
    alone, among = two.analysis().pairs[0].test, six.analysis().pair("a", "b").test
    assert alone.p == among.p and among.detectable_gap > 1.2 * alone.detectable_gap
    number = float(re.search(r"cannot detect gaps under (\d+)", next(s for s in six.sentences if s.startswith(("a and b", "b and a"))))[1])
    assert number >= 100 * among.detectable_gap


def test_the_report_turns_gaps_as_its_table_does():
    e = from_scores(rows_of([1] * 120, {"a": 0.8, "b": 0.5}), ["a", "b"])
    pair = ranked_pairs(e.analysis())[0]
    assert _gap_mark(pair).label == "b − a" and _gap_mark(pair).value == pair.test.gap.value < 0
    assert "b − a: -" in page(e) and "Intervals hold for all" not in page(e)


def test_more_models_need_more_users():
    """Six users who all agree are enough for one comparison and not for three."""
    rows = [{"q": f"question number {i}", "user": f"u{i % 6}", "a": 0, "b": 1, "c": 1} for i in range(60)]
    assert from_scores(rows, ["a", "b"]).sentence.startswith("b beats a by 100.0 points")
    assert "6 users are too few for a verdict, however many rows they have" in str(from_scores(rows, ["a", "b", "c"]))


def test_the_same_is_said_only_where_the_interval_says_so():
    close = [{"q": f"question number {i}", "a": i % 2, "b": int(i % 2 or i % 80 == 0)} for i in range(800)]
    e = from_scores(close, ["a", "b"])
    assert e.same_within(0.05).startswith("a and b are the same within 5 points (gap 1.2 points, 95% 0.48 to 2.0")
    assert "are not shown to be the same within 1 point" in e.same_within(0.01)
    tied = from_scores(rows_of([1] * 60, {"a": 0.5, "b": 0.5}), ["a", "b"])
    assert "not significantly different" in tied.sentence and "are not shown to be the same within 5 points" in tied.same_within(0.05)
    far = from_scores(rows_of([1] * 300, {"a": 0.2, "b": 0.8}), ["a", "b"])
    assert "are not the same within 5 points" in far.same_within(0.05)
    with pytest.raises(UsageError, match="at most 1"):
        e.same_within(5)
    with pytest.raises(UsageError):
        from_scores(close, ["a"]).same_within(0.05)


def test_skewed_scores_are_said():
    random = np.random.default_rng(1)
    e = from_scores([{"q": f"question number {i}", "a": float(random.lognormal(0, 1.5)), "b": 1.0} for i in range(80)], ["a", "b"])
    assert "scores are skewed" in e.sentence and "Hall" in e.pairs[0]["test"]


def test_whole_points_are_rounded_up():
    assert gap_text(0.061, True, round_up=True) == "7 points" and gap_text(0.06, True, round_up=True) == "6 points"


def test_the_same_total_for_every_user_is_not_the_same_score_on_every_row():
    rows = [{"q": f"question number {i}", "user": f"u{i // 2}", "a": i % 2, "b": 1 - i % 2} for i in range(40)]
    e = from_scores(rows, ["a", "b"])
    assert "not significantly different" in e.sentence and "the same on every row" not in e.sentence
    same = from_scores([{**r, "b": r["a"]} for r in rows], ["a", "b"])
    assert "they scored the same on every row" in same.sentence


def test_where_every_user_counts_the_same_the_missing_interval_speaks_of_users():
    rows = [{"q": f"q{i}", "t": "a", "user": "big" if i < 60 else f"u{i}"} for i in range(67)]

    def one(prompt):
        return "a" if zlib.crc32(prompt.encode()) % 3 else "b"

    def two(prompt):
        return "a" if zlib.crc32(prompt.encode()) // 7 % 2 else "b"

    said = str(evaluate("{{ q }}", rows, models=[one, two], score="exact", target="t", group="user", sinks=[]))
    assert "equal weight" in said and "of 8 users differ from the rest)" in said
