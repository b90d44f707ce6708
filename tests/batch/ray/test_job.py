"""The same run on Ray: the same answers, the same resume, on two cores."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fmnb as fm
from fmnb.batch.ray import job as ray_rows
from fmnb.batch.run import batch, reopen
from fmnb.core.errors import AuthenticationError, BadRequestError, Interrupted, SchemaMismatchError, UsageError
from fmnb.core.events import Progress
from tests.batch.test_run import MODEL, words
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
    assert b.summary.cached == 60 and len(service.requests) == 300 and any(isinstance(e, Progress) for e in heard)
    assert reopen(b.run).answers == b.answers
    assert batch("Say {{ w }}", words(300), MODEL).summary.cached == 300  # here or there is one and the same run
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
    with pytest.raises(AuthenticationError):
        batch("Say {{ w }}", words(400), MODEL, on="ray")


def test_fail_fast_keeps_the_answers_of_calls_in_flight(service, monkeypatch):
    monkeypatch.setattr(ray_rows, "CHUNK", 40)
    service.latency = 0.4
    service.answer = lambda body: (400, {"error": {"message": "odd"}}) if body["messages"][-1]["content"] == "Say word3" else "said"
    with pytest.raises(BadRequestError, match="Row 3"):
        batch("Say {{ w }}", words(400), MODEL, on="ray", fail_fast=True)
    asked = set(service.asked)
    assert "Say word3" in asked and len(asked) < 400 and set(service.asked.values()) == {1}
    again = batch("Say {{ w }}", words(400), MODEL, retry_errors=True)
    assert again.summary.cached == len(asked) - 1, "every answer but the failure was kept"


@more
def test_a_model_that_gives_only_unusable_answers_gets_no_more_calls(service, monkeypatch):
    monkeypatch.setattr(ray_rows, "CHUNK", 40)
    service.latency = 0.05
    service.answer = lambda body: "no JSON at all"
    with pytest.raises(SchemaMismatchError, match="None of the first 30 answers"):
        batch("Say {{ w }}", words(1000), MODEL, on="ray", schema="n int")
    asked = {p for p in service.asked if p.startswith("Say word")}
    assert 30 <= len(asked) < 600
    service.answer = lambda body: '{"n": 3}'
    again = batch("Say {{ w }}", words(1000), MODEL, schema="n int")
    assert again.summary.failed == len(asked) and again.summary.answered == 1000 - len(asked), "each row that was asked keeps its error"


@more
def test_files_become_parts(service, tmp_path, monkeypatch):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pandas(words(220)), path)
    monkeypatch.setattr("fmnb.batch.io.parts.ROWS", 100)
    out = fm.map("Say {{ w }}", path, MODEL, on="ray")
    assert len(out.files) == 3 and out.df["text"].tolist() == words(220)["w"].tolist()
    fm.map("Say {{ w }}", path, MODEL, on="ray")
    assert len(service.requests) == 220


@more
def test_an_interrupt_stops_the_workers_too(service):
    service.latency = 0.05

    def stop():
        while len(service.requests) < 100:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=stop, daemon=True).start()
    with pytest.raises(Interrupted):
        batch("Say {{ w }}", words(800), MODEL, on="ray", concurrency=8)
    assert service.silent() and len(service.requests) < 400
    assert batch("Say {{ w }}", words(800), MODEL, on="ray", concurrency=8).summary.answered == 800
    assert len(service.requests) <= 800 + 8


@more
def test_a_kernel_that_is_killed_loses_nothing(service, home):
    script = """
import pandas as pd, ray
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR", object_store_memory=150_000_000)
from fmnb.batch.run import batch
batch("Say {{ w }}", pd.DataFrame({"w": [f"word{i}" for i in range(400)]}), "vllm:m", concurrency=8, on="ray")
"""
    service.latency = 0.02
    with subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}, stderr=subprocess.DEVNULL
    ) as process:
        while len(service.requests) < 60:
            time.sleep(0.005)
        process.kill()
    assert service.silent()  # its workers have ended with it
    asked = Counter(service.asked)
    b = batch("Say {{ w }}", words(400), MODEL)
    assert b.summary.answered == 400 and b.summary.cached >= 60 - 8
    assert sum(service.asked.values()) - sum(asked.values()) <= 400 - len(asked) + 8


def test_a_place_that_is_none_is_refused_in_words():
    for odd in ("rai", "ray://", "spark"):
        with pytest.raises(UsageError, match="--on must name Ray"):
            batch("{{ w }}", words(1), "echo:", on=odd)
