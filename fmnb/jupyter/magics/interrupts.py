"""One interrupt a cell: whoever presses stop again and again means one stop.

Without this a second press breaks off the writing down of what had come, or what IPython shows of the first.
Knows nothing of models.
"""

from __future__ import annotations

import signal
import threading
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
        self._before: Any = None

    def arm(self) -> None:
        """Take over SIGINT; twice is once, and so is any thread but the main one, which alone hears signals."""
        if self._before is None and threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):  # an ignored SIGINT stays ignored
                self.pressed, self._before = False, before
                signal.signal(signal.SIGINT, self._hear)

    def disarm(self) -> None:
        """Give SIGINT back to whoever had it."""
        if self._before is not None:
            if signal.getsignal(signal.SIGINT) == self._hear:
                signal.signal(signal.SIGINT, self._before)
            self._before, self.pressed = None, False

    def _hear(self, signum: int, frame: Any) -> None:
        if not self.pressed:
            self.pressed = True
            raise KeyboardInterrupt
