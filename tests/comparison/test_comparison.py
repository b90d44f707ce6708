"""Several models, one prompt: order, isolation, the table."""

from __future__ import annotations

import asyncio

import pytest

import fmnb as fm
from fmnb.calls.session import session
from fmnb.comparison.compare import compare
from fmnb.core.errors import Interrupted, ServerError, UsageError
from fmnb.core.events import TextDelta
from tests.cells.says import Says


def test_answers_come_in_the_order_the_models_were_named():
    c = fm.compare("one two", ["echo:slow=20", "echo:"])
    assert [r.requested_model for r in c] == ["echo:slow=20", "echo:"] and len(c) == 2
    assert c["echo:"].text == c[1].text == "one two"
    with pytest.raises(KeyError):
        c["nosuch"]


def test_a_failure_is_a_value_in_its_row():
    c = fm.compare("one two", ["echo:", "echo:fail=cut", Says(ServerError("no"))])
    assert list(c.df["error"].notna()) == [False, True, True] and list(c.df["text"]) == ["one two", "one", "said"]


def test_when_all_fail_the_first_error_is_raised():
    with pytest.raises(ServerError):
        fm.compare("x", ["echo:fail=server,times=9,wait=0", "echo:fail=key"])


def test_a_bug_in_one_model_is_raised_and_not_hidden_in_a_row():
    with pytest.raises(RuntimeError, match="a bug"):
        fm.compare("x", ["echo:", "echo:fail=bug"])


def test_two_objects_of_one_kind_keep_apart():
    assert [r.text for r in fm.compare("x", [Says("one"), Says("two")])] == ["one", "two"]


def test_no_model_sees_what_another_said():
    assert all(len(r.request.messages) == 1 for r in fm.compare("x", ["echo:", "echo:think"]))


def test_one_model_is_no_comparison():
    with pytest.raises(UsageError, match="fm.ask"):
        fm.compare("x", ["echo:"])


def test_it_works_in_a_running_loop():
    async def cell():
        return fm.compare("x", ["echo:", "echo:think"])

    assert len(asyncio.run(cell())) == 2


def test_parameters_prompts_and_samples_are_axes_too():
    c = fm.compare("", ["echo:"], prompts=["one two", "three four"], vary={"max_tokens": [1, 5]}, samples=2)
    assert len(c) == 8 and [r.text for r in c] == ["one", "one", "one two", "one two", "three", "three", "three four", "three four"]
    assert c.labels[0] == "echo:, one two, max_tokens 1, sample 0" and c["echo:, three four, max_tokens 5, sample 1"] is c[7]
    assert list(c.df.columns[:4]) == ["model", "prompt", "max_tokens", "sample"] and list(c.df["sample"]) == [0, 1] * 4


def test_samples_are_asked_for_each_and_not_taken_from_the_cache():
    c = fm.compare("hi", ["echo:"], samples=3, temperature=0)
    assert len({r.request.fingerprint() for r in c}) == 3 and [r.source for r in c] == ["live"] * 3
    assert [r.source for r in fm.compare("hi", ["echo:"], samples=3, temperature=0)] == ["cached"] * 3


def test_raw_parameters_can_be_varied():
    c = fm.compare("hi", ["echo:"], vary={"top_p": [0.5, 1]})
    assert [r.request.extra for r in c] == [{"top_p": 0.5}, {"top_p": 1}]


def test_the_cells_text_stands_below_each_prompt():
    c = fm.compare("the text", ["echo:"], prompts=["Shorten this:", fm.Prompt("Translate:", name="t")])
    assert [r.text for r in c] == ["Shorten this:\n\nthe text", "Translate:\n\nthe text"]


def test_saved_prompts_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fm.Prompt("Short: {{ x }}", name="short").save()
    c = fm.compare("", ["echo:"], prompts=["short", fm.Prompt("Long: {{ x }}", name="long")], values={"x": 1})
    assert [r.text for r in c] == ["Short: 1", "Long: 1"] and c.labels == ("echo:, short", "echo:, long")
    with pytest.raises(UsageError, match="No prompt of that name"):
        fm.compare("", ["echo:"], prompts=["short", "shrt"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"samples": 0}, "must be an integer"),
        ({"samples": 101}, "101 answers"),
        ({"vary": {"temperature": [0, 5]}}, "between 0 and 2"),
    ],
)
def test_invalid_grids_are_errors(given, words):
    with pytest.raises(UsageError, match=words):
        fm.compare("hi", ["echo:"], **given)


def test_a_comparison_is_a_run_above_its_answers_and_not_a_row_of_its_own():
    from fmnb.store import log

    c = fm.compare("hi", ["echo:", "echo:think"])
    start = log.events_of(c.run)[0]
    assert start.kind == "compare" and start.meta["runs"] == [r.run for r in c]
    assert all(log.events_of(r.run)[0].parent == c.run for r in c)
    assert len(fm.log("hi")) == 2


@pytest.mark.parametrize("more", [{}, {"blind": True}])
def test_what_came_before_it_was_stopped_is_the_last_comparison_and_can_be_voted_on(more):
    older = compare("older", ["echo:", "echo:think"])

    def stop(event):
        if isinstance(event, TextDelta):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        compare("some words", ["echo:", "echo:hang"], sinks=[stop], **more)
    fm.vote(None, "left")
    assert not older.votes and session.last_comparison.votes
    assert [r.finish_reason for r in session.last_comparison].count("cancelled") >= 1


def test_after_a_comparison_that_failed_whole_a_vote_does_not_fall_to_the_one_before():
    older = compare("older", ["echo:", "echo:think"])
    with pytest.raises(fm.FmnbError):
        compare("x", ["echo:fail=cut", "echo:fail=model"])
    fm.vote(None, "bad")
    assert not older.votes


@pytest.mark.parametrize(
    "given",
    [
        {"models": "echo: echo:think"},
        {"models": ["echo:"], "prompts": "ab"},
        {"models": ["echo:"], "vary": {"temperature": 0.5}},
        {"models": ["echo:"], "vary": {"system": "ab"}},
        {"models": ["echo:"], "vary": ["temperature"]},
        {"models": ["echo:"], "vary": {"temperature": [1, 1]}},
    ],
)
def test_what_is_no_list_is_not_taken_letter_by_letter(given):
    with pytest.raises(UsageError):
        compare("hi", **given)


def test_a_misspelled_option_of_a_comparison_names_the_nearest_of_its_own():
    with pytest.raises(UsageError, match="sampels.*Did you mean samples"):
        fm.compare("hi", ["echo:"], sampels=2)
