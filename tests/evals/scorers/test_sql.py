"""The SQL scorer: locked before anything of a row runs, with limits on time, rows and memory that hold."""

from __future__ import annotations

import pytest

from fmnb.evals.scorers.base import Case, score_case, scorer
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
    score = score_case(by, Case("select 1", "select 1", {"setup": statement}))
    assert score.value is None and "row's setup failed" in score.error, statement
    assert score_case(by, Case(statement, "select 1")).value == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["secret.csv", "secret.txt"] and frame


def test_rows_are_read_up_to_a_limit(by):
    assert score_case(by, Case("select * from range(30000000)", "select 1")).explanation == "more than 5,000 rows"
    assert score_case(by, Case("select * from range(5000)", "select * from range(5000)")).value == 1
    assert score_case(by, Case("select repeat('x', 2000) from range(1000)", "select 1")).explanation == "more than 1 MB of text"


@pytest.mark.parametrize("query", ["select list(range) from range(50000000)", "select repeat('x', 10000000) from range(1000)"])
def test_memory_has_a_limit_and_the_next_query_is_answered(by, query):
    score = score_case(by, Case(query, "select 1"))
    assert score.value == 0 and ("memory" in score.explanation.lower() or "still running" in score.explanation), score.explanation
    assert score_case(by, Case("select 1", "select 1")).value == 1


def test_time_counts_over_set_up_query_and_reading():
    quick = sql("", Limits(seconds=0.3))
    slow = "select count(*) from range(100000000) a, range(1000000) b"
    assert score_case(quick, Case("select 1", "select 1")).value == 1
    assert score_case(quick, Case(slow, "select 1")).explanation == "still running after 0.3 s"
    assert "still running" in score_case(quick, Case("select 1", "select 1", {"setup": f"create table t as {slow}"})).error
    assert score_case(quick, Case("select 1", "select 1")).value == 1, "and goes on"


def test_a_database_of_ones_own_is_read_and_never_written(tmp_path):
    path = tmp_path / "own.duckdb"
    with duckdb.connect(str(path)) as c:
        c.execute("create table t as select 1 as a, 'x' as b union all select 2, 'y'")
    by = scorer(f"sql:{path}")
    assert score_case(by, Case("select b, a from t order by 1", "select b, a from t")).value == 1
    for bad in ("insert into t values (3, 'z')", "drop table t", "create table u as select 1"):
        assert score_case(by, Case(bad, "select 1")).value == 0
    with duckdb.connect(str(path), read_only=True) as c:
        assert c.execute("select count(*) from t").fetchall() == [(2,)]


def test_values_that_are_no_json(by):
    same = ["select date '2024-01-31', 1.50::decimal(4,2)", "select [1, 2], {'a': 1}", "select 'nan'::double, null, true"]
    for query in same:
        assert score_case(by, Case(query, query)).value == 1, query
    assert score_case(by, Case("select 1.5", "select 1.50::decimal(9,4)")).value == 1


@pytest.mark.parametrize(
    ("answer", "target", "why"),
    [
        ("select * from (values (1), (2))", "select * from (values (1), (3))", "column 1 of row 2 is 2, the target has 3"),
        ("select 'b' x, 2 y", "select 'b' x, null y", "column 2 of row 1 is 2, the target has NULL"),
        ("select '1' x", "select 1 x", "column 1 of row 1 is '1', the target has 1"),
        ("select 1, 2", "select 1", "2 columns, the target has 1"),
        ("select 1 a", "select 1 a union select 2", "1 row, the target has 2"),
        (
            "select * from range(2) t(a) order by a desc",
            "select * from range(2) t(a) order by a",
            "in another order: row 1 is (1), the target has (0)",
        ),
        ("select 7 a union all select 8", "select 1 a union all select 2", "2 of 2 rows differ: (7) is not a row of the target"),
    ],
)
def test_what_differs_is_said(by, answer, target, why):
    found = score_case(by, Case(answer, target))
    assert found.value == 0 and why in found.explanation and len(found.explanation) <= 200


def test_a_setup_that_fails_is_named_as_such(by):
    found = score_case(by, Case("select 1", "select 1", {"setup": "create tabel t (a int)"}))
    assert found.value is None and found.error.startswith("the row's setup failed: ") and "target" not in found.error
    found = score_case(by, Case("select 1", "select b from t", {"setup": "create table t (a int)"}))
    assert found.value is None and found.error.startswith("the target's query failed: ")


BASH = "```bash\nls\n```"
WRONG = "```sql\nselect 2\n```"


@pytest.mark.parametrize(
    "answer",
    [
        "```python\nprint(1)\n```\n```sql\nselect 1\n```",
        f"First some text.\n{BASH}\nThen\n```sql\nselect 1;\n```\n",
        f"{WRONG}\nNo, better:\n```sql\nselect 1\n```",
        "```sql\nselect 1\n```\n```text\n1 2 3\n```\n```python\nprint(1)\n```",
        f"{BASH}\n```\nselect 1\n```\nIt gives\n```\n1\n```",
        "~~~sql\nselect 1\n~~~",
        "````sql\nselect 1 -- ```\n````\n",
        "1. Do this:\n\n   ```SQL\n   select 1\n   ```\n2. Done.",
        "> ```postgresql\n> select 1\n> ```",
        "```{.sql}\nselect 1",
        "Here: ```sql\nselect 1```",
        "```sql select 1```",
        f"{BASH}\nselect 1;",
        "```sql\nselect 1\n```\n```sql\n```",
        "from (values (1), (null)) t(a) where a = 1",
        "-- one row\nvalues (1)",
    ],
)
def test_the_query_is_taken_from_its_own_block(by, answer):
    score = score_case(by, Case(answer, "select 1"))
    assert score.value == 1, (score.text, score.explanation)


@pytest.mark.parametrize("answer", [";", "-- nothing", "```sql\n\n```", "", "```sql\n-- no\n```", "```python\nprint(1)\n```", "/* x */ ;;"])
def test_an_answer_without_a_query_is_said_to_have_none(by, answer):
    score = score_case(by, Case(answer, "select 1"))
    assert (score.value, score.explanation) == (0, "no query in the answer")


@pytest.mark.parametrize(
    "statement",
    [
        "drop table t",
        "insert into t values (2)",
        "select 1; drop table t",
        "begin; select a from t",
        "explain select 1",
        "delete from t returning a",
    ],
)
def test_only_queries_are_run(by, statement):
    score = score_case(by, Case(statement, "select 1", {"setup": "create table t as select 1 as a"}))
    assert (score.value, score.explanation) == (0, "not a query: only SELECT (or WITH, VALUES, FROM ...) runs")
    from fmnb.data.sql._worker import answer

    ran = {"database": "", "setup": "create table t as select 1 as a", "query": statement, "rows": 9, "bytes": 99}
    assert "rows" not in answer(duckdb, ran)


def test_a_pivot_is_a_query(by):
    setup = "create table t(a int, b text); insert into t values (1, 'x'), (2, 'y')"
    assert score_case(by, Case("pivot t on b using sum(a)", "select 1, 2", {"setup": setup})).value == 1
