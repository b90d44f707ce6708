"""What both engines do the same, on the embedded model."""

from __future__ import annotations

import asyncio

import pytest

from fmnb.core.errors import BadRequestError, ContextTooLongError, NotPulledError
from fmnb.core.event_loop import background_loop
from fmnb.core.events import build_response
from fmnb.core.registry import ENGINES, load
from fmnb.core.types import Image, Message, Request, message
from fmnb.engines import host, loaded
from tests.engines.asking import answer, ask, events


@pytest.fixture(scope="module", autouse=True)
def nothing_left():
    yield
    loaded.unload()


@pytest.fixture(params=["gguf", "torch"])  # the engines that write text
def backend(request):
    pytest.importorskip({"gguf": "xllamacpp", "torch": "torch"}[request.param])
    return load(ENGINES[request.param])


@pytest.fixture
def model(backend, embedded_path):
    return backend(embedded_path, "embedded")


def test_the_card_tells_what_the_file_says_and_loads_nothing(backend, embedded_path):
    loaded.unload()
    info = backend(embedded_path, "embedded").info
    assert (info.name, info.host, info.local, info.context, info.chat) == ("embedded", "local", True, 8192, True)
    assert (info.price_in, info.price_out, info.license) == (0.0, 0.0, "apache-2.0")
    assert info.size == embedded_path.stat().st_size < info.memory
    assert loaded.loaded_models() == []


def test_a_seed_repeats_a_sampled_answer_and_another_sample_differs(model, monkeypatch):
    monkeypatch.setattr(host, "threads", lambda: (1, ""))  # on a busy machine they change, and with them the order of sums
    hot = {"temperature": 1.5, "seed": 7, "max_tokens": 30}
    first = answer(model, ask("Tell me a story.", **hot))
    assert answer(model, ask("Tell me a story.", **hot)) == first
    assert answer(model, ask("Tell me a story.", **hot, sample=1)) != first


def test_a_schema_that_makes_no_sense_is_refused(model):
    with pytest.raises(BadRequestError, match="nope"):
        events(model, ask("x", schema={"type": "object", "properties": {"a": {"$ref": "#/nope"}}}))


def test_images_are_refused_in_words(model):
    with pytest.raises(BadRequestError, match="cannot see images"):
        events(model, Request("m", (Message("user", (Image(b"x"),)),)))


def test_system_and_earlier_turns_reach_the_model(model):
    turns = (
        message("system", "Answer in one word."),
        message("user", "My name is Ada."),
        message("assistant", "Hello."),
        message("user", "What is my name?"),
    )
    assert model.count(Request("m", turns)).tokens > model.count(Request("m", turns[-1:])).tokens
    assert "Ada" in answer(model, Request("m", turns, max_tokens=12))


def test_the_count_is_what_the_call_then_uses(model):
    request = ask("How many tokens is this? Ünïcödé 漢字 🙂", max_tokens=2)
    count = model.count(request)
    assert count.exact
    assert events(model, request)[-2].usage.input_tokens == count.tokens


def test_a_prompt_longer_than_the_model_holds_says_by_how_much(model):
    request = ask("word " * 9000, max_tokens=10)
    over = model.count(request).tokens + 10 - 8192
    with pytest.raises(ContextTooLongError, match=f"by {over:,} tokens"):
        events(model, request)


def test_a_missing_file_is_not_pulled(backend, tmp_path):
    with pytest.raises(NotPulledError):
        backend(tmp_path / "none.gguf")


def test_streams_of_one_model_asked_at_once_do_not_mix(model):
    alone = [answer(model, ask(q, max_tokens=20)) for q in ("Name three fruits.", "What is rain?")]

    async def both():
        async def one(q):
            return build_response([e async for e in model.stream(ask(q, max_tokens=20))]).text

        return await asyncio.gather(one("Name three fruits."), one("What is rain?"))

    assert asyncio.run_coroutine_threadsafe(both(), background_loop()).result(60) == alone
