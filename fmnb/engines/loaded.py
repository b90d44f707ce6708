"""The models in memory, for all engines.

A process loads one model per engine and file, and each runs one call at a time. An engine locks
its ModelEntry during a call, and stores the loaded model in `model`, whose method `close()` frees
its memory. This module imports no engine.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.events import Event, Waiting

_UNLOAD_TIMEOUT = 10.0  # seconds that `unload` waits for a running call
_POLL_INTERVAL = 0.05


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory: `memory` is in bytes, `idle` in seconds since its last call (0 during a call)."""

    name: str
    engine: str
    path: Path
    memory: int
    idle: float
    busy: bool


class ModelEntry:
    """The entry of one model; `model` is None until its engine has loaded it."""

    def __init__(self, engine: str, path: Path):
        self.engine = engine
        self.path = path
        self.name = path.name
        self.model: Any = None
        self.memory = 0
        self.last_used = time.monotonic()
        self._lock = threading.Lock()

    @contextmanager
    def acquire(self, put: Callable[[Event], None], stop: threading.Event) -> Iterator[bool]:
        """Lock the model. Emits Waiting if another call has it; yields False if stopped while waiting."""
        acquired = self._lock.acquire(blocking=False)
        if not acquired:
            put(Waiting(reason="another call is using this model"))
            while not acquired and not stop.is_set() and not shutting_down.is_set():
                acquired = self._lock.acquire(timeout=_POLL_INTERVAL)
        try:
            yield acquired and not stop.is_set()
        finally:
            if acquired:
                self.last_used = time.monotonic()
                self._lock.release()

    def unload(self, timeout: float) -> bool:
        """Close the model when no call uses it; False if it is still in use after `timeout` seconds."""
        if not self._lock.acquire(timeout=timeout):
            return False
        try:
            model, self.model = self.model, None
            if model is not None:
                model.close()
        finally:
            self._lock.release()
        return True

    def state(self) -> LoadedModel:
        """The current state."""
        busy = self._lock.locked()
        return LoadedModel(self.name, self.engine, self.path, self.memory, 0.0 if busy else time.monotonic() - self.last_used, busy)


shutting_down = threading.Event()  # set when the process exits: running calls stop
_entries: dict[tuple[str, Path], ModelEntry] = {}
_entries_lock = threading.Lock()
_pid = os.getpid()


def model_entry(engine: str, path: Path) -> ModelEntry:
    """The entry for that engine and file; always the same object."""
    global _pid
    with _entries_lock:
        if _pid != os.getpid():  # threads of native engines do not survive a fork; their memory belongs to the parent
            _forked.extend(_entries.values())
            _entries.clear()
            _pid = os.getpid()
        return _entries.setdefault((engine, path), ModelEntry(engine, path))


_forked: list[ModelEntry] = []


def loaded_models() -> list[LoadedModel]:
    """The models in memory, most recently used first."""
    with _entries_lock:
        entries = [r for r in _entries.values() if r.model is not None]
    return [r.state() for r in sorted(entries, key=lambda r: -r.last_used)]


def unload(which: str | Path | None = None, engine: str = "") -> list[LoadedModel]:
    """Unload a model by name or path, or all models; returns the unloaded ones.

    Weights can be in memory several times, such as for cells and for rows; `engine` names one.

    Raises UsageError if no model of that name is loaded, or if it is in use.
    """
    with _entries_lock:
        entries = [r for r in _entries.values() if r.model is not None]
    entries = [r for r in entries if engine in ("", r.engine)]
    selected = [r for r in entries if which is None or str(which) in (r.name, str(r.path)) or Path(which).expanduser().resolve() == r.path]
    if which is not None and not selected:
        names = ", ".join(r.name for r in entries)
        raise UsageError("No such model is loaded", detail=str(which), hint=f"Loaded: {names}." if names else "Nothing is loaded.")
    unloaded = []
    for r in selected:
        state = r.state()
        if not r.unload(_UNLOAD_TIMEOUT):
            raise UsageError(f"{r.name} is still answering", hint="Interrupt that call, then unload.")
        unloaded.append(state)
    return unloaded


@atexit.register
def _close() -> None:
    """Stop engines before Python exits: a native thread must not call into a finalized interpreter."""
    shutting_down.set()
    if _pid == os.getpid():
        for r in list(_entries.values()):
            r.unload(2.0)
