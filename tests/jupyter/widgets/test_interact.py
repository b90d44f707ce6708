"""A prompt with controls."""

import pytest

from fmnb.core.errors import FmnbError, UsageError
from fmnb.jupyter.widgets.interact import Interact, control
from tests.jupyter.widgets.page import Page, put

EXPLAIN = "Explain {{ topic }} to a {{ reader }}"


@pytest.mark.parametrize(
    ("given", "kind", "value"),
    [
        (["a", "b"], "menu", "a"),
        ({"short": 1, "long": 9}, "menu", 1),
        ((0, 10), "slider", 5),
        ((0, 1.0), "slider", 0.5),
        ((1, 9, 2), "slider", 5),
        (True, "check", True),
        ("text", "text", "text"),
        (3, "number", 3),
        (0.5, "number", 0.5),
    ],
)
def test_what_is_given_decides_the_control(given, kind, value):
    made = control("x", given)
    assert (made.kind, made.value) == (kind, value) and type(made.value) is type(value)


def test_any_other_value_goes_in_as_it_is():
    assert control("x", object()) is None
    assert Interact("{{ n }} {{ rows }}", "echo:", n=1, rows=object)().text.startswith("1 type object")


@pytest.mark.parametrize("given", [(1, 0), (0, 1, 2), (0,), (0, 1, 0), ("a", "b"), [], (0, 1, 2, 3)])
def test_a_control_that_cannot_be_is_refused(given):
    with pytest.raises(UsageError, match="x"):
        Interact("{{ x }}", "echo:", x=given)


def test_names_without_a_control_come_from_the_notebook(monkeypatch):
    put(monkeypatch, topic="tides")
    assert Interact(EXPLAIN, "echo:", reader=["child", "expert"])().text == "Explain tides to a child"


def test_controls_of_options_drive_the_call():
    ask = Interact("hello", "echo:", temperature=(0, 1.0), max_tokens=2, model=["echo:", "echo:think"])
    asked = ask.prepare({"temperature": 0.7, "model": "echo:think"})
    assert (asked.call.request.temperature, asked.call.request.max_tokens, asked.call.target.requested_model) == (0.7, 2, "echo:think")
    assert ask.prepare().call.request.temperature == 0.5


def test_a_mistyped_schema_is_said_when_it_is_asked_and_not_before():
    ask = Page(Interact("x", "echo:", schema="a nonsense[type"))
    ask.do("ask", values={})
    assert "nonsense" in ask.widget.error and ask.widget.response is None


def test_asking_streams_the_answer_and_keeps_it(monkeypatch):
    ask = Page(Interact("Say {{ what }}", "echo:", what=["yes", "no"]))
    ask.do("ask", values={"what": 1})
    run = ask.widget.now["run"]
    assert "Say no" in ask.text(run) and ask.last("answer")["state"] == "finished"
    assert ask.widget.response.text == "Say no" and ask.widget.now["values"] == {"what": 1}
    data, metadata = ask.widget.static_view()
    assert "Say no" in data["text/html"] and "what = no" in data["text/plain"] and metadata["fmnb"]["run"] == run


def test_moving_a_control_asks_nothing_and_calls_nothing(monkeypatch):
    called = []
    put(monkeypatch, act=lambda: called.append(1) or "done")
    ask = Page(Interact("{{ n }} {{ act() }}", "echo:", n=(1, 3)))
    (said,) = ask.do("draft", values={"n": 3})
    assert said["waiting"] == "act()" and not called and ask.widget.response is None and ask.widget.values == {"n": 3}
    ask.do("ask", values={"n": 3})
    assert called == [1] and ask.widget.response.text == "3 done"


def test_a_name_that_is_not_there_is_said_before_anything_is_asked():
    ask = Page(Interact("{{ nowhere }} {{ x() }}", "echo:"))
    (said,) = ask.do("draft", values={})
    assert "nowhere" in said["problem"]


@pytest.mark.parametrize("values", [{"what": 7}, {"what": -1}, {"what": "x"}, {"n": 99}, {"n": None}, {"n": float("nan")}])
def test_a_page_cannot_set_what_a_control_does_not_offer(values):
    ask = Page(Interact("{{ what }} {{ n }}", "echo:", what=["a", "b"], n=(0, 3)))
    ask.do("ask", values=values)
    assert "cannot have this value" in ask.widget.error and ask.widget.response is None


def test_an_answer_in_the_cache_is_there_at_once():
    ask = Page(Interact("Say {{ what }}", "echo:", what=["yes", "no"], temperature=0))
    for what in (0, 1, 0):
        ask.do("ask", values={"what": what})
    assert ask.widget.response.source == "cached" and "nothing spent" in ask.last("answer")["end"]


def test_a_call_that_fails_raises_in_a_script_and_is_shown_on_a_page():
    with pytest.raises(FmnbError, match="ended the connection"):
        Interact("one two", "echo:fail=cut")()
    ask = Page(Interact("one two", "echo:fail=cut"))
    ask.do("ask", values={})
    assert ask.last("answer")["state"] == "failed" and "ended the connection" in ask.widget.static_view()[0]["text/html"]


def test_a_word_the_widget_does_not_know_does_nothing():
    ask = Page(Interact("x", "echo:"))
    assert ask.do("__init__") == [] and ask.do("begin", asked=1) == [] and ask.widget.error == ""
