"""Several models, one prompt: order, isolation, the table."""

from __future__ import annotations

import asyncio

import pytest

import fmnb as fm
from fmnb.errors import ServerError, UsageError
from tests.cells.says import Says


def test_answers_come_in_the_order_the_models_were_named():
    c = fm.compare("one two", ["echo:slow=20", "echo:"])
    assert [r.asked for r in c] == ["echo:slow=20", "echo:"] and len(c) == 2
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
