"""One answer as small messages: together they are the answer, whatever it holds."""

import pytest

from fmnb.calls import run as calls_run
from fmnb.calls.call import Options
from fmnb.calls.prepare import prepare
from fmnb.core.events import EventStamper, Finished, Started, TextDelta
from fmnb.core.response import Response
from fmnb.jupyter.widgets.answer_stream import AnswerStream, complete_message, static_answer
from fmnb.views.html import render
from tests.views.hostile import HOSTILE


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def streamed(text, size=7):
    said, clock = [], Clock()
    answer = AnswerStream("r", said.append, clock=clock)
    stamp = EventStamper("r")
    answer(stamp(Started(model="echo:")))
    for i in range(0, len(text), size):
        clock.now += 1.0  # each piece finds that it is time to draw
        answer(stamp(TextDelta(text=text[i : i + size])))
    answer(stamp(Finished()))
    return said


def together(said):
    done = ""
    n = 0
    for m in said:
        assert m["from"] in (0, n)
        done = done + m["add"] if m["from"] else m["add"]
        n = m["n"]
    return done + said[-1]["tail"]


@pytest.mark.parametrize("text", ["one\n\ntwo **three**\n\n- four\n- five\n\nsix", "[a]\n\nb\n\n[a]: https://x.example/", *HOSTILE[::9]])
def test_the_pieces_add_up_to_the_answer(text):
    assert together(streamed(text, max(7, len(text) // 300))) == render(text)


def test_a_block_that_is_closed_travels_once():
    said = streamed("a long first block " * 20 + "\n\n" + "words\n\nand more\n\n" * 20)
    assert sum("a long first block" in m["add"] for m in said) == 1
    assert "a long first block" not in said[-1]["tail"]


def test_a_page_that_came_late_gets_everything():
    said, clock = [], Clock()
    answer = AnswerStream("r", said.append, clock=clock)
    stamp = EventStamper("r")
    assert answer.full_message() == {}
    answer(stamp(Started(model="echo:")))
    clock.now += 1.0
    answer(stamp(TextDelta(text="first\n\nsecond\n\nthird")))
    whole = answer.full_message()
    assert whole["from"] == 0 and whole["add"] + whole["tail"] == render("first\n\nsecond\n\nthird")
    assert whole["n"] == said[-1]["n"]


def test_what_is_held_back_is_drawn_by_a_tick():
    said, clock = [], Clock()
    answer = AnswerStream("r", said.append, clock=clock)
    stamp = EventStamper("r")
    answer(stamp(Started(model="echo:")))
    answer(stamp(TextDelta(text="held")))
    answer.tick()
    assert len(said) == 1
    clock.now += 1.0
    answer.tick()
    assert "held" in said[-1]["tail"]


def test_a_failure_is_said_with_what_came_before_it():
    asked = prepare("one two three four", "echo:fail=cut", Options())
    said = []
    calls_run.run_calls([asked], [AnswerStream(asked.call.run, said.append)])
    assert said[-1]["state"] == "failed" and "ended the connection" in said[-1]["end"] and "one" in together(said)
    assert complete_message(asked.response)["state"] == "failed"


@pytest.mark.parametrize(
    ("finish", "error", "words"),
    [("cancelled", None, "stopped; 5 characters kept"), ("error", {"message": "It broke"}, "It broke"), ("stop", None, "echo:")],
)
def test_what_stands_without_a_kernel_says_why_it_is_not_whole(finish, error, words):
    html = static_answer(Response("hello", model="echo:", finish_reason=finish, error=error))[0]["text/html"]
    assert "hello" in html and words in html and ("stopped" in html) is (finish == "cancelled")
