"""What people are told of an answer with a schema that met its token limit: an error, or a whole answer that is marked."""

from __future__ import annotations

import pandas
import pytest

import fmnb as fm
from fmnb.batch.answers import Answer
from fmnb.batch.summary import Tally
from fmnb.calls.call import Options
from fmnb.calls.prepare import prepare
from fmnb.calls.rows_together import as_run
from fmnb.core.errors import SchemaMismatchError
from fmnb.core.events import Failed, Finished, TextDelta
from fmnb.core.types import UNFINISHED, Text
from fmnb.prompts.rendered import Rendered
from fmnb.schemas.convert import to_schema
from fmnb.schemas.validate import parse
from tests.conftest import MODELS

QUESTION = "Say the year and the price: In 1987 the car cost 24500 dollars."


@pytest.fixture
def weights(embedded_path, monkeypatch):
    monkeypatch.setenv("FMNB_MODELS", str(MODELS))


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("model", ["embedded", "torch:embedded"])
def test_an_answer_cut_in_a_number_is_an_error_in_a_call_and_in_a_row(model):
    with pytest.raises(SchemaMismatchError, match="truncated"):
        fm.ask(QUESTION, model, schema="year int, price int", max_tokens=18)
    table = fm.map("{{ q }}", over=pandas.DataFrame({"q": [QUESTION]}), models=model, schema="year int, price int", max_tokens=18)
    assert "truncated" in table.error[0] and "--max-tokens" not in table.text[0]
    assert table.text[0].startswith('{"year": 19') and table.price.isna().all()


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("model", ["embedded", "torch:embedded"])
def test_a_text_that_the_limit_ended_is_kept_and_marked(model):
    came = fm.ask("Bob is 41 years old.", model, schema="age int, who str, ok bool", max_tokens=20)
    assert came.data["age"] == 41 and came.finish_reason == "length" and came.error is None
    assert any(n.startswith("the answer was closed at the token limit of 20") for n in came.notes)


def test_rows_that_the_limit_closed_are_counted():
    tally = Tally()
    tally.add(Answer(0, "m", text="{}", data={"a": ""}, finish_reason="length"), cached=False)
    tally.add(Answer(1, "m", text='{"a": "b"}', data={"a": "b"}, finish_reason="stop"), cached=False)
    assert [n for n in tally.notes() if "1 answer was truncated at the token limit" in n]


def test_what_an_engine_says_is_cut_is_no_answer_even_where_a_part_of_it_reads_as_one():
    tree = {"type": "object", "properties": {"next": {"$ref": "#"}, "n": {"type": "integer"}}, "required": ["n"]}
    text = '{"next": {"n": 2}, "n": 1'
    assert parse(text, to_schema(tree)) == {"n": 2}
    asked = prepare(Rendered((Text("x"),), ()), "echo:", Options(schema=tree))
    end = as_run(asked.call, [TextDelta(text=text), Finished(reason="length", extra={UNFINISHED: True})])[-1]
    assert isinstance(end, Failed) and "truncated" in end.error["message"]
