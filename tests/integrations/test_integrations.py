"""A model of fmnb inside LangChain and LlamaIndex."""

from __future__ import annotations

import base64

import pytest

import fmnb as fm
from fmnb.core.errors import BadRequestError
from fmnb.store import log


@pytest.fixture
def chat():
    pytest.importorskip("langchain_core")
    return fm.Model("echo:").as_langchain()


@pytest.fixture
def llm():
    pytest.importorskip("llama_index.core")
    return fm.Model("echo:").as_llamaindex()


def test_langchain_invokes_it_and_sees_usage_and_model(chat):
    answer = chat.invoke("two words")
    assert answer.content == "two words" and answer.usage_metadata["output_tokens"] == 2
    assert answer.response_metadata["model_name"] == "echo"


def test_langchain_streams_it(chat):
    assert [c.content for c in chat.stream("a b c") if c.content] == ["a", " b", " c"]


def test_a_chain_around_it_works_and_its_calls_are_in_the_log(chat):
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate

    chain = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "Say {word}")]) | chat | StrOutputParser()
    assert chain.invoke({"word": "cheese"}) == "Say cheese"
    (row,) = log.search("cheese")
    assert row["model"] == "echo"


def test_earlier_turns_travel(chat):
    assert chat.invoke([("human", "one"), ("ai", "two"), ("human", "three")]).content == "three"
    request = log.reopen(log.search("three")[0]["run"]).request
    assert [m.role for m in request.messages] == ["user", "assistant", "user"]


def test_stop_and_the_models_own_options_hold(chat):
    assert chat.invoke("one two three", stop=["two"]).content == "one "
    assert fm.Model("echo:", max_tokens=1).as_langchain().invoke("one two").content.strip() == "one"


def test_an_image_travels_and_an_address_is_refused(chat):
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    chat.invoke([("human", [{"type": "text", "text": "what is this"}, url])])
    request = log.reopen(log.search("what is this")[0]["run"]).request
    assert request.messages[-1].parts[1].data == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(BadRequestError, match="inside the message"):
        chat.invoke([("human", [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}])])


def test_an_error_is_ours_and_not_hidden():
    pytest.importorskip("langchain_core")
    with pytest.raises(fm.FmnbError, match="rejected the key"):
        fm.Model("echo:fail=key").as_langchain().invoke("x")


def test_llamaindex_completes_chats_and_streams_with_it(llm):
    from llama_index.core.llms import ChatMessage

    assert llm.complete("hello there").text == "hello there"
    assert [c.delta for c in llm.stream_complete("a b")] == ["a", " b"]
    assert llm.chat([ChatMessage("hi you")]).message.content == "hi you"
    assert [c.delta for c in llm.stream_chat([ChatMessage("a b")])] == ["a", " b"]


def test_llamaindex_sees_what_the_card_says():
    pytest.importorskip("llama_index.core")
    about = fm.Model("openai:gpt-4.1-mini").as_llamaindex().metadata
    assert about.model_name == "openai:gpt-4.1-mini" and about.context_window > 500_000 and about.is_chat_model


def test_a_model_goes_round_and_comes_back(chat):
    """fmnb asks a LangChain model that is a model of fmnb."""
    answer = fm.ask("there and back", chat)
    assert answer.text == "there and back" and answer.usage.output_tokens == 3
