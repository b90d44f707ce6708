"""Answers of one model of the notebook are never taken for another's, and equal ones are known again."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import threading

import numpy as np
import pytest

import fmnb as fm
from fmnb.batch.model_identity import identity
from fmnb.batch.run import batch

ROWS = [{"w": "a"}, {"w": "b"}]
PREFIX = "one "


def closure(value):
    def model(text):
        return f"{value}{text}"

    return model


class Bot:
    def __init__(self, value):
        self.value = value

    def __call__(self, text):
        return f"{self.value}{text}"

    def answer(self, text):
        return self(text)


def default(value):
    def model(text, *, value=value):
        return f"{value}{text}"

    return model


def nested(value):
    def inner(text):
        return f"{value}{text}"

    def model(text):
        return inner(text)

    return model


MADE = [
    closure,
    Bot,
    default,
    nested,
    lambda v: functools.partial(closure("x"), v),
    lambda v: Bot(v).answer,
    lambda v: lambda text: v + text,
]


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize(
    ("one", "other"),
    [("a", "b"), (1, True), ([1, 2], [1, 3]), ({"k": {"x"}}, {"k": {"y"}}), (np.arange(3), np.arange(4)), (Bot("a"), Bot("b")), (len, max)],
)
def test_what_was_captured_counts(made, one, other):
    assert identity(made(one)) == identity(made(one))
    assert identity(made(one)) != identity(made(other))


def test_answers_of_another_closure_are_not_reused():
    for value in ("x", "y", "x"):
        assert [a.text for a in batch("{{ w }}", ROWS, closure(value)).answers] == [f"{value}a", f"{value}b"]
    assert {a.source for a in batch("{{ w }}", ROWS, closure("y")).answers} == {"cached"}
    e = fm.evaluate("{{ w }}", [{**r, "target": "xa"} for r in ROWS], [closure("x")], "exact")
    assert e.matrix().values.mean() == 0.5


def test_lambdas_of_one_line_and_functions_without_source_differ():
    one, other = [lambda text: "1", lambda text: "2"]
    assert identity(one) != identity(other)
    ns: dict = {}
    exec("def f(text): return 'one'", ns)
    first = identity(ns["f"])
    exec("def f(text): return 'two'", ns)
    assert identity(ns["f"]) != first


def test_globals_that_are_read_count(monkeypatch):
    def model(text):
        return PREFIX + text

    first = identity(model)
    assert identity(model) == first
    monkeypatch.setitem(globals(), "PREFIX", "two ")
    assert identity(model) != first


def test_what_is_only_written_to_does_not_count():
    calls, n = [], 0

    def model(text):
        nonlocal n
        n += 1
        calls.append(text)
        return text

    first = identity(model)
    model("a")
    assert identity(model) == first


class Counted(Bot):
    def __init__(self, value):
        super().__init__(value)
        self.calls, self.log, self.by = 0, [], {"a": 0}

    def __call__(self, text):
        self.calls += 1
        self.by["a"] += 1
        self.log.append(text)
        return super().__call__(text)

    def change(self, value):
        self.value = value


def test_an_objects_counters_do_not_count_and_its_state_does():
    model = Counted("x")
    first = identity(model)
    model("a")
    assert identity(model) == first
    model.change("y")
    assert identity(model) != first


def test_an_object_that_says_what_it_is_is_believed():
    class Named(Counted):
        def __repr__(self):
            return f"Named({self.value})"

    class Mute(Named):
        def __repr__(self):
            return object.__repr__(self)

    one, other = Named("x"), Named("x")
    other.note = "a note"
    assert identity(one) == identity(other) != identity(Named("y"))
    assert identity(Mute("x")) != identity(Mute("y")) and identity(Mute("x")) == identity(Mute("x"))


def test_what_has_no_content_counts_as_itself():
    def over(lock):
        def model(text):
            with lock.lock:
                return text

        return model

    class Held:
        def __init__(self):
            self.lock = threading.Lock()
            self.events = (x for x in ())

    one, other = Held(), Held()
    assert identity(over(one.events.__iter__())) == identity(over(one.events)) != identity(over(other.events))
    circle: list = []
    circle.append(circle)
    assert identity(closure(circle)) == identity(closure(circle))


def test_equal_models_are_known_in_another_kernel():
    code = """
import json
from fmnb.batch.model_identity import identity
def made(value):
    def model(text): return value
    return model
class Bot:
    def __init__(self, v): self.v = v
    def __call__(self, text): return self.v
print(json.dumps([identity(made({"a": [1, {"x", "y", "z"}]})), identity(Bot(frozenset("abc")))]))
"""
    found = [
        json.loads(
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}).stdout
        )
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]
