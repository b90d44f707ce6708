"""A job in a process of its own: it reports through the log, whatever happens to it or to who started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from fmnb.calls import child_job
from fmnb.core.errors import CallError, FmnbError, StoreError, UsageError
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import Cancelled, Failed, Finished, Progress, Started
from fmnb.store import log
from tests.calls import jobs


def begin(work, **arguments):
    return child_job.start(work, arguments, kind="count", model="numbers")


def test_a_job_reports_progress_and_its_result(home):
    events = []
    response = child_job.wait_for(begin(jobs.count, to=3), [events.append])
    assert response.data["last"] == 3 and response.data["pid"] != os.getpid() and response.text == "counted, é"
    assert [e.done for e in events if isinstance(e, Progress)] == [1, 2, 3]
    assert isinstance(events[0], Started) and isinstance(events[-1], Finished)


def test_it_is_a_run_of_the_log_like_any_other(home):
    run = begin(jobs.count, to=2)
    child_job.wait_for(run)
    row = next(r for r in log.search() if r["run"] == run)
    assert (row["kind"], row["model"]) == ("count", "numbers")
    assert log.reopen(run).data["last"] == 2


def test_two_followers_and_a_later_one_see_the_same(home, tmp_path):
    run = begin(jobs.count, to=4, gate=str(tmp_path / "gate"))
    first = []
    thread = threading.Thread(target=lambda: first.extend(iterate_sync(child_job.follow(run))))
    thread.start()
    (tmp_path / "gate").touch()
    second = list(iterate_sync(child_job.follow(run)))
    thread.join(60)
    assert first == second == list(iterate_sync(child_job.follow(run))) == log.events_of(run)


def test_a_job_outlives_the_process_that_started_it(home, tmp_path):
    gate = tmp_path / "gate"
    code = f"from fmnb.calls import child_job; from tests.calls import jobs; print(child_job.start(jobs.count, {{'to': 3, 'gate': {str(gate)!r}}}, kind='count'))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    gate.touch()
    assert child_job.wait_for(run).data["last"] == 3


def test_a_stop_keeps_what_was_done_and_says_that_it_was_stopped(home, tmp_path):
    run = begin(jobs.count, to=4, gate=str(tmp_path / "never"))
    events = []
    for event in iterate_sync(child_job.follow(run)):
        events.append(event)
        if isinstance(event, Progress) and event.done == 2:
            child_job.stop(run)
    assert isinstance(events[-1], Cancelled) and [e.done for e in events if isinstance(e, Progress)] == [1, 2]
    assert log.reopen(run).finish_reason == "cancelled"


def test_a_stop_works_from_another_process(home, tmp_path):
    run = begin(jobs.count, to=4, gate=str(tmp_path / "never"))
    subprocess.run([sys.executable, "-c", f"from fmnb.calls import child_job; child_job.stop({run!r})"], check=True)
    assert isinstance(list(iterate_sync(child_job.follow(run)))[-1], Cancelled)


@pytest.mark.parametrize("started_here", [True, False])
def test_a_job_that_does_not_stop_is_killed(home, tmp_path, monkeypatch, started_here):
    monkeypatch.setattr(child_job, "_STOP", 0.1)
    run = begin(jobs.count, to=4, gate=str(tmp_path / "never"))
    os.kill(log.events_of(run)[0].meta["process"]["pid"], signal.SIGSTOP)  # it does not react to SIGTERM now
    child = child_job._children[run] if started_here else child_job._children.pop(run)
    child_job.stop(run)
    child.wait()
    with pytest.raises(CallError, match="ended without a result"):
        child_job.wait_for(run)


def test_what_a_job_printed_is_deleted_once_it_succeeded(home):
    child_job.wait_for(begin(jobs.count, to=1))
    assert not list((home / "jobs").iterdir())


def test_a_mistake_is_the_same_error_here(home):
    with pytest.raises(UsageError, match="nothing to count"):
        child_job.wait_for(begin(jobs.mistaken))


def test_a_bug_is_recorded_without_secrets(home):
    run = begin(jobs.buggy)
    with pytest.raises(FmnbError, match="ZeroDivisionError") as e:
        child_job.wait_for(run)
    assert "sk-proj" not in str(e.value)


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_a_process_that_dies_is_recorded_as_failed(home, tmp_path, how):
    run = begin(jobs.dies, code=3) if how == "exit" else begin(jobs.count, to=4, gate=str(tmp_path / "never"))
    if how == "kill":
        os.kill(log.events_of(run)[0].meta["process"]["pid"], signal.SIGKILL)
    with pytest.raises(CallError, match="ended without a result") as e:
        child_job.wait_for(run)
    assert ("killed" if how == "kill" else "exit code 3; no room left") in str(e.value)
    assert isinstance(log.events_of(run)[-1], Failed) and log.reopen(run).finish_reason == "error"


def test_a_dead_process_is_found_by_another_one(home, tmp_path):
    run = begin(jobs.count, to=4, gate=str(tmp_path / "never"))
    child = child_job._children.pop(run)
    child.kill()
    child.wait()
    with pytest.raises(CallError, match="ended without a result"):
        child_job.wait_for(run)


def test_what_cannot_reach_another_process_is_refused(home):
    async def local():
        yield Progress(stage="x", done=1)

    with pytest.raises(UsageError, match="another process"):
        begin(local)
    with pytest.raises(UsageError, match="JSON"):
        begin(jobs.count, to=object())
    with pytest.raises(UsageError, match="No such job"):
        list(iterate_sync(child_job.follow("nothing")))


def test_without_a_log_no_job_begins(home):
    log.set_enabled(False)
    try:
        with pytest.raises(StoreError, match="through the log"):
            begin(jobs.count, to=1)
    finally:
        log.set_enabled(True)
