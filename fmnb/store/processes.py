"""Which process on which machine something belongs to, and whether that process is still alive.

A process id says nothing by itself: another machine, a container or a later boot may use the
same one. So it is compared together with the boot, the container and the process's start time.
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
    """A process: its machine ("" where machines cannot be told apart), its id, when it started ("" where that is unknown)."""

    machine: str
    pid: int
    born: str = ""


def this_process() -> Process:
    """The process that asks."""
    return Process(_machine(), os.getpid(), _stat(os.getpid())[1])


def is_alive(process: Process) -> bool | None:
    """Whether a process lives; None where that cannot be seen from here, as of another machine.

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
        pass  # it is somebody else's, but it is there
    state, born = _stat(process.pid)
    if state in ("Z", "X"):
        return False
    if not born or not process.born:
        return None  # an id may be used again
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
        return ""  # Windows: os.kill ends a process there instead of looking for it
    node = uuid.getnode()
    return "" if node >> 40 & 1 else f"{socket.gethostname()}:{node}"  # that bit: a number made up for this process


def _stat(pid: int) -> tuple[str, str]:
    """A process's state and start time as Linux tells them; empty elsewhere."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return "", ""
