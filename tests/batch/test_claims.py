"""Two kernels over one table: a row that one of them asks is not asked by the other, and what a dead one had goes on elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pandas as pd
import pytest

import fmnb as fm
from fmnb.batch import claims
from fmnb.batch.claims import Claims, LeaseMonitor
from fmnb.batch.rows import prepare_rows
from fmnb.batch.run import batch
from fmnb.calls.call import Options
from fmnb.core.errors import Interrupted
from fmnb.core.events import EventStamper, Progress, Started
from fmnb.core.run_ids import new_run
from fmnb.store import batches, jobs, leases, log
from fmnb.store.leases import Lease
from fmnb.store.processes import Process, is_alive, this_process
from tests.batch.test_run import MODEL, words

CONCURRENCY = 8
KERNEL = """
import sys
import pandas as pd
import fmnb as fm
from fmnb.batch.io import parts
parts.ROWS = 100
rows, concurrency, over, out = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
table = over or pd.DataFrame({"w": [f"word{i}" for i in range(rows)]})
options = {"out": over + ".parts"} if over else {}
print("ready", flush=True)
sys.stdin.readline()
made = fm.map("Say {{ w }}", table, "vllm:m", concurrency=concurrency, **options)
(made.df if over else made)[["w", "text", "error"]].to_pickle(out)
"""


class Kernel:
    """A process that maps a table when it is told to."""

    def __init__(self, out, rows=1000, concurrency=CONCURRENCY, over=""):
        self.out = out
        args = [sys.executable, "-c", KERNEL, str(rows), str(concurrency), str(over), str(out)]
        self.process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ))

    def ready(self):
        assert self.process.stdout.readline() == "ready\n"
        return self

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def texts(self):
        assert self.process.wait(120) == 0
        made = pd.read_pickle(self.out)
        assert not made["error"].notna().any()
        return made["text"].tolist()


@pytest.fixture
def kernel(tmp_path):
    started = []

    def start(**options):
        started.append(Kernel(tmp_path / f"{len(started)}.pkl", **options))
        return started[-1]

    yield start
    for k in started:
        k.process.kill()
        k.process.communicate()


def keys(df):
    rows = prepare_rows("Say {{ w }}", [MODEL], Options(), list(df.columns))
    return [rows.calls((w,), n)[0][0] for n, w in enumerate(df["w"])]


def sleeper():
    """A process that does nothing, as a kernel that holds a lease."""
    code = "from fmnb.store.processes import this_process; p = this_process(); print(p.pid, p.born, flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    pid, born = process.stdout.readline().split()
    return process, Process(this_process().machine, int(pid), born)


def left():
    """Leases and claims that are there."""
    from fmnb.store.db import database

    return leases.active_leases(), [r["key"] for r in database().rows("SELECT key FROM claims")]


def test_three_kernels_pay_for_each_row_once_and_all_tables_are_whole(service, kernel):
    service.latency = 0.01
    some = [kernel(concurrency=CONCURRENCY), kernel(concurrency=3), kernel(concurrency=32)]
    first, second, third = [k.ready() for k in some]
    first.go()
    second.go()
    assert service.until(lambda: len(service.answered) >= 100)
    third.go()
    assert [k.texts() for k in some] == [words(1000)["w"].tolist()] * 3
    assert len(service.asked) == 1000 and sum(service.asked.values()) == 1000
    assert left() == ([], [])


def test_rows_of_a_kernel_that_is_killed_go_on_in_the_other(service, kernel):
    service.latency = 0.02
    first, second = kernel().ready(), kernel().ready()
    first.go()
    second.go()
    assert service.until(lambda: len(service.answered) >= 300)
    first.process.kill()
    assert second.texts() == words(1000)["w"].tolist()
    assert sum(service.asked.values()) <= 1000 + CONCURRENCY, "calls that were under way at the kill alone are paid twice"
    assert left() == ([], [])


def test_two_kernels_write_the_same_parts(service, kernel, tmp_path):
    service.latency = 0.005
    words(650).to_parquet(tmp_path / "w.parquet")
    some = [kernel(over=tmp_path / "w.parquet").ready() for _ in range(2)]
    for k in some:
        k.go()
    assert [k.texts() for k in some] == [words(650)["w"].tolist()] * 2
    assert sum(service.asked.values()) == 650 and len(list((tmp_path / "w.parquet.parts").iterdir())) == 7


def test_other_rows_go_first_and_rows_of_a_dead_process_follow_at_once(service):
    process, holder = sleeper()
    leases.claim("other", holder, dict.fromkeys(keys(words(5)), ""))
    notes = []

    def hear(event):
        if isinstance(event, Progress) and "sent by another kernel" in event.note:
            notes.append((event.done, event.note))
            if event.done == 15:
                process.kill()  # not waited for: a dead process stays in the table until its parent looks

    b = batch("Say {{ w }}", words(20), MODEL, sinks=[hear])
    process.communicate()
    assert notes[-1][0] == 15 and "5 sent by another kernel" in notes[-1][1]
    assert [a.text for a in b.answers] == words(20)["w"].tolist() and set(service.asked.values()) == {1}
    assert left() == ([], [])


def test_an_answer_of_another_kernel_costs_nothing_here_and_a_failure_stands(service):
    service.answer = lambda body: (400, {"error": {"message": "odd"}}) if "word1" in str(body) else "fine"
    mine = keys(words(2))
    leases.claim("other", Process("another machine", 1), dict.fromkeys(mine, ""))
    did = []

    def hear(event):
        if isinstance(event, Progress) and "2 sent by another kernel" in event.note and not did:
            did.append(event)
            for end in batch("Say {{ w }}", words(2), MODEL, cache=False).answers:
                assert end.run
            leases.release("other")

    b = batch("Say {{ w }}", words(2), MODEL, retry_errors=True, sinks=[hear])
    assert did and sum(service.asked.values()) == 2, "the failure that another kernel got meanwhile is not asked for again"
    assert (b.answers[0].text, b.answers[0].source) == ("fine", "cached") and b.answers[1].error["kind"] == "BadRequestError"
    assert b.summary.cached == 1 and "2 were answered by another kernel meanwhile" in b.summary.notes
    assert len(list(batches.rows_of(b.run))) == 2


def test_an_interrupt_gives_rows_back(service):
    service.latency = 0.02

    def hear(event):
        if isinstance(event, Progress) and event.done >= 10:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        batch("Say {{ w }}", words(500), MODEL, sinks=[hear])
    assert left() == ([], [])


def test_without_the_cache_or_the_log_nothing_is_claimed(service):
    leases.claim("other", this_process(), dict.fromkeys(keys(words(3)), ""))
    assert batch("Say {{ w }}", words(3), MODEL, cache=False).summary.answered == 3
    leases.claim("other", this_process(), dict.fromkeys(keys(words(3)), ""))
    log.set_enabled(False)
    assert batch("Say {{ w }}", words(3), MODEL).summary.answered == 3


@pytest.mark.parametrize(("concurrency", "first", "most"), [(32, 128, 1000 / 32 + 2), (1, 4, 1000)])
def test_rows_are_claimed_many_at_a_time_but_few_where_few_are_asked_at_once(service, monkeypatch, concurrency, first, most):
    real, calls = leases.claim, []
    monkeypatch.setattr(leases, "claim", lambda *a: calls.append(len(a[2])) or real(*a))
    rows = 1000 if concurrency > 1 else 20
    batch("Say {{ w }}", words(rows), MODEL, concurrency=concurrency)
    assert sum(calls) == rows and calls[0] == first and len(calls) <= most


def test_a_kernel_that_stood_still_asks_nothing_that_was_taken_over(service, monkeypatch):
    """It looks at its lease before each call here, as it does after a long stop; before the twentieth another kernel takes all over."""
    dead, holder = sleeper()
    dead.kill()
    dead.communicate()
    looks, lost = [], []

    def still(self, items, real=Claims.filter_claimed):
        looks.append(items)
        if len(looks) == 20:
            leases.release(self.batch)
            leases.claim("other", holder, dict.fromkeys(keys(words(200)), ""))
        kept = real(self, items)
        lost.extend(i for i in items if i not in kept)
        return kept

    monkeypatch.setattr(claims, "LEASE_SECONDS", -1.0)
    monkeypatch.setattr(Claims, "filter_claimed", still)
    b = batch("Say {{ w }}", words(200), MODEL, concurrency=4)
    assert lost and [a.text for a in b.answers] == words(200)["w"].tolist()
    assert sum(service.asked.values()) <= 204 and left() == ([], [])


def test_a_lease_ends_when_its_beat_stands_still_while_somebody_looks(monkeypatch):
    now = 100.0
    monkeypatch.setattr(claims.time, "monotonic", lambda: now)
    watch, far = LeaseMonitor(), Process("another machine", 1)

    def looks(beat, seconds, step=0.25):
        nonlocal now
        found = []
        for _ in range(int(seconds / step)):
            now += step
            found.append(bool(watch.expired([Lease("b", far, beat)])))
        return found

    assert not any(looks(1, 29)) and not any(looks(2, 29)), "it is renewed"
    now += 10_000  # this process was suspended, and perhaps the other as well
    assert not any(looks(2, 0.5))
    assert looks(2, 5)[-1], "it stands still"


def test_a_clock_that_jumps_costs_a_look_and_no_claim(service, monkeypatch):
    mine = Claims("mine")
    leases.claim("mine", this_process(), {"k": ""})
    mine._claimed = {"k"}
    (item,) = [claims.WorkItem("k", 0, None, [], shared=True)]
    mine._mark_renewed()
    real = claims.time.time
    monkeypatch.setattr(claims.time, "time", lambda: real() + 1e6)
    before = leases.active_leases()[0].beat
    assert mine.filter_claimed([item]) == [item] and leases.active_leases()[0].beat == before + 1
    assert mine.filter_claimed([item]) == [item] and leases.active_leases()[0].beat == before + 1
    leases.end(leases.active_leases())
    monkeypatch.setattr(claims.time, "time", lambda: real() + 2e6)
    assert mine.filter_claimed([item]) == []


def test_a_lease_that_was_renewed_since_is_not_ended():
    leases.claim("b", this_process(), {"k": ""})
    (seen,) = leases.active_leases()
    leases.renew("b")
    leases.end([seen])
    assert leases.owners(["k"], "me") == {"k": "b"}
    leases.end(leases.active_leases())
    assert leases.owners(["k"], "me") == {} and not leases.renew("b")


def test_who_is_alive():
    process, there = sleeper()
    assert is_alive(there) is True and is_alive(this_process()) is True
    assert is_alive(Process("another machine", there.pid, there.born)) is None and is_alive(Process("", there.pid)) is None
    assert is_alive(Process(there.machine, there.pid, "1")) is False, "the id is another process's now"
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_alive(there) is False, "dead, though its parent has not looked"
    process.communicate()
    assert is_alive(there) is False


def test_a_batch_of_this_process_that_ended_without_a_word_is_over():
    assert LeaseMonitor().expired([Lease("gone", this_process(), 0)])
    claims._active_batches.add("here")
    assert not LeaseMonitor().expired([Lease("here", this_process(), 0)])
    claims._active_batches.discard("here")


def test_two_batches_in_one_process_at_once(service):
    service.latency = 0.01
    tables = []
    some = [threading.Thread(target=lambda: tables.append(fm.map("Say {{ w }}", words(200), MODEL))) for _ in range(2)]
    for t in some:
        t.start()
    for t in some:
        t.join()
    assert [t["text"].tolist() for t in tables] == [words(200)["w"].tolist()] * 2 and sum(service.asked.values()) == 200


def test_what_a_dead_kernel_left_is_over_when_a_batch_begins(service):
    dead, holder = sleeper()
    dead.kill()
    dead.communicate()
    leases.claim("other", holder, dict.fromkeys(keys(words(3)), ""))
    batch("Say {{ w }}", words(30), MODEL, concurrency=1)
    assert next(iter(service.asked)) == "Say word0" and left() == ([], [])


def test_rows_that_are_handed_in_as_a_job_while_a_run_is_under_way_are_left_out_of_it(service):
    handed = []

    def hear(event):
        if isinstance(event, Progress) and event.done >= 10 and not handed:
            handed.append(event)
            jobs.begin(EventStamper(new_run())(Started(kind="job", model=MODEL, meta={"keys": keys(words(400))[-20:]})))

    service.latency = 0.01
    b = batch("Say {{ w }}", words(400), MODEL, concurrency=1, sinks=[hear])
    assert handed and len(service.asked) == 380 and b.summary.missing == 20
    assert "20 rows are in a batch job" in str(b.summary) and left() == ([], [])
