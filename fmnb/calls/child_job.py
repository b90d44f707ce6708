"""Long work in a process of its own, which reports through the log.

start ─► child: events of the work ─► log ─► follow (any kernel, now or after a restart) ─► sinks

The work is an async generator of events, like every provider and engine. A job outlives the
kernel that started it: whoever follows its run sees its progress, its end, or its death.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..config.settings import home
from ..core.errors import CallError, FmnbError, StoreError, UsageError, error_from_dict, redact
from ..core.event_loop import to_thread
from ..core.events import ENDS, Cancelled, Event, EventStamper, Failed, Finished, Sink, Started
from ..core.response import Response
from ..core.run_ids import new_run
from ..store import log, run_rows
from ..store.processes import Process, is_alive, this_process
from .run_handle import Run

Work = Callable[..., AsyncIterator[Event]]
_POLL = 0.1  # seconds between two looks into the log
_STOP = 10.0  # seconds a job has to end by itself after a stop
_children: dict[str, subprocess.Popen[bytes]] = {}  # run -> process that was started here


def start(work: Work, arguments: Mapping[str, Any], *, kind: str, model: str = "", parent: str = "") -> str:
    """Start work in a process of its own.

    Args:
        work: An async generator function of a module, which yields the job's events.
        arguments: Its keyword arguments; they must have a JSON form.
        kind: Kind of the run, as it is shown in the log.
        model: Model the run is about.
        parent: Run that this one belongs to.

    Returns:
        The run's id, for `follow` and `stop`. The run is in the log when this returns.

    Raises:
        UsageError: The function cannot be imported by another process, or an argument has no JSON form.
        StoreError: The log is off: the job could not report.
        CallError: The process ended before it began to work.
    """
    if not inspect.isasyncgenfunction(work) or work.__module__ == "__main__" or "." in work.__qualname__:
        raise UsageError(f"{work.__qualname__} cannot run in another process", hint="Use an async generator function of a module.")
    if not log.enabled():
        raise StoreError("A job reports through the log, which is off", detail=log.disabled_reason(), hint="`%fm log on` first.")
    run = new_run()
    try:
        json.dumps(dict(arguments))
    except (TypeError, ValueError) as e:
        raise UsageError("An argument of the job has no JSON form", detail=str(e)) from None
    with open(os.open(_errors_path(run), os.O_CREAT | os.O_WRONLY, 0o600), "wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C in the terminal is for the kernel alone
        )
    _children[run] = child
    assert child.stdin is not None and child.stdout is not None
    with suppress(OSError):  # it may have died already
        pickle.dump((work, dict(arguments), run, kind, model, parent), child.stdin)  # the function by its name
        child.stdin.close()
    if child.stdout.readline() != b"started\n":
        child.wait()
        child.stdout.close()
        raise CallError("The job's process ended before it began", detail=_last_words(run), billed=False)
    child.stdout.close()
    return run


async def follow(run: str) -> AsyncIterator[Event]:
    """The events of a job, from its first to its end, as the log gets them.

    A process that died without an end is recorded as failed. Raises UsageError for an unknown run.
    """
    seen = 0
    process: Process | None = None
    while True:
        dead = process is not None and _is_dead(run, process)  # before the look: what it wrote last is still read
        for event in log.events_after(run, seen):
            seen = event.n
            if isinstance(event, Started) and event.meta.get("process"):
                process = Process(**event.meta["process"])
            yield event
            if isinstance(event, ENDS):
                if run in _children:
                    await to_thread(_children[run].wait)  # it ends with its last event
                if isinstance(event, Finished):
                    _errors_path(run).unlink(missing_ok=True)  # what it printed is of use only after a failure
                return
        if not seen:
            raise UsageError("No such job in the log", detail=repr(run))
        if dead:
            yield _record_death(run)
            return
        await asyncio.sleep(_POLL)


def wait_for(run: str, sinks: Sequence[Sink] = ()) -> Response:
    """Follow a job to its end in this thread; an interrupt stops it.

    Args:
        run: What `start` returned, here or in another process.
        sinks: Functions that receive every event.

    Returns:
        The job's result: `data`, and text if it wrote any.

    Raises:
        FmnbError: The job failed, as it says.
    """
    handle = Run(follow(run), sinks, runs=[run], stop_events=lambda *_: [], logged=False)
    try:
        handle.drive()
    except KeyboardInterrupt:
        stop(run)
        raise
    if run in _children:
        _children.pop(run).wait()
    response = handle.builders[run].response()
    if response.error is not None:
        raise error_from_dict(response.error)
    return response


def stop(run: str) -> None:
    """Ask a job to stop, and end its process if it does not. What it has done is kept."""
    start = next((e for e in log.events_of(run) if isinstance(e, Started)), None)
    process = Process(**start.meta["process"]) if start is not None and start.meta.get("process") else None
    child = _children.get(run)
    if child is not None:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(_STOP)
        if child.poll() is None:
            child.kill()
            child.wait()
    elif process is not None and is_alive(process):
        os.kill(process.pid, signal.SIGTERM)
        until = time.monotonic() + _STOP
        while is_alive(process) and time.monotonic() < until:
            time.sleep(_POLL)
        if is_alive(process):
            os.kill(process.pid, signal.SIGKILL)


def main() -> None:
    """The child: run the work and write its events to the log. Reads what to do from standard input."""
    work, arguments, run, kind, model, parent = pickle.load(sys.stdin.buffer)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stamp = EventStamper(run)
    started = Started(kind=kind, model=model, host="local", parent=parent, meta={"asked": model, "process": asdict(this_process())})
    handle = Run(_events(work(**arguments), stamp), runs=[run], stop_events=lambda *_: [stamp(Cancelled())])
    handle.emit(stamp(started))
    handle.tick()  # the start is in the log
    with suppress(OSError):  # the kernel died meanwhile; the job goes on
        os.write(1, b"started\n")
    os.dup2(2, 1)  # what the work prints must not fail when nobody reads the pipe
    with suppress(KeyboardInterrupt, FmnbError):  # the log has them
        handle.drive()


async def _events(work: AsyncIterator[Event], stamp: EventStamper) -> AsyncIterator[Event]:
    try:
        async for event in work:
            yield stamp(event)
    except FmnbError as e:
        yield stamp(Failed(error=e.to_dict()))
        raise
    except Exception as e:
        yield stamp(Failed(error=FmnbError(f"The job failed: {type(e).__name__}", detail=redact(str(e))).to_dict()))
        raise


def _is_dead(run: str, process: Process) -> bool:
    child = _children.get(run)
    return child.poll() is not None if child is not None else is_alive(process) is False


def _record_death(run: str) -> Event:
    """Write down that the process ended without a result, and return that event."""
    child = _children.get(run)
    code = child.poll() if child is not None else None
    killed = -getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has none
    how = {None: "", killed: "it was killed, as happens when memory runs out"}.get(code, f"exit code {code}")
    error = CallError("The job's process ended without a result", detail="; ".join(filter(None, (how, _last_words(run)))))
    events = log.events_of(run)
    failed = replace(Failed(error=error.to_dict()), run=run, n=events[-1].n + 1, at=max(events[-1].at, _changed_at(run)))
    run_rows.write("", [run_rows.FinishedRun(run_rows.columns([*events, failed]), [failed], run_rows.encode([failed]))], [])
    return failed


def _errors_path(run: str) -> Path:
    folder = home() / "jobs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{run}.txt"


def _changed_at(run: str) -> float:
    try:
        return _errors_path(run).stat().st_mtime
    except OSError:
        return 0.0


def _last_words(run: str) -> str:
    """The last line the process wrote to its standard error, without keys."""
    try:
        lines = _errors_path(run).read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return redact(lines[-1][:300]) if lines else ""
