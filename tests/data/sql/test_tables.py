"""Tables: every kind of frame and file goes in, the same kind comes out, and a query has limits."""

from __future__ import annotations

import json
import os
import signal
import threading
from datetime import date

import pytest

from fmnb.core.errors import QueryError, UsageError
from fmnb.data.sql.tables import Tables

pytest.importorskip("duckdb")
pytest.importorskip("sqlglot")

ROWS = [{"region": "north", "qty": 1}, {"region": "south", "qty": 2}, {"region": "north", "qty": 3}]
SUMS = "select region, sum(qty) as n from t group by region order by region"
FOREVER = "select count(*) from range(10000000000) a, range(1000000) b"


def frames():
    import duckdb
    import pandas
    import polars
    import pyarrow

    columns = {"region": ["north", "south", "north"], "qty": [1, 2, 3]}
    return {
        "pandas": pandas.DataFrame(columns),
        "pandas with an index": pandas.DataFrame(columns).set_index("region"),
        "polars": polars.DataFrame(columns),
        "polars lazy": polars.LazyFrame(columns),
        "arrow": pyarrow.table(columns),
        "arrow batch": pyarrow.table(columns).to_batches()[0],
        "duckdb": duckdb.from_arrow(pyarrow.table(columns)),
        "dicts": ROWS,
        "columns": columns,
    }


def values(frame) -> list[tuple]:
    if hasattr(frame, "fetchall"):
        return frame.fetchall()
    if hasattr(frame, "to_pylist"):
        return [tuple(r.values()) for r in frame.to_pylist()]
    if hasattr(frame, "iter_rows"):
        return list(frame.iter_rows())
    if hasattr(frame, "itertuples"):
        return list(frame.itertuples(index=False, name=None))
    return list(zip(*frame.values(), strict=True)) if isinstance(frame, dict) else [tuple(r.values()) for r in frame]


@pytest.mark.parametrize("kind", frames())
def test_a_result_is_of_the_kind_that_went_in(kind):
    frame = frames()[kind]
    with Tables(t=frame) as tables:
        found = tables.sql(SUMS)
    assert values(found) == [("north", 4), ("south", 2)]
    expected = {"polars lazy": frames()["polars"], "arrow batch": frames()["arrow"]}.get(kind, frame)
    assert type(found) is type(expected)


@pytest.mark.parametrize("kind", frames())
def test_no_more_rows_than_the_limit_are_fetched_and_a_warning_says_so(kind):
    with Tables(t=frames()[kind]) as tables:
        with pytest.warns(UserWarning, match="first 2 rows"):
            assert len(values(tables.sql("select * from range(1000000000)", limit=2))) == 2
        assert len(values(tables.sql("select * from t", limit=3))) == 3
        assert values(tables.sql("select region from t where qty > 9")) == []


def test_sums_of_whole_numbers_stay_whole():
    for kind in ("pandas", "polars", "arrow"):
        found = Tables(t=frames()[kind]).sql("select sum(qty) n from t")
        assert values(found) == [(6,)] and isinstance(values(found)[0][0], int), kind


@pytest.mark.parametrize("suffix", ["csv", "tsv", "json", "jsonl", "ndjson", "parquet", "xlsx"])
@pytest.mark.parametrize("stem", ["orders", "it's [1] *x"])
def test_files_are_tables(tmp_path, suffix, stem):
    import pandas

    path, frame = tmp_path / f"{stem}.{suffix}", pandas.DataFrame(ROWS)
    match suffix:
        case "csv" | "tsv":
            frame.to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
        case "json":
            path.write_text(json.dumps(ROWS))
        case "jsonl" | "ndjson":
            path.write_text("".join(json.dumps(r) + "\n" for r in ROWS))
        case "parquet":
            frame.to_parquet(path)
        case "xlsx":
            pytest.importorskip("openpyxl")
            frame.to_excel(path, index=False)
    with Tables(t=str(path), u=path) as tables:
        assert values(tables.sql(SUMS)) == [("north", 4), ("south", 2)]
        assert values(tables.sql("select count(*) from t join u using (region)")) == [(5,)]
        with pytest.raises(QueryError):
            tables.sql("select * from read_text('" + str(path).replace("'", "''") + "')")


def test_a_column_of_numbers_and_na_is_read_as_numbers_and_other_columns_keep_na(tmp_path):
    (tmp_path / "t.csv").write_text("country,qty,day\nNA,NA,2024-01-05\nNO,2,NaN\n")
    tables = Tables(t=tmp_path / "t.csv")
    assert tables.sql("select sum(qty) as n, max(year(day)) as y from t").values.tolist() == [[2, 2024]]
    assert tables.sql("select count(qty) as q, count(day) as d, min(country) as c from t").values.tolist() == [[1, 1, "NA"]]
    assert tables.notes == ("t: NA and the like are null in qty, day",)


def test_other_sheets_are_named(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["a", None, "a"])
    book.active.append([1, 2, 3])
    book.create_sheet("Q2").append(["b"])
    book.save(tmp_path / "book.xlsx")
    tables = Tables(t=tmp_path / "book.xlsx")
    assert tables.notes == ("t: the first sheet, Sheet, was read; the others were not: Q2",)
    assert tables.sql("select * from t").columns.tolist() == ["a", "column2", "a_3"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nope.csv", "No such file"),
        ("notes.docx", "not read from this kind"),
        ("https://example.com/x.csv", "a file of this machine"),
        ("s3://bucket/x.parquet", "a file of this machine"),
        ("broken.parquet", "cannot be read as a table"),
        ("broken.xlsx", "workbook cannot be read"),
    ],
)
def test_a_file_that_is_no_table_is_an_error(tmp_path, monkeypatch, path, said):
    monkeypatch.chdir(tmp_path)
    for name in ("notes.docx", "broken.parquet", "broken.xlsx"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 no such thing")
    with pytest.raises(UsageError, match=said):
        Tables(t=path)


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({}, "There are no tables"),
        ({"t": 3}, "This is not a table: t: int"),
        ({"t": {"a": [1], "b": [1, 2]}}, "different lengths"),
        ({'a"b': ROWS}, "not the name of a table"),
        ({"": ROWS}, "not the name of a table"),
        ({"a": ROWS, "A": ROWS}, "Two tables have the same name"),
    ],
)
def test_what_is_no_table_is_an_error(tables, said):
    with pytest.raises(UsageError, match=said):
        Tables(tables)


@pytest.mark.parametrize("limits", [{"limit": 0}, {"limit": True}, {"seconds": 0}, {"seconds": "x"}])
def test_limits_are_numbers(limits):
    with pytest.raises(UsageError, match="must be a"):
        Tables(t=ROWS, **limits)


def test_a_query_that_runs_too_long_is_stopped_and_the_next_one_runs():
    for kind in ("pandas", "polars", "dicts"):
        with Tables(t=frames()[kind], seconds=0.3) as tables:
            with pytest.raises(QueryError, match=r"stopped: it was still running after 0\.3 s"):
                tables.sql(FOREVER)
            assert len(values(tables.sql("select * from t"))) == 3


def test_a_query_that_needs_too_much_memory_is_an_error():
    with Tables(t=ROWS) as tables:
        with pytest.raises(QueryError, match="Out of Memory"):
            tables.sql("select list(a.range) from range(50000000) a, range(10) b")
        assert len(tables.sql("select * from t")) == 3


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
def test_an_interrupt_stops_the_query_and_the_next_one_runs():
    with Tables(t=ROWS, seconds=200) as tables:
        running = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        running.start()
        with pytest.raises(KeyboardInterrupt):
            tables.sql(FOREVER)
        running.join()
        assert len(tables.sql("select * from t")) == 3


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select nope from t", 'rejects the query: Binder Error: Referenced column "nope" not found'),
        ("select region::int from t", "Could not convert string 'north'"),
        ("select * from tt", "it reads the table tt. Did you mean t?"),
        ("select nosuch(qty) from t", "there is no function nosuch"),
    ],
)
def test_an_error_says_what_was_seen_and_keeps_the_query(query, said):
    with pytest.raises(QueryError) as caught:
        Tables(t=ROWS).sql(query)
    assert said in str(caught.value) and caught.value.sql == query


def test_queries_of_several_threads_take_turns():
    tables, found = Tables(t=ROWS), []
    threads = [threading.Thread(target=lambda: found.append(values(tables.sql(SUMS)))) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == [[("north", 4), ("south", 2)]] * 8


def test_closed_tables_say_so():
    tables = Tables(t=ROWS)
    tables.close()
    with pytest.raises(UsageError, match="closed"):
        tables.sql("select 1")


def test_dates_unusual_types_and_names_go_in_and_out():
    import pandas

    frame = pandas.DataFrame(
        {"unit price": [1.5, None], 3: [date(2024, 1, 5), None], "p": pandas.period_range("2024-01", periods=2, freq="M")}
    )
    frame.insert(0, "c", pandas.Categorical(["a", "b"]))
    with Tables(t=frame) as tables:
        found = tables.sql('select "unit price" + 1 as x, "3" as day, p, c from t')
    assert (
        found.iloc[0].tolist()[0] == 2.5
        and str(found.iloc[0]["day"])[:10] == "2024-01-05"
        and found["p"].tolist() == ["2024-01", "2024-02"]
    )


def test_two_columns_of_one_name_are_an_error():
    import pandas

    with pytest.raises(UsageError, match="Two columns have the same name: t: a"):
        Tables(t=pandas.DataFrame([[1, 2]], columns=["a", "a"]))


def test_a_column_of_mixed_values_is_read():
    assert values(Tables(t=[{"a": 1}, {"a": "x"}, {"a": None}]).sql("select count(*) n from t")) == [(3,)]


def test_a_database_file_is_opened_twice(tmp_path):
    import duckdb

    path = tmp_path / "s.duckdb"
    with duckdb.connect(str(path)) as c:
        c.execute("create table sales as select 1 as n")
    first = Tables(database=str(path), tables=["sales"])
    second = Tables(database=str(path), tables=["sales"])
    assert first.sql("select n from sales")["n"].tolist() == second.sql("select n from sales")["n"].tolist() == [1]
    for query in ("copy sales to 'x.csv'", "select * from read_csv('/etc/passwd')"):
        with pytest.raises(QueryError):
            second.sql(query)


def test_a_query_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tables = Tables(sales=[{"n": i} for i in range(1000)], seconds=3.0)
    with pytest.raises(QueryError):
        tables.sql("select a.n, array_agg(b.n) from sales a, sales b, sales c group by a.n order by 2")
    assert not list(tmp_path.iterdir())
