"""Stops a query that runs too long or takes too much memory, so that the kernel lives.

The query runs in a thread of its own, while the caller's thread watches it and hears interrupts. DuckDB
has a memory limit of its own, which does not cover results: the growth of the process is watched, too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ...core.event_loop import start_thread

T = TypeVar("T")

_EVERY = 0.05  # seconds between looks


@dataclass(frozen=True)
class Limits:
    """Limits of a query: seconds, rows that are fetched, bytes of memory."""

    seconds: float = 20.0
    rows: int = 10_000
    memory: int = 1 << 30


class Stopped(Exception):
    """A query exceeded a limit; the message has the reason."""


def run_watched(work: Callable[[], T], interrupt: Callable[[], object], limits: Limits) -> T:
    """The result of `work`, which is interrupted when it exceeds a limit or the user stops it.

    Raises Stopped for a limit, KeyboardInterrupt for the user, and whatever `work` raises.

    >>> run_watched(lambda: 1, lambda: None, Limits())
    1
    """
    results: list[T] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def body() -> None:
        try:
            results.append(work())
        except BaseException as e:
            errors.append(e)
        finally:
            done.set()

    deadline, before = time.monotonic() + limits.seconds, resident()
    start_thread("fmnb-query", body)
    reason = ""
    try:
        while not done.wait(_EVERY) and not reason:
            if time.monotonic() >= deadline:
                reason = f"it was still running after {limits.seconds:g} s"
            elif resident() - before > 2 * limits.memory:
                reason = f"it took more than {2 * limits.memory / 1e9:.1f} GB of memory"
    finally:  # also for a KeyboardInterrupt, which is raised here
        while not done.wait(_EVERY):
            interrupt()  # again and again: the first may come before the query has begun
    if reason:
        raise Stopped(reason)
    if errors:
        raise errors[0]
    return results[0]


def resident() -> int:
    """Bytes of memory that this process holds; 0 where that is unknown."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096
    except (OSError, ValueError, IndexError):
        return 0
