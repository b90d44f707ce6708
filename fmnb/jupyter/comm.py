"""The kernel's connection to the page: JupyterLab or Notebook 7 with our extension.

Two comms, since a kernel that publishes on a comm gets its messages only between cells:

    fmnb.front     opened by the kernel when it loads fmnb. Down: events of runs, the kernel's
                   state, code for a cell, the fix of a cell, questions. Up: the notebook's model, feedback, votes to retract.
    fmnb.control   opened by the page on a subshell of its own; the kernel never publishes on
                   it, so its messages arrive while a cell runs, in the subshell's thread.
                   Up: hello (a new page), stop (a run), answer (to a question).

Without our extension the first comm is closed or gets no reply, and the second is never opened.
The other side is labextension/src/comms.ts, controlComm.ts and kernels.ts;
`labextension/src/types.ts` has the protocol.
"""

from __future__ import annotations

import os
import platform
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

from ..calls.notebook_model import model_in_metadata
from ..calls.session import default_model, session
from ..core.errors import FmnbError
from ..core.events import (
    ENDS,
    Event,
    Failed,
    Feedback,
    Notice,
    Progress,
    ReasoningDelta,
    Started,
    TextDelta,
    UsageReported,
    Waiting,
    event_to_dict,
)
from ..core.registry import PROTOCOL

TARGET = "fmnb.front"
CONTROL = "fmnb.control"
_REPORT_SECONDS = 0.2  # seconds between two reports of a run in progress

_comm: Any = None
_ready = False
_pages = 0  # how many times a page has opened a control comm
_connected = threading.Event()  # a page has a control comm
_handlers: dict[str, Callable[[dict[str, Any]], None]] = {}


def open_comm() -> None:
    """Open the comm of this kernel, and accept control comms. Calling it twice has no effect.

    An ipykernel before 6.18 (Colab's) has no `comm` package; no page of ours is there either.
    """
    global _comm
    if _comm is None:
        try:
            from comm import create_comm, get_comm_manager  # later kernels have imported it
        except ImportError:
            return
        get_comm_manager().register_target(CONTROL, _open_control)
        _comm = create_comm(target_name=TARGET, data={"protocol": PROTOCOL})
        _comm.on_msg(_on_message)
        _comm.on_close(lambda message: _set_ready(False))
        session.global_sinks.append(_on_event)


def close_comm() -> None:
    """Close the comm."""
    global _comm
    if _comm is not None:
        from comm import get_comm_manager

        get_comm_manager().unregister_target(CONTROL, _open_control)
        _comm.close()
        session.global_sinks.remove(_on_event)
    _comm = None
    _connected.clear()
    _set_ready(False)


def send(action: str, **fields: Any) -> bool:
    """Send a message to the pages; False if there is none."""
    if not _ready:
        return False
    _comm.send({"protocol": PROTOCOL, "do": action, **fields})
    return True


def on_control(action: str, handler: Callable[[dict[str, Any]], None]) -> None:
    """Handle one kind of control message. The handler runs in the thread of a subshell and must not send."""
    _handlers[action] = handler


def wait_for_control(seconds: float) -> bool:
    """Whether a page has a control comm, or opens one within `seconds`."""
    return _comm is not None and _connected.wait(seconds)


def pages() -> int:
    """A number that grows with every page that opens a control comm.

    A new page has none of the earlier messages.
    """
    return _pages


def _on_message(message: dict[str, Any]) -> None:
    data = message["content"]["data"]
    _set_ready(data.get("protocol") == PROTOCOL and (_ready or bool(data.get("ready"))))
    if not _ready:
        if _comm is not None:
            _comm.send({"protocol": PROTOCOL})  # the page shows which side to upgrade
        return
    if isinstance(path := data.get("notebook"), str) and path:
        session.notebook = path
    if "feedback" in data:
        _save_feedback(data["feedback"])
        return
    if isinstance(run := data.get("retract_vote"), str):
        _retract_vote(run)
        return
    if "model" in data:
        session.set_notebook_model(model_in_metadata(data))
    send_state()


def _save_feedback(data: Any) -> None:
    """Log a thumb under an answer: 1 up, -1 down, 0 retracts. An error becomes a warning."""
    if not isinstance(data, dict) or not isinstance(run := data.get("run"), str) or data.get("value") not in (1, -1, 0):
        return
    from ..comparison.feedback import feedback, retract

    try:
        retract(run, "thumb")
        if data["value"]:
            feedback(run, "thumb", data["value"])
    except FmnbError as e:
        warnings.warn(f"fmnb: {e}", stacklevel=1)


def _retract_vote(run: str) -> None:
    """Retract the vote on a comparison; the page then shows its buttons again. An error becomes a warning."""
    from .widgets.grid import retract_vote

    try:
        send("vote_retracted", **retract_vote(run))
    except FmnbError as e:
        warnings.warn(f"fmnb: {e}", stacklevel=1)


def send_state() -> None:
    """Send the state of this kernel: its model and where that comes from, spending, models in memory."""
    if not _ready:
        return
    from ..catalog.weights import display_name
    from ..engines.host import process_memory
    from ..engines.loaded import loaded_models
    from ..limits.budget import budget

    model, source = default_model()
    b = budget()
    models = [
        {"name": display_name(m.name), "engine": m.engine, "memory": m.memory, "path": str(m.path), "busy": m.busy} for m in loaded_models()
    ]
    send(
        "state",
        model=model,
        by=source,
        spent=b.spent,
        budget=b.limit,
        loaded=models,
        host=platform.node(),
        pid=os.getpid(),
        memory=process_memory(),
    )


_hidden: set[str] = set()  # runs of blind comparisons in progress
_last_report: dict[str, tuple[float, int]] = {}  # run -> time of its last report, characters so far
_started: dict[str, dict[str, Any]] = {}  # run -> its first event as sent, for later pages
_updated_pages = 0  # pages that have received them


def _on_event(event: Event) -> None:
    """Send an event to the pages. Of an answer's text only its length: the text is under the cell."""
    if not _ready or isinstance(event, Feedback):
        return
    global _updated_pages
    if _updated_pages != _pages:
        _updated_pages = _pages
        for started in tuple(_started.values()):
            send("event", event=started)
    at, characters = _last_report.get(event.run, (0.0, 0))
    if isinstance(event, (TextDelta, ReasoningDelta)):
        characters += len(event.text)
        if time.monotonic() - at < _REPORT_SECONDS:
            _last_report[event.run] = (at, characters)
            return
        event = Progress(stage="answering", done=characters, unit="characters", run=event.run, n=event.n, at=event.at)
    elif isinstance(event, Progress) and time.monotonic() - at < _REPORT_SECONDS:
        return
    _last_report[event.run] = (time.monotonic(), characters)
    report = event_to_dict(event)
    if isinstance(event, Started):
        from ..store.run_rows import prompt_text

        report.pop("request", None)
        report["meta"] = {**event.meta, "prompt": prompt_text(event.request)[:200]}
        if event.meta.get("blind"):  # hide the model in the sidebar too
            _hidden.add(event.run)
            report |= {"model": f"hidden ({event.meta['label']})" if event.meta.get("label") else "hidden", "host": ""}
            report["meta"] = {k: v for k, v in report["meta"].items() if k in ("prompt", "label", "blind")}
    report.pop("data", None)
    if event.run in _hidden:
        report = {k: v for k, v in report.items() if k not in ("usage", "error", "extra") and (k != "model" or isinstance(event, Started))}
        if isinstance(event, Failed):
            report["error"] = {"message": "Failed; the error is shown when the names are"}
        elif isinstance(event, (Notice, UsageReported, Waiting, Progress)):
            return
    if isinstance(event, Started):
        _started[event.run] = report
    send("event", event=report)
    if isinstance(event, ENDS):
        _last_report.pop(event.run, None)
        _started.pop(event.run, None)
        _hidden.discard(event.run)
        send_state()


def _open_control(comm: Any, message: dict[str, Any]) -> None:
    """A page opened a control comm.

    Never send on it: ipykernel would then deliver its messages between cells.
    """

    def handle(message: dict[str, Any]) -> None:
        data = message["content"]["data"]
        if isinstance(data, dict) and data.get("protocol") == PROTOCOL and isinstance(do := data.get("do"), str) and do in _handlers:
            _handlers[do](data)

    comm.on_msg(handle)
    handle(message)


def _hello(data: dict[str, Any]) -> None:
    global _pages
    _pages += 1
    _set_ready(True)
    _connected.set()


def _stop(data: dict[str, Any]) -> None:
    if isinstance(run := data.get("run"), str):
        from ..calls.run import stop

        stop(run)


def _set_ready(ready: bool) -> None:
    global _ready
    _ready = ready


on_control("hello", _hello)
on_control("stop", _stop)
