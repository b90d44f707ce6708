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
from fmnb.batching import parts
from fmnb.batching.files import files_of
from fmnb.batching.parts import Parts
from fmnb.batching.run import batch, planned
from fmnb.errors import KeyRefusedError, UsageError
from tests.batching.test_run import MODEL
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
    assert [f.name for f in first.files] == ["part-00000.parquet", "part-00001.parquet"] and len(service.requests) == 150
    stamp = first.files[0].stat().st_mtime_ns
    again = fm.map("Say {{ w }}", path, MODEL)
    assert len(service.requests) == 250 and again.files[0].stat().st_mtime_ns == stamp and again.summary.reused == 150
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
    with pytest.raises(KeyRefusedError):
        fm.map("Say {{ w }}", path, MODEL, concurrency=4)
    assert (tmp_path / "rows.answers/part-00000.parquet").exists()


def test_a_batch_over_a_file_holds_its_answers_too(service, tmp_path):
    path = write(tmp_path / "rows.csv", table(3))
    assert [a.text for a in batch("Say {{ w }}", path, MODEL).answers] == ["word0", "word1", "word2"]


def test_an_estimate_of_a_file_counts_its_rows(tmp_path):
    path = write(tmp_path / "rows.parquet", table(5000))
    assert planned("Say {{ w }}", path, "echo:").calls == 5000


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("rows.jsonl", '{"w": 1}\nnot json\n', "Line 2"),
        ("rows.jsonl", '{"w": 1}\n[1]\n', "Line 2"),
        ("rows.xls", "x", "cannot be gone over"),
        ("rows.csv", "a,b\n1,2,3\n", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=words) as e:
        fm.map("{{ row }}", tmp_path / name, "echo:")
    assert e.value.todo
    with pytest.raises(UsageError, match="no such file"):
        fm.map("{{ row }}", tmp_path / "nothing-*.csv", "echo:")


def test_an_empty_file_makes_no_parts(tmp_path):
    path = write(tmp_path / "rows.parquet", table(0))
    out = fm.map("{{ w }}", path, "echo:")
    assert out.files == () and out.summary.rows == 0


def test_files_are_read_a_chunk_at_a_time(tmp_path):
    path = write(tmp_path / "rows.parquet", table(10_000))
    assert [t.count for t in files_of(path).chunks(4000)] == [4000, 4000, 2000] and files_of(path).count == 10_000


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
        files_of(tmp_path)


def test_parts_of_another_run_in_the_same_folder_are_said(service, tmp_path):
    path, heard = str(write(tmp_path / "rows.parquet", table(250))), []
    fm.map("Say {{ w }}", path, MODEL)
    out = fm.map("Do say {{ w }}", path, MODEL, head=150, out=tmp_path / "rows.answers", sinks=[heard.append])
    assert any("1 part there is of another run" in getattr(e, "text", "") for e in heard) and len(out.files) == 2
    assert len(out.df) == 150
