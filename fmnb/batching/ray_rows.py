"""`--on ray`: the same run on Ray Data. Rows go to workers a few hundred at a time, and come back a few at a time.

    here     rows ─ keys ─► not answered before ─► Dataset ─────────► ended ─► log, parts
    workers                                          flow ─ events ─┘

What is known of rows, what is written down and what stops the batch stays here; a worker
does what the loop does otherwise, with its share of the limits. A chunk whose worker died is
asked again.
"""

from __future__ import annotations

import logging
import os
import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from .._loop import drain
from .._require import require
from ..errors import UsageError
from ..guard import pace
from ..guard.purse import Purse
from ..performing import patient
from ..pipeline import Call
from ..preparing import Options, prepare
from ..prompts import Rendered
from ..providers.client import find_key
from ..providers.profiles import Profile
from ..types import Text
from ..unwatched import Caps, record
from .flow import Ended, Feed, Flow, Item
from .job import Job, Limits
from .parts import PartsJob

CHUNK = 200  # rows of one task
WINDOW = 20_000  # calls handed to Ray together
_GROUP = 25  # answers that come back together, or those of so many seconds
_SOON = 0.25


@dataclass(frozen=True)
class Setup:
    """What a worker needs to know: the models, how they are asked, its share of the limits, and the keys."""

    models: tuple[Any, ...]
    options: Options
    limits: Limits
    workers: int
    environment: dict[str, str]


class OnRay:
    """A job whose calls are made by workers of Ray. Goes before Job or PartsJob."""

    address = ""

    def go(self: Any) -> Any:
        """Run to the end."""
        ray = None if any(b.call.tape_only for b in self.rows.bases) else start(self.address)
        self.start()
        source = self.source()
        try:
            for window in _windows(source):
                self._replay([i for i in window if _taped(i.call)])
                if there := [i for i in window if not _taped(i.call)]:
                    self._perform(ray or start(self.address), there)
                if self.fatal is not None:
                    break
        except KeyboardInterrupt:
            with patient():
                stop = self.stopped()
            raise stop from None
        return self.end()

    def _replay(self: Any, items: list[Item]) -> None:
        """What a tape holds is given from it, here."""
        feeds = [Feed(None) for _ in self.models]
        for m, feed in enumerate(feeds):
            feed.put([i for i in items if i.model == m], closed=True)
        flow = Flow(feeds, Caps(), self.keeper.hold)
        for _ in drain(flow.run()):
            self.take(flow)

    def _perform(self: Any, ray: Any, items: list[Item]) -> None:
        import pyarrow

        cloudpickle = require("ray.cloudpickle", "ray", "to run on Ray")
        local = all(b.call.target.local and not hasattr(b.call.target.open(), "host") for b in self.rows.bases)
        workers = _workers(ray, local, len(items))
        setup = cloudpickle.dumps(_setup(self, workers))
        packed = [
            pickle.dumps((n, i.model, i.call.request, i.call.meta, i.call.run, i.call.parent, i.call.neutral)) for n, i in enumerate(items)
        ]
        some = [
            pyarrow.table({"row": pyarrow.array(packed[at : at + CHUNK], pyarrow.large_binary())}) for at in range(0, len(packed), CHUNK)
        ]
        gpus = {"num_gpus": 1} if local and ray.cluster_resources().get("GPU") else {}
        answers = ray.data.from_arrow(some).map_batches(
            Worker,
            fn_constructor_args=(setup,),
            batch_size=CHUNK,
            batch_format="pyarrow",
            num_cpus=0,  # what a worker does is wait, or it is an engine that has the machine anyway; a core each may never be free
            compute=ray.data.ActorPoolStrategy(size=workers),
            **gpus,
        )
        for block in answers.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            ended = [Ended(items[n], events) for n, events in map(pickle.loads, block.column("ended").to_pylist())]
            for e in ended:
                if e.error is None:
                    record(e.item.call, e.events[1:])
            self.settle(ended)
            self.say()
            if self.fatal is not None:
                return


class RayJob(OnRay, Job):
    """A table in memory, asked about on Ray."""


class RayPartsJob(OnRay, PartsJob):
    """Tables in files, asked about on Ray."""


class Worker:
    """One actor of Ray: makes calls as the loop does, and hands back their events."""

    def __init__(self, setup: bytes):
        import ray.cloudpickle as cloudpickle

        told: Setup = cloudpickle.loads(setup)
        os.environ.update(told.environment)
        pace.divide(told.workers)
        self.told = told
        share = 1 / told.workers
        limits = told.limits
        self.caps = Caps(
            pace.Rate(limits.rpm * share) if limits.rpm else None,
            pace.Rate(limits.tpm * share) if limits.tpm else None,
            None if limits.budget is None else Purse(limits.budget * share),
        )
        self.concurrency = max(1, limits.concurrency // told.workers) if limits.concurrency else None
        self.calls: list[Call] = [prepare(Rendered((Text("-"),)), m, told.options).call for m in told.models]

    def __call__(self, batch: Any) -> Iterator[Any]:
        """The events of each call of a chunk, a few at a time, as they end."""
        import pyarrow

        feeds = [Feed(self.concurrency) for _ in self.calls]
        items: list[list[Item]] = [[] for _ in feeds]
        for packed in batch.column("row").to_pylist():
            n, m, request, meta, run, parent, neutral = pickle.loads(packed)
            call = replace(self.calls[m], request=request, meta=meta, run=run, parent=parent, neutral=neutral)
            items[m].append(Item(str(n), m, call, []))
        for feed, some in zip(feeds, items, strict=True):
            feed.put(some, closed=True)
        flow = Flow(feeds, self.caps)
        done: list[bytes] = []
        since = time.monotonic()
        for _ in drain(flow.run()):
            while flow.ended:
                ended = flow.ended.popleft()
                done.append(pickle.dumps((int(ended.item.key), ended.events)))
            if len(done) >= _GROUP or (done and time.monotonic() - since > _SOON):
                yield pyarrow.table({"ended": pyarrow.array(done, pyarrow.large_binary())})
                done, since = [], time.monotonic()
        if done:
            yield pyarrow.table({"ended": pyarrow.array(done, pyarrow.large_binary())})


def _taped(call: Call) -> bool:
    return call.tape_only or (call.tape is not None and call.tape.get(call.request.key()) is not None)


def start(address: str = "") -> Any:
    """Ray, connected: the kernel's own where there is one, a cluster at an address, else one on this machine."""
    ray = require("ray", "ray", "to run on Ray")
    require("ray.data", "ray", "to run on Ray")
    if not ray.is_initialized():
        where = {"address": address} if address else {"address": "auto"} if os.environ.get("RAY_ADDRESS") else {}
        here = {} if where else {"num_cpus": max(2, os.cpu_count() or 2), "include_dashboard": False}
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its own news would stand below the cell
        try:
            with _unheard():
                ray.init(**where, **here, log_to_driver=False, logging_level=logging.ERROR, configure_logging=True)
        except (ConnectionError, RuntimeError, ValueError) as e:
            raise UsageError(
                "Ray does not answer", seen=f"{address}: {str(e)[:200]}", todo="Check the address, or say --on ray alone."
            ) from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return ray


@contextmanager
def _unheard() -> Iterator[None]:
    """What Ray's own core says at its start goes nowhere: what goes wrong is raised."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def address_of(on: str) -> str:
    """What follows `--on`: "" for a Ray of this machine, or an address.

    >>> address_of("ray"), address_of("ray://head:10001")
    ('', 'ray://head:10001')
    """
    if on == "ray":
        return ""
    if on.startswith("ray://") and len(on) > len("ray://"):
        return on
    raise UsageError("That is no place to run", seen=on, todo="--on ray, or --on ray://HOST:PORT.")


def _workers(ray: Any, local: bool, calls: int) -> int:
    """How many workers: engines take a machine or a GPU each, hosted calls two cores."""
    have = ray.cluster_resources()
    if local:
        return int(have.get("GPU", 0)) or max(1, len([n for n in ray.nodes() if n.get("Alive")]))
    return max(1, min(int(have.get("CPU", 2)) // 2 + 1, 16, -(-calls // CHUNK)))


def _setup(job: Job, workers: int) -> Setup:
    base = job.rows.bases[0].options
    options = replace(base, values={}, schema=job.rows.spec, attach=())
    return Setup(job.rows.given, options, replace(job.limits, head=None), workers, _environment(job))


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
