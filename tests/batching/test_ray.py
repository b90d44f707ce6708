"""The same run on Ray: the same answers, the same resume, on two cores."""

from __future__ import annotations

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fmnb as fm
from fmnb.batching import ray_rows
from fmnb.batching.run import batch, reopen
from fmnb.errors import KeyRefusedError, UsageError
from fmnb.events import Progress
from tests.batching.test_run import MODEL, words
from tests.conftest import FULL

ray = pytest.importorskip("ray")
more = pytest.mark.skipif(not FULL, reason="each run starts workers, which takes seconds; make test-full")


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Two cores, whatever this machine has; workers see this folder's tests."""
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR", object_store_memory=150_000_000)
    yield
    ray.shutdown()


def test_rows_are_answered_by_workers_and_go_on_where_they_were(service, monkeypatch):
    monkeypatch.setattr(ray_rows, "CHUNK", 50)
    service.latency = 0.005
    heard = []
    batch("Say {{ w }}", words(60), MODEL)
    b = batch("Say {{ w }}", words(300), MODEL, on="ray", sinks=[heard.append])
    assert [a.text for a in b.answers] == words(300)["w"].tolist()
    assert b.summary.reused == 60 and len(service.requests) == 300 and any(isinstance(e, Progress) for e in heard)
    assert reopen(b.run).answers == b.answers
    assert batch("Say {{ w }}", words(300), MODEL).summary.reused == 300  # here or there is one and the same run
    assert service.peak <= 40


@more
def test_a_cap_holds_for_all_workers_together(service, monkeypatch):
    monkeypatch.setattr(ray_rows, "CHUNK", 30)
    service.latency = 0.02
    b = batch("Say {{ w }}", words(120), MODEL, on="ray", concurrency=4)
    assert b.summary.answered == 120 and service.peak <= 4


@more
def test_schemas_failures_and_functions_of_the_notebook_travel(service):
    service.answer = lambda body: '{"n": 3}' if "word1" not in str(body) else (400, {"error": {"message": "odd"}})
    b = batch("Say {{ w }}", words(3), MODEL, on="ray", schema="n int")
    assert [a.data for a in b.answers] == [{"n": 3}, None, {"n": 3}] and b.answers[1].error["kind"] == "BadRequestError"
    add = 7
    assert [a.text for a in batch("{{ w }}", words(2), lambda messages: f"said {add}", on="ray").answers] == ["said 7", "said 7"]


@more
def test_a_key_that_is_refused_stops_the_run(service):
    service.answer = lambda body: (403, {"error": {"message": "no"}})
    with pytest.raises(KeyRefusedError):
        batch("Say {{ w }}", words(400), MODEL, on="ray")


@more
def test_files_become_parts(service, tmp_path, monkeypatch):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pandas(words(220)), path)
    monkeypatch.setattr("fmnb.batching.parts.ROWS", 100)
    out = fm.map("Say {{ w }}", path, MODEL, on="ray")
    assert len(out.files) == 3 and out.df["text"].tolist() == words(220)["w"].tolist()
    fm.map("Say {{ w }}", path, MODEL, on="ray")
    assert len(service.requests) == 220


def test_a_place_that_is_none_is_refused_in_words():
    for odd in ("rai", "ray://", "spark"):
        with pytest.raises(UsageError, match="no place to run"):
            batch("{{ w }}", words(1), "echo:", on=odd)
