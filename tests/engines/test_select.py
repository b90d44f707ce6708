"""Which engine answers rows, and llama.cpp's own slots."""

import json

import pytest

from fmnb.core.backend import BatchBackend
from fmnb.core.errors import InsufficientMemoryError
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import Failed, Finished, Notice, TextDelta, build_response
from fmnb.core.types import Request, message
from fmnb.engines import host, loaded
from fmnb.engines import select as rows_engine
from fmnb.engines.llamacpp import backend as llamacpp
from fmnb.engines.llamacpp import model as llama_model
from fmnb.engines.select import for_rows
from tests.engines.asking import PERSON

pytest.importorskip("xllamacpp")


@pytest.fixture(scope="module", autouse=True)
def nothing_left():
    yield
    loaded.unload()


@pytest.fixture
def model(embedded_path):
    return llamacpp.backend(embedded_path, "embedded")


def asked(count: int, **options) -> list[tuple[int, Request]]:
    more = {"max_tokens": 6, **options}
    return [
        (i * 2, Request("embedded", (message("user", f"Name a word that begins with {'abcdefghijkl'[i]}."),), **more)) for i in range(count)
    ]


def together(model, requests) -> dict[int, list]:
    found: dict[int, list] = {}
    for n, event in iterate_sync(model.stream_rows(requests)):
        found.setdefault(n, []).append(event)
    return found


def test_rows_of_a_gguf_file_go_to_torch_and_say_so(model):
    pytest.importorskip("torch")
    other = for_rows(model)
    assert isinstance(other, BatchBackend) and type(other).__name__ == "TorchBackend" and other.info.name == "embedded"
    found = together(other, asked(2, dtype="float32"))
    assert rows_engine.NOTE in [e.text for e in found[-1] if isinstance(e, Notice)]
    assert found[2][-1].extra["path"] == "fast"


def test_an_engine_that_was_named_keeps_its_rows(embedded_path):
    model = llamacpp.backend(embedded_path, "gguf:embedded")
    assert for_rows(model) is model


@pytest.mark.parametrize("lacking", ["torch", "tokenizers"])
def test_without_torch_rows_stay_on_llama_cpp(model, monkeypatch, lacking):
    monkeypatch.setattr(rows_engine, "find_spec", lambda name: None if name == lacking else object())
    assert for_rows(model) is model


def test_a_family_that_torch_does_not_know_stays(model, monkeypatch):
    monkeypatch.setattr(rows_engine.llama_config, "from_gguf", lambda head: None)
    assert for_rows(model) is model


def test_too_little_memory_for_torch_leaves_rows_where_they_are(model, monkeypatch):
    monkeypatch.setattr(host, "available_memory", lambda: 150 << 20)
    assert for_rows(model) is model


def test_what_answers_rows_itself_is_asked_itself():
    thing = object()
    assert for_rows(thing) is thing


def test_slots_answer_all_rows(model):
    requests = asked(11)
    found = together(model, requests)
    assert {n for n, _ in requests} == set(found) - {-1}
    for n, _ in requests:
        got = build_response(found[n])
        assert got.text and got.usage.output_tokens <= 6 and isinstance(found[n][-1], Finished)


def test_a_row_that_slots_cannot_answer_fails_alone(model):
    requests = [*asked(3), (99, Request("embedded", (message("user", "x"),), schema={"type": "nonsense"}, max_tokens=4))]
    found = together(model, requests)
    assert isinstance(found[99][-1], Failed)
    assert all(isinstance(found[n][-1], Finished) for n, _ in requests[:3])


def test_slots_keep_schemas(model):
    found = together(model, asked(3, schema=PERSON, max_tokens=60))
    for n in (0, 2, 4):
        assert set(json.loads(build_response(found[n]).text)) == {"name", "age"}


def test_closing_the_stream_stops_all_slots(model):
    stream = iterate_sync(model.stream_rows(asked(10, max_tokens=2000, extra={"ignore_eos": True})))
    next(e for n, e in stream if isinstance(e, TextDelta))
    stream.close()
    assert isinstance(together(model, asked(1))[0][-1], Finished)  # comes once the others let go


def test_fewer_slots_are_taken_where_memory_is_short(model, monkeypatch, embedded_path):
    load, tried = llama_model.load, []

    def little(path, wanted, put, stopped, slots=1):
        tried.append(slots)
        if slots > 2:
            raise InsufficientMemoryError("no room")
        return load(path, wanted, put, stopped, slots)

    loaded.unload()
    monkeypatch.setattr(llama_model, "load", little)
    found = together(model, asked(3))
    assert tried == [8, 4, 2] and all(isinstance(found[n][-1], Finished) for n in (0, 2, 4))
