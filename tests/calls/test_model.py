"""The public calls: options, values, streams, interrupts."""

from __future__ import annotations

import asyncio
import os
import signal

import numpy as np
import pytest

import fmnb as fm
from fmnb.calls.session import session
from fmnb.core.errors import Interrupted, PromptError, UsageError
from fmnb.core.events import Cancelled, TextDelta
from fmnb.store import log


def test_text_is_sent_as_it_is_and_a_prompt_is_filled():
    assert fm.ask("{{ x }}", "echo:").text == "{{ x }}"
    assert fm.ask(fm.Prompt("{{ x + 1 }}"), "echo:", values={"x": 1}).text == "2"
    with pytest.raises(PromptError):
        fm.ask(fm.Prompt("{{ x }}"), "echo:")


def test_a_system_prompt_is_filled_from_the_same_values():
    assert fm.ask(fm.Prompt("hi", system="for {{ x }}"), "echo:", values={"x": 1}).messages[0].text == "for 1"


def test_numbers_of_numpy_are_numbers():
    r = fm.ask("hi", "echo:", seed=np.int64(3), temperature=np.float32(0.5), max_tokens=np.int64(3), params={"top_k": np.int64(4)})
    assert (r.request.seed, r.request.temperature, r.request.max_tokens, r.request.extra) == (3, 0.5, 3, {"top_k": 4})
    assert type(r.request.seed) is int and log.reopen(r.run).request == r.request


@pytest.mark.parametrize(
    "options",
    [
        {"seed": "x"},
        {"seed": 1.5},
        {"temperature": "hot"},
        {"temperature": float("nan")},
        {"temperature": 2.1},
        {"max_tokens": True},
        {"max_tokens": 0},
        {"stop": 3},
        {"stop": [1]},
        {"system": 3},
        {"params": {"a": object()}},
        {"params": {"a": float("nan")}},
        {"params": {"temperature": 1}},
        {"format": "pdf"},
        {"schema": 3},
        {"temprature": 1},
    ],
)
def test_an_option_that_cannot_be_is_refused_before_anything_is_sent(options):
    with pytest.raises(UsageError):
        fm.ask("hi", "echo:", **options)
    assert not log.search()


@pytest.mark.parametrize("prompt", [None, 3, b"x", ["a"], "", " \t\u2003\n", fm.Prompt("")])
def test_what_is_no_prompt_is_refused(prompt):
    with pytest.raises(UsageError):
        fm.ask(prompt, "echo:")


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "🎉" * 1000, "\u202e", "x" * 1_000_000, "line\r\nline\u2028", "{% raw"])
def test_odd_text_goes_through_and_into_the_log(text):
    r = fm.ask(text, "echo:")
    assert log.reopen(r.run).text == r.text and r.request.messages[0].text == text


def test_half_a_surrogate_pair_breaks_nothing(tmp_path):
    from fmnb.store.tape import Tape

    session.tape = Tape(tmp_path / "t.jsonl")
    r = fm.ask(fm.Prompt("a{{ s }}"), "echo:", values={"s": "\ud83d"}, system="\udc00")
    assert r.text == "a\ufffd" and r.messages[0].text == "\ufffd"
    assert log.search()[0]["text"] == "a\ufffd" and len(Tape(tmp_path / "t.jsonl")) == 1


def test_one_attachment_need_not_be_a_list(tmp_path):
    (tmp_path / "notes.txt").write_text("buy milk")
    assert "buy milk" in fm.ask("What?", "echo:", attach=tmp_path / "notes.txt").text
    assert "buy milk" in fm.ask("What?", "echo:", attach=str(tmp_path / "notes.txt")).text


def test_a_stream_gives_pieces_and_then_the_whole():
    s = fm.stream("one two three", "echo:")
    assert len(pieces := list(s)) > 1 and "".join(pieces) == s.response.text


def test_a_stream_left_early_is_kept_as_cancelled():
    for _ in fm.stream("one two three", "echo:slow=1"):
        break
    assert log.search()[0]["finish_reason"] == "cancelled"


def test_a_model_carries_its_own_options():
    m = fm.Model("echo:", temperature=0.5, system="s")
    assert m.ask("hi", temperature=0.1).request.temperature == 0.1
    assert m.ask("hi").request.temperature == 0.5 and asyncio.run(m.aask("hi")).messages[0].text == "s"
    with pytest.raises(UsageError, match="Did you mean temperature"):
        fm.Model("echo:", temprature=1)


def test_an_interrupt_keeps_what_had_come_even_when_stop_is_pressed_again():
    class Presses:
        """Presses stop at the second word, and again while the stop is being written down."""

        words = 0

        def __call__(self, event):
            self.words += isinstance(event, TextDelta)
            if isinstance(event, Cancelled) or self.words == 2:
                os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted) as stopped:
        fm.ask("one two three four", "echo:slow=100", sinks=[Presses()])
    assert stopped.value.response.finish_reason == "cancelled" and stopped.value.response.text.startswith("one")
    row = log.search()[0]
    assert (row["finish_reason"], row["text"]) == ("cancelled", stopped.value.response.text)
    assert signal.getsignal(signal.SIGINT) is before


def test_cancelling_an_awaited_call_keeps_what_had_come():
    async def cell():
        began = asyncio.Event()
        task = asyncio.ensure_future(
            fm.aask("one two three four", "echo:slow=0.2", sinks=[lambda e: isinstance(e, TextDelta) and began.set()])
        )
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cell())
    assert (log.search()[0]["finish_reason"], log.search()[0]["text"]) == (
        "cancelled",
        "one",
    ) and session.last.response.finish_reason == "cancelled"


def test_a_failure_of_one_of_many_awaited_calls_is_its_own():
    async def many():
        models = ["echo:", "echo:fail=key", "echo:fail=cut"] * 5
        return await asyncio.gather(*(fm.aask(f"q{i} x", m) for i, m in enumerate(models)), return_exceptions=True)

    got = asyncio.run(many())
    assert [getattr(r, "text", type(r).__name__) for r in got[:3]] == ["q0 x", "AuthenticationError", "StreamInterruptedError"]
    assert all(r.text == f"q{i} x" for i, r in enumerate(got) if i % 3 == 0)


def test_a_sink_that_fails_while_it_waits_does_not_fail_the_call():
    class Breaks:
        name = "a view"

        def __call__(self, event):
            pass

        def tick(self):
            raise ValueError("cannot draw")

    with pytest.warns(UserWarning, match="a view stopped listening"):
        assert fm.ask("one two", "echo:slow=2", sinks=[Breaks()]).text == "one two"
