"""Ids of runs."""

from __future__ import annotations

import secrets
import threading
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_newest = 0  # the last id made in this process, as a number
_newest_held = threading.Lock()


def new_run() -> str:
    """A run id: 16 characters that sort by time, the last 7 random.

    A batch makes hundreds of ids per millisecond. Random digits alone would collide, and two runs
    with one id would be one run in the log. So ids of one millisecond count up from its first.

    >>> len(new_run())
    16
    """
    global _newest
    now = int(time.time() * 1000)
    with _newest_held:
        _newest = n = _newest + 1 if _newest >> 35 == now else now << 35 | secrets.randbits(35)
    out = ""
    for _ in range(16):
        n, d = divmod(n, 32)
        out = _ALPHABET[d] + out
    return out
