"""The SQL scorer: locked before anything of a row runs, with limits on time, rows and memory that hold."""

from __future__ import annotations

import pytest

from fmnb.evals.scorers.base import Case, judged, scorer
from fmnb.evals.scorers.sql import Limits, sql

duckdb = pytest.importorskip("duckdb")


@pytest.fixture(scope="module")
def by():
    return sql("", Limits(seconds=20, rows=5_000, text=1 << 20, memory=2 << 30))


@pytest.mark.parametrize(
    "statement",
    [
        "create table t as select * from read_text('{here}/secret.txt')",
        "create table t as select * from read_csv('{here}/secret.txt')",
        "create table t as select * from glob('{here}/*')",
        "create table t as select * from '{here}/secret.csv'",
        "copy (select 1) to '{here}/out.csv'",
        "export database '{here}/out'",
        "attach '{here}/other.db' as other",
        "set enable_external_access=true",
        "set memory_limit='100GB'",
        "set lock_configuration=false",
        "pragma temp_directory='{here}'",
        "install httpfs",
        "load httpfs",
        "create table t as select * from frame",
    ],
)
def test_neither_set_up_nor_query_reaches_out(by, statement, tmp_path):
    (tmp_path / "secret.txt").write_text("a\nsecret\n")
    (tmp_path / "secret.csv").write_text("a\nsecret\n")
    frame = duckdb.sql("select 1")  # a variable of the caller
    statement = statement.format(here=tmp_path)
    score = judged(by, Case("select 1", "select 1", {"setup": statement}))
    assert score.value is None and "target's query fails" in score.error, statement
    assert judged(by, Case(statement, "select 1")).value == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["secret.csv", "secret.txt"] and frame


def test_rows_are_read_up_to_a_limit(by):
    assert judged(by, Case("select * from range(30000000)", "select 1")).why == "more than 5,000 rows"
    assert judged(by, Case("select * from range(5000)", "select * from range(5000)")).value == 1
    assert judged(by, Case("select repeat('x', 2000) from range(1000)", "select 1")).why == "more than 1 MB of text"


@pytest.mark.parametrize("query", ["select list(range) from range(50000000)", "select repeat('x', 10000000) from range(1000)"])
def test_memory_has_a_limit_and_the_next_query_is_answered(by, query):
    score = judged(by, Case(query, "select 1"))
    assert score.value == 0 and ("memory" in score.why.lower() or "still running" in score.why), score.why
    assert judged(by, Case("select 1", "select 1")).value == 1


def test_time_counts_over_set_up_query_and_reading():
    quick = sql("", Limits(seconds=0.3))
    slow = "select count(*) from range(100000000) a, range(1000000) b"
    assert judged(quick, Case("select 1", "select 1")).value == 1
    assert judged(quick, Case(slow, "select 1")).why == "still running after 0.3 s"
    assert "still running" in judged(quick, Case("select 1", "select 1", {"setup": f"create table t as {slow}"})).error
    assert judged(quick, Case("select 1", "select 1")).value == 1, "and goes on"


def test_a_database_of_ones_own_is_read_and_never_written(tmp_path):
    path = tmp_path / "own.duckdb"
    with duckdb.connect(str(path)) as c:
        c.execute("create table t as select 1 as a, 'x' as b union all select 2, 'y'")
    by = scorer(f"sql:{path}")
    assert judged(by, Case("select b, a from t order by 1", "select b, a from t")).value == 1
    for bad in ("insert into t values (3, 'z')", "drop table t", "create table u as select 1"):
        assert judged(by, Case(bad, "select 1")).value == 0
    with duckdb.connect(str(path), read_only=True) as c:
        assert c.execute("select count(*) from t").fetchall() == [(2,)]


def test_values_that_are_no_json(by):
    same = ["select date '2024-01-31', 1.50::decimal(4,2)", "select [1, 2], {'a': 1}", "select 'nan'::double, null, true"]
    for query in same:
        assert judged(by, Case(query, query)).value == 1, query
    assert judged(by, Case("select 1.5", "select 1.50::decimal(9,4)")).value == 1
