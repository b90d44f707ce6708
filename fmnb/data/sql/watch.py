"""Stops a query that runs too long or takes too much memory, so that the kernel lives.

The query runs in the caller's thread; another thread interrupts it. DuckDB has a memory limit of its
own, which does not cover results: the growth of the process is watched as well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...core.event_loop import start_thread

_EVERY = 0.05  # seconds between looks


@dataclass(frozen=True)
class Limits:
    """Limits of a query: seconds, rows that are fetched, bytes of memory."""

    seconds: float = 20.0
    rows: int = 10_000
    memory: int = 1 << 30


@dataclass
class Stopped:
    """Why a query was interrupted; "" if it was not."""

    reason: str = ""


@contextmanager
def watched(interrupt: Callable[[], object], limits: Limits) -> Iterator[Stopped]:
    """Interrupt what runs inside when it exceeds a limit; the reason is in the yielded object."""
    stopped, done = Stopped(), threading.Event()
    deadline, before = time.monotonic() + limits.seconds, resident()

    def watch() -> None:
        while not done.wait(_EVERY):
            if time.monotonic() >= deadline:
                stopped.reason = stopped.reason or f"it was still running after {limits.seconds:g} s"
            elif resident() - before > 2 * limits.memory:
                stopped.reason = stopped.reason or f"it took more than {2 * limits.memory / 1e9:.1f} GB of memory"
            if stopped.reason:
                interrupt()  # again and again: the first may come before the query has begun

    watcher = start_thread("fmnb-query", watch)
    try:
        yield stopped
    finally:
        done.set()
        watcher.join()  # so that no interrupt meets the next query


def resident() -> int:
    """Bytes of memory that this process holds; 0 where that is unknown."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096
    except (OSError, ValueError, IndexError):
        return 0
