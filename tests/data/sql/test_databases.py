"""Databases of the user's own: opened read-only, with an allow-list that the engine itself enforces."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import fmnb as fm
from fmnb.config import keys
from fmnb.core.errors import FmnbError, NotInteractiveError, QueryError, UsageError
from fmnb.data.sql.tables import Tables

duckdb = pytest.importorskip("duckdb")
pytest.importorskip("sqlglot")
sqlalchemy = pytest.importorskip("sqlalchemy")

SETUP = [
    "create table sales (region text, qty integer, day text)",
    "insert into sales values ('north', 1, '2024-01-05'), ('south', 2, '2024-02-05'), ('north', 3, '2024-02-06')",
    "create table secret (word text)",
    "insert into secret values ('hidden')",
    "create view public_words as select upper(word) as word from secret",
]
KINDS = ["duckdb", "sqlite", "sqlalchemy", "engine"]


def made(folder: Path, kind: str) -> object:
    path = folder / f"shop.{kind}"
    with duckdb.connect(str(path)) if kind == "duckdb" else sqlite3.connect(path) as c:
        for statement in SETUP:
            c.execute(statement)
    c.close()
    match kind:
        case "sqlalchemy":
            return f"sqlite:///{path}"
        case "engine":
            return sqlalchemy.create_engine(f"sqlite:///{path}")
        case _:
            return path


@pytest.fixture(params=KINDS)
def database(request, tmp_path):
    return made(tmp_path, request.param)


@pytest.fixture
def tables(database):
    with Tables(database=database, tables=["sales", "public_words"]) as opened:
        yield opened


def test_tables_of_the_list_can_be_read_and_described(tables):
    assert tables.sql("select region, sum(qty) as n from sales group by region order by n desc, region").values.tolist() == [
        ["north", 4],
        ["south", 2],
    ]
    assert tables.sql("select * from public_words")["word"].tolist() == ["HIDDEN"]  # a view of the list
    assert tables.card().startswith("table sales (3 rows)\n- region ") and 'such as "north", "south"' in tables.card()
    answer = tables.ask("Quantity per region?", lambda p: "select region, sum(qty) n from sales group by 1 order by 1")
    assert answer.df.values.tolist() == [["north", 4], ["south", 2]] and "database=" in answer.cell


ATTACKS = [
    "select * from secret",
    "select word from main.secret",
    "select (select word from secret)",
    "with sales as (select word as region from secret) select * from sales",
    "with public_words as (select word from secret) select * from public_words",
    "select * from sales where exists (select 1 from secret where word like 'h%')",
    "select * from sales union select word, 1, '' from secret",
    "select * from sqlite_master",
    "select * from information_schema.tables",
    "select * from pragma_table_info('secret')",
    "insert into sales values ('x', 1, '')",
    "update sales set qty = 0",
    "delete from sales",
    "drop table sales",
    "create table t (a int)",
    "create temp table t as select * from secret",
    "attach ':memory:' as other",
    "pragma query_only = off",
    "pragma writable_schema = on",
    "vacuum",
    "select load_extension('x')",
    "select readfile('/etc/passwd')",
    "select writefile('x', 'y')",
    "select zeroblob(1000000000)",
    "select randomblob(1000000000)",
    "select * from read_csv('/etc/passwd')",
    "select 1; select 2",
    "begin",
    "commit",
    "replace into sales values ('x', 1, '')",
    "explain query plan select * from sales",
]


@pytest.mark.parametrize("query", ATTACKS)
def test_everything_else_is_refused(tables, query):
    with pytest.raises(QueryError, match="refused"):
        tables.sql(query)
    assert tables.sql("select count(*) as n from sales")["n"].tolist() == [3]


@pytest.mark.parametrize(
    "query", [q for q in ATTACKS if q.startswith(("select", "with", "insert", "update", "drop", "create", "attach", "pragma"))]
)
def test_sqlite_itself_refuses_what_the_gate_would_let_pass(tmp_path, query, monkeypatch):
    """A hole in the gate is not enough."""
    from fmnb.data.sql import gate

    if "public_words as" in query or "read_csv" in query or "information_schema" in query or query == "select 1; select 2":
        pytest.skip("no table or function of SQLite, or a name of the list")
    tables = Tables(database=made(tmp_path, "sqlite"), tables=["sales", "public_words"])
    check = gate.check
    monkeypatch.setattr(gate, "check", lambda *given: check("select 1", []))
    with pytest.raises(QueryError):
        tables.sql(query)


def test_a_query_that_runs_too_long_is_stopped(database):
    forever = "with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) as n from t"
    with Tables(database=database, tables=["sales"], seconds=0.3) as tables:
        with pytest.raises(QueryError, match=r"stopped: it was still running after 0\.3 s"):
            tables.sql(forever)
        assert tables.sql("select count(*) as n from sales")["n"].tolist() == [3]


def test_no_more_rows_than_the_limit_are_fetched(database):
    many = "with recursive t(n) as (select 1 union all select n + 1 from t where n < 100000) select n from t"
    with Tables(database=database, tables=["sales"], limit=10) as tables, pytest.warns(UserWarning, match="first 10 rows"):
        assert len(tables.sql(many)) == 10


def test_ordinary_queries_run(tables):
    for query in (
        "select count(*) as n, avg(qty) as a, max(day) as d from sales where region like 'n%'",
        "select case when qty > 1 then 'many' else 'few' end as k, count(*) as n from sales group by 1",
        "with t as (select region, sum(qty) as n from sales group by region) select * from t where n > 1",
        "select region, row_number() over (partition by region order by qty) as r from sales",
        "select a.region from sales a join sales b on a.region = b.region and a.qty < b.qty",
        "select upper(region), length(region), round(qty * 1.5, 1), coalesce(day, 'x'), substr(day, 1, 4) from sales",
        "select region from sales union all select word from public_words",
        "select 'a -- b; drop table sales' as text, 50 % 7 as rest",
    ):
        assert len(tables.sql(query)), query


def test_errors_of_the_database_are_said(tables):
    with pytest.raises(QueryError, match=r"rejects the query: .*nope"):
        tables.sql("select nope from sales")


def test_an_engine_that_was_handed_in_stays_usable(tmp_path):
    engine = made(tmp_path, "engine")
    with Tables(database=engine, tables=["sales"]) as tables:
        tables.sql("select 1 as a")
    with engine.begin() as c:
        c.exec_driver_sql("insert into sales values ('east', 5, '')")
        assert c.exec_driver_sql("select count(*) from sales").scalar() == 4
    with pytest.raises(UsageError, match="closed"):
        tables.sql("select 1 as a")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"database": "nope.db", "tables": ["a"]}, "cannot be opened"),
        ({"database": __file__, "tables": ["a"]}, "no database of DuckDB or SQLite"),
        ({"database": 3, "tables": ["a"]}, "That is no database"),
        ({"database": "nosuch://host/db", "tables": ["a"]}, "does not know this kind"),
        ({"database": "postgresql://user:pass@host/db", "tables": ["a"]}, "contains a password"),
        ({"database": "x.db"}, "Name the tables"),
        ({"database": "x.db", "tables": ['a"b']}, "not the name of a table"),
        ({"database": "x.db", "tables": ["a"], "frames": [{"a": 1}]}, "either of a database or in memory"),
        ({"tables": ["a"]}, "belong to a database"),
    ],
)
def test_what_cannot_be_opened_is_an_error(given, said):
    with pytest.raises(FmnbError, match=said) as caught:
        Tables(**given)
    assert "pass@" not in str(caught.value)


def test_a_table_that_is_not_there_is_an_error_with_those_that_are(database):
    with pytest.raises(UsageError, match=r"no such table: sale\b.*sales"):
        Tables(database=database, tables=["sale"])


def test_the_file_is_not_written(tmp_path):
    for kind in ("duckdb", "sqlite"):
        path = made(tmp_path, kind)
        before = path.read_bytes()
        with Tables(database=path, tables=["sales"]) as tables:
            tables.sql("select * from sales")
        assert path.read_bytes() == before and not list(tmp_path.glob("*wal")) and not list(tmp_path.glob("*journal"))


def test_a_password_comes_from_its_own_variable_or_the_store_and_never_from_a_provider(monkeypatch):
    from fmnb.data.sql.databases import _password

    monkeypatch.setenv("OPENAI_API_KEY", "sk-provider-secret")
    monkeypatch.setenv("OPENAI_API_KEY_PASSWORD", "")
    with pytest.raises(NotInteractiveError, match="WAREHOUSE_PASSWORD"):
        _password("warehouse", "db.example", None)
    with pytest.raises(NotInteractiveError):
        _password("OPENAI_API_KEY", "evil.example", None)
    monkeypatch.setenv("WAREHOUSE_PASSWORD", "from-the-environment")
    assert _password("warehouse", "db.example", None) == "from-the-environment"
    keys.set_key("database shop", "from-the-store", "db.example:5432")
    assert _password("shop", "db.example", 5432) == "from-the-store"
    with pytest.raises(NotInteractiveError):
        _password("shop", "evil.example", 5432)
    with pytest.raises(UsageError, match="not the name of a key"):
        _password("../x", "db.example", None)


BIN = next((p for p in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True) if (p / "initdb").exists()), None)
BIN = BIN or (Path(found).parent if (found := shutil.which("initdb")) else None)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """A real server on a port of this machine; it asks for a password."""
    if BIN is None or sys.platform == "win32":
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("psycopg")
    import socket
    import tempfile

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="fmnb-pg-"))
    data, words = folder / "data", folder / "password"
    words.write_text("pa55word-of-the-owner")
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if user:
        if not shutil.which("runuser") or subprocess.run(["id", "postgres"], capture_output=True).returncode:
            pytest.skip("PostgreSQL does not run as root")
        shutil.chown(folder, "postgres")
        shutil.chown(words, "postgres")
    run = [
        *user,
        str(BIN / "initdb"),
        "-D",
        str(data),
        "-U",
        "owner",
        "-A",
        "scram-sha-256",
        f"--pwfile={words}",
        "--no-sync",
        "-E",
        "UTF8",
    ]
    subprocess.run(run, check=True, capture_output=True, cwd="/")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    start = [*user, str(BIN / "pg_ctl"), "-D", str(data), "-w", "-o", options, "-l", str(folder / "log"), "start"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    try:
        engine = sqlalchemy.create_engine(f"postgresql+psycopg://owner:pa55word-of-the-owner@127.0.0.1:{port}/postgres")
        with engine.begin() as c:
            for statement in [
                *SETUP,
                "create schema shop",
                "create table shop.orders (id int, price numeric(8,2), at timestamptz, doc jsonb)",
            ]:
                c.exec_driver_sql(statement)
            c.exec_driver_sql("insert into shop.orders values (1, 9.50, '2024-01-05 12:00+00', '{\"a\": 1}')")
            c.exec_driver_sql(
                "create function wipe() returns int language plpgsql security definer as $$ begin delete from sales; return 1; end $$"
            )
        engine.dispose()
        yield port
    finally:
        subprocess.run([*user, str(BIN / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"], capture_output=True, cwd="/")
        shutil.rmtree(folder, ignore_errors=True)


def opened(port, monkeypatch, **more):
    monkeypatch.setenv("WAREHOUSE_PASSWORD", "pa55word-of-the-owner")
    address = f"postgresql://owner@127.0.0.1:{port}/postgres"
    return Tables(database=address, tables=["sales", "public_words", "shop.orders"], key="warehouse", **more)


def test_postgresql_is_read_in_read_only_transactions(postgres, monkeypatch):
    with opened(postgres, monkeypatch) as tables:
        assert tables.sql("select region, sum(qty) as n from sales group by 1 order by 2 desc").values.tolist() == [
            ["north", 4],
            ["south", 2],
        ]
        assert tables.sql("select o.id, price from shop.orders as o where at > timestamp '2024-01-01' and doc->>'a' = '1'")[
            "id"
        ].tolist() == [1]
        assert tables.sql("select 5 % 3 as rest, 'x%' like 'x\\%' as l from sales limit 1")["rest"].tolist() == [2]
        assert "table shop.orders (1 row)\n- id INTEGER" in tables.card()
        for query in [*ATTACKS, "select wipe()", "select * from wipe()", "select pg_sleep(100)", "select pg_read_file('/etc/passwd')",
                      "select set_config('transaction_read_only', 'off', true)", "copy sales to '/tmp/x'", "copy sales to program 'id'",
                      "select * from pg_catalog.pg_authid", "select * from pg_shadow", "select lo_import('/etc/passwd')", "select current_user",
                      "select * from sales for update", "select dblink('x', 'y')", "select query_to_xml('select 1', true, true, '')",
                      "do $$ begin delete from sales; end $$", "listen x", "lock table sales", "select * into t from sales",
                      "with d as (delete from sales returning *) select * from d", "set transaction read write"]:  # fmt: skip
            with pytest.raises(QueryError, match="refused"):
                tables.sql(query)
        assert tables.sql("select count(*) as n from sales")["n"].tolist() == [3]
        answer = tables.ask("How many?", lambda p: "select count(*) as n from shop.orders")
        assert (
            answer.df["n"].tolist() == [1]
            and "pa55word" not in f"{answer!r}{answer.cell}{tables!r}{tables._engine!r}{tables._engine._engine!r}"
        )


def test_postgresql_itself_refuses_to_write_and_stops_in_time(postgres, monkeypatch):
    """A hole in the gate is not enough."""
    from fmnb.data.sql import gate

    with opened(postgres, monkeypatch, seconds=0.5) as tables:
        with pytest.raises(QueryError, match="still running after 0.5 s|statement timeout"):
            tables.sql("select count(*) from generate_series(1, 1000000000) a, generate_series(1, 1000000) b")
        monkeypatch.setattr(gate, "check", lambda query, *given: query)
        monkeypatch.setattr(gate, "written", lambda query, dialect: query)
        for query in ("delete from sales", "select wipe()", "create table t (a int)"):
            with pytest.raises(QueryError, match="read-only transaction|syntax error"):
                tables.sql(query)
        with pytest.raises(QueryError, match="still running|statement timeout"):
            tables.sql("select pg_sleep(100)")
        assert tables.sql("select count(*) as n from sales")["n"].tolist() == [3]


def test_a_wrong_password_is_an_error_that_does_not_show_it(postgres, monkeypatch):
    monkeypatch.setenv("WAREHOUSE_PASSWORD", "wrong-pa55word")
    with pytest.raises(UsageError, match="password authentication failed") as caught:
        Tables(database=f"postgresql://owner@127.0.0.1:{postgres}/postgres", tables=["sales"], key="warehouse")
    assert "wrong-pa55word" not in str(caught.value)


def test_a_question_about_a_database_is_asked_by_fm_sql(database):
    with Tables(database=database, tables=["sales"]) as tables:
        assert fm.sql("How many?", tables, lambda p: "select count(*) as n from sales").df["n"].tolist() == [3]
