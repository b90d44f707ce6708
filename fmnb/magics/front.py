"""A word to our front-end extension, where one listens.

The kernel opens the comm when it loads fmnb; the extension in JupyterLab and Notebook 7
answers that it is ready. Anywhere else the comm is closed or left unanswered, and whoever
wants to send is told so. Its twin is labextension/src/cells.ts.
"""

from __future__ import annotations

from typing import Any

TARGET = "fmnb.cells"
PROTOCOL = 1  # raised with every change that the other side would misread

_comm: Any = None
_ready = False


def hello() -> None:
    """Open the comm of this kernel; twice is once."""
    global _comm
    if _comm is None:
        from comm import create_comm  # every kernel has imported it

        _comm = create_comm(target_name=TARGET, data={"protocol": PROTOCOL})
        _comm.on_msg(_hear)
        _comm.on_close(lambda message: _set_ready(False))


def goodbye() -> None:
    """Close it."""
    global _comm
    if _comm is not None:
        _comm.close()
    _comm = None
    _set_ready(False)


def send(do: str, **what: Any) -> bool:
    """Give an order if somebody obeys; False otherwise."""
    if not _ready:
        return False
    _comm.send({"protocol": PROTOCOL, "do": do, **what})
    return True


def _hear(message: dict[str, Any]) -> None:
    said = message["content"]["data"]
    _set_ready(bool(said.get("ready")) and said.get("protocol") == PROTOCOL)
    if not _ready and _comm is not None:
        _comm.send({"protocol": PROTOCOL})  # the page tells its reader which side to upgrade


def _set_ready(ready: bool) -> None:
    global _ready
    _ready = ready
