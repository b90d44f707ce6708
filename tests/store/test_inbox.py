"""What has just arrived is a run soon, whoever comes to it: its kernel, the next one, or someone who deletes it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fmnb as fm
from fmnb.batch.run import batch
from fmnb.calls import doctor
from fmnb.core.events import EventStamper, Failed, Finished, Started, TextDelta, UsageReported
from fmnb.core.types import Request, Usage, message
from fmnb.store import batches, inbox, log, retention, run_rows
from fmnb.store import feedback as signals
from fmnb.store import search as finding
from fmnb.store.db import close_all, database


def ended(text, *, error=None, row=0):
    stamp = EventStamper(f"run{text}")
    request = Request("m", (message("user", f"Say {text}"),))
    start = Started(kind="row", model="m", parent="b", request=request, meta={"row": row, "key": f"key{text}"})
    rest = [Failed(error=error)] if error else [TextDelta(text=text), UsageReported(usage=Usage(3, 1)), Finished()]
    return [stamp(e) for e in [start, *rest]]


def waiting():
    return database().rows("SELECT COUNT(*) FROM arrived")[0][0]


def test_entries_go_when_their_runs_are_written():
    numbers = inbox.put("b", "", [inbox.entry([(0, 0, 0)], ended("hi")), inbox.entry([(1, 0, 0)], ended("ho"))])
    assert waiting() == 2 and not log.search()
    first = ended("hi")
    run_rows.write("b", [run_rows.finished(first)], [((0, 0, 0), "runhi")], numbers[:1])
    assert waiting() == 1 and batches.count("b") == 1


def test_what_a_killed_kernel_left_is_there_for_the_next():
    script = """
import os, signal
from fmnb.store import inbox as arrived
from tests.store.test_inbox import ended
arrived.put("b", "one.ipynb", [arrived.entry([(0, 0, 0), (3, 0, 0)], ended("hi")), arrived.entry([(1, 0, 0)], ended("oh", error={"kind": "BadRequestError", "message": "no"}))])
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}).returncode == -9
    close_all()
    found = batches.last_answers(["keyhi", "keyoh"])
    assert found["keyhi"]["text"] == "hi" and found["keyhi"]["input_tokens"] == 3 and found["keyoh"]["error"]["message"] == "no"
    assert [place for place, _ in batches.rows_of("b")] == [(0, 0, 0), (1, 0, 0), (3, 0, 0)] and not waiting()
    assert database().rows("SELECT notebook FROM runs WHERE run = 'runhi'")[0][0] == "one.ipynb"


DOORS = [
    lambda: log.search(),
    lambda: log.totals(),
    lambda: log.events_of("runhi"),
    lambda: log.names_of(["runhi"]),
    lambda: log.request_times(["runhi"]),
    lambda: log.recent_seconds("m", "row"),
    lambda: finding.find(finding.Filter()),
    lambda: finding.count(finding.Filter()),
    lambda: finding.kinds(),
    lambda: signals.feedback_on(["runhi"]),
    lambda: signals.all_feedback(),
    lambda: batches.last_answers(["keyhi"]),
    lambda: batches.count("b"),
    lambda: batches.last("b"),
    lambda: list(batches.rows_of("b")),
    lambda: retention.forget("nothing says this"),
    lambda: fm.ask("hello", "echo:"),
]


@pytest.mark.parametrize("door", DOORS)
def test_opening_the_database_files_nothing_and_the_first_use_of_the_log_does(door):
    inbox.put("b", "", [inbox.entry([(0, 0, 0)], ended("hi"))])
    close_all()
    assert waiting() == 1
    door()
    assert not waiting() and database().rows("SELECT 1 FROM runs WHERE run = 'runhi'")


def test_gathering_twice_changes_nothing():
    numbers = inbox.put("b", "", [inbox.entry([(0, 0, 0)], ended("hi"))])
    inbox.ingest()
    one = ended("hi")
    run_rows.write("b", [run_rows.finished(one)], [((0, 0, 0), "runhi")], numbers)  # its own kernel, a moment later
    assert batches.count("b") == 1 and len(database().rows("SELECT 1 FROM events WHERE run = 'runhi'")) == 4


def test_what_is_deleted_is_gone_from_here_too():
    inbox.put("b", "", [inbox.entry([(0, 0, 0)], ended("secret"))])
    assert retention.forget(everything=True) == 1
    assert not waiting() and b"secret" not in database().path.read_bytes()


def test_nothing_is_left_after_a_batch():
    batch("Say {{ w }}", [{"w": str(i)} for i in range(30)], "echo:")
    assert not waiting() and len(log.search(kind="row", limit=100)) == 30


def test_an_entry_that_is_no_run_keeps_nobody_from_the_others():
    inbox.put("b", "", [inbox.entry([(0, 0, 0)], ended("hi")), inbox.entry([(1, 0, 0)], ended("ho"))])
    with database().write() as db:
        db.execute("INSERT INTO arrived(batch, entry) VALUES ('b', '[\"\", [], [{\"event\": \"junk\"}]]'), ('b', 'junk')")
    inbox.ingest()
    assert batches.count("b") == 2 and waiting() == 2
    assert batch("Say {{ w }}", [{"w": "hi"}], "echo:").answers[0].text == "Say hi"
    (said,) = [row for row in doctor.diagnose() if row["check"] == "answers"]
    assert said["state"] == "broken" and said["detail"].startswith("2 of a batch cannot be filed"), "and somebody is told"
