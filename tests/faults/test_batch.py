"""A kernel killed with -9 in the middle of a batch: nothing written down is asked again, and the table is the same in the end.

The full counts: a hundred kills, with `make test-full`.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys

import pandas as pd

from fmnb.store import log
from tests.batch.service import Service
from tests.conftest import FULL

CONCURRENCY = 8
ROWS = 300
KILLS = 100 if FULL else 5
SCRIPT = f"""
import sys
import pandas as pd
from fmnb.batch.run import batch
df = pd.DataFrame({{"w": [f"word{{i}}" for i in range(int(sys.argv[1]))]}}, index=range(1000, 1000 + int(sys.argv[1])))
out = batch("Say {{{{ w }}}}", df, "vllm:m", concurrency={CONCURRENCY}).result()
out[["w", "text", "error", "input_tokens"]].to_pickle(sys.argv[2])
"""


def start(rows, out, **more):
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(rows), str(out)], env=dict(os.environ), **more)


def kept(home):
    """Rows that are written down, by prompt; read by another process, as the killed one left them."""
    code = "from fmnb.store.inbox import log_database\nfor r in log_database().rows(\"SELECT prompt FROM runs WHERE kind='row' AND ended IS NOT NULL\"): print(r[0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ), check=True)
    return set(done.stdout.splitlines())


def test_a_kernel_killed_at_random_moments_loses_at_most_what_was_under_way(home, tmp_path, monkeypatch):
    rng = random.Random(7)
    with Service(latency=0.01, jitter=0.8) as service:
        monkeypatch.setenv("VLLM_BASE_URL", service.url)
        kills = 0
        rows = ROWS if not FULL else 4_000
        while kills < KILLS:
            before = len(service.answered)
            process = start(rows, tmp_path / "out.pkl")
            want = before + rng.randrange(1, 40)
            service.until(lambda: len(service.answered) >= want or process.poll() is not None)  # noqa: B023  asked at once
            if process.poll() is not None:
                break  # it was done before the kill
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            written = kept(home)
            asked_before = dict(service.asked)
            assert service.quiet()  # what was under way comes to its end
            lost = {p for p in asked_before if p not in written}
            assert len(lost) <= CONCURRENCY, f"{len(lost)} answers lost by one kill"
        assert kills == KILLS or FULL
        asked = dict(service.asked)
        written = kept(home)
        process = start(rows, tmp_path / "out.pkl")
        assert process.wait(120) == 0
        assert not log.search(kind="batch", open_only=True), "what the killed kernels left is open no longer"
        again = {p for p, n in service.asked.items() if n > asked.get(p, 0)}
        assert not again & written, "a row that was written down was asked again"
        assert sum(service.asked.values()) <= rows + kills * CONCURRENCY
    out = pd.read_pickle(tmp_path / "out.pkl")
    words = [f"word{i}" for i in range(rows)]
    wanted = pd.DataFrame({"w": words, "text": words, "error": None, "input_tokens": 20}, index=range(1000, 1000 + rows))
    assert out["text"].tolist() == wanted["text"].tolist() and out.index.equals(wanted.index) and not out["error"].notna().any()


def test_a_disk_that_fills_up_in_the_middle_costs_nothing_twice(home, tmp_path, monkeypatch):
    def small():  # the log may grow so far and no further
        resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, 700_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    with Service(latency=0.002) as service:
        monkeypatch.setenv("VLLM_BASE_URL", service.url)
        process = start(2_000, tmp_path / "out.pkl", preexec_fn=small, stderr=subprocess.PIPE, text=True)
        _, said = process.communicate(timeout=120)
        assert process.returncode and "StoreError" in said and "run this again" in said
        stopped = sum(service.asked.values())
        assert 0 < stopped < 2_000
        written = kept(home)
        assert stopped - len(written) <= 2 * CONCURRENCY
        assert start(2_000, tmp_path / "out.pkl").wait(120) == 0
        assert not [p for p, n in service.asked.items() if n > 1 and p in written]
        assert sum(service.asked.values()) - 2_000 <= 2 * CONCURRENCY
    assert pd.read_pickle(tmp_path / "out.pkl")["text"].tolist() == [f"word{i}" for i in range(2_000)]
