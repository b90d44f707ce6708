import mmap
import subprocess
import sys

import pytest

from fmnb.core.errors import InsufficientMemoryError
from fmnb.engines import host


def test_free_memory_is_a_plausible_number():
    assert 2**20 < host.available_memory() < 2**50


def test_what_needs_more_than_there_is_does_not_fit():
    with pytest.raises(InsufficientMemoryError, match="needs about .* are free"):
        host.check_fits("m", 2**60, "weights")
    host.check_fits("m", 1, "weights")


def test_a_process_holds_the_memory_it_touches():
    before = host.process_memory()
    with mmap.mmap(-1, 64 << 20) as held:  # memory of its own, not what an allocator has kept
        for page in range(0, len(held), mmap.PAGESIZE):
            held[page] = 1
        assert host.process_memory() - before > len(held) // 2


def test_cores_that_others_keep_busy_are_not_used(monkeypatch):
    monkeypatch.delenv("FMNB_THREADS", raising=False)
    monkeypatch.setattr(host, "_SAMPLE_SECONDS", 0.5)
    monkeypatch.setattr(host, "_last", None)
    spin = "while True: pass"
    others = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(2 * host.cores())]
    try:
        threads, note = host.threads()
    finally:
        for p in others:
            p.kill()
            p.wait()
    if host.cores() == 1:
        assert (threads, note) == (1, "")
    else:
        assert threads < host.cores() and note == f"machine busy: {threads} thread{'s' if threads > 1 else ''}"
