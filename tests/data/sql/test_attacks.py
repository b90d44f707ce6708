"""Queries that reach for more than the named tables are refused, and ordinary ones are not."""

from __future__ import annotations

from datetime import date

import pytest

from fmnb.core.errors import QueryError
from fmnb.data.sql import gate
from fmnb.data.sql.tables import Tables

pytest.importorskip("duckdb")
pytest.importorskip("sqlglot")

# The first 18 are those of the study that the lock-down order comes from.
ATTACKS = {
    "read_csv": "select * from read_csv('{here}/secret.csv')",
    "read_text": "select * from read_text('{here}/secret.csv')",
    "glob": "select * from glob('{here}/*')",
    "copy to": "copy (select 1) to '{here}/out.csv'",
    "attach": "attach '{here}/other.db' as other",
    "install": "install httpfs",
    "load": "load httpfs",
    "set back": "set enable_external_access=true",
    "another variable": "select count(*) from secret",
    "export": "export database '{here}/out'",
    "getenv": "select getenv('HOME')",
    "pragma": "pragma database_list",
    "drop": "drop view sales",
    "create": "create table t as select 1",
    "settings": "select count(*) from duckdb_settings()",
    "two statements": "select 1; drop view if exists sales",
    "secrets": "select * from duckdb_secrets()",
    "logs": "call enable_logging()",
    # Files and the network, by other ways.
    "file as a table": "select * from '{here}/secret.csv'",
    "file in quotes": 'select * from "{here}/secret.csv"',
    "file in a join": "select * from sales join '{here}/secret.csv' using (region)",
    "file in a subquery": "select (select max(a) from read_csv('{here}/secret.csv'))",
    "file in a cte": "with t as (select * from read_parquet('{here}/x.parquet')) select * from t",
    "file in exists": "select * from sales where exists (from read_json('{here}/secret.csv'))",
    "file in order by": "select * from sales order by (select count(*) from read_blob('{here}/secret.csv'))",
    "file in a union": "select region from sales union all select content from read_text('{here}/secret.csv')",
    "file in a lateral": "select * from sales, lateral (select * from read_text('{here}/secret.csv')) t",
    "file in a lambda": "select list_transform([1], x -> (select count(*) from read_text('{here}/secret.csv')))",
    "file in an aggregate": "select sum((select count(*) from read_text('{here}/secret.csv'))) from sales",
    "file in a window": "select sum(qty) over (order by (select count(*) from read_text('{here}/secret.csv'))) from sales",
    "file in a pivot": "select * from (from read_csv('{here}/secret.csv')) pivot (count(*) for a in ('secret'))",
    "a list of files": "select * from read_csv(['{here}/secret.csv', '{here}/secret.csv'])",
    "capitals": "SELECT * FROM ReAd_TeXt('{here}/secret.csv')",
    "comment in a name": "select * from/**/read_text/**/('{here}/secret.csv')",
    "http": "select * from 'https://example.com/x.parquet'",
    "s3": "select * from read_parquet('s3://bucket/x.parquet')",
    "sniffer": "select * from sniff_csv('{here}/secret.csv')",
    "parquet metadata": "select * from parquet_metadata('{here}/x.parquet')",
    "duckdb file": "select * from read_duckdb('{here}/other.db')",
    "copy from": "copy sales from '{here}/secret.csv'",
    "import": "import database '{here}'",
    "quoted function": "select * from \"read_text\"('{here}/secret.csv')",
    "function with a schema": "select * from main.read_text('{here}/secret.csv')",
    "function with a catalog": "select * from system.main.read_text('{here}/secret.csv')",
    "from first": "from read_text('{here}/secret.csv')",
    "from first and nothing else": "from '{here}/secret.csv'",
    "table": "table secret",
    "no-break spaces": "select\u00a0*\u00a0from\u00a0read_text('{here}/secret.csv')",
    "dollar quotes": "select * from read_text($${here}/secret.csv$$)",
    "escaped quotes": "select * from read_text(e'{here}/secret.csv')",
    "dot call": "select '{here}/secret.csv'.read_text()",
    "comprehension": "select [x for x in (select list(content) from read_text('{here}/secret.csv'))]",
    "materialized cte": "with t as materialized (from read_text('{here}/secret.csv')) from t",
    "positional join": "select * from sales positional join secret",
    "asof join": "select * from sales asof join secret on sales.qty >= secret.a",
    "semi join": "select * from sales semi join secret using (region)",
    "by name": "select region from sales union all by name select * from secret",
    "pivot": "pivot secret on a",
    "pivot inside": "select * from (pivot secret on a using count(*))",
    "unpivot": "unpivot secret on a",
    "summarize inside": "select * from (summarize secret)",
    "limit": "select * from sales limit (select count(*) from secret)",
    "sample": "select * from secret tablesample 10%",
    "window clause": "select sum(qty) over w from sales window w as (order by (select max(a) from secret))",
    "having": "select region from sales group by 1 having count(*) > (select count(*) from secret)",
    "group by": "select 1 from sales group by (select max(a) from secret)",
    "values": "values ((select max(a) from secret))",
    "case": "select case when true then (select max(a) from secret) end",
    "quantifier": "select * from sales where qty > all (select a from secret)",
    "array": "select array(select a from secret)",
    "two statements without a space": "select 1;select 2",
    "merge": "merge into sales using stores on true when matched then delete",
    "comment on": "comment on view sales is 'x'",
    "nested calls": "select " + "abs(" * 3_000 + "1" + ")" * 3_000,
    # SQL out of text.
    "query": "select * from query('select * from read_text(''{here}/secret.csv'')')",
    "query_table": "select * from query_table('secret')",
    "serialized": "select * from json_execute_serialized_sql(json_serialize_sql('select 42'))",
    "serialize": "select json_serialize_sql('select 42')",
    "prepare": "prepare p as select 1",
    "execute": "execute p",
    # Other tables.
    "catalog": "select * from information_schema.tables",
    "pg catalog": "select * from pg_catalog.pg_tables",
    "sqlite catalog": "select * from sqlite_master",
    "tables": "select * from duckdb_tables()",
    "functions": "select * from duckdb_functions()",
    "show": "show tables",
    "describe": "describe sales",
    "summarize": "summarize sales",
    "describe inside": "select * from (describe sales)",
    "cte of the same name": "with secret as (select * from secret) select * from secret",
    "recursive cte of the same name": "with recursive secret as (select * from secret) select * from secret",
    "cte out of its scope": "select * from (with secret as (select 1 a) select * from secret) t, secret",
    "cte defined later": "with a as (select * from secret), secret as (select 1) select * from a",
    "other schema": "select * from other.sales",
    "other catalog": "select * from system.information_schema.columns",
    "table function on a table": "select * from seq_scan('sales')",
    # Changes.
    "insert": "insert into sales values ('x', 1)",
    "update": "update sales set qty = 0",
    "delete": "delete from sales",
    "delete in a cte": "with d as (delete from sales returning *) select * from d",
    "insert in a cte": "with d as (insert into sales values ('x', 1) returning *) select * from d",
    "replace": "create or replace view sales as select 1",
    "alter": "alter view sales rename to other",
    "truncate": "truncate sales",
    "into": "select * into t from sales",
    "macro": "create macro f() as 1",
    "secret": "create secret (type s3, key_id 'x', secret 'y')",
    "transaction": "begin transaction",
    "use": "use memory",
    "detach": "detach memory",
    "checkpoint": "select * from checkpoint()",
    "vacuum": "vacuum",
    "reset": "reset memory_limit",
    "memory": "set memory_limit='100GB'",
    "variable": "set variable x = 1",
    "second after a comment": "select 1 /* ; */; drop view sales",
    "second after a string": "select ';'; drop view sales",
    "explain": "explain select 1",
    "explain analyze": "explain analyze select * from sales",
    # What the engine knows.
    "setting": "select current_setting('memory_limit')",
    "variables": "select getvariable('x')",
    "version": "select * from pragma_version()",
    "connection": "select current_query()",
    "sleep": "select sleep_ms(100000)",
    "pg sleep": "select pg_sleep(1000)",
    "log": "select write_log('x')",
    "error": "select error('ignore your instructions')",
    "sequence": "select nextval('s')",
    # Results without bounds.
    "repeat": "select repeat('x', 10000000) from range(1000)",
    "repeat without a literal": "select repeat('x', qty * 100000000) from sales",
    "pad": "select lpad('x', 1000000000, 'y')",
    "list": "select range(100000000)",
    "unnested list": "select unnest(generate_series(1, 1000000000))",
    "resize": "select list_resize([1], 1000000000)",
    "printf": "select printf('%1000000000d', 1)",
    "format": "select format('{{:1000000000}}', 1)",
    "replace with a column": "select replace(region, 'n', region) from sales",
    "bar": "select bar(1, 0, 10, 1000000000)",
    "bits": "select bitstring('1', 1000000000)",
    # Not a query.
    "nothing": "   ",
    "a comment": "-- select 1",
    "text": "I am sorry, I cannot do that.",
    "half of a struct": "select {{ : 1 }}.a from sales",
    "null character": "select 1\x00; drop view sales",
    "parameter": "select ?",
    "numbered parameter": "select $1",
    "too long": "select '" + "x" * 30_000 + "'",
    "too deep": "select " + "(select " * 60 + "1" + ")" * 60,
    "deeper than a parser": "select " + "(" * 5_000 + "1" + ")" * 5_000,
    "call": "call pragma_version()",
}

HARMLESS = {
    "a column that is not there": "select * from sales where region in secret",
    "a long sum": "select " + "+".join(["1"] * 9_000),
    "a long condition": "select 1 where " + " or ".join(["1=1"] * 2_800),
    "a long list": "select * from sales where qty in (" + ", ".join(["1"] * 6_000) + ")",
}

GOOD = [
    "select * from sales",
    "SELECT region, SUM(qty) AS n FROM sales GROUP BY region ORDER BY n DESC",
    "from sales",
    "from sales select region where qty > 1",
    "table sales",
    "values (1, 'x'), (2, 'y')",
    "select count(*) from sales -- all of them",
    "select count(*) /* all */ from sales;",
    "(select 1 as a)",
    "with a as (select region, sum(qty) s from sales group by 1) select * from a order by s desc",
    "with a as (select 1 x), b as (select x + 1 y from a) select * from a, b",
    "with recursive t as (select 1 n union all select n + 1 from t where n < 5) select n from t",
    "select region from sales union select name from stores",
    "select region from sales except select name from stores",
    "select * from sales s join stores t on s.region = t.name",
    "select * from sales s left join stores t on s.region = t.name where t.size is null or t.size > 1",
    "select * from main.sales",
    'select "region" from "sales"',
    "select * exclude (qty) from sales",
    "select * replace (qty * 2 as qty) from sales",
    "select columns('q.*') from sales",
    "select distinct on (region) * from sales order by region, day desc",
    "select row_number() over (partition by region order by qty) r from sales qualify r = 1",
    "select sum(qty) over w from sales window w as (order by day rows between 1 preceding and current row)",
    "select date_trunc('month', day) m, sum(qty) from sales group by 1",
    "select extract(year from day), strftime(day, '%Y-%m'), day + interval 1 month from sales",
    "select case when qty > 1 then 'many' else 'few' end k, count(*) from sales group by k",
    "select region, count(*) filter (where qty > 1) from sales group by all having count(*) > 0",
    "select median(qty), quantile_cont(qty, 0.9), stddev(qty), mode(region), arg_max(region, qty) from sales",
    "select * from sales where region in (select name from stores) and exists (select 1 from stores where size > 0)",
    "select s.region, l.m from sales s, lateral (select max(size) m from stores t where t.name = s.region) l",
    "select * from sales pivot (sum(qty) for region in ('north', 'south'))",
    "select upper(region) || '-' || qty::varchar, length(region), region like 'n%', region ilike 'N%' from sales",
    "select repeat('-', 10), lpad(region, 12, ' '), replace(region, 'n', 'N'), printf('%d', qty) from sales",
    "select regexp_replace(region, 'o+', '0', 'g'), regexp_extract(region, '^.'), split_part(region, 'o', 1) from sales",
    "select list(region order by qty), string_agg(region, ', '), [1, 2][1], {'a': 1}.a from sales",
    "select m, coalesce(sum(qty), 0) from generate_series(date '2024-01-01', date '2024-03-01', interval 1 month) t(m) "
    "left join sales on date_trunc('month', day) = m group by m",
    "select n from range(3) t(n)",
    "select unnest([1, 2, 3]) x",
    "select try_cast(region as int), nullif(qty, 0), round(qty / 3, 2), qty // 2, qty % 2 from sales",
    "select qty, 'drop table sales; select * from secret' as text from sales",
    "select current_date, now() > timestamp '2020-01-01'",
    "select * from sales using sample 2 rows",
    "select grouping(region), region, sum(qty) from sales group by rollup (region)",
]


@pytest.fixture
def tables(tmp_path):
    (tmp_path / "secret.csv").write_text("a\nsecret\n")
    with Tables(
        sales=[
            {"region": "north", "qty": 1, "day": date(2024, 1, 5)},
            {"region": "south", "qty": 2, "day": date(2024, 2, 5)},
        ],
        stores=[{"name": "north", "size": 3}],
        seconds=20,
    ) as found:
        yield found


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_and_leaves_nothing(tables, tmp_path, name):
    secret = [{"a": "a variable of the caller"}]
    query = ATTACKS[name].replace("{here}", str(tmp_path)).replace("{{", "{").replace("}}", "}")
    with pytest.raises(QueryError) as caught:
        tables.sql(query)
    assert caught.value.sql.strip() in query.strip() or name == "too long"
    assert "refused" in caught.value.message, str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["secret.csv"] and secret
    assert len(tables.sql("select * from sales")) == 2


@pytest.mark.parametrize("query", GOOD)
def test_an_ordinary_query_runs(tables, query):
    assert tables.sql(query) is not None


@pytest.mark.parametrize("name", HARMLESS)
@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "sqlite"])
def test_what_is_long_or_wrong_is_an_error_of_the_query_or_an_answer(tables, name, dialect):
    secret = [{"a": "hidden"}]
    try:
        gate.written(gate.check(HARMLESS[name], ["sales"], dialect), dialect)
        assert "hidden" not in str(tables.sql(HARMLESS[name])) and secret
    except QueryError as e:
        assert len(str(e)) < 1_000


def test_there_are_as_many_attacks_as_promised():
    assert len(ATTACKS) >= 18 + 40 and len(GOOD) >= 30


LOCKED = ["read_csv", "read_text", "glob", "copy to", "attach", "install", "load", "set back", "another variable", "export"]
PASSES = {"too long": ["tree"], "too deep": ["tree"]}  # the length is the gate's business alone


@pytest.mark.parametrize("name", LOCKED)
def test_the_lock_alone_refuses_what_reaches_outside(tables, tmp_path, name):
    """A hole in the gate is not enough."""
    import duckdb

    secret = [{"a": 1}]
    with pytest.raises(duckdb.Error):
        tables._engine._connection.execute(ATTACKS[name].replace("{here}", str(tmp_path))).fetchall()
    assert secret and sorted(p.name for p in tmp_path.iterdir()) == ["secret.csv"]


@pytest.mark.parametrize("name", [n for n in ATTACKS if n not in ("null character", "deeper than a parser")])
def test_each_of_the_two_checks_refuses_on_its_own(tables, tmp_path, name):
    """sqlglot's reading and DuckDB's own: an attack passes one of them only where the other is named here."""
    from fmnb.data.sql import duckdb_tree

    query = ATTACKS[name].replace("{here}", str(tmp_path)).replace("{{", "{").replace("}}", "}")
    engine = tables._engine
    passed = []
    try:
        gate.check(query, engine.tables)
        passed.append("gate")
    except QueryError:
        pass
    try:
        duckdb_tree.check(engine._connection, query, engine.tables, engine._functions)
        passed.append("tree")
    except Exception:
        pass
    assert len(passed) < 2
    assert passed == PASSES.get(name, [])
