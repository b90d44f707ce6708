"""The child process: limits of memory and time, no keys, no files, and a kernel that lives."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading

import psutil
import pytest

from fmnb.core.errors import MissingPackageError, UsageError
from fmnb.documents import child
from fmnb.documents.limits import LIMITS, Limits
from fmnb.documents.read import read

from .pdfs import by_hand, flowing

LINUX = sys.platform.startswith("linux")


def endless_pdf() -> bytes:
    """A page whose content takes minutes: millions of operators."""
    return by_hand(b"BT /F1 12 Tf " + b"1 0 0 1 0 0 Tm (x) Tj " * 3_000_000 + b"ET")


@pytest.mark.skipif(not LINUX, reason="other systems have no limit of memory")
def test_a_document_that_needs_too_much_memory_is_refused():
    with pytest.raises(UsageError, match="more memory than allowed"):
        read(endless_pdf(), "a.pdf", limits=Limits(memory=200_000_000))
    assert read(flowing(("Normal", "one")), "a.pdf").text == "one"  # the kernel lives


def test_a_document_that_takes_too_long_is_refused():
    with pytest.raises(UsageError, match="too long to read: a.pdf: still not read after 0.5 s"):
        read(endless_pdf(), "a.pdf", limits=Limits(seconds=0.5))
    assert not [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE and "documents.child" in " ".join(p.cmdline())]


def test_an_interrupt_ends_the_child(monkeypatch):
    started = []
    real = subprocess.Popen
    monkeypatch.setattr(child.subprocess, "Popen", lambda *args, **more: started.append(real(*args, **more)) or started[-1])

    class Timer(threading.Timer):
        def start(self):
            raise KeyboardInterrupt  # as if the person interrupted at this point

    monkeypatch.setattr(child.threading, "Timer", Timer)
    with pytest.raises(KeyboardInterrupt):
        read(endless_pdf(), "a.pdf")
    assert started[0].poll() is not None


def run_in_child(code: str) -> str:
    """What code prints in a process like the child."""
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-B",
            "-c",
            f"from fmnb.documents.child import _limit\nfrom fmnb.documents.limits import LIMITS\n_limit(LIMITS)\n{code}",
        ],
        env=child._environment(),
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() + done.stderr.strip()[-300:]


def test_the_child_has_no_keys(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert "secret" not in run_in_child("import os; print(os.environ)")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limits")
def test_the_child_cannot_write_files(tmp_path):
    assert "File too large" in run_in_child(f"f = open({str(tmp_path / 'x')!r}, 'w'); f.write('x' * 99); f.close()")


@pytest.mark.skipif(not LINUX, reason="other systems have no limit of memory")
def test_the_child_has_its_memory_beyond_what_python_takes():
    assert run_in_child("x = bytearray(900_000_000); print(len(x))") == "900000000"
    assert "MemoryError" in run_in_child("x = bytearray(1_200_000_000)")


def test_a_child_that_dies_is_an_error_in_words(monkeypatch, tmp_path):
    (tmp_path / "fmnb").mkdir()
    (tmp_path / "fmnb" / "__init__.py").write_text("import os; os._exit(3)")
    monkeypatch.setattr(child, "_environment", lambda: {"PYTHONPATH": str(tmp_path)})
    with pytest.raises(UsageError, match="ends its reader"):
        read(flowing(("Normal", "one")), "a.pdf")


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"[]",
        b"{}",
        b'{"document": 1}',
        b"null",
        b"\xff",
        b"[" * 1_000_000,
        b'{"document": {"about": [], "blocks": [], "pictures": []}}',
    ],
)
def test_any_reply_of_a_child_is_an_error_or_a_document(reply):
    with pytest.raises(UsageError):
        child._document(reply, "a.pdf", LIMITS)


def test_a_missing_package_is_named_with_its_extra(monkeypatch, tmp_path):
    (tmp_path / "pypdf.py").write_text("raise ModuleNotFoundError('no pypdf', name='pypdf')")
    real = child._environment
    monkeypatch.setattr(child, "_environment", lambda: {**real(), "PYTHONPATH": f"{tmp_path}{os.pathsep}{real()['PYTHONPATH']}"})
    with pytest.raises(MissingPackageError, match=r"fmnb\[docs\]"):
        read(flowing(("Normal", "one")), "a.pdf")


@pytest.mark.skipif(not LINUX, reason="other systems have no limit of memory")
def test_large_texts_are_parsed_in_the_child_as_well():
    bomb = b"[" + b"[]," * 40_000_000 + b"[]]"  # 120 MB of text, 4 GB of objects
    with pytest.raises(UsageError, match="more memory than allowed"):
        read(bomb, "a.json")
    text = read(b"one two three\n\n" * 400_000, "a.txt", limits=Limits(characters=1_000))
    assert text.notes == ("only the first 1,000 characters were read",) and text.blocks[1].lines == (3, 3)


def test_any_script_comes_back_as_it_was():
    text = "日本語 привет 😀 \u200fא"
    document = read(text.encode() + b" " * 5_000_000, "a.txt")  # large: read in the child
    assert document.text == text and document.blocks[0].lines == (1, 1)


def test_a_file_is_read_from_its_start_whoever_opened_it(tmp_path):
    (tmp_path / "a.pdf").write_bytes(flowing(("Normal", "one")))
    (tmp_path / "a.txt").write_bytes(b"one")
    for kind, name in (("pdf", "a.pdf"), ("text", "a.txt")):
        with open(tmp_path / name, "rb") as file:
            file.read(2)
            file.seek(0)  # within what is read ahead: the system's position stays at the end
            assert child.parse_in_child(kind, file, name, LIMITS).text == "one"
    assert child.parse_in_child("pdf", io.BytesIO(flowing(("Normal", "one"))), "a.pdf", LIMITS).text == "one"
