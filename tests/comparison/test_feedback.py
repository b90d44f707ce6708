"""Votes and signals: kept at once, counted right, taken back; and the sentence of the leaderboard."""

from __future__ import annotations

import subprocess
import sys

import pytest

import fmnb as fm
from fmnb.comparison import leaderboard
from fmnb.comparison.feedback import retract
from fmnb.core.errors import UsageError
from fmnb.core.events import Feedback
from fmnb.store import feedback as signals
from fmnb.store import log, retention


@pytest.fixture
def two():
    return fm.compare("which?", ["echo:", "echo:think"])


def test_a_vote_is_on_disk_at_once_and_names_the_winners_run(two):
    fm.vote(two, "right", comment="clearer")
    code = "from fmnb.store import feedback as signals; import sys; (s,) = signals.all_feedback('vote'); print(s.value['winner'], s.text)"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert seen == [two[1].run, "clearer"]
    assert two.best is two[1] and [s.kind for s in two.votes] == ["vote"]
    assert list(two.df["vote"]) == ["lost", "won"]


@pytest.mark.parametrize(
    ("choice", "best", "column"),
    [
        ("left", 0, ["won", "lost"]),
        (1, 1, ["lost", "won"]),
        ("echo:", 0, ["won", "lost"]),
        ("2", 1, ["lost", "won"]),
        ("tie", None, ["tie", "tie"]),
        ("bad", None, ["bad", "bad"]),
    ],
)
def test_each_way_to_vote(two, choice, best, column):
    fm.vote(two, choice)
    assert (two.best.run if two.best else None) == (two[best].run if best is not None else None)
    assert list(two.df["vote"]) == column


def test_a_second_vote_replaces_the_first_and_one_can_be_taken_back(two):
    fm.vote(two, "left")
    fm.vote(two, "right")
    assert two.best is two[1] and len(two.votes) == 1
    assert retract(two) == 1 and two.best is None and two.votes == [] and retract(two) == 0
    kinds = [e.kind for e in log.events_of(two.run) if isinstance(e, Feedback)]
    assert kinds == ["vote", "undo", "vote", "undo"]  # nothing is ever changed


def test_several_people_may_vote(two):
    fm.vote(two, "left", user="ada")
    fm.vote(two, "right", user="bob")
    assert len(two.votes) == 2


def test_the_log_names_no_model_of_a_blind_comparison_until_somebody_votes(two):
    blind = fm.compare("which?", ["echo:", "echo:think"], blind=True)
    answers = {r.run for r in blind}
    rows = [r for r in fm.log() if r["run"] in answers]
    assert len(rows) == 2 and "echo" not in str(rows) and all(r["output_tokens"] is None for r in rows)
    assert not answers & {r["run"] for r in fm.log(model="echo")}
    assert [r["model"] for r in fm.log() if r["run"] == two[0].run] == ["echo"]
    fm.vote(blind, "tie")
    assert answers <= {r["run"] for r in fm.log(model="echo")}


def test_the_answer_itself_can_be_voted_for(two):
    assert fm.vote(two, two[1]).value["winner"] == two[1].run


def test_without_a_comparison_the_last_one_is_meant(two):
    fm.vote(None, "left")
    assert two.best is two[0]


def test_what_cannot_be_voted_on_says_why(two):
    for wrong in ("middle", 2, "nosuch", "²", None, True, 1.0, fm.ask("other", "echo:")):
        with pytest.raises(UsageError, match="No such answer"):
            fm.vote(two, wrong)
    three = fm.compare("x", ["echo:", "echo:think", "echo:slow=500"])
    with pytest.raises(UsageError, match="3 answers"):
        fm.vote(three, "left")
    with pytest.raises(UsageError, match="no comparison"):
        fm.vote("nonsense", "left")


def test_with_the_log_off_a_vote_is_refused_and_not_lost_in_silence():
    log.set_enabled(False)
    try:
        c = fm.compare("x", ["echo:", "echo:think"])
        with pytest.raises(UsageError, match="log was off"):
            fm.vote(c, "left")
    finally:
        log.set_enabled(True)


def test_signals_and_acceptance_hang_on_an_answer():
    answer = fm.ask("hi", "echo:")
    fm.feedback(answer, "star", 5, user="ada")
    fm.accept(answer.run)
    assert [(s.kind, s.value) for s in signals.feedback_on([answer.run])] == [("star", 5), ("accept", True)]
    assert log.reopen(answer.run).text == "hi"  # the answer is what it was
    with pytest.raises(UsageError, match="No such run"):
        fm.feedback("nosuch", "star")
    with pytest.raises(UsageError, match="Invalid kind"):
        fm.feedback(answer, "vote")


def test_forgetting_the_runs_forgets_their_votes(two):
    fm.vote(two, "left")
    retention.forget(everything=True)
    assert signals.all_feedback() == []


# The leaderboard


def cast(outcomes: str, a: str = "echo:", b: str = "echo:think", words: str = "q", user: str = "") -> None:
    """One comparison and vote a letter: l, r, t(ie), b(ad)."""
    for i, letter in enumerate(outcomes):
        c = fm.compare(f"{words} {i}", [a, b])
        fm.vote(c, {"l": "left", "r": "right", "t": "tie", "b": "bad"}[letter], user=user)


def test_no_votes_say_how_to_begin():
    assert fm.leaderboard() == [] and "compare two models" in fm.leaderboard().note


def test_shares_count_ties_as_halves_and_bad_ones_apart():
    cast("lllrtb")
    first, second = fm.leaderboard()
    assert first["model"] == "echo:" and (first["votes"], first["wins"], first["ties"], first["losses"], first["bad"]) == (5, 3, 1, 1, 1)
    assert first["win_rate"] == pytest.approx(0.7) and second["win_rate"] == pytest.approx(0.3)
    assert first["low"] < 0.7 < first["high"] and first["strength"] is None


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ("lllll", "not significantly different so far"),
        ("lllllll", "one voter prefers echo: to echo:think: 7 of 7 decisive votes (59% to 100%), p = 0.016"),
        ("lllrrrlr", "are not significantly different: 4 of 8"),
        ("llllllllr", "one voter prefers echo:"),
        ("tttttttt", "not significantly different so far: no decisive votes"),
    ],
)
def test_the_sentence_says_what_chance_explains(outcomes, words):
    cast(outcomes)
    assert words in fm.leaderboard().note


def test_three_models_have_strengths_with_intervals():
    cast("llllrllr", "echo:", "echo:think")
    cast("lllrlllr", "echo:think", "echo:slow=900", "p")
    board = fm.leaderboard()
    assert [r["model"] for r in board] == ["echo:", "echo:think", "echo:slow=900"]
    assert sum(r["strength"] for r in board) == pytest.approx(0, abs=1e-9)
    assert all(r["strength_low"] <= r["strength"] <= r["strength_high"] for r in board)


def test_votes_of_one_person_are_one_voter():
    cast("l" * 30, user="ada")
    assert fm.leaderboard().note.startswith("one voter prefers echo: to echo:think") and fm.leaderboard()[0]["voters"] == 1
    for name in ("bob", "cyd", "dan"):
        cast("l", words=name, user=name)
    few = fm.leaderboard()
    assert (
        "not significantly different so far" in few.note
        and "4 voters; fewer than 6 voters are too few for a verdict, however many votes they cast" in few.note
    )
    for name in ("eve", "fay"):
        cast("r", words=name, user=name)
    assert "are not significantly different" in fm.leaderboard().note, "30 votes of one are no more than one voter's"


def test_several_voters_of_one_mind_are_enough():
    for name in ("ada", "bob", "cyd", "dan", "eve", "fay", "gil"):
        cast("lll", words=name, user=name)
    board = fm.leaderboard()
    assert "echo: is preferred to echo:think: 21 of 21 decisive votes" in board.note and "7 voters, p = 0.016" in board.note
    assert board[0]["low"] > 0.5 > board[1]["high"]


def test_the_interval_leaves_one_half_out_where_the_sentence_does():
    cast("lllllllllr" + "ttttttt")  # ties as halves by Wilson would hold one half
    board = fm.leaderboard()
    assert "one voter prefers" in board.note and "9 of 10 decisive votes (55% to 100%), 7 ties, p = 0.021" in board.note
    assert board[0]["win_rate"] == pytest.approx(12.5 / 17) and board[0]["low"] == pytest.approx(0.5324, abs=1e-4)


def test_one_vote_leads_no_table():
    cast("llllllrllrllllrl", "echo:", "echo:think")
    cast("l", "echo:slow=900", "echo:think", "p")
    board = fm.leaderboard()
    assert [r["model"] for r in board] == ["echo:", "echo:think", "echo:slow=900"]
    assert [r["note"] for r in board] == [None, None, "too few votes"]
    assert max(board, key=lambda r: r["win_rate"])["model"] == "echo:slow=900"


def test_shares_near_one_half_are_not_rounded_to_it():
    assert (leaderboard._percent(0.4976), leaderboard._percent(0.5024), leaderboard._p(0.0504)) == ("49.8%", "50.2%", "0.0504")


def test_models_that_never_met_are_not_ranked_together():
    cast("lr", "echo:", "echo:think")
    cast("lr", "echo:slow=900", "echo:slow=901")
    assert "never compared" in fm.leaderboard().note and all(r["strength"] is None for r in fm.leaderboard())
    assert {r["model"] for r in fm.leaderboard(["echo:", "echo:think"])} == {"echo:", "echo:think"}


def test_a_vote_among_several_beats_every_other_shown():
    c = fm.compare("x", ["echo:", "echo:think", "echo:slow=900"])
    fm.vote(c, 2)
    wins, _ = leaderboard._wins(leaderboard.ballots(signals.all_feedback("vote")))
    assert wins == {("echo:slow=900", "echo:"): 1.0, ("echo:slow=900", "echo:think"): 1.0}


def test_samples_of_one_model_are_no_contest_between_models():
    fm.vote(fm.compare("x", ["echo:"], samples=2), "left")
    assert fm.leaderboard() == []


def test_prompts_of_one_model_are_ranked_against_each_other():
    for text in "abcdefg":
        c = _two_prompts(text, blind=text < "d")
        fm.vote(c, next(i for i, r in enumerate(c.responses) if r.text.startswith("Long")))
    board = fm.leaderboard()
    assert [r["model"] for r in board] == ["echo:, long", "echo:, short"] and board[0]["wins"] == 7
    assert "one voter prefers echo:, long to echo:, short" in board.note
    fm.vote(fm.compare("x", ["echo:think", "echo:slow=900"]), 0)  # never compared with the others
    assert "prefers echo:, long to echo:, short" in fm.leaderboard(["echo:"]).note and len(fm.leaderboard(["echo:"])) == 2
    assert "never voted on together" not in fm.leaderboard().note


def _two_prompts(text: str, blind: bool):
    prompts = [fm.Prompt("Short: ", name="short"), fm.Prompt("Long: ", name="long")]
    return fm.compare(text, ["echo:"], prompts=prompts, blind=blind)


def test_an_answer_that_failed_cannot_be_the_best_and_does_not_count_as_beaten():
    c = fm.compare("hi", ["echo:fail=cut", "echo:", "echo:think"])
    for choice in (0, "1", c[0], "echo:fail=cut"):
        with pytest.raises(UsageError, match="failed, so it cannot be the best"):
            fm.vote(c, choice)
    assert not c.votes
    assert fm.vote(c, 1).value["runs"] == [c[1].run, c[2].run]
    assert c.feedback.labels == {1: "✓ preferred"}
    fm.vote(c, "bad")
    assert sorted(c.feedback.labels) == [1, 2]


def test_one_answer_is_no_contest():
    c = fm.compare("hi", ["echo:fail=cut", "echo:"])
    with pytest.raises(UsageError, match="A tie needs two answers"):
        fm.vote(c, "tie")
    fm.vote(c, "right")
    assert c.best is c[1] and not fm.leaderboard(notebook="all")
