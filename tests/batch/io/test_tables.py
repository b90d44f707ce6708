"""What goes in comes out: kind, order, index and every cell, whatever the table holds."""

from __future__ import annotations

import string
from datetime import date

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fmnb as fm
from fmnb.batch.io import formats
from fmnb.batch.io.tables import Column, free_name, missing, table_of
from fmnb.batch.run import batch
from fmnb.comparison.comparison import COLUMNS
from fmnb.core.errors import UsageError
from tests.conftest import FULL

ROWS = [{"text": "good", "id": 1}, {"text": "bad", "id": 2}]
KINDS = {
    "pandas": lambda: pd.DataFrame(ROWS),
    "polars": lambda: pl.DataFrame(ROWS),
    "lazy polars": lambda: pl.DataFrame(ROWS).lazy(),
    "arrow": lambda: pa.Table.from_pylist(ROWS),
    "arrow batch": lambda: pa.RecordBatch.from_pylist(ROWS),
    "duckdb": lambda: duckdb.from_arrow(pa.Table.from_pylist(ROWS)),
    "dicts": lambda: [dict(r) for r in ROWS],
    "columns": lambda: {"text": ["good", "bad"], "id": [1, 2]},
}
SAME = {"lazy polars": pl.DataFrame, "arrow batch": pa.Table}


def dicts(table):
    """Any of these tables as a list of dicts."""
    return [dict(zip(t.columns, row, strict=True)) for t in [table_of(table)] for row in t.take(t.columns)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_kind_comes_out_with_typed_columns(kind):
    over = KINDS[kind]()
    out = fm.map("Is {{ text }} kind?", over, "echo:", schema="mood good|bad, n int, sure bool, score float?, day date, tags list[str]")
    assert type(out) is SAME.get(kind, type(over))
    rows = dicts(out)
    assert [(r["text"], r["id"]) for r in rows] == [("good", 1), ("bad", 2)]
    assert list(rows[0])[2:8] == ["mood", "n", "sure", "score", "day", "tags"]
    assert (rows[0]["mood"], rows[0]["n"], rows[0]["sure"]) == ("good", 0, True)
    assert str(rows[0]["day"])[:10] == "2026-01-31" and list(rows[0]["tags"]) == ["Is", "good"]
    assert list(rows[0])[8:] == ["model", "text_fm", *COLUMNS[2:]]


def test_columns_have_the_kind_of_their_field_also_where_a_value_is_missing():
    t = table_of(pd.DataFrame({"a": [1, 2]}))
    out = t.add(
        [Column("n", [1, None], "int"), Column("b", [None, True], "bool"), Column("f", [1, None], "float"), Column("i", [1, 2], "int")]
    )
    assert [str(out[c].dtype) for c in "nbfi"] == ["Int64", "boolean", "float64", "int64"]
    pf = table_of(pl.DataFrame({"a": [1, 2]})).add(
        [Column("n", [1, None], "int"), Column("s", [None, None], "str"), Column("x", [{"a": 1}, [2]])]
    )
    assert pf.dtypes[1:] == [pl.Int64, pl.String, pl.String] and pf["x"].to_list() == ['{"a": 1}', "[2]"]


def test_a_number_too_long_for_its_column_is_kept_as_it_is():
    big = 10**30
    assert table_of(pd.DataFrame({"a": [1]})).add([Column("n", [big], "int")])["n"].tolist() == [big]
    assert table_of(pl.DataFrame({"a": [1]})).add([Column("n", [big], "int")])["n"].to_list() == [str(big)]


def test_dates_are_dates_also_far_ones_and_beside_missing_ones():
    days = [date(2024, 2, 29), None, date(9999, 12, 31)]
    out = table_of(pd.DataFrame({"a": [1, 2, 3]})).add([Column("day", days, "date")])["day"]
    assert out.dt.year.tolist()[::2] == [2024, 9999] and out.isna().tolist() == [False, True, False]
    assert table_of(pl.DataFrame({"a": [1, 2, 3]})).add([Column("day", days, "date")])["day"].to_list() == days


def test_index_attributes_and_subclasses_are_kept():
    class Mine(pd.DataFrame):
        @property
        def _constructor(self):
            return Mine

    df = Mine({"w": ["a", "b", "c"]}, index=pd.MultiIndex.from_tuples([(1, "x"), (1, "x"), (0, "y")], names=["k", None]))
    df.attrs["source"] = "here"
    out = fm.map("{{ w }}", df, "echo:")
    df.columns.name = "what"
    assert fm.map("{{ w }}", df, "echo:").columns.name == "what"
    assert type(out) is Mine and out.index.equals(df.index) and out.index.names == df.index.names and out.attrs["source"] == "here"
    assert out["text"].tolist() == ["a", "b", "c"] and list(df.columns) == ["w"]


def test_columns_of_several_levels_get_theirs_on_the_first():
    df = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]))
    out = fm.map("{{ row[\"('a', 'x')\"] }}", df, "echo:")
    assert out[("text", "")].tolist() == ["1"] and out[("a", "y")].tolist() == [2]


def test_new_names_of_several_levels_keep_clear_of_the_old_and_numbers_are_names_too():
    df = pd.DataFrame([["x", "y"]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("text", "")]))
    out = fm.map("{{ row[\"('a', 'x')\"] }}", df, "echo:")
    assert out[("text", "")].tolist() == ["y"] and out[("text_fm", "")].tolist() == ["x"]
    assert fm.map("{{ row[0] }}{{ row['1'] }}", pd.DataFrame([["a", "b"]]), "echo:")["text"].tolist() == ["ab"]
    assert fm.map("{{ row['1'] }}", [{1: "a"}, {"1": "b"}], "echo:")[0]["text"] == "a"


def test_names_that_two_columns_have_do_no_harm_where_the_row_is_taken_by_another():
    df = pd.DataFrame([[1, 2, "x"]], columns=["a", "a", "b"])
    assert fm.map("{{ row['b'] }}", df, "echo:")["text"].tolist() == ["x"]


def test_a_series_and_a_list_of_texts_are_tables_too():
    assert fm.map("{{ word }}!", pd.Series(["a", "b"], name="word"), "echo:")["text"].tolist() == ["a!", "b!"]
    assert fm.map("{{ value }}!", pa.chunked_array([["a"], ["b"]]), "echo:")["text"].to_pylist() == ["a!", "b!"]
    assert [r["text_fm"] for r in fm.map("{{ text }}!", ["a", "b"], "echo:")] == ["a!", "b!"]


def test_what_is_no_table_is_refused_in_words():
    for odd in (3, "x", object(), [1, 2], {"a": 1}):
        with pytest.raises(UsageError):
            fm.map("{{ a }}", odd, "echo:")


def test_a_name_that_exists_gets_a_suffix_and_again_if_need_be():
    assert free_name("text", ["text", "text_fm", "text_fm2"]) == "text_fm3"
    df = pd.DataFrame({"text": ["a"], "cost": [1], "cost_fm": [2]})
    out = fm.map("{{ text }}", df, "echo:")
    assert out["cost"].tolist() == [1] and out["cost_fm"].tolist() == [2] and out["cost_fm2"].tolist() == [0.0]


def test_two_columns_of_one_name_are_refused_only_where_the_prompt_uses_them():
    df = pd.DataFrame([[1, 2, "x"]], columns=["a", "a", "w"])
    assert fm.map("{{ w }}", df, "echo:")["text"].tolist() == ["x"]
    with pytest.raises(UsageError, match="Two columns"):
        fm.map("{{ a }}", df, "echo:")


def test_missing_is_what_the_libraries_call_missing():
    assert all(map(missing, (None, float("nan"), pd.NA, pd.NaT))) and not any(map(missing, (0, "", False, [], "nan")))


# Odd frames.

WORDS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
CELLS = st.one_of(
    WORDS,
    st.none(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=True, allow_infinity=True),
    st.booleans(),
    st.lists(st.integers(0, 9), max_size=3),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 9), max_size=2),
)
NAMES = st.one_of(
    st.sampled_from(
        [
            "text",
            "for",
            "if",
            "row",
            "schema",
            "model",
            "data",
            "error",
            "run",
            "notebook",
            "endfor",
            "lambda",
            "id",
            "Review Text",
            "é",
            "名",
        ]
    ),
    st.text(alphabet=string.ascii_letters + " _{}%'\"", min_size=1, max_size=8),
)


@st.composite
def frames(draw):
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    n = draw(st.integers(0, 5))
    columns = {name: draw(st.lists(CELLS, min_size=n, max_size=n)) for name in names}
    index = draw(st.lists(st.sampled_from([0, 1, "a", None]), min_size=n, max_size=n))
    return pd.DataFrame(columns, index=pd.Index(index, dtype=object)).astype(object)


@settings(max_examples=400 if FULL else 40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(df=frames())
def test_any_frame_comes_back_whole_with_its_answers_beside_it(df):
    whole = "row" not in df.columns
    prompt = "{{ row }}" if whole else "{{ row }} "
    out = fm.map(f"Q {prompt}", df, "echo:")
    assert (
        list(out.columns[: len(df.columns)]) == list(df.columns) and out.index.equals(df.index) and len(out.columns) == len(df.columns) + 13
    )
    for name in df.columns:
        assert all(a is b or a == b or (missing(a) and missing(b)) for a, b in zip(out[name], df[name], strict=True))
    answers = out.iloc[:, len(df.columns) + 1].tolist()
    assert all(a.startswith("Q") for a in answers)


@settings(max_examples=200 if FULL else 25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(WORDS, max_size=6), kind=st.sampled_from(["pandas", "category", "polars", "arrow", "dicts"]))
def test_each_row_gets_the_answer_to_its_own_value(values, kind):
    over = {
        "pandas": lambda: pd.DataFrame({"w": pd.Series(values, dtype=object)}),
        "category": lambda: pd.DataFrame({"w": pd.Categorical(values)}),
        "polars": lambda: pl.DataFrame({"w": values}, schema={"w": pl.String}),
        "arrow": lambda: pa.table({"w": pa.array(values, pa.string())}),
        "dicts": lambda: [{"w": v} for v in values],
    }[kind]()
    if kind == "dicts" and not values:
        return  # an empty list has no columns
    b = batch("say {{ w }}.", over, "echo:")
    assert [a.text for a in b.answers] == [f"say {v}." for v in values]


def test_a_table_without_rows_comes_back_with_its_new_columns():
    out = fm.map("{{ w }}", pd.DataFrame({"w": []}), "echo:", schema="n int")
    assert len(out) == 0 and list(out.columns)[:2] == ["w", "n"]
    assert fm.map("{{ w }}", pl.DataFrame({"w": []}), "echo:").height == 0


def test_a_cell_of_a_million_characters_goes_through():
    text = " ".join(map(str, range(146_000)))
    out = fm.map("{{ w }}", [{"w": text}], "echo:")
    assert len(text) > 900_000 and out[0]["text"] == text


def test_half_a_surrogate_pair_does_no_harm():
    assert fm.map("{{ w }}", [{"w": "a\ud83d"}], "echo:")[0]["text"] == "a\ufffd"


def test_numbers_with_leading_zeros_in_a_csv_file_stay_text(tmp_path):
    path = tmp_path / "ids.csv"
    path.write_text("id,zip,n,half,when\n007,02139,7,0.5,08:30\n12,10001,10,1.5,09:00\n")
    assert fm.map("{{ id }} {{ zip }} {{ n }} {{ half }}", path, "echo:").df["text"].tolist() == ["007 02139 7 0.5", "12 10001 10 1.5"]
    table = fm.map("{{ id }}", path, "echo:").df
    assert table["id"].tolist() == ["007", "12"] and table["n"].tolist() == [7, 10]


def test_a_leading_zero_far_down_is_found_too(tmp_path):
    path = tmp_path / "ids.csv"
    path.write_text("id\n" + "".join(f"{n}\n" for n in range(1, 40_000)) + "0042\n")
    schema, rows = formats.SCANNERS["csv"](path)
    assert str(schema.field("id").type) == "string" and rows == 40_000
