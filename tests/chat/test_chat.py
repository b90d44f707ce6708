"""Conversations: what a turn keeps, what is never sent, and that copies keep apart."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

import fmnb as fm
from fmnb.calls.session import session
from fmnb.chat.chat import Chat
from fmnb.chat.named import chats, get_chat
from fmnb.core.errors import StreamInterruptedError, UsageError
from fmnb.core.events import Finished, TextDelta
from tests.cells.conftest import cells as cells
from tests.cells.says import Says


def roles(chat):
    return [m.role for m in chat.messages]


def test_a_conversation_holds_what_was_said_and_sends_it():
    chat = Chat("echo:", system="Be brief.")
    chat.ask("one")
    answer = chat.ask("two")
    assert roles(chat) == ["system", "user", "assistant", "user", "assistant"] and chat.turns == 2
    assert [m.text for m in answer.request.messages] == ["Be brief.", "one", "one", "two"]


def test_a_failed_turn_leaves_it_as_it_was():
    chat = Chat("echo:")
    chat.ask("one")
    before = chat.messages
    with pytest.raises(fm.FmnbError):
        chat.ask("two", model="echo:fail=cut")
    assert chat.messages == before


class Stop:
    """Interrupts when text comes, as a person does."""

    def __init__(self, after=1):
        self.left = after

    def __call__(self, event):
        if isinstance(event, TextDelta):
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt


class Slow(Says):
    """Says its text in words, and waits to be stopped behind the second."""

    async def stream(self, request):
        text = next(self._texts)
        for word in text.split():
            yield TextDelta(text=word + " ")
            if word == "STOP":
                await asyncio.Event().wait()
        yield Finished()


def interrupted(chat, question):
    with pytest.raises(KeyboardInterrupt):
        chat.ask(question, sinks=[Stop(2)])


def test_an_interrupted_turn_holds_what_had_come_once():
    chat = Chat(Slow("fine", "one STOP", "and more"))
    chat.ask("first")
    interrupted(chat, "second")
    assert roles(chat) == ["user", "assistant"] * 2 and chat.messages[-1].text == "one STOP "
    answer = chat.ask("third")
    assert [m.role for m in answer.request.messages] == ["user", "assistant", "user", "assistant", "user"]
    assert "".join(m.text for m in answer.request.messages).count("one STOP") == 1


def test_an_interrupt_before_any_text_leaves_the_conversation_as_it_was():
    chat = Chat(Slow("fine", "STOP"))
    chat.ask("first")
    before = chat.messages
    asked = chat.prepare("second")
    asked.response = replace(session.last.response, text="", finish_reason="cancelled")
    chat.commit(asked)
    assert chat.messages == before


@pytest.mark.parametrize("verb", ["continue", "retry"])
@pytest.mark.parametrize("begun", [True, False], ids=["in a conversation", "at its begin"])
def test_an_interrupted_turn_is_whole_after_continue_and_new_after_retry(cells, verb, begun):
    said = (["fine"] if begun else []) + ["one STOP", "and more", "last"]
    chat = chats()["talk"] = Chat(Slow(*said), system="Be brief.", name="talk")
    if begun:
        chat.ask("first")
    interrupted(chat, "second")
    whole = cells(f"%fm {verb}")
    assert roles(chat) == ["system", *["user", "assistant"] * (1 + begun)]
    assert chat.messages[-1].text == whole.text and ("one STOP" in whole.text) == (verb == "continue") and "and more" in whole.text
    sent = chat.ask("third").request.messages
    assert [m.role for m in sent] == ["system", *["user", "assistant"] * (1 + begun), "user"]
    assert "".join(m.text for m in sent).count("one STOP") == (verb == "continue")


def test_a_retry_takes_the_place_of_the_turn_and_leaves_other_conversations_alone(cells):
    chat, other = Chat(Says("one", "two"), name="a"), Chat(Says("x"), name="b")
    chats().update(a=chat, b=other)
    chat.ask("hi")
    again = cells("%fm retry")
    assert roles(chat) == ["user", "assistant"] and chat.messages[-1].text == again.text == "two"
    assert other.messages == () and chat.alternatives(0)[0] == [0, 1]


def test_a_failed_turn_that_is_continued_is_whole(cells):
    chat = Chat(Says(StreamInterruptedError("cut", billed=True), " and the rest"), name="c")
    chats()["c"] = chat
    with pytest.raises(StreamInterruptedError):
        chat.ask("hi")
    assert chat.messages == ()
    cells("%fm continue")
    assert roles(chat) == ["user", "assistant"] and chat.messages[-1].text == "said and the rest"


def test_reasoning_is_not_sent_again():
    chat = Chat("echo:think")
    assert chat.ask("one").reasoning
    assert "asked" not in "".join(str(p) for p in chat.messages[-1].parts)


def test_a_fork_goes_its_own_way():
    chat = Chat("echo:")
    chat.ask("one")
    other = chat.fork("b")
    other.ask("two")
    assert (chat.turns, other.turns) == (1, 2)


def test_trimming_keeps_the_system_prompt_and_the_last_turns():
    chat = Chat("echo:", system="Be brief.")
    for text in ("one", "two", "three"):
        chat.ask(text)
    chat.trim(1)
    assert [m.text for m in chat.messages] == ["Be brief.", "three", "three"]
    chat.trim(0)
    assert roles(chat) == ["system"]
    with pytest.raises(UsageError):
        chat.trim(-1)


def test_compacting_puts_a_summary_where_the_old_turns_were():
    chat = Chat(Says("a1", "a2", "a3", "the summary"))
    for text in ("q1", "q2", "q3"):
        chat.ask(text)
    chat.compact()
    texts = [m.text for m in chat.messages]
    assert "the summary" in texts and "q3" in texts and "q1" not in texts


def test_an_export_loads_again(tmp_path):
    chat = Chat("echo:", system="Be brief.")
    chat.ask("Grüße 🎉")
    again = Chat.load(chat.export(tmp_path / "c.json"))
    assert again.messages == chat.messages and again.model == "echo:"
    assert "Grüße 🎉" in chat.export(tmp_path / "c.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["c.txt", "c", "no/such/folder/c.md"])
def test_an_export_that_cannot_be_is_said(tmp_path, name):
    with pytest.raises(UsageError):
        Chat("echo:").export(tmp_path / name)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": 3}', '{"model": "", "messages": [{}]}', "\x00"])
def test_a_file_that_is_no_conversation_is_said(tmp_path, content):
    (tmp_path / "c.json").write_text(content)
    with pytest.raises(UsageError, match="not an exported conversation"):
        Chat.load(tmp_path / "c.json")


def test_names_begin_conversations_and_odd_names_do_not():
    assert get_chat("talk-1") is get_chat("talk-1") and list(chats()) == ["talk-1"]
    with pytest.raises(UsageError, match="This kernel has: talk-1"):
        get_chat("other", create=False)
    for odd in ("", "../x", "a b", "a\n"):
        with pytest.raises(UsageError):
            get_chat(odd)
