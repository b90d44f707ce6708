"""A question becomes a query: card, gate, one repair; each call is in the log below one run."""

from __future__ import annotations

import json
import re

import pytest

import fmnb as fm
from fmnb.core.errors import QueryError, ServerError, UsageError
from fmnb.core.sources import Source
from fmnb.data.sql.ask import query_of
from fmnb.data.sql.tables import Tables
from fmnb.store import log

pytest.importorskip("duckdb")
pandas = pytest.importorskip("pandas")

ROWS = [{"region": "north", "qty": 1}, {"region": "south", "qty": 2}, {"region": "north", "qty": 3}]


class Scripted:
    """A model that gives these answers in turn and keeps the prompts."""

    def __init__(self, *answers: str):
        self.answers, self.prompts = list(answers), []

    def __call__(self, prompt: str) -> str:
        self.prompts.append(prompt)
        return self.answers.pop(0)


def test_a_question_becomes_a_query_and_its_rows():
    model = Scripted("Here it is:\n```sql\nSELECT region, sum(qty) AS n FROM sales GROUP BY 1 ORDER BY 2 DESC;\n```")
    answer = fm.sql("Quantity per region?", {"sales": pandas.DataFrame(ROWS)}, model)
    assert answer.sql == "SELECT region, sum(qty) AS n FROM sales GROUP BY 1 ORDER BY 2 DESC"
    assert answer.df.values.tolist() == [["north", 4], ["south", 2]] and type(answer.df) is pandas.DataFrame
    assert (answer.rows, answer.truncated, answer.repairs, answer.tables) == (2, False, 0, ("sales",))
    assert "DuckDB" in model.prompts[0] and "- region VARCHAR" in model.prompts[0] and "Quantity per region?" in model.prompts[0]


def test_one_frame_is_named_data():
    assert fm.sql("How many?", pandas.DataFrame(ROWS), lambda p: "select count(*) n from data").df["n"].tolist() == [3]
    assert fm.sql("How many?", {"qty": [1, 2]}, lambda p: "select count(*) n from data").df == {"n": [2]}


def test_a_query_that_fails_is_written_again_with_the_error_and_the_nearest_names():
    model = Scripted("select regoin from sales", "select region from sales")
    answer = fm.sql("Regions?", {"sales": ROWS}, model)
    assert answer.repairs == 1 and len(answer.runs) == 2 and answer.rows == 3
    assert 'Referenced column "regoin" not found' in model.prompts[1] and "Names that exist: region" in model.prompts[1]


def test_a_refused_query_is_written_again():
    model = Scripted("select * from read_csv('/etc/passwd')", "select count(*) n from sales")
    assert fm.sql("How many?", {"sales": ROWS}, model).df == [{"n": 3}]
    assert "read_csv" in model.prompts[1]


def test_after_one_repair_the_error_keeps_the_query():
    with pytest.raises(QueryError) as caught:
        fm.sql("Regions?", {"sales": ROWS}, Scripted("select a from sales", "select b from sales"))
    assert caught.value.sql == "select b from sales" and "also after 1 repair" in str(caught.value)
    assert 'Referenced column "b"' in str(caught.value) and caught.value.run


def test_a_model_that_writes_no_query_is_an_error_with_its_words():
    with pytest.raises(QueryError, match="wrote no query: I would rather not"):
        fm.sql("Regions?", {"sales": ROWS}, Scripted("I would rather not.", "I would rather not."))


def test_a_call_that_fails_is_that_error_and_the_run_above_it_fails_too():
    with pytest.raises(ServerError) as caught:
        fm.sql("Regions?", {"sales": ROWS}, "echo:fail=server")
    starts = [e for e in log.events_of(caught.value.run) if type(e).__name__ == "Started"]
    above = log.events_of(starts[0].parent)
    assert above[0].kind == "sql" and type(above[-1]).__name__ == "Failed"


def test_a_model_with_structured_output_is_held_to_the_schema():
    seen = []

    def sink(event):
        seen.append(event)

    with pytest.raises(QueryError):  # echo fills the schema with something that is no query
        fm.sql("Regions?", {"sales": ROWS}, "echo:", sinks=[sink])
    requests = [e.request for e in seen if type(e).__name__ == "Started" and e.kind == "query"]
    assert requests and all(r.schema["required"] == ["sql"] and r.temperature == 0 for r in requests)


def test_the_calls_are_below_a_run_whose_text_is_the_query():
    answer = fm.sql("Regions?", {"sales": ROWS}, Scripted("select nope from sales", "select region from sales"))
    above = log.reopen(answer.run)
    assert above.text == "select region from sales" and above.extra["rows"] == 3
    rows = {r.run: r for r in map(log.reopen, answer.runs)}
    assert list(rows) == list(answer.runs) and rows[answer.runs[0]].text == "select nope from sales"
    starts = [e for e in log.events_of(answer.runs[1]) if type(e).__name__ == "Started"]
    assert starts[0].parent == answer.run


@pytest.mark.parametrize("options", [{"schema": "a"}, {"format": "json"}, {"attach": ["x"]}, {"values": {}}])
def test_options_that_have_no_meaning_here_are_errors(options):
    with pytest.raises(UsageError, match="not used here"):
        fm.sql("Regions?", {"sales": ROWS}, "echo:", **options)


@pytest.mark.parametrize("question", ["", "  ", None])
def test_a_question_is_needed(question):
    with pytest.raises(UsageError, match="question is empty"):
        Tables(sales=ROWS).ask(question)


def test_labels_of_the_tables_are_on_the_request_and_on_the_result():
    frame = pandas.DataFrame(ROWS)
    frame.attrs["data_class"] = "internal"
    answer = fm.sql("Regions?", {"sales": frame, "other": [{"a": 1}]}, lambda p: "select region from sales")
    assert answer.label.data_class == "internal" and set(answer.label.columns) == {"region", "qty"}
    assert answer.df.attrs["data_class"] == "internal"
    assert log.reopen(answer.runs[0]).label.data_class == "internal"


def test_truncated_rows_are_said():
    with Tables(sales=ROWS, limit=2) as tables:
        answer = tables.ask("All?", lambda p: "select * from sales")
    assert (answer.rows, answer.truncated) == (2, True) and "truncated" in str(answer)


def test_tables_are_a_source():
    tables = Tables(sales=ROWS, name="shop")
    assert isinstance(tables, Source)
    found = tables.retrieve("Quantity per region?", model=lambda p: "select region, sum(qty) n from sales group by 1 order by 1")
    (passage,) = found.passages
    assert passage.text == 'region | n\n"north" | 4\n"south" | 2' and passage.label.untrusted
    assert (passage.source, passage.title, passage.location) == ("shop", "sales, by SQL", "2 rows")
    assert passage.details["sql"].startswith("select region") and found.frames["result"] == [
        {"region": "north", "n": 4},
        {"region": "south", "n": 2},
    ]
    json.dumps(dict(passage.details))


def test_a_source_without_an_answer_says_why():
    found = Tables(sales=ROWS).retrieve("?", model=Scripted("no", "no"))
    assert found.passages == () and "wrote no query" in found.notes[0]


def test_long_results_are_cut_in_a_passage_and_it_is_said():
    rows = [{"n": i, "text": "word " * 20} for i in range(2_000)]
    (passage,) = Tables(t=rows).retrieve("All?", model=lambda p: "select * from t").passages
    assert len(passage.text) < 7_000 and re.search(r"… \d+ of 2,000 rows are shown$", passage.text)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ('{"sql": " select 1 "}', "select 1"),
        ('{"sql": ""}', ""),
        ("select 1", "select 1"),
        ("WITH a AS (select 1) select * from a", "WITH a AS (select 1) select * from a"),
        ("```\nselect 1\n```", "select 1"),
        ("```python\nprint(1)\n```", ""),
        ("First\n```sql\nselect 1\n```\nbetter\n```sql\nselect 2\n```", "select 2"),
        ("```sql\nselect 1", "select 1"),
        ("I cannot answer", ""),
        ("[1]", ""),
        ("", ""),
    ],
)
def test_the_query_in_an_answer(text, query):
    assert query_of(text) == query
