"""Conversations: what a turn keeps, what is never sent, and that copies keep apart."""

from __future__ import annotations

import pytest

import fmnb as fm
from fmnb.chat import Chat, chats, named
from fmnb.errors import UsageError
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
    assert named("talk-1") is named("talk-1") and list(chats()) == ["talk-1"]
    with pytest.raises(UsageError, match="This kernel has: talk-1"):
        named("other", create=False)
    for odd in ("", "../x", "a b", "a\n"):
        with pytest.raises(UsageError):
            named(odd)
