"""`--on ray`: the same run on Ray Data. Rows go to workers a few hundred at a time, and come back a few at a time.

    here     rows ─ keys ─► not answered before ─► Dataset ─────────► ended ─► log, parts
    workers                                          flow ─ events ─┘

What is known of rows and what stops the batch stays here; a worker does what the loop does
otherwise, with its share of the limits. On this machine it writes answers down as they end, so
that no accident here loses them; from another machine they are written down when they come. A
chunk whose worker died is asked again.
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
from ...calls.run_handle import flush, ignore_sigint
from ...core.errors import FmnbError, ModelError, StoreError
from ...core.event_loop import iterate_sync
from ...core.events import Notice, Progress
from ...core.optional import require
from ...limits.batch_limits import BatchLimits
from ...providers.http.client import find_key
from ...providers.profiles import Profile
from ...store import batches
from ..io.parts import PartsJob
from ..job import Job
from ..scheduler import Ended, Feed, Flow, Item
from ..writer import write_again
from . import vllm as ray_vllm
from .start import start
from .worker import Setup, ended_there, node, watched

CHUNK = 200  # rows of one task
WINDOW = 20_000  # calls handed to Ray together
_PAUSE = 0.1  # seconds between two looks at what other kernels ask


class OnRay:
    """A job whose calls are made by workers of Ray. Goes before Job or PartsJob."""

    address = ""
    visible = False  # workers go on for some seconds when this process is dead
    fatal: BaseException | None

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.plain: set[int] = set()  # models that vLLM does not run

    def go(self: Any) -> Any:
        """Run to the end."""
        ray = None
        source = self.source()
        try:
            self.start()
            if self.durable:
                write_again()
                self.claims.sweep()
            for window in chain(_windows(source), self._left_elsewhere()):
                window = self.claimed(window)
                self._replay([i for i in window if _taped(i.call)])
                there = [i for i in window if not _taped(i.call)]
                if there and ray is None:
                    self._show([self.stamp(Progress(stage="starting Ray"))])
                    ray = start(self.address)
                if there and (there := self._on_vllm(ray, there)):
                    self._perform(ray, there)
                if self.fatal is not None:
                    break
        except KeyboardInterrupt:
            with ignore_sigint():
                self._found()
                self.claims.end()
                stop = self.stopped()
            raise stop from None
        except FmnbError as e:
            self.fatal = e
        finally:
            self.claims.end()
        return self.end()

    def _left_elsewhere(self: Any) -> Iterator[list[Item]]:
        """Rows that other kernels asked, as far as they are not asked there any more; ends when all are answered."""
        while self.elsewhere:
            self._look_elsewhere()
            free = [i for some in self.backlog for i in some]
            for some in self.backlog:
                some.clear()
            if free:
                yield free
            else:
                flush(self.listeners)
                self.say()
                time.sleep(_PAUSE)

    def _found(self: Any) -> None:
        """What workers of this machine wrote down and nobody took: it is answered, and paid."""
        if not self.durable:
            return
        with suppress(StoreError):
            write_again()
            for key, columns in batches.last_answers(list(self.pending)).items():
                if columns["parent"] == self.stamp.run:
                    for n, place in enumerate(self.pending.pop(key).places):
                        self.answered(place, columns, reused=False, first=n == 0)

    def _replay(self: Any, items: list[Item]) -> None:
        """What a tape holds is given from it, here."""
        feeds = [Feed(None) for _ in self.models]
        for m, feed in enumerate(feeds):
            feed.put([i for i in items if i.model == m], closed=True)
        flow = Flow(feeds, BatchLimits(), self.keeper.hold)
        for _ in iterate_sync(flow.run()):
            self.take(flow)

    def _on_vllm(self: Any, ray: Any, items: list[Item]) -> list[Item]:
        """What vLLM can answer, it does. The calls that are left."""
        for m, base in enumerate(self.rows.bases):
            mine = [i for i in items if i.model == m]
            weights = ray_vllm.weights_for(ray, base.call) if mine and m not in self.plain else None
            if weights is None:
                continue
            self.emit(Progress(stage="starting vLLM"))
            try:
                for ended in ray_vllm.answered(ray, weights, mine):
                    self._taken(ended)
                    if self.fatal is not None:
                        return []
            except ModelError as e:
                self.plain.add(m)
                self.emit(Notice(kind="warning", text=f"{e.message} ({e.detail}); our own engine goes on"))
        return [i for i in items if i.key in self.pending]

    def _taken(self: Any, ended: list[Ended]) -> None:
        for e in ended:
            if e.error is None:
                record_on_tape(e.item.call, e.events[1:])
        self.settle(ended)
        self.say()

    def _perform(self: Any, ray: Any, items: list[Item]) -> None:
        cloudpickle = require("ray.cloudpickle", "ray", "to run on Ray")
        local = all(b.call.target.local and not hasattr(b.call.target.open(), "host") for b in self.rows.bases)
        workers = _workers(ray, local, len(items))
        setup = cloudpickle.dumps(_setup(self, workers))
        packed = [
            pickle.dumps((n, i.model, i.call.request, i.call.meta, i.call.run, i.call.parent, i.call.neutral, i.places))
            for n, i in enumerate(items)
        ]
        chunks = [packed[at : at + CHUNK] for at in range(0, len(packed), CHUNK)]
        gpu = bool(local and ray.cluster_resources().get("GPU"))
        with watched(ray, self.stamp.run):
            for some in ended_there(ray, setup, chunks, workers, gpu):
                self._taken([Ended(items[n], *rest) for n, *rest in map(pickle.loads, some)])
                if self.fatal is not None:
                    return


class RayJob(OnRay, Job):
    """A table in memory, asked about on Ray."""


class RayPartsJob(OnRay, PartsJob):
    """Tables in files, asked about on Ray."""


def _taped(call: Call) -> bool:
    return call.tape_only or (call.tape is not None and call.tape.get(call.request.fingerprint()) is not None)


def _workers(ray: Any, local: bool, calls: int) -> int:
    """How many workers: engines take a machine or a GPU each, hosted calls two cores."""
    have = ray.cluster_resources()
    if local:
        return int(have.get("GPU", 0)) or max(1, len([n for n in ray.nodes() if n.get("Alive")]))
    return max(1, min(int(have.get("CPU", 2)) // 2 + 1, 16, -(-calls // CHUNK)))


def _setup(job: Job, workers: int) -> Setup:
    base = job.rows.bases[0].options
    options = replace(base, values={}, schema=job.rows.spec, attach=())
    place = node() if job.durable else ""
    return Setup(job.rows.given, options, replace(job.limits, head=None), workers, _environment(job), job.stamp.run, place)


def _environment(job: Job) -> dict[str, str]:
    """The settings and keys of this kernel, for the models that are asked and no others. They travel in Ray's memory, not in its settings."""
    found = {n: v for n, v in os.environ.items() if n in ("FMNB_HOME", "FMNB_STATE", "FMNB_MODELS")}
    for b in job.rows.bases:
        profile = getattr(b.call.target, "profile", None)
        if profile is None:
            continue
        found |= {n: os.environ[n] for n in (*profile.base_url_env, *profile.header_env.values()) if n in os.environ}
        key = _key(profile)
        if key and profile.key_env:
            found[profile.key_env[0]] = key
    return found


def _key(profile: Profile) -> str:
    key = find_key(profile)
    return key.value if key else ""


def _windows(source: Iterator[list[Item]]) -> Iterator[list[Item]]:
    """Calls in lots that Ray gets together."""
    held: list[Item] = []
    for some in chain(source, [[]]):
        held += some
        while len(held) >= WINDOW:
            yield held[:WINDOW]
            held = held[WINDOW:]
    if held:
        yield held
