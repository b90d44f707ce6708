"""Structured answers of services: what fits its schema is no loop, and what repeats itself is not asked again."""

from __future__ import annotations

import json

import pytest

from fmnb.batch.run import batch
from fmnb.calls.model import Model
from fmnb.core.backend import estimate_tokens
from fmnb.core.errors import SchemaMismatchError
from fmnb.core.events import Finished, TextDelta
from fmnb.core.json_prefix import is_json_prefix
from fmnb.core.repetition import NOTICE, REASON
from fmnb.core.types import ModelInfo
from fmnb.store import log
from tests.batch.service import Service
from tests.repetitions import LOOPS

FIT = {
    "list[yes|no]": {"items": ["no"] * 400},
    "list[str]": {"items": ["The table is about the table."] * 60},
    "list[name, age int]": {"items": [{"name": "Ann Smith", "age": 3}] * 80},
    "a str": {"a": LOOPS["a sentence"]},
}
OPEN = '{"items": [' + '"no, it is not so", ' * 120


class Streamed:
    """A hosted model that says a text in small pieces and counts what it is asked."""

    info = ModelInfo("object:streamed", "object", "far.example", local=False)

    def __init__(self, text, piece=7):
        self.text, self.piece, self.asked, self.sent = text, piece, 0, 0

    async def stream(self, request):
        self.asked += 1
        for n in range(0, len(self.text), self.piece):
            self.sent += self.piece
            yield TextDelta(text=self.text[n : n + self.piece])
        yield Finished()

    def count(self, request):
        return estimate_tokens(request)

    def deterministic(self, request):
        return False


@pytest.mark.parametrize("schema", FIT)
@pytest.mark.parametrize("around", ["{}", "Here it is:\n```json\n{}\n```\n"])
def test_a_streamed_answer_that_fits_its_schema_is_whole(schema, around):
    backend = Streamed(around.replace("{}", json.dumps(FIT[schema])))
    answer = Model(backend).ask("?", schema=schema)
    data = FIT[schema].get("items", FIT[schema])
    assert answer.data == data and backend.asked == 1 and not answer.notes


@pytest.mark.parametrize(
    "text",
    [OPEN, "The table is about the table. " * 60, '{"items": ["a"]]' + " and so on, and so on" * 60],
    ids=["open", "words", "broken"],
)
def test_a_loop_that_does_not_fit_is_paid_once_and_not_blamed_on_the_model(text):
    backend = Streamed(text)
    with pytest.raises(SchemaMismatchError, match="repeated itself") as e:
        Model(backend).ask("?", schema="n int")
    assert backend.asked == 1 and "larger model" in e.value.hint
    assert NOTICE in log.reopen(e.value.run).notes


def test_json_that_never_ends_is_ended_at_last():
    backend = Streamed('{"items": [' + '"no", ' * 100_000, piece=600)
    with pytest.raises(SchemaMismatchError, match="repeated itself"):
        Model(backend).ask("?", schema="list[str]")
    assert backend.asked == 1 and backend.sent < 200_000


def test_words_that_loop_behind_the_json_are_cut_and_the_data_stays():
    backend = Streamed('{"n": 3}\n' + "That is the answer to it. " * 400)
    answer = Model(backend).ask("?", schema="n int")
    assert answer.data == {"n": 3} and answer.finish_reason == REASON and backend.sent < 1000


def test_a_mistake_in_whole_json_is_still_asked_again():
    backend = Streamed(json.dumps({"items": ["no"] * 400 + ["maybe"]}))
    with pytest.raises(SchemaMismatchError, match="does not match"):
        Model(backend).ask("?", schema="list[yes|no]")
    assert backend.asked == 2


def test_rows_that_repeat_themselves_and_do_not_fit_are_asked_once(monkeypatch):
    with Service() as service:
        monkeypatch.setenv("VLLM_BASE_URL", service.url)
        service.answer = lambda body: OPEN
        done = batch("Say {{ w }}", [{"w": "a"}], "vllm:m", schema="list[str]")
    assert "repeated itself" in done.answers[0].error["message"] and len(service.requests) == 1
    assert NOTICE in log.reopen(done.answers[0].run).notes


def test_json_without_a_schema_is_let_through_in_cells_and_rows(monkeypatch):
    text = json.dumps({"items": ["no, it is not so"] * 120})
    assert Model(Streamed(text)).ask("?", format="json").data == json.loads(text)
    with Service() as service:
        monkeypatch.setenv("VLLM_BASE_URL", service.url)
        service.answer = lambda body: text
        (a,) = batch("Say {{ w }}", [{"w": "a"}], "vllm:m", format="json").answers
    assert a.text == text and a.finish_reason == "stop"


def test_a_row_is_whole_where_no_log_would_keep_the_rest(monkeypatch):
    monkeypatch.setattr(log, "enabled", lambda: False)
    with Service() as service:
        monkeypatch.setenv("VLLM_BASE_URL", service.url)
        service.answer = lambda body: LOOPS["a sentence"]
        (a,) = batch("Say {{ w }}", [{"w": "a"}], "vllm:m").answers
    assert a.text == LOOPS["a sentence"]


@pytest.mark.parametrize("text", ['{"a": [1, {"b": "é\\u00e9 \\" x"}, true, null, -1.5e3, "x"], "c": {}}', '[[], [false, "]"]]'])
def test_every_prefix_of_json_is_open_and_nothing_else(text):
    assert all(is_json_prefix(text[:n]) for n in range(1, len(text)))
    assert not is_json_prefix(text) and not is_json_prefix(text + " x") and not is_json_prefix(text[:-1] + "}]")
    assert not is_json_prefix("") and not is_json_prefix("words alone") and not is_json_prefix('{"a": "b\n') and not is_json_prefix("[1 2")
