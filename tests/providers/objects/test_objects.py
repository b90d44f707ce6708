"""Any object of the notebook as a model: functions, LangChain runnables, LlamaIndex engines."""

from __future__ import annotations

import functools

import pytest

import fmnb as fm
from fmnb.catalog.resolve import resolve
from fmnb.core.errors import BadRequestError, CustomModelError, EmptyAnswerError, LockedError, ModelError, UsageError
from fmnb.core.event_loop import iterate_sync
from fmnb.core.types import Image, Message, Request, Text
from fmnb.providers.objects.base import backend
from tests.admin_config import use_admin_folder


def shout(text):
    return text.upper()


def test_a_function_of_text_answers():
    answer = fm.ask("hello", shout)
    assert (answer.text, answer.requested_model, answer.model) == ("HELLO", "shout", "object:shout") and answer.cost is None


def test_a_generator_streams_its_pieces():
    def count(text):
        yield from ("one ", "two ", "three")

    assert list(fm.stream("go", count)) == ["one ", "two ", "three"]


def test_coroutines_and_async_generators_are_awaited():
    async def later(text):
        return f"later {text}"

    async def drop_by_drop(text):
        for letter in text:
            yield letter

    assert fm.ask("x", later).text == "later x"
    assert list(fm.stream("abc", drop_by_drop)) == ["a", "b", "c"]


def test_a_function_that_wants_messages_gets_every_turn():
    seen = []

    def talk(messages):
        seen.extend(messages)
        return {"role": "assistant", "content": "ok"}

    chat = fm.Chat(talk, system="Be brief.")
    chat.ask("one")
    chat.ask("two")
    assert [m["role"] for m in seen[-4:]] == ["system", "user", "assistant", "user"] and seen[-1]["content"] == "two"
    assert chat.messages[-1].text == "ok"


def test_options_go_where_the_function_has_a_name_for_them_and_are_named_where_not():
    seen = {}

    def warm(text, temperature=None, top_k=None):
        seen.update(temperature=temperature, top_k=top_k)
        return "ok"

    answer = fm.ask("x", warm, temperature=0.5, seed=3, params={"top_k": 5})
    assert seen == {"temperature": 0.5, "top_k": 5} and answer.not_applied == ("seed",)


def test_zero_is_a_value_like_any_other():
    seen = {}

    def warm(text, temperature=None, seed=None):
        seen.update(temperature=temperature, seed=seed)
        return "ok"

    assert fm.ask("x", warm, temperature=0, seed=0).not_applied == () and seen == {"temperature": 0, "seed": 0}
    assert fm.ask("x", shout, temperature=0, seed=0).not_applied == ("temperature", "seed")


def test_options_of_services_and_of_weights_are_not_applied():
    assert fm.ask("x", shout, api="chat", quant="int8", dtype="float16").not_applied == ("api", "quant", "dtype")


def test_a_system_prompt_comes_before_the_text_or_under_its_name():
    assert fm.ask("x", shout, system="be loud").text == "BE LOUD\n\nX"
    assert fm.ask("x", lambda text, system="": f"{system}|{text}", system="be loud").text == "be loud|x"


def test_earlier_turns_that_a_function_of_text_cannot_take_are_named():
    chat = fm.Chat(shout)
    chat.ask("one")
    assert chat.ask("two").not_applied == ("earlier turns",)


def test_a_structured_answer_is_asked_for_in_words():
    def obedient(text):
        assert "JSON schema" in text
        return {"name": "Ada", "age": 36}

    assert fm.ask("who", obedient, schema="name, age int").data == {"name": "Ada", "age": 36}


def test_an_answer_of_fmnb_passed_on_keeps_its_usage():
    def relay(text):
        return fm.ask(text, "echo:")

    answer = fm.ask("three words here", relay)
    assert answer.text == "three words here" and answer.usage.output_tokens == 3


def test_an_image_is_refused_by_a_function_of_text():
    request = Request("object:shout", (Message("user", (Text("what"), Image(b"\x89PNG"))),))
    with pytest.raises(BadRequestError, match="accepts only text"):
        list(iterate_sync(backend(shout, "shout").stream(request)))


def test_nothing_is_no_answer():
    with pytest.raises(EmptyAnswerError, match="returned no text"):
        fm.ask("x", lambda text: None)


def test_a_functions_own_error_is_the_cause_and_its_own_lines_are_the_traceback():
    def inner():
        return 1 / 0

    def broken(text):
        return inner()

    with pytest.raises(CustomModelError, match="broken failed: ZeroDivisionError: division by zero") as e:
        fm.ask("x", broken)
    assert type(e.value.__cause__) is ZeroDivisionError and e.value.billed is None
    shown = "\n".join(e.value._render_traceback_())
    assert "in broken" in shown and "in inner" in shown and "fmnb/" not in shown


def test_a_function_that_fails_leaves_its_neighbours_alone():
    def broken(text):
        raise ValueError("mine")

    found = fm.compare("x", [broken, shout], sinks=[])
    assert [r.text for r in found.responses] == ["", "X"]


@pytest.mark.parametrize("function", [lambda: "x", lambda a, b: "x", lambda *, text: "x"])
def test_a_function_that_cannot_be_called_with_one_text_says_so(function):
    with pytest.raises(UsageError, match="called with only the prompt"):
        fm.ask("x", function)


def test_what_is_no_model_stays_none():
    for thing in (str, 3, [shout], object()):
        with pytest.raises(ModelError, match="not a model"):
            resolve(thing)


def test_an_administrators_list_of_providers_locks_objects_out(tmp_path, monkeypatch):
    (tmp_path / "fmnb.toml").write_text('[lock]\nproviders = ["openai"]\n')
    use_admin_folder(monkeypatch, tmp_path)
    with pytest.raises(LockedError, match="custom model"):
        fm.ask("x", shout)


# LangChain


@pytest.fixture
def langchain():
    return pytest.importorskip("langchain_core")


def test_a_chat_model_of_langchain_streams_with_its_usage(langchain):
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessageChunk
    from langchain_core.outputs import ChatGenerationChunk

    class Parrot(BaseChatModel):
        @property
        def _llm_type(self):
            return "parrot"

        def _generate(self, messages, stop=None, run_manager=None, **options):
            raise AssertionError("it streams")

        def _stream(self, messages, stop=None, run_manager=None, **options):
            for word in ("you ", "said: ", messages[-1].content):
                yield ChatGenerationChunk(message=AIMessageChunk(content=word, response_metadata={"model_name": "parrot-1"}))
            usage = {"input_tokens": 4, "output_tokens": 3, "total_tokens": 7}
            yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=usage))

    stream = fm.stream("hello", Parrot(), temperature=1)
    assert list(stream) == ["you ", "said: ", "hello"]
    assert (stream.response.usage.input_tokens, stream.response.usage.output_tokens) == (4, 3)
    assert stream.response.not_applied == ("temperature",) and stream.response.model.startswith("parrot-1")


def test_a_chain_of_coroutines_alone_is_awaited(langchain):
    from langchain_core.runnables import RunnableLambda

    async def loud(text):
        return text.upper()

    assert fm.ask("hi", RunnableLambda(loud) | RunnableLambda(lambda text: f"{text}!")).text == "HI!"

    def wrong(text):
        raise TypeError("mine")

    with pytest.raises(CustomModelError, match="mine"):
        fm.ask("hi", RunnableLambda(wrong))


def test_a_chain_is_streamed_and_its_one_field_is_the_prompt(langchain):
    from langchain_core.language_models import FakeListChatModel
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate

    chain = ChatPromptTemplate.from_template("Tell me about {topic}") | FakeListChatModel(responses=["All about it."]) | StrOutputParser()
    stream = fm.stream("cats", chain)
    assert len(list(stream)) > 3 and stream.response.text == "All about it."


def test_a_chain_of_two_fields_takes_one_from_p_and_says_which_are_open(langchain):
    from langchain_core.prompts import PromptTemplate
    from langchain_core.runnables import RunnableLambda

    chain = PromptTemplate.from_template("{tone}: {topic}") | RunnableLambda(lambda value: value.to_string())
    assert fm.ask("cats", chain, params={"tone": "kindly"}).text == "kindly: cats"
    with pytest.raises(fm.FmnbError, match="-p t"):
        fm.ask("cats", chain)


def test_a_retrieval_chain_brings_its_sources(langchain):
    from langchain_core.documents import Document
    from langchain_core.runnables import RunnableLambda

    found = [Document(page_content="Cats purr.", metadata={"source": "cats.pdf", "page": 3})]
    chain = RunnableLambda(lambda text: {"answer": "They purr.", "context": found})
    answer = fm.ask("What do cats do?", chain)
    assert answer.text == "They purr." and answer.extra["sources"] == [{"title": "cats.pdf, page 3", "text": "Cats purr."}]


# LlamaIndex


@pytest.fixture
def llm():
    pytest.importorskip("llama_index.core")
    return fm.Model("echo:").as_llamaindex()


def test_a_query_engine_of_llamaindex_answers_with_its_sources(llm):
    from llama_index.core import Document, SummaryIndex

    index = SummaryIndex.from_documents([Document(text="Cats purr when they are content.", metadata={"file_name": "cats.txt"})])
    engine = index.as_query_engine(llm=llm, streaming=True)
    answer = fm.ask("What do cats do?", engine)
    assert "What do cats do?" in answer.text  # echo repeats the prompt that the engine made
    assert answer.extra["sources"][0]["title"] == "cats.txt" and "purr" in answer.extra["sources"][0]["text"]


def test_a_chat_engine_and_a_model_of_llamaindex_answer(llm):
    from llama_index.core.chat_engine import SimpleChatEngine

    assert fm.ask("hello there", SimpleChatEngine.from_defaults(llm=llm)).text == "hello there"
    assert fm.ask("hello there", llm).text == "hello there"


def test_the_library_is_not_imported_for_objects_that_are_none_of_its_own():
    import subprocess
    import sys

    code = (
        "import sys, fmnb; fmnb.ask('x', lambda text: text); print([m for m in sys.modules if m.startswith(('langchain', 'llama_index'))])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_ask_itself_as_a_model_passes_the_options_on():
    heard = {}

    def model(text, system=None, temperature=None, seed=None):
        heard.update(text=text, system=system, temperature=temperature, seed=seed)
        return "yes"

    r = fm.ask("Well?", functools.partial(fm.ask, model=model), system="Be brief.", temperature=0.5, seed=3, params={"top_p": 0.9})
    assert heard == {"text": "Well?", "system": "Be brief.", "temperature": 0.5, "seed": 3}
    assert r.text == "yes" and r.not_applied == ("top_p",)
