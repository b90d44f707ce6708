"""The page's side of this kernel: JupyterLab or Notebook 7 with our extension, where one listens.

Two comms, since a kernel hears a comm it publishes on only between cells:

    fmnb.front   opened by the kernel when it loads fmnb; answered by the page. Down: what
                 runs, what stands, code for a cell. Up: the notebook's choice,
                 thumbs under answers.
    fmnb.stop    opened by the page, never published on here, so that it is heard while a
                 cell runs. Up: a run to stop.

Anywhere else the first is closed or left unanswered, and the second never comes. Their twins
are labextension/src/comms.ts and kernels.ts; `labextension/src/types.ts` has the protocol.
"""

from __future__ import annotations

import os
import platform
import time
import warnings
from typing import Any

from ..calls.notebook_model import own_model
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
STOP = "fmnb.stop"
_TICK = 0.2  # seconds between two reports of one run that goes on

_comm: Any = None
_ready = False


def hello() -> None:
    """Open the comm of this kernel and listen for stops; twice is once."""
    global _comm
    if _comm is None:
        from comm import create_comm, get_comm_manager  # every kernel has imported it

        get_comm_manager().register_target(STOP, _stopper)
        _comm = create_comm(target_name=TARGET, data={"protocol": PROTOCOL})
        _comm.on_msg(_hear)
        _comm.on_close(lambda message: _set_ready(False))
        session.ears.append(_ear)


def goodbye() -> None:
    """Close it."""
    global _comm
    if _comm is not None:
        from comm import get_comm_manager

        get_comm_manager().unregister_target(STOP, _stopper)
        _comm.close()
        session.ears.remove(_ear)
    _comm = None
    _set_ready(False)


def send(do: str, **what: Any) -> bool:
    """Give an order or a report if somebody listens; False otherwise."""
    if not _ready:
        return False
    _comm.send({"protocol": PROTOCOL, "do": do, **what})
    return True


def _hear(message: dict[str, Any]) -> None:
    said = message["content"]["data"]
    _set_ready(said.get("protocol") == PROTOCOL and (_ready or bool(said.get("ready"))))
    if not _ready:
        if _comm is not None:
            _comm.send({"protocol": PROTOCOL})  # the page tells its reader which side to upgrade
        return
    if isinstance(path := said.get("notebook"), str) and path:
        session.notebook = path
    if "feedback" in said:
        _save_feedback(said["feedback"])
        return
    if "model" in said:
        session.tell(own_model(said))
    tell()


def _save_feedback(said: Any) -> None:
    """Log a thumb under an answer: 1 up, -1 down, 0 retracts. An error is a warning."""
    if not isinstance(said, dict) or not isinstance(run := said.get("run"), str) or said.get("value") not in (1, -1, 0):
        return
    from ..comparison.feedback import feedback, retract

    try:
        retract(run, "thumb")
        if said["value"]:
            feedback(run, "thumb", said["value"])
    except FmnbError as e:
        warnings.warn(f"fmnb: {e}", stacklevel=1)


def tell() -> None:
    """Report how this kernel stands: its model and who chose it, what it spent, what is in memory."""
    if not _ready:
        return
    from ..catalog.weights import display_name
    from ..engines.host import process_memory
    from ..engines.loaded import loaded
    from ..limits.budget import budget

    model, by = default_model()
    b = budget()
    models = [{"name": display_name(m.name), "engine": m.engine, "memory": m.memory, "path": str(m.path), "busy": m.busy} for m in loaded()]
    send(
        "state",
        model=model,
        by=by,
        spent=b.spent,
        budget=b.limit,
        loaded=models,
        host=platform.node(),
        pid=os.getpid(),
        memory=process_memory(),
    )


_hidden: set[str] = set()  # runs of blind comparisons that are under way
_said: dict[str, tuple[float, int]] = {}  # run -> when it was last reported, characters that came


def _ear(event: Event) -> None:
    """Tell the page what runs. Of the words only how many came: they are under the cell."""
    if not _ready or isinstance(event, Feedback):
        return
    at, characters = _said.get(event.run, (0.0, 0))
    if isinstance(event, (TextDelta, ReasoningDelta)):
        characters += len(event.text)
        if time.monotonic() - at < _TICK:
            _said[event.run] = (at, characters)
            return
        event = Progress(stage="answering", done=characters, unit="characters", run=event.run, n=event.n, at=event.at)
    elif isinstance(event, Progress) and time.monotonic() - at < _TICK:
        return
    _said[event.run] = (time.monotonic(), characters)
    told = event_to_dict(event)
    if isinstance(event, Started):
        from ..store.run_rows import prompt_text

        told.pop("request", None)
        told["meta"] = {**event.meta, "prompt": prompt_text(event.request)[:200]}
        if event.meta.get("blind"):  # who it is must not show in the sidebar either
            _hidden.add(event.run)
            told |= {"model": f"hidden ({event.meta['label']})" if event.meta.get("label") else "hidden", "host": ""}
            told["meta"] = {k: v for k, v in told["meta"].items() if k in ("prompt", "label", "blind")}
    told.pop("data", None)
    if event.run in _hidden:
        told = {k: v for k, v in told.items() if k not in ("usage", "error", "extra") and (k != "model" or isinstance(event, Started))}
        if isinstance(event, Failed):
            told["error"] = {"message": "Failed; the error is shown when the names are"}
        elif isinstance(event, (Notice, UsageReported, Waiting, Progress)):
            return
    send("event", event=told)
    if isinstance(event, ENDS):
        _said.pop(event.run, None)
        _hidden.discard(event.run)
        tell()


def _stopper(comm: Any, message: dict[str, Any]) -> None:
    """A page opened the stop comm: heed it, and never answer on it."""

    def heed(message: dict[str, Any]) -> None:
        said = message["content"]["data"]
        if said.get("protocol") == PROTOCOL and isinstance(said.get("run"), str):
            from ..calls.run import stop

            stop(said["run"])

    comm.on_msg(heed)


def _set_ready(ready: bool) -> None:
    global _ready
    _ready = ready
