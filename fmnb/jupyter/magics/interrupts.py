"""One interrupt per cell: pressing stop repeatedly means one stop.

Otherwise a second interrupt would abort storing the partial answers, or IPython's output for
the first one. An interrupt during an import waits for its end: a module that is imported halfway
may fail when it is imported again. Knows nothing of models.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class OneInterrupt:
    """Raises KeyboardInterrupt at the first SIGINT and ignores the others until the cell has ended.

    >>> guard = OneInterrupt()
    >>> guard.arm()
    >>> try: signal.raise_signal(signal.SIGINT)
    ... except KeyboardInterrupt: signal.raise_signal(signal.SIGINT); print("once")
    once
    >>> guard.disarm()
    """

    def __init__(self) -> None:
        self.pressed = False
        self._previous: Any = None
        self._deferring = self._waiting = False

    def arm(self) -> None:
        """Take over SIGINT, once, and only in the main thread, which receives signals."""
        if self._previous is None and threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):  # an ignored SIGINT stays ignored
                self.pressed, self._waiting, self._previous = False, False, before
                signal.signal(signal.SIGINT, self._on_sigint)

    def disarm(self) -> None:
        """Restore the previous handler of SIGINT."""
        if self._previous is not None:
            if signal.getsignal(signal.SIGINT) == self._on_sigint:
                signal.signal(signal.SIGINT, self._previous)
            self._previous, self.pressed = None, False

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Raise an interrupt that arrives inside the block at its end.

        >>> guard = OneInterrupt()
        >>> guard.arm()
        >>> try:
        ...     with guard.deferred(): signal.raise_signal(signal.SIGINT); print("imported")
        ... except KeyboardInterrupt: print("stopped")
        imported
        stopped
        >>> guard.disarm()
        """
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        if self._waiting:
            self._waiting = False
            raise KeyboardInterrupt

    def _on_sigint(self, signum: int, frame: Any) -> None:
        if not self.pressed:
            self.pressed = True
            if self._deferring:
                self._waiting = True
            else:
                raise KeyboardInterrupt


interrupts = OneInterrupt()  # of this process
