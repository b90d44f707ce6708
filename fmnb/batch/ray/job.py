"""`--on ray`: the same batch on Ray Data. Rows go to workers a few hundred at a time.

    here     rows ─ keys ─► not cached ─► Dataset ─────────────► completed ─► log, parts
    workers                                scheduler ─ events ─┘

Cached rows and whatever stops the batch are handled here; a worker does what the event loop
does otherwise, with its share of the limits. On this machine it writes answers to disk as they
arrive, so that no accident here loses them; answers from another machine are written when they
come back, a few at a time. A chunk whose worker died is sent again. After a failure that ends the
batch, the calls in flight are awaited as they are here: they are paid.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import Any

from ...calls.call import Call
from ...calls.rows_together import record_on_tape
from ...config import environment
from ...core.errors import FmnbError, ModelError, StoreError
from ...core.events import Event, Notice, Progress
from ...core.optional import require
from ...limits.batch_limits import BatchLimits
from ...providers.http.client import find_key, headers_from_environment
from ...store import batches
from ..io.parts import PartsJob
from ..job import Job
from ..scheduler import CallQueue, CompletedCall, Scheduler, WorkItem
from ..writer import flush_deferred
from . import vllm as ray_vllm
from .start import start
from .worker import Setup, heartbeat, node, run_on_workers

CHUNK = 200  # rows per task
WINDOW = 20_000  # calls per dataset
_CHECK_SECONDS = 0.1  # seconds between two checks of other kernels


class RayMixin:
    """A job whose calls are made by workers of Ray. A mixin before Job or PartsJob."""

    address = ""
    visible = False  # workers continue for some seconds after this process dies
    fatal: BaseException | None

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.not_on_vllm: set[int] = set()  # models that vLLM does not run

    def run(self: Any) -> Any:
        """Run to the end."""
        try:
            with self.handle.interruptible():
                self._send_windows()
        except KeyboardInterrupt:
            raise self.interruption() from None
        except FmnbError as e:
            self.fatal = e
        finally:
            self.claims.end()
        return self.finish()

    def _send_windows(self: Any) -> None:
        """Send the rows in windows: those on a tape from here, the others on Ray."""
        ray = None
        source = self.source()
        self.start()
        if self.durable:
            flush_deferred()
            self.claims.sweep()
        for window in chain(_windows(source), self._unclaimed_elsewhere()):
            window = self.claim(window)
            self._replay([i for i in window if _is_on_tape(i.call)])
            untaped = [i for i in window if not _is_on_tape(i.call)]
            if untaped and ray is None:
                self._show_events([self.stamp(Progress(stage="starting Ray"))])
                ray = start(self.address)
            if untaped and (untaped := self._on_vllm(ray, untaped)):
                self._run_on_workers(ray, untaped)
            if self.fatal is not None:
                return

    def _stop_events(self: Any, run: str, last: int, reason: str) -> Iterator[Event]:
        """Count what workers have stored, then the cancellation."""
        self._recover_answers()
        yield from super()._stop_events(run, last, reason)  # type: ignore[misc]

    def _unclaimed_elsewhere(self: Any) -> Iterator[list[WorkItem]]:
        """Rows that other kernels gave up; ends when all rows are answered."""
        while self.claimed_elsewhere:
            self._check_other_kernels()
            free = [i for some in self.backlog for i in some]
            for some in self.backlog:
                some.clear()
            if free:
                yield free
            else:
                self.handle.tick()
                self.report_progress()
                time.sleep(_CHECK_SECONDS)

    def _recover_answers(self: Any) -> None:
        """Count answers that workers on this machine stored and that were not collected: they are paid for."""
        if not self.durable:
            return
        with suppress(StoreError):
            flush_deferred()
            for key, columns in batches.last_answers(list(self.pending)).items():
                if columns["parent"] == self.stamp.run:
                    for n, position in enumerate(self.pending.pop(key).positions):
                        self.add_answer(position, columns, cached=False, first=n == 0)

    def _replay(self: Any, items: list[WorkItem]) -> None:
        """Answer from the tape, in this process."""
        queues = [CallQueue(None) for _ in self.models]
        for m, queue in enumerate(queues):
            queue.put([i for i in items if i.model == m], closed=True)
        scheduler = Scheduler(queues, BatchLimits(), self.writer.append)
        for _ in self.handle.iterate(scheduler.run()):
            self.collect(scheduler)

    def _on_vllm(self: Any, ray: Any, items: list[WorkItem]) -> list[WorkItem]:
        """Run on vLLM what it supports; returns the other calls."""
        for m, base in enumerate(self.rows.bases):
            mine = [i for i in items if i.model == m]
            weights = ray_vllm.weights_for(ray, base.call) if mine and m not in self.not_on_vllm else None
            if weights is None:
                continue
            self.emit(Progress(stage="starting vLLM"))
            try:
                for ended in ray_vllm.generate(ray, weights, mine):
                    self._commit_calls(ended)
                    if self.fatal is not None:
                        return []
            except ModelError as e:
                self.not_on_vllm.add(m)
                self.emit(Notice(kind="warning", text=f"{e.message} ({e.detail}); the built-in engine runs it instead"))
        return [i for i in items if i.key in self.pending]

    def _commit_calls(self: Any, ended: list[CompletedCall]) -> None:
        for e in ended:
            self.unusable[e.item.model].add(e.error)
            if e.error is None:
                record_on_tape(e.item.call, e.events[1:])
        self.commit(ended)
        self.report_progress()

    def _run_on_workers(self: Any, ray: Any, items: list[WorkItem]) -> None:
        cloudpickle = require("ray.cloudpickle", "ray", "to run on Ray")
        local = all(b.call.target.local and not hasattr(b.call.target.open(), "host") for b in self.rows.bases)
        workers = _workers(ray, local, len(items))
        setup = cloudpickle.dumps(_setup(self, workers))
        packed = [
            pickle.dumps((n, i.model, i.call.request, i.call.meta, i.call.run, i.call.parent, i.call.neutral, i.positions))
            for n, i in enumerate(items)
        ]
        chunks = [packed[at : at + CHUNK] for at in range(0, len(packed), CHUNK)]
        gpu = bool(local and ray.cluster_resources().get("GPU"))
        stopped: frozenset[int] = frozenset()
        with heartbeat(ray, self.stamp.run) as stop:
            for some in run_on_workers(ray, setup, chunks, workers, gpu):
                self._commit_calls([CompletedCall(items[n], *rest) for n, *rest in map(pickle.loads, some)])
                if self.fatal is not None and not self.awaits_calls():
                    return
                now = frozenset(self.failed_models if self.fatal is None else range(len(self.models)))
                if now - stopped:  # the workers return what is in flight, and skip the rest
                    stop(now)
                stopped = now


class RayJob(RayMixin, Job):
    """A table in memory, on Ray."""


class RayPartsJob(RayMixin, PartsJob):
    """Tables in files, on Ray."""


def _is_on_tape(call: Call) -> bool:
    return call.tape_only or (call.tape is not None and call.tape.get(call.request.fingerprint()) is not None)


def _workers(ray: Any, local: bool, calls: int) -> int:
    """How many workers: engines need a machine or a GPU each, hosted calls two cores."""
    resources = ray.cluster_resources()
    if local:
        return int(resources.get("GPU", 0)) or max(1, len([n for n in ray.nodes() if n.get("Alive")]))
    return max(1, min(int(resources.get("CPU", 2)) // 2 + 1, 16, -(-calls // CHUNK)))


def _setup(job: Job, workers: int) -> Setup:
    base = job.rows.bases[0].options
    options = replace(base, values={}, schema=job.rows.spec, attach=())
    log_node = node() if job.durable else ""
    return Setup(job.rows.model_args, options, replace(job.limits, head=None), workers, *_environment(job), job.stamp.run, log_node)


def _environment(job: Job) -> tuple[dict[str, str], tuple[str, ...]]:
    """The settings and keys that the models need, and which of them a notebook set.

    Only a key that may be sent to its model's address is included. They travel in Ray's memory,
    not in its settings.
    """
    variables = {n: v for n, v in os.environ.items() if n in ("FMNB_HOME", "FMNB_STATE", "FMNB_MODELS")}
    set_by_notebook = {n for n in (*environment.DECISIVE, *variables) if environment.set_here(n)}
    for b in job.rows.bases:
        profile = getattr(b.call.target, "profile", None)
        if profile is None:
            continue
        addresses = {n: os.environ[n] for n in profile.base_url_env if n in os.environ}
        headers = {profile.header_env[name]: value for name, value in headers_from_environment(profile)}
        key = find_key(profile)
        released = {profile.key_env[0]: key.value} if key and profile.key_env else {}
        variables |= {**addresses, **headers, **released}
        moved = {n for n in addresses if environment.set_here(n)}
        # What is released for an address that a cell set was set by a cell as well, or stored for that address.
        set_by_notebook |= moved | ({*released, *headers} if moved else set())
    return variables, tuple(sorted(set_by_notebook))


def _windows(source: Iterator[list[WorkItem]]) -> Iterator[list[WorkItem]]:
    """Calls in the groups that Ray receives."""
    window: list[WorkItem] = []
    for some in chain(source, [[]]):
        window += some
        while len(window) >= WINDOW:
            yield window[:WINDOW]
            window = window[WINDOW:]
    if window:
        yield window
