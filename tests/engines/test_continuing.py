"""An answer that the last message begins is gone on with, token for token where the engine allows it."""

from __future__ import annotations

import pytest

from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import build_response
from fmnb.core.types import Request, message
from fmnb.engines import host
from fmnb.engines.llamacpp import backend as llamacpp
from fmnb.engines.torch import backend as torch_engine
from tests.conftest import FULL
from tests.engines import tiny

QUESTION = message("user", "Tell me about the sea.")


@pytest.fixture(params=[llamacpp, torch_engine], ids=["llamacpp", "torch"])
def engine(request):
    return request.param


def answer(model, *more, **options):
    options = {"dtype": "float32"} | options if isinstance(model, torch_engine.TorchBackend) else options
    return build_response(iterate_sync(model.stream(Request("m", (QUESTION, *more), **options))))


@pytest.mark.parametrize("cut", [1, 5, 12] if FULL else [5])
def test_an_answer_that_was_cut_goes_on_as_if_it_had_not_been(engine, embedded_path, cut, monkeypatch):
    monkeypatch.setattr(host, "threads", lambda: (1, ""))
    model = engine.backend(embedded_path)
    whole = answer(model, max_tokens=24)
    begin = answer(model, max_tokens=cut)
    assert begin.finish_reason == "length" and whole.text.startswith(begin.text)
    rest = answer(model, message("assistant", begin.text), max_tokens=24 - cut)
    assert begin.text + rest.text == whole.text


def test_any_weights_go_on_by_the_tokens_they_wrote(tmp_path):
    path = tmp_path / "tiny.gguf"
    path.write_bytes(tiny.gguf(tiny.model("llama"), "llama"))
    model = torch_engine.backend(path)
    options = {"extra": {"ignore_eos": True}}
    whole, begin = answer(model, max_tokens=12, **options), answer(model, max_tokens=5, **options)
    rest = answer(model, message("assistant", begin.text), max_tokens=7, **options)
    assert rest.text and (begin.text + rest.text)[:8] == whole.text[:8]


def test_rows_go_on_too(engine, embedded_path):
    model = engine.backend(embedded_path)
    begin = "The sea is blue because"
    request = Request("m", (QUESTION, message("assistant", begin)), max_tokens=6)
    alone = build_response(iterate_sync(model.stream(request))).text
    rows = build_response([e for _, e in iterate_sync(model.stream_rows([(0, request)]))]).text
    assert alone.startswith(" ") and rows.startswith(" ")


def test_an_answer_with_a_schema_goes_on_and_is_whole(engine, embedded_path):
    import json

    schema = {"type": "object", "properties": {"a": {"type": "string"}, "n": {"type": "integer"}}, "required": ["a", "n"]}
    model = engine.backend(embedded_path)
    rest = answer(model, message("assistant", '{"a": "The'), schema=schema, max_tokens=40)
    assert set(json.loads('{"a": "The' + rest.text)) == {"a", "n"}
