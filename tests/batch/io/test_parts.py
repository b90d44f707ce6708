"""Tables in files: read as they are needed, written in parts, gone on with, and never in memory as a whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import fmnb as fm
from fmnb.batch.io import formats as file_kinds
from fmnb.batch.io import parts
from fmnb.batch.io.files import open_files, read_all
from fmnb.batch.io.parts import Parts
from fmnb.batch.run import batch, dry_run
from fmnb.calls.session import session
from fmnb.core.errors import AuthenticationError, UsageError
from fmnb.store.db import database
from fmnb.store.tape import Tape
from tests.batch.test_estimate import Priced
from tests.batch.test_run import MODEL
from tests.conftest import FULL


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(parts, "ROWS", 100)


def table(n, start=0):
    return pa.table({"w": [f"word{i}" for i in range(start, start + n)], "n": list(range(start, start + n))})


def write(path, some):
    if path.suffix == ".parquet":
        pq.write_table(some, path)
    elif path.suffix in (".csv", ".tsv"):
        pa.csv.write_csv(some, path, pa.csv.WriteOptions(delimiter="\t" if path.suffix == ".tsv" else ","))
    else:
        path.write_text("".join(json.dumps(r) + "\n" for r in some.to_pylist()))
    return path


@pytest.mark.parametrize("kind", ["parquet", "csv", "tsv", "jsonl"])
def test_a_file_goes_in_and_parts_come_out(service, tmp_path, kind):
    path = write(tmp_path / f"rows.{kind}", table(250))
    out = fm.map("Say {{ w }}", str(path), MODEL)
    assert isinstance(out, Parts) and out.folder == tmp_path / "rows.answers"
    assert [f.name for f in out.files] == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    assert out.df["text"].tolist() == [f"word{i}" for i in range(250)] and out.df["n"].tolist() == list(range(250))
    assert out.summary.answered == 250 and not list(out.folder.glob("*.new"))


def test_a_pattern_names_many_files_in_order(service, tmp_path):
    for i in range(3):
        write(tmp_path / f"in-{i}.parquet", table(70, 70 * i))
    out = fm.map("Say {{ w }}", tmp_path / "in-*.parquet", MODEL, out=tmp_path / "there")
    assert out.folder == tmp_path / "there" and out.df["text"].tolist() == [f"word{i}" for i in range(210)]


def test_parts_that_are_there_are_not_made_again(service, tmp_path):
    path = write(tmp_path / "rows.parquet", table(250))
    first = fm.map("Say {{ w }}", path, MODEL, head=150)
    assert [f.name for f in first.files] == ["part-00000.parquet", "head-150.parquet"] and len(service.requests) == 150
    stamp = first.files[0].stat().st_mtime_ns
    again = fm.map("Say {{ w }}", path, MODEL)
    assert len(service.requests) == 250 and again.files[0].stat().st_mtime_ns == stamp and again.summary.cached == 150
    assert again.df["text"].tolist() == [f"word{i}" for i in range(250)]


def test_another_question_s_parts_are_left_alone(service, tmp_path):
    path = write(tmp_path / "rows.parquet", table(120))
    first = fm.map("Say {{ w }}", path, MODEL)
    other = fm.map("Do say {{ w }}", path, MODEL, head=1)
    assert other.folder != first.folder and other.folder.parent == first.folder.parent
    assert all(f.exists() for f in first.files) and first.df["text"].tolist()[:2] == ["word0", "word1"]
    assert fm.map("Do say {{ w }}", path, MODEL, head=2).folder == other.folder and len(service.requests) == 122
    write(path, table(130))
    assert fm.map("Say {{ w }}", path, MODEL).folder == first.folder, "the same question, of more rows"
    assert len(service.requests) == 132
    anew = fm.map("Do say {{ w }}", path, MODEL, head=1, out=first.folder)
    assert anew.folder == first.folder, "where the user says it goes there"


def test_a_part_with_passing_failures_is_completed_next_time(service, tmp_path, monkeypatch):
    path = write(tmp_path / "rows.parquet", table(120))
    service.answer = lambda body: (
        (500, {"error": {"message": "later"}}) if "word7" == str(body["messages"][-1]["content"]).split()[-1] else "ok"
    )
    assert fm.map("Say {{ w }}", path, MODEL).summary.failed == 1
    service.answer = None
    again = fm.map("Say {{ w }}", path, MODEL)
    assert again.summary.answered == 120 and again.df["error"].isna().all()


def test_what_every_part_holds_has_the_same_kinds(service, tmp_path):
    path = write(tmp_path / "rows.parquet", table(250))
    service.answer = lambda body: '{"n": 1, "tags": ["a"]}' if "word1" in str(body) else '{"n": null, "tags": []}'
    out = fm.map("Say {{ w }}", path, MODEL, schema="n int?, tags list[str]")
    kinds = {tuple(map(str, pq.read_schema(f).types)) for f in out.files}
    assert len(kinds) == 1 and out.table().schema.field("tags").type == pa.list_(pa.string())
    assert out.table().schema.field("n_fm").type == pa.int64()


def test_a_model_that_cannot_be_asked_stops_with_what_is_kept(service, tmp_path):
    path = write(tmp_path / "rows.parquet", table(500))
    service.answer = lambda body: (403, {"error": {"message": "no"}}) if "word150" in str(body) else "ok"
    with pytest.raises(AuthenticationError):
        fm.map("Say {{ w }}", path, MODEL, concurrency=4)
    assert (tmp_path / "rows.answers/part-00000.parquet").exists()


def test_a_batch_over_a_file_holds_its_answers_too(service, tmp_path):
    path = write(tmp_path / "rows.csv", table(3))
    assert [a.text for a in batch("Say {{ w }}", path, MODEL).answers] == ["word0", "word1", "word2"]


def test_an_estimate_of_a_file_counts_its_rows(tmp_path):
    path = write(tmp_path / "rows.parquet", table(5000))
    assert dry_run("Say {{ w }}", path, "echo:").calls == 5000


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("rows.jsonl", '{"w": 1}\nnot json\n', "Line 2"),
        ("rows.jsonl", '{"w": 1}\n[1]\n', "Line 2"),
        ("rows.xls", "x", "cannot be read as one table"),
        ("rows.csv", "a,b\n1,2,3\n", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=words) as e:
        fm.map("{{ row }}", tmp_path / name, "echo:")
    assert e.value.hint
    with pytest.raises(UsageError, match="no such file"):
        fm.map("{{ row }}", tmp_path / "nothing-*.csv", "echo:")


def test_an_empty_file_makes_no_parts(tmp_path):
    path = write(tmp_path / "rows.parquet", table(0))
    out = fm.map("{{ w }}", path, "echo:")
    assert out.files == () and out.summary.rows == 0


def test_files_are_read_a_chunk_at_a_time(tmp_path):
    path = write(tmp_path / "rows.parquet", table(10_000))
    assert [t.count for t in open_files(path).chunks(4000)] == [4000, 4000, 2000] and open_files(path).count == 10_000


def values(path):
    """All rows of the files, as dicts."""
    return read_all(open_files(path)).add(()).to_pylist()


@pytest.fixture
def blocks(monkeypatch):
    """Blocks so small that a file of some hundred rows has many."""
    monkeypatch.setattr(file_kinds, "_BLOCK", 64)
    monkeypatch.setattr(file_kinds, "_LINES", 4)


@pytest.mark.parametrize(
    "first, last, kind",
    [
        ("1", "1.5", pa.float64()),
        ("1", "one", pa.string()),
        ("", "7", pa.int64()),
        ("", "text", pa.string()),
        ("true", "maybe", pa.string()),
        ("2024-02-29", "soon", pa.string()),
    ],
)
def test_a_csv_column_holds_what_comes_further_down(service, tmp_path, blocks, first, last, kind):
    (tmp_path / "rows.csv").write_text("w,n\n" + "".join(f"word{i},{first}\n" for i in range(149)) + f"word149,{last}\n")
    found = open_files(tmp_path / "rows.csv")
    assert found.count == 150 and found.schema.field("n").type == kind
    out = fm.map("Say {{ n }} {{ w }}", tmp_path / "rows.csv", MODEL)
    assert out.df["text"].tolist() == [f"word{i}" for i in range(150)] and str(out.df["n"].iloc[-1]) in (last, f"{last}.0")
    assert len({pq.read_schema(f).field("n").type for f in out.files}) == 1


def test_a_csv_s_rows_are_counted_before_anything_is_asked(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes('\ufeffa,b\n1,"two\nlines"\n3,"and ""more"""\n'.encode())
    assert open_files(path).count == 2 and values(path) == [{"a": 1, "b": "two\nlines"}, {"a": 3, "b": 'and "more"'}]
    (tmp_path / "rows.tsv").write_text("a\tb\n1\t2,5\n")
    assert open_files(str(tmp_path / "rows.tsv")).count == 1


@pytest.mark.parametrize("text", ["w,n\n", "w,n"])
def test_a_csv_with_a_header_alone_has_its_columns(tmp_path, text):
    (tmp_path / "rows.csv").write_text(text)
    assert open_files(tmp_path / "rows.csv").columns == ("w", "n")
    out = fm.map("{{ w }}", tmp_path / "rows.csv", "echo:")
    assert out.files == () and out.summary.rows == 0 and len(out.df) == 0


def test_columns_of_one_name_in_a_csv_are_read_all_the_same(tmp_path, blocks):
    (tmp_path / "rows.csv").write_text("a,a,w\n" + "1,x,y\n" * 50 + "z,x,y\n")
    assert fm.map("{{ w }}", tmp_path / "rows.csv", "echo:").df["text"].tolist() == ["y"] * 51


@pytest.mark.parametrize(
    "name, data",
    [
        ("rows.csv", "a,b\ncafé,x\n".encode("latin-1")),
        ("rows.csv", "a,b\n{}café,x\n".format("cafe,x\n" * 50).encode("latin-1")),
        ("rows.csv", "é,b\ncafe,x\n".encode("latin-1")),
        ("rows.csv", "a,b\ncafé,x\n".encode("utf-16")),
        ("rows.jsonl", '{"a": "cafe"}\n{"a": "café"}\n'.encode("latin-1")),
        ("rows.jsonl", '{"a": "café"}\n'.encode("utf-16")),
    ],
)
def test_a_file_that_is_not_utf_8_says_so(tmp_path, blocks, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError, match="rows.* is not encoded as UTF-8") as e:
        open_files(tmp_path / name)
    assert "UTF-8" in e.value.hint and e.value.detail


def test_jsonl_has_all_columns_of_its_rows_wherever_they_begin(tmp_path, blocks):
    rows = [{"w": "a"}, {"w": "b", "late": 1}, *[{"w": "c"}] * 9, {"later": [1.5], "late": 2.5}]
    (tmp_path / "rows.jsonl").write_bytes(b"\xef\xbb\xbf" + b"".join(json.dumps(r).encode() + b"\n" for r in rows))
    found = values(tmp_path / "rows.jsonl")
    assert open_files(tmp_path / "rows.jsonl").count == 12 and list(found[0]) == ["w", "late", "later"]
    assert found[1] == {"w": "b", "late": 1.0, "later": None} and found[-1] == {"w": None, "late": 2.5, "later": [1.5]}


def test_jsonl_values_of_different_kinds_become_text(tmp_path, blocks):
    odd = [1, "a", {"b": [1]}, None, 10**30, "half \ud83d", True, {}, [1, "x"]]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"x": x, "n": n, "o": {}}) + "\n" for n, x in enumerate(odd)))
    found = values(tmp_path / "rows.jsonl")
    assert [r["x"] for r in found] == ["1", "a", '{"b": [1]}', None, str(10**30), "half \ufffd", "true", "{}", '[1, "x"]']
    assert [r["n"] for r in found] == list(range(9)) and found[0]["o"] == "{}", "Parquet holds no objects without fields"
    assert len(fm.map("{{ n }} {{ x }}", tmp_path / "rows.jsonl", "echo:").df) == 9


@pytest.mark.parametrize(
    "some",
    [
        ["a,w\n1,x\n", "a,w\n1.5,y\n", "a,w\n,z\n"],
        ["a,w\n1,x\n", "w,a\ny,one\n"],
        ["a,w\n1,x\n", "a,w\n", "a,w,more\n2,z,here\n"],
        ["w\nx\n", "a,w\n2024-01-01,y\n"],
    ],
)
def test_csv_files_that_differ_go_together(service, tmp_path, some):
    for n, text in enumerate(some):
        (tmp_path / f"{n}.csv").write_text(text)
    found = open_files(tmp_path / "*.csv")
    assert found.count == len(values(tmp_path / "*.csv"))
    out = fm.map("Say {{ row }} {{ w }}", tmp_path / "*.csv", MODEL).df
    assert out["text"].tolist() == out["w"].tolist() == sorted(out["w"])
    assert set(found.columns) == set(",".join(t.split("\n")[0] for t in some).split(","))


def test_parquet_files_that_differ_go_together(tmp_path):
    some = [
        pa.table({"w": ["x"], "n": [2**60 + 1], "c": pa.array(["k"]).dictionary_encode()}),
        pa.table({"c": ["l"], "n": [1.5], "w": ["y"]}),
        pa.table({"w": ["z"], "n": pa.nulls(1), "more": [[1]]}),
    ]
    for n, t in enumerate(some):
        write(tmp_path / f"{n}.parquet", t)
    found = values(tmp_path / "*.parquet")
    assert [r["w"] for r in found] == ["x", "y", "z"] and [r["n"] for r in found] == [float(2**60), 1.5, None]
    assert [r["c"] for r in found] == ["k", "l", None] and [r["more"] for r in found] == [None, None, [1]]
    write(tmp_path / "3.parquet", pa.table({"w": [3]}))
    with pytest.raises(UsageError, match="'w' has two types: string in 0.parquet, int64 in 3.parquet"):
        open_files(tmp_path / "*.parquet")


def test_jsonl_files_that_differ_go_together(tmp_path):
    (tmp_path / "1.jsonl").write_text('{"w": "x", "n": 1}\n')
    (tmp_path / "2.jsonl").write_text('{"n": "one", "w": "y"}\n{"o": {"a": 1}}\n')
    assert values(tmp_path / "*.jsonl") == [
        {"w": "x", "n": "1", "o": None},
        {"w": "y", "n": "one", "o": None},
        {"w": None, "n": None, "o": {"a": 1}},
    ]


def test_a_pattern_leaves_answers_out_unless_it_names_them(service, tmp_path):
    (tmp_path / "g/deep").mkdir(parents=True)
    write(tmp_path / "g/1.parquet", table(3))
    pattern = str(tmp_path / "g/**/*.parquet")
    first = fm.map("Say {{ w }}", tmp_path / "g/1.parquet", MODEL)
    other = fm.map("Do say {{ w }}", tmp_path / "g/1.parquet", MODEL)
    assert {first.folder.name, other.folder.name[:9]} == {"1.answers"} and open_files(pattern).paths == (tmp_path / "g/1.parquet",)
    write(tmp_path / "g/deep/2.parquet", table(2))
    assert fm.map("Say {{ w }}", pattern, MODEL).summary.rows == fm.map("Say {{ w }}", pattern, MODEL).summary.rows == 5
    assert open_files(tmp_path / "g/1.answers/*.parquet").count == 3
    with pytest.raises(UsageError, match="no such file"):
        open_files(tmp_path / "g/1.*/*.parquet")


@pytest.mark.parametrize("data", [b"", b"no", b"PAR1" + b"x" * 60 + b"PAR1"])
def test_a_broken_parquet_file_is_named(tmp_path, data):
    write(tmp_path / "1.parquet", table(3))
    (tmp_path / "2.parquet").write_bytes(data)
    for given in ("2.parquet", "*.parquet"):
        with pytest.raises(UsageError, match=r"2\.parquet cannot be read"):
            open_files(tmp_path / given)


def test_parquet_that_is_broken_further_down_is_named_too(tmp_path):
    path = write(tmp_path / "1.parquet", table(1000))
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\xff" * 2000 + data[2004:])
    with pytest.raises(UsageError, match=r"1\.parquet cannot be read"):
        values(path)


@pytest.mark.parametrize("text", ["a very long text " * 500, "is it? " * 2000, "why/ not* " * 3000, "a\0b", "a*\0b"])
def test_a_text_that_is_no_path_is_told_shortly(text):
    with pytest.raises(UsageError, match="no such file") as e:
        fm.map("{{ w }}", text, "echo:")
    assert len(str(e.value)) < 500


def test_a_file_is_looked_through_once_until_it_changes(tmp_path, monkeypatch):
    path, looks = write(tmp_path / "rows.csv", table(3)), []
    real = file_kinds._scan_csv
    monkeypatch.setitem(file_kinds.SCANNERS, "csv", lambda p: looks.append(p) or real(p))
    assert open_files(path).count == open_files(path).count == 3 and len(looks) == 1
    write(path, table(4))
    assert open_files(path).count == 4 and len(looks) == 2


MEMORY = """
import os, resource, sys
import fmnb as fm
rows = int(sys.argv[1])
out = fm.map("Say {{ w }}: {{ text }}", sys.argv[2], "echo:")
assert out.summary.answered == rows, out.summary
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(not FULL, reason="takes two minutes; make test-full")
def test_a_hundred_thousand_rows_need_no_more_memory_than_ten_thousand(tmp_path):
    peaks = []
    for n in (10_000, 100_000):
        path = tmp_path / f"rows{n}.parquet"
        pq.write_table(pa.table({"w": [f"word{i}" for i in range(n)], "text": ["some words to read " * 20] * n}), path, row_group_size=2000)
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(n), str(path)], capture_output=True, text=True, env=dict(os.environ), check=True
        )
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] - peaks[0] < 100, f"{peaks} MB"


def test_a_frame_with_the_files_name_is_still_a_frame():
    assert fm.map("{{ w }}", pd.DataFrame({"w": ["a.csv"]}), "echo:")["text"].tolist() == ["a.csv"]


def test_a_folder_is_told_to_name_its_files(tmp_path):
    with pytest.raises(UsageError, match=r"is a folder.*\*\.parquet"):
        open_files(tmp_path)


def test_parts_of_another_run_in_the_same_folder_are_said(service, tmp_path):
    path, heard = str(write(tmp_path / "rows.parquet", table(250))), []
    fm.map("Say {{ w }}", path, MODEL)
    out = fm.map("Do say {{ w }}", path, MODEL, head=150, out=tmp_path / "rows.answers", sinks=[heard.append])
    assert any("2 parts in the folder are from another run" in getattr(e, "text", "") for e in heard) and len(out.files) == 2
    assert len(out.df) == 150
    heard.clear()
    fm.map("Do say {{ w }}", path, MODEL, out=tmp_path / "rows.answers", sinks=[heard.append])
    assert not any("from another run" in getattr(e, "text", "") for e in heard), "that of the head is its own"


def test_a_question_over_files_is_that_over_a_table(tmp_path):
    path, model = write(tmp_path / "rows.parquet", table(1150)), Priced()
    fm.map("Say {{ w }}", path, model, head=300, yes=True)
    told = dry_run("Say {{ w }}", path, model)
    assert told.calls - told.cached > 700
    with pytest.raises(UsageError, match="--yes") as e:
        fm.map("Say {{ w }}", path, model)
    assert model.calls == 300 and str(told) in str(e.value)


def test_a_batch_over_files_that_was_killed_is_open_no_longer_when_it_was_gone_on_with(service, tmp_path):
    path = write(tmp_path / "rows.parquet", table(120))
    service.answer = lambda body: (403, {"error": {"message": "no"}})
    with pytest.raises(AuthenticationError):
        fm.map("Say {{ w }}", path, MODEL)
    with database().write() as db:
        db.execute("UPDATE runs SET ended = NULL, finish = NULL WHERE kind = 'batch'")  # as a kernel leaves it that is killed
    service.answer = None
    fm.map("Say {{ w }}", path, MODEL)
    assert [r["finish_reason"] for r in fm.log(kind="batch")] == ["stop", "continued"] and not fm.log(kind="batch", open=True)


def test_a_value_that_does_not_fit_the_files_common_type_is_found_before_anything_is_asked(service, tmp_path):
    pq.write_table(pa.table({"w": ["a", "b"], "id": pa.array([1, 2], pa.int64())}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"w": ["c", "d"], "id": pa.array([3, 2**64 - 1], pa.uint64())}), tmp_path / "b.parquet")
    with pytest.raises(UsageError, match="b.parquet does not match the other files.*'id'"):
        fm.map("Say {{ w }}", tmp_path / "*.parquet", MODEL)
    assert not service.requests


def test_a_head_does_not_shorten_what_is_there(service, tmp_path):
    path = write(tmp_path / "rows.parquet", table(1150))
    every = fm.map("Say {{ w }}", path, MODEL)
    one, many = fm.map("Say {{ w }}", path, MODEL, head=1), fm.map("Say {{ w }}", path, MODEL, head=1120)
    assert len(every.df) == 1150 and len(one.df) == 1 and one.files[0].name == "head-1.parquet"
    assert many.df["n"].tolist() == list(range(1120)), "in the order of the rows, not of the names"
    assert many.files[:11] == every.files[:11] and many.files[11].name == "head-1120.parquet"
    assert fm.map("Say {{ w }}", path, MODEL, head=1150).files == fm.map("Say {{ w }}", path, MODEL, head=2000).files == every.files
    assert len(service.requests) == 1150


def test_values_of_the_notebook_decide_which_parts_are_there(service, tmp_path):
    path = write(tmp_path / "rows.parquet", table(120))

    def ask(**more):
        return fm.map("{% if n > 110 %}{{ late }}{% endif %}{{ product }} {{ helper(w) }}", path, "echo:", **more)

    values = {"product": "pen", "late": "x", "helper": str.upper}
    pen = ask(values=values)
    car = ask(values=values | {"product": "car"})
    assert pen.df["text"].iloc[0] == "pen WORD0" and car.df["text"].iloc[0] == "car WORD0" and car.folder != pen.folder
    late = ask(values=values | {"late": "y"})
    assert late.folder == pen.folder and late.df["text"].iloc[119] == "ypen WORD119", "only later rows show it"
    assert late.summary.cached == 111
    lower = ask(values=values | {"helper": str.lower})
    assert lower.df["text"].iloc[0] == "pen word0"
    ruled = [
        fm.map("{{ w }}", path, "echo:", system="Be {{ how }}", values={"how": how}, out=tmp_path / "ruled").summary
        for how in ("short", "long")
    ]
    assert [r.cached for r in ruled] == [0, 0]
    assert ask(values=values).df["text"].iloc[119] == "xpen WORD119"


def test_prompts_are_filled_once_where_a_part_is_not_there(tmp_path):
    path, filled = write(tmp_path / "rows.parquet", table(250)), []

    def helper(word):
        filled.append(word)
        return word

    for _ in range(2):  # asked, then compared
        fm.map("{{ helper(w) }}", path, "echo:", values={"helper": helper})
        assert len(filled) <= 250 + 153, "each once, and those that the estimate looks at"
        filled.clear()


def test_a_row_that_cannot_fill_the_prompt_counts_by_its_words(service, tmp_path):
    path = write(tmp_path / "rows.parquet", table(120))

    def ask(**more):
        return fm.map("Say {{ 7 // (n - 5 if n < 50 else 1) }} {{ w }} {{ more }}", path, "echo:", values={"more": ""} | more)

    first, again = ask(), ask()
    assert first.summary.failed == again.summary.failed == 1 and again.summary.cached == 119
    assert again.summary.causes == first.summary.causes and not again.summary.notes, "it was tried again"


def test_failures_in_parts_that_are_there_are_told_with_their_causes(service, tmp_path):
    path, heard = write(tmp_path / "rows.parquet", table(250)), []
    service.answer = lambda body: (400, {"error": {"message": "odd"}}) if "word1" in str(body) else "ok"
    first = fm.map("Say {{ w }}", path, MODEL)
    again = fm.map("Say {{ w }}", path, MODEL, sinks=[heard.append])
    assert again.summary.causes == first.summary.causes and again.summary.causes[0].count == again.summary.failed == 111
    assert again.summary.causes[0].row == 1 and "odd" in again.summary.causes[0].detail
    assert "--retry-errors" in str(again.summary) and any("--retry-errors" in getattr(e, "text", "") for e in heard)
    service.answer = None
    assert fm.map("Say {{ w }}", path, MODEL, retry_errors=True).summary.failed == 0


def test_files_of_the_user_s_own_are_not_replaced(service, tmp_path):
    (tmp_path / "data").mkdir()
    mine = write(tmp_path / "data/part-00000.parquet", table(5))
    before = mine.read_bytes()
    with pytest.raises(UsageError, match="contains input files") as e:
        fm.map("Say {{ w }}", tmp_path / "data/*.parquet", MODEL, out=tmp_path / "data/../data")
    assert e.value.hint and not service.requests
    other = write(tmp_path / "rows.csv", table(5))
    for name in ("part-00007.parquet", "head-2.parquet"):
        mine.rename(mine := mine.with_name(name))
        with pytest.raises(UsageError, match=f"but is not one: .*{name}") as e:
            fm.map("Say {{ w }}", other, MODEL, out=tmp_path / "data")
    assert e.value.hint and not service.requests and mine.read_bytes() == before
    mine.write_bytes(b"")
    assert len(fm.map("Say {{ w }}", other, MODEL, out=tmp_path / "data").df) == 5, "an empty file is nobody's"


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_asked(service, tmp_path, monkeypatch):
    path = write(tmp_path / "rows.parquet", table(5))

    def read_only(*_, **__):
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(parts.tempfile, "TemporaryFile", read_only)
        with pytest.raises(UsageError, match="is not writable.*Read-only"):
            fm.map("Say {{ w }}", path, MODEL)
    with pytest.raises(UsageError, match="is not writable"):
        fm.map("Say {{ w }}", path, MODEL, out=path)
    assert not service.requests
    with monkeypatch.context() as patch:  # it was writable, and is no more
        patch.setattr(parts.os, "replace", read_only)
        patch.setattr(parts.Path, "unlink", read_only)
        with pytest.raises(UsageError, match="cannot be written to.*Read-only"):
            fm.map("Say {{ w }}", path, MODEL)
    assert fm.map("Say {{ w }}", path, MODEL).summary.cached == 5


@pytest.mark.parametrize("out", [3, "", ["a"]])
def test_an_out_that_is_no_folder_is_refused(tmp_path, out):
    path = write(tmp_path / "rows.parquet", table(5))
    with pytest.raises(UsageError, match="out must name a folder"):
        fm.map("Say {{ w }}", path, "echo:", out=out)


def test_a_number_too_long_for_its_column_is_missing_there_and_the_parts_go_together(service, tmp_path):
    path = write(tmp_path / "rows.parquet", table(250))
    service.answer = lambda body: json.dumps({"k": 10**30 if "word7" in str(body) else 7})
    out = fm.map("Say {{ w }}", path, MODEL, schema="k int").df
    assert out["k"].isna().tolist() == [w.startswith("word7") for w in out["w"]] and out["k"].iloc[0] == 7
    assert str(10**30) in out["text"].iloc[7]


def test_what_is_to_be_on_a_tape_is_not_taken_from_parts(service, tmp_path):
    path = write(tmp_path / "rows.parquet", table(3))
    fm.map("Say {{ w }}", path, MODEL)
    session.tape = Tape(tmp_path / "t.tape")
    fm.map("Say {{ w }}", path, MODEL)
    assert len(service.requests) == 6
    service.down = True
    assert fm.map("Say {{ w }}", path, MODEL, replay_only=True).summary.answered == 3
