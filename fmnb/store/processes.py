"""Which process on which machine owns something, and whether it is still alive.

A process id alone is ambiguous: another machine, a container or a later boot may reuse it. So it is
compared together with the boot, the container and the start time of the process.
"""

from __future__ import annotations

import functools
import os
import socket
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process: its machine ("" if not identifiable), its id, and its start time ("" if unknown)."""

    machine: str
    pid: int
    born: str = ""


def this_process() -> Process:
    """The current process."""
    return Process(_machine(), os.getpid(), _stat(os.getpid())[1])


def is_alive(process: Process) -> bool | None:
    """Whether a process is alive; None if unknown, for instance on another machine.

    >>> is_alive(this_process()), is_alive(Process("elsewhere", 1))
    (True, None)
    """
    if not process.machine or process.machine != _machine() or process.pid <= 0:
        return None
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it exists, and belongs to another user
    state, born = _stat(process.pid)
    if state in ("Z", "X"):
        return False
    if not born or not process.born:
        return None  # the id may have been reused
    return born == process.born


@functools.cache
def _machine() -> str:
    if sys.platform.startswith("linux"):
        try:
            boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
            return f"{socket.gethostname()}:{boot}:{os.readlink('/proc/self/ns/pid')}"
        except OSError:
            return ""
    if os.name != "posix":
        return ""  # on Windows os.kill would end the process
    node = uuid.getnode()
    return "" if node >> 40 & 1 else f"{socket.gethostname()}:{node}"  # that bit: a number made up for this process


def _stat(pid: int) -> tuple[str, str]:
    """State and start time of a process on Linux; empty elsewhere."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return "", ""
