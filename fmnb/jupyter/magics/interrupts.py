"""One interrupt per cell: pressing stop repeatedly means one stop.

Otherwise a second interrupt would abort storing the partial answers, or IPython's output for
the first one. Knows nothing of models.
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
        self._previous: Any = None

    def arm(self) -> None:
        """Take over SIGINT, once, and only in the main thread, which receives signals."""
        if self._previous is None and threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):  # an ignored SIGINT stays ignored
                self.pressed, self._previous = False, before
                signal.signal(signal.SIGINT, self._on_sigint)

    def disarm(self) -> None:
        """Restore the previous handler of SIGINT."""
        if self._previous is not None:
            if signal.getsignal(signal.SIGINT) == self._on_sigint:
                signal.signal(signal.SIGINT, self._previous)
            self._previous, self.pressed = None, False

    def _on_sigint(self, signum: int, frame: Any) -> None:
        if not self.pressed:
            self.pressed = True
            raise KeyboardInterrupt
