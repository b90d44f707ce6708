"""Locks between processes, on every system: a file that one of them holds until it ends."""

from __future__ import annotations

import contextlib
import errno
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

_PAUSE = 0.02  # seconds between two attempts
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)  # a network disk without locks


def try_lock(file: IO[Any]) -> bool:
    """Lock an open file until it is closed; False if another process has it.

    A disk without locks counts as locked.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        if e.errno in _TAKEN:
            return False
        if e.errno in _NO_LOCKS:
            return True
        raise
    return True


@contextlib.contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """Hold the lock that belongs to a file, `.NAME.lock` beside it. Without a place for it, go on without.

    >>> import tempfile
    >>> with alone_with(Path(tempfile.mkdtemp()) / "a.toml"): print("alone")
    alone
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = open(path.with_name(f".{path.name}.lock"), "a+b")
    except OSError:
        yield
        return
    with lock:
        while not try_lock(lock):
            time.sleep(_PAUSE)
        yield
