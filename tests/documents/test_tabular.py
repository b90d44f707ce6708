"""CSV, TSV, JSON, JSONL and Parquet files."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from fmnb.core.errors import UsageError
from fmnb.documents.limits import Limits
from fmnb.documents.read import read


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"city,n\nOslo,1\nRome,\n", "a.csv"),
        (b"city;n\nOslo;1\nRome;\n", "a.csv"),
        (b"city\tn\nOslo\t1\nRome\t\n", "a.tsv"),
        (b"\xef\xbb\xbfcity|n\r\nOslo|1\r\nRome|", "a.csv"),
        (b'"city","n"\n"Oslo","1"\nRome\n', "a.csv"),
        (b'{"city": "Oslo", "n": 1}\n\n{"city": "Rome", "n": null}\n', "a.jsonl"),
        (b'[{"city": "Oslo", "n": 1}, {"city": "Rome"}]', "a.json"),
    ],
)
def test_rows_say_what_their_columns_are(data, name):
    (block,) = read(data, name).blocks
    assert (block.text, block.kind, block.place) == ("city: Oslo; n: 1\ncity: Rome", "table", "rows 1-2")


def test_long_tables_become_blocks_of_whole_rows():
    document = read(b"id,text\n" + b"".join(b"%d,%s\n" % (n, b"word " * 30) for n in range(50)), "a.csv")
    assert len(document.blocks) > 3 and document.blocks[0].place.startswith("rows 1-") and document.blocks[-1].place.endswith("50")
    assert document.text.count("id: ") == 50


def test_a_limit_of_rows_is_said():
    for name, data in (("a.csv", b"n\n" + b"1\n" * 9), ("a.jsonl", b"1\n" * 9), ("a.json", b"[1,1,1,1,1,1,1,1,1]")):
        document = read(data, name, limits=Limits(rows=4))
        assert document.notes == ("only the first 4 rows were read",) and document.text.count("1") == 4
        assert document.blocks[-1].place == "rows 1-4"


def test_objects_of_json_are_paths_and_values():
    document = read(b'{"notice": {"weeks": 4, "who": ["all", "some"], "more": [{"a": 1}]}, "title": "x"}', "a.json")
    assert document.text == "notice.weeks: 4; notice.who: all, some; notice.more.1.a: 1\ntitle: x"


@pytest.mark.parametrize("data", [b"{", b"[" * 100_000, b'{"a": ' * 100_000, b"nonsense", b"1" * 5_000 + b"x"])
def test_broken_json_is_refused_with_its_place(data):
    with pytest.raises(UsageError, match="not valid JSON"):
        read(data, "a.json")
    with pytest.raises(UsageError, match="line 2"):
        read(b"1\n" + data, "a.jsonl")


@pytest.mark.parametrize("data", [b"", b"\n\n", b"a,b\n", b'a,"b\n1,2\n' * 3, b",,,\n,,,\n", b"a" * 200_000])
def test_odd_tables_are_read(data):
    read(data, "a.csv")


def test_a_cell_over_the_limit_of_csv_is_an_error_in_words():
    with pytest.raises(UsageError, match="line 2"):
        read(b'a\n"' + b"x" * 2_000_000 + b'"\n', "a.csv")


def test_parquet_is_read_in_batches():
    out = io.BytesIO()
    pd.DataFrame({"n": range(2_500), "s": ["x", None] * 1_250, "day": pd.Timestamp("2025-03-01")}).to_parquet(out, index=False)
    document = read(out.getvalue(), "a.parquet")
    assert document.blocks[0].text.startswith("n: 0; s: x; day: 2025-03-01\nn: 1; day: 2025-03-01\n")
    assert document.blocks[-1].place.endswith("-2500") and document.notes == ()
    assert read(out.getvalue(), "a.parquet", limits=Limits(rows=10)).notes == ("only the first 10 rows were read",)


def test_a_damaged_parquet_file_is_refused():
    with pytest.raises(UsageError, match="cannot be read"):
        read(b"PAR1" + b"\0" * 200 + b"PAR1", "a.parquet")
