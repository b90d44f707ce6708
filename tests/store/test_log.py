"""The log: what is written, found, reopened and forgotten, and what a failing disk does."""

import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import warnings

import pytest

import fmnb as fm
from fmnb.config import settings
from fmnb.core.errors import StoreError
from fmnb.core.events import Cancelled, EventStamper, Failed, Finished, Started, TextDelta, UsageReported, build_response, emit
from fmnb.core.run_ids import new_run
from fmnb.core.types import Request, Usage, message
from fmnb.store import db, log, retention
from fmnb.store.log_sink import LogSink


def run_of(text="answer", prompt="question", end=None):
    """A whole run through a sink; returns its events."""
    stamp = EventStamper(new_run())
    events = [stamp(Started(model="echo:", request=Request("echo:", (message("user", prompt),))))]
    events += [stamp(TextDelta(text=c)) for c in text]
    events += [stamp(UsageReported(usage=Usage(3, 4, cost=0.25))), stamp(end or Finished())]
    sink = LogSink()
    for e in events:
        sink(e)
    return events


def test_a_run_reopens_as_it_was():
    events = run_of("some text")
    assert log.reopen(events[0].run) == build_response(events)


def test_neighbouring_text_is_kept_as_one_event():
    events = run_of("x" * 500)
    assert len(log.events_of(events[0].run)) == 4


@pytest.mark.parametrize(
    ("end", "finish"), [(Cancelled(), "cancelled"), (Failed(error={"kind": "ServerError", "message": "it broke"}), "error")]
)
def test_interrupts_and_errors_are_true_in_the_log(end, finish):
    run_of("half", end=end)
    row = log.search()[0]
    assert row["finish_reason"] == finish and row["text"] == "half"
    assert row["error"] == ("it broke" if finish == "error" else None)


def test_a_killed_kernel_leaves_its_run_and_the_text_so_far(home):
    code = (
        "import os, time\n"
        "from fmnb.core.run_ids import new_run\nfrom fmnb.store import log_sink\nfrom fmnb.store.log_sink import LogSink\nfrom fmnb.core.events import *\nfrom fmnb.core.types import *\n"
        "s, st = LogSink(), EventStamper(new_run())\n"
        "s(st(Started(model='echo:', request=Request('echo:', (message('user', 'killed'),)))))\n"
        "log_sink._FLUSH = 0\n"
        "for c in 'abc': s(st(TextDelta(text=c)))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "FMNB_HOME": str(home)})
    row = log.search(open_only=True)[0]
    assert row["prompt"] == "killed" and row["finish_reason"] == "unfinished"
    assert log.reopen(row["run"]).text == "abc"


def test_full_text_finds_all_words_anywhere_and_never_fails_on_syntax():
    run_of("the quick brown fox", "tell me of Foxes")
    run_of("nothing here")
    assert len(log.search("brown qui")) == 1
    assert len(log.search('fox AND OR NOT "(')) == 0
    assert len(log.search('"fox" *')) == 1
    assert len(log.search("tést")) == 0


def _writer(folder, n):
    os.environ["FMNB_HOME"] = folder
    for i in range(n):
        run_of(f"text {i} of {os.getpid()}")


def test_several_kernels_write_at_once(home):
    jobs = [multiprocessing.get_context("spawn").Process(target=_writer, args=(str(home), 25)) for _ in range(3)]
    for j in jobs:
        j.start()
    for j in jobs:
        j.join()
    assert all(j.exitcode == 0 for j in jobs)
    assert len(log.search(limit=1000)) == 75


def test_the_file_is_for_its_owner_alone():
    run_of()
    assert os.stat(db.database().path).st_mode & 0o777 == 0o600


def test_what_cannot_be_written_turns_the_log_off_with_one_warning(monkeypatch, home):
    sink = LogSink()
    (home / "fmnb.sqlite").mkdir()  # cannot be opened as a file, whoever we are
    sinks = [sink]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(3):
            stamp = EventStamper(new_run())
            for e in (Started(), TextDelta(text="x"), Finished()):
                emit(stamp(e), sinks)
            sinks = [LogSink()]
    assert len(said) == 1 and "cannot be written" in str(said[0].message)
    assert not log.enabled()


def test_a_full_disk_never_fails_a_call(home):
    database = db.database()
    pages = database.rows("PRAGMA page_count")[0][0]
    database.rows(f"PRAGMA max_page_count={pages + 1}")  # SQLite's own way of a full disk
    sinks = [LogSink()]
    with pytest.warns(UserWarning, match="full"):
        for _ in range(40):
            stamp = EventStamper(new_run())
            for e in (Started(request=Request("m", (message("user", "y" * 5000),))), TextDelta(text="x"), Finished()):
                emit(stamp(e), sinks or [LogSink()])
    assert not log.enabled()
    log.set_enabled(True)
    assert log.enabled()


def test_a_damaged_file_is_named(home):
    (home / "fmnb.sqlite").write_bytes(b"this is no database " * 100)
    with pytest.raises(StoreError, match="damaged"):
        db.database()


def test_a_newer_fmnbs_file_is_left_alone(home):
    run_of()
    db.close_all()
    with sqlite3.connect(home / "fmnb.sqlite") as c:
        c.execute("PRAGMA user_version=99")
    with pytest.raises(StoreError, match="newer"):
        db.database()


def test_migrations_from_every_older_version_end_the_same(tmp_path, monkeypatch):
    def schema(path):
        with sqlite3.connect(path) as c:
            return c.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()

    whole = tmp_path / "whole.sqlite"
    db.Database(whole).close()
    for stop in range(1, len(db.MIGRATIONS)):
        path = tmp_path / f"{stop}.sqlite"
        with monkeypatch.context() as m:
            m.setattr(db, "MIGRATIONS", db.MIGRATIONS[:stop])
            db.Database(path).close()
        db.Database(path).close()
        assert schema(path) == schema(whole)


def test_old_runs_are_swept_by_keep_days(home):
    events = run_of()
    with db.database().write() as w:
        w.execute("UPDATE runs SET started = ? WHERE run = ?", (time.time() - 40 * 86400, events[0].run))
    run_of("new")
    (settings.home() / "fmnb.toml").write_text("[log]\nkeep_days = 30\n")
    retention._swept = 0.0
    assert retention.sweep() == 1
    assert [r["text"] for r in log.search()] == ["new"]


def test_the_end_of_a_run_sweeps_what_is_too_old(home):
    old = fm.ask("old", "echo:").run
    with db.database().write() as w:
        w.execute("UPDATE runs SET started = ? WHERE run = ?", (time.time() - 40 * 86400, old))
    (settings.home() / "fmnb.toml").write_text("[log]\nkeep_days = 30\n")
    retention._swept = 0.0
    new = fm.ask("new", "echo:").run
    assert [r["run"] for r in log.search()] == [new]


def test_a_network_folder_is_told_from_a_local_one(tmp_path):
    assert db.on_network(tmp_path) is False


def test_money_spent_since_a_time():
    run_of()
    run_of()
    assert log.totals(since=time.time() - 60)["cost"] == 0.5


def test_a_stopped_call_has_an_unknown_price_only_where_there_is_a_price():
    sink = LogSink()
    for host in ("local", "api.openai.com"):
        run = new_run()
        for event in (Started(run=run, n=1, model="m", host=host, at=1.0), Cancelled(run=run, n=2, at=2.0)):
            sink(event)
    assert log.totals()["calls"] == 2 and log.totals()["unknown"] == 1


def test_an_interrupt_between_any_two_steps_of_a_write_leaves_the_log_usable(tmp_path):
    database, steps = db.Database(tmp_path / "log.sqlite"), 0
    while True:
        seen = 0

        def trace(frame, event, _, at=steps + 1):
            nonlocal seen
            if frame.f_code.co_filename != db.__file__:
                return None
            if event == "line" and (seen := seen + 1) == at:
                raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            with database.write() as c:
                c.execute("INSERT INTO media VALUES ('a', 'b')")
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        with database.write() as c:
            c.execute("DELETE FROM media")
        if seen <= steps:
            break
        steps += 1
    assert steps >= 6 and not database.rows("SELECT * FROM media")
    database.close()


_FULL_DISK = """
import os, pathlib, sys, warnings
from fmnb.core.events import EventStamper, Finished, Started, TextDelta
from fmnb.core.run_ids import new_run
from fmnb.core.types import Request, message
from fmnb.store import db, log, retention
from fmnb.store.log_sink import LogSink
sink = LogSink()
for n in range(40):
    stamp = EventStamper(new_run())
    for e in (Started(request=Request("m", (message("user", f"word{n} " + "y" * 10_000),))), TextDelta(text="x"), Finished()):
        sink(stamp(e))
db.database().vacuum()
filler = open(pathlib.Path(os.environ["FMNB_HOME"], "filler"), "wb", buffering=0)
try:
    while filler.write(b"x" * 512):
        pass
except OSError:
    pass
what = {"words": dict(query="word7"), "all": dict(everything=True)}[sys.argv[1]]
print(retention.forget(**what), len(log.search(limit=100)))
print(b"word7 y" in db.database().path.read_bytes())
"""


@pytest.mark.parametrize(("what", "deleted", "left"), [("words", 1, 39), ("all", 40, 0)])
def test_runs_can_be_deleted_on_a_full_disk(tmp_path, what, deleted, left):
    """On a real disk of 8 MB, full to the last block."""
    disk = tmp_path / "disk"
    disk.mkdir()
    own = ["unshare", "-rm", "sh", "-c"]
    mount = f"mount -t tmpfs -o size=8m tmpfs {disk}"
    if shutil.which("unshare") is None or subprocess.run([*own, mount], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    (tmp_path / "fill.py").write_text(_FULL_DISK)
    command = f'{mount} && FMNB_HOME={disk} exec "{sys.executable}" {tmp_path / "fill.py"} {what}'
    result = subprocess.run([*own, command], capture_output=True, text=True, timeout=120)
    assert result.stdout.split() == [str(deleted), str(left), "False"], result.stderr


def test_a_run_dated_after_the_last_year_is_listed_without_a_date():
    run = run_of()[0].run
    with db.database().write() as w:
        w.execute("UPDATE runs SET started = 1e18 WHERE run = ?", (run,))
    assert [(r["run"], r["when"]) for r in fm.log()] == [(run, None)]
    assert run in fm.log()._repr_html_()
