"""An index that is killed, and one that two kernels write."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import fmnb as fm

ADD = """
import sys, fmnb as fm
with fm.Index("kb", embedder="none") as kb:
    print("begin", flush=True)
    report = kb.add("docs", sinks=[lambda event: print(getattr(event, "note", ""), flush=True)])
print("added", len(report.added), "unchanged", report.unchanged, flush=True)
"""


def documents(folder: Path, count: int) -> None:
    (folder / "docs").mkdir()
    for i in range(count):
        (folder / "docs" / f"{i:03}.md").write_text(f"# Document {i}\n\n" + f"The number of this one is {i}. " * 40)


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", ADD], cwd=folder, stdout=subprocess.PIPE, text=True)


def test_an_update_that_was_killed_goes_on(folder):
    documents(folder, 300)
    process = start(folder)
    assert process.stdout is not None
    for line in process.stdout:  # some documents are stored by now
        if "200" in line:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    with fm.Index("kb", embedder="none") as kb:
        before = len(kb.files)
        report = kb.add("docs")
        assert 0 < before < 300 and report.unchanged == before and len(report.added) == 300 - before
        chunks, _ = kb._open().count()
        assert chunks == sum(f.chunks for f in kb.files) and kb.search("number 299", path="docs/299.md")
        assert kb._open().db.rows("PRAGMA integrity_check")[0][0] == "ok"


def test_two_kernels_write_one_index(folder):
    documents(folder, 120)
    ends = [p.communicate(timeout=120)[0] for p in [start(folder), start(folder)]]
    counts = [dict(zip(*[iter(out.splitlines()[-1].split())] * 2, strict=True)) for out in ends]
    assert sum(int(c["added"]) for c in counts) == 120 and all(int(c["added"]) + int(c["unchanged"]) == 120 for c in counts)
    with fm.Index("kb", embedder="none") as kb:
        assert len(kb.files) == 120 and kb._open().count()[0] == sum(f.chunks for f in kb.files)


def test_an_interrupt_keeps_what_is_indexed(folder):
    documents(folder, 300)
    process = start(folder)
    assert process.stdout is not None
    for line in process.stdout:
        if "200" in line:
            process.send_signal(signal.SIGINT)
            break
    process.communicate(timeout=60)
    assert process.returncode
    with fm.Index("kb", embedder="none") as kb:
        before = len(kb.files)
        report = kb.add("docs")
    assert 0 < before and report.unchanged == before


READ = """
import fmnb as fm
with fm.Index("kb", embedder="none") as kb:
    print(sorted(f.path for f in kb.files), kb._open().db.rows("PRAGMA integrity_check")[0][0])
"""


def test_several_indexes_of_one_process_keep_their_file_while_another_process_opens_and_closes_it(folder):
    documents(folder, 3)
    one = fm.Index("kb", embedder="none")
    one.add("docs")
    two = fm.Index("kb", embedder="none")
    assert two.search("number 1")  # opening the file a second time must not end the locks of the first
    for turn in range(3):
        assert (
            "'docs/000.md'" in subprocess.run([sys.executable, "-c", READ], cwd=folder, capture_output=True, text=True, check=True).stdout
        )
        (folder / "docs" / f"new{turn}.md").write_text(f"Something new, {turn}.")
        one.add("docs")
        out = subprocess.run([sys.executable, "-c", READ], cwd=folder, capture_output=True, text=True, check=True).stdout
        assert f"docs/new{turn}.md" in out and out.strip().endswith("ok") and len(two.files) == 4 + turn
    one.close()
    two.close()


def test_an_update_that_was_killed_goes_on_without_naming_its_folder(folder):
    documents(folder, 300)
    process = start(folder)
    assert process.stdout is not None
    for line in process.stdout:
        if "200" in line:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    with fm.Index("kb", embedder="none") as kb:
        assert len(kb.files) < 300
        kb.add()
        assert len(kb.files) == 300
