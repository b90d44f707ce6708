"""Models of a notebook that hold something of fmnb keep the identity under which their answers are stored, wherever fmnb's modules lie."""

from __future__ import annotations

import contextlib
import functools
import re
import sys
import types
from pathlib import Path

import pytest

import fmnb as fm
from fmnb import ask
from fmnb.batch import stored_names
from fmnb.batch.model_identity import identity
from fmnb.core.errors import RateLimitError
from fmnb.core.registry import PUBLIC
from fmnb.core.types import Image, Message, Request, Text, ToolCall, Usage, message


def holds(value):
    def model(text):
        return f"{value}{text}"

    return model


def asks(text):
    return ask(text, "echo:").text


class Chain:
    def __init__(self, **parts):
        self.__dict__.update(parts)

    def __call__(self, text):
        return f"{self.__dict__}{text}"


Chain.__module__ = "__main__"  # as in a notebook
ROWS = [{"q": "a", "target": "b"}, {"q": "c", "target": "Sample"}]
TURNS = (message("user", "hi"), Message("assistant", (Text("a"), Image(b"123"), ToolCall("1", "f", "{}", {"a": 1}))))
CASES = {
    "ask in a function": lambda: asks,
    "ask itself": lambda: fm.ask,
    "ask with a model": lambda: functools.partial(fm.ask, model="echo:", temperature=0),
    "ask of a model": lambda: fm.Model("echo:").ask,
    "ask of a model, held": lambda: holds(fm.Model("echo:", max_tokens=3).aask),
    "a model": lambda: holds(fm.Model("echo:")),
    "a prompt": lambda: holds(fm.Prompt("Say {{ x }}", system="short")),
    "messages": lambda: holds(TURNS),
    "a request": lambda: holds(Request("echo:", (message("user", "fmnb.types Text"),), temperature=0.5, extra={"a": [1, 2]})),
    "a chain": lambda: Chain(
        prompt=fm.Prompt("{{ a }}"), usage=Usage(1, 2, cost=0.5), model=fm.Model("echo:"), kinds=[fm.Prompt, fm.Response]
    ),
    "examples": lambda: holds(fm.Dataset.from_rows(ROWS, name="two")),
    "an error": lambda: holds(RateLimitError("Too many", detail="429")),
    "a judge": lambda: holds(fm.Judge("Is it good?", "echo:")),
    "many": lambda: holds(functools.partial(holds, tuple(message("user", f"text number {i} " * 20) for i in range(400)))),
}

SOURCES = "\n".join(p.read_text("utf-8") for p in Path(fm.__file__).parent.rglob("*.py"))

# As they are in the logs of those who use fmnb: none of them may ever change.
STORED = {
    "ask in a function": "58f2936c4ac0488d",
    "ask itself": "cfd2de70d5bfac93",
    "ask with a model": "0ac451d2a2708b59",
    "ask of a model": "0bd8e64b9a39ded3",
    "ask of a model, held": "a52096791c0f2dbe",
    "a model": "54bf688339434563",
    "a prompt": "1dfe35d724c69a49",
    "messages": "9f112bddd883b1fb",
    "a request": "442555f686d15aba",
    "a chain": "d7f18d5c725db5ad",
    "examples": "bb827f3b6e53be32",
    "an error": "5b65f9f893801668",
    "a judge": "a4ffa03ab11c0a7b",
    "many": "3a7b797c0d8f54e7",
}


@pytest.mark.parametrize("case", CASES)
def test_the_identity_is_the_stored_one(case):
    assert identity(CASES[case]()) == STORED[case]


@pytest.mark.parametrize(
    ("thing", "cases"),
    [
        (fm.Prompt, ("a prompt", "a chain")),
        (Message, ("messages", "a request", "many")),
        (Text, ("messages", "a request", "many")),
        (fm.Model, ("a model", "a chain", "ask of a model")),
        (fm.ask, ("ask in a function", "ask itself", "ask with a model")),
        (fm.Dataset, ("examples",)),
        (RateLimitError, ("an error",)),
    ],
)
@pytest.mark.parametrize("name", ["", "Renamed"])
def test_it_does_not_change_when_a_thing_moves_or_is_renamed(thing, cases, name, monkeypatch):
    made, stored = {case: CASES[case]() for case in cases}, {case: STORED[case] for case in cases}
    row = stored_names.STORED[thing.__qualname__]
    with moved(thing, name or thing.__qualname__, monkeypatch):
        if name:
            assert {case: identity(made[case]) for case in cases} != stored or thing is fm.ask
            monkeypatch.setitem(stored_names.STORED, name, row)
        assert {case: identity(made[case]) for case in cases} == stored


@contextlib.contextmanager
def moved(thing, name, monkeypatch):
    """A class or function of fmnb in another module, perhaps under another name."""
    module = types.ModuleType("fmnb.elsewhere.things")
    setattr(module, name, thing)
    before = thing.__module__, thing.__qualname__
    monkeypatch.setitem(sys.modules, module.__name__, module)
    thing.__module__, thing.__qualname__ = module.__name__, name  # undone by hand: a name cannot be deleted
    try:
        yield
    finally:
        thing.__module__, thing.__qualname__ = before


@pytest.mark.parametrize("name", [n for n, ref in PUBLIC.items() if ":" in ref])
def test_every_public_name_has_a_stored_one(name):
    assert getattr(fm, name).__qualname__ in stored_names.STORED


@pytest.mark.parametrize("name", stored_names.STORED)
def test_a_row_names_something_that_is_there(name):
    """A row that a renaming forgot would keep nothing."""
    assert re.search(rf"^(?:class|(?:async )?def) {name.partition('.')[0]}\b", SOURCES, re.MULTILINE)


def test_stored_names_are_unique():
    assert len(set(stored_names.STORED.values())) == len(stored_names.STORED)


# The identity of `functools.partial(fm.NAME, "x")`, as first stored.
FUNCTIONS = {
    "map": "72eb5afb19607172",
    "evaluate": "ff327c2e31045203",
    "vote": "399efe35a6add768",
    "compare": "97ceb72f85db7d51",
    "models": "8acb8a92cf37bfd1",
    "log": "6e9a2c4ff7448906",
    "feedback": "19a880d27c8af521",
    "leaderboard": "45c7771b40fb7385",
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_keeps_its_identity(name):
    assert identity(functools.partial(getattr(fm, name), "x")) == FUNCTIONS[name]
