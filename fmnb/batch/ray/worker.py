"""The part of a batch that runs on Ray's workers: makes calls, and returns completed ones in groups.

Workers check the kernel that started the batch: if it stops or dies, they stop too. If it wants no
more calls to a model, they start none, and return the answers of those in flight, which are paid.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ...calls.call import Call, Options
from ...calls.prepare import prepare
from ...config import environment
from ...core.event_loop import background_loop, iterate_sync
from ...core.types import Text
from ...limits import rate_limit
from ...limits.batch_budget import BatchBudget
from ...limits.batch_limits import BatchLimits
from ...prompts.rendered import Rendered
from ..failures import is_fatal_for_model
from ..options import Limits
from ..scheduler import CallQueue, CompletedCall, Scheduler, WorkItem
from ..writer import Writer
from .start import is_client, silence_logs

_BLOCK_CALLS = 25  # calls per returned block; a block is also returned after _BLOCK_SECONDS
_BLOCK_SECONDS = 0.25
_CHECK_SECONDS = 0.5  # seconds between two checks of the batch
_BLOCK_BYTES = 16 << 10, 1 << 20  # minimum and maximum bytes per block


@dataclass(frozen=True)
class Setup:
    """What a worker needs: models and their options, its share of the limits, keys."""

    models: tuple[Any, ...]
    options: Options
    limits: Limits
    workers: int
    environment: dict[str, str]
    set_by_notebook: tuple[str, ...]  # variables that a cell set: a key from outside the notebook does not follow them
    batch: str  # id of the batch
    node: str  # the node with the log; "" without one, or if unknown


class Heartbeat:
    """Lives as long as the kernel wants answers."""

    def __init__(self) -> None:
        self._stopped: frozenset[int] = frozenset()

    def ping(self) -> frozenset[int]:
        """The models that get no more calls. Reachable while the kernel wants answers."""
        return self._stopped

    def stop(self, models: Collection[int]) -> None:
        """Start no more calls to these models."""
        self._stopped |= frozenset(models)


@contextmanager
def heartbeat(ray: Any, batch: str) -> Iterator[Callable[[Collection[int]], None]]:
    """Keep a heartbeat alive while answers of this batch are wanted; yields what stops models."""
    watch = ray.remote(num_cpus=0)(Heartbeat).options(name=_name(batch)).remote()
    try:
        yield lambda models: watch.stop.remote(models)
    finally:
        with suppress(Exception):  # Ray may have shut down already
            ray.kill(watch)


def _name(batch: str) -> str:
    return f"fmnb {batch}"


def run_on_workers(ray: Any, setup: bytes, chunks: Sequence[Sequence[bytes]], workers: int, gpu: bool) -> Iterator[list[bytes]]:
    """The completed calls, as workers return them; a client of Ray gets them through a relay."""
    if not is_client():
        yield from _run_dataset(setup, chunks, workers, gpu)
        return
    relay = ray.remote(num_cpus=0)(ClusterRelay).remote(setup, chunks, workers, gpu)
    while (some := ray.get(relay.next_block.remote())) is not None:
        yield some


class ClusterRelay:
    """Runs Ray Data inside the cluster, since a client cannot."""

    def __init__(self, setup: bytes, chunks: Sequence[Sequence[bytes]], workers: int, gpu: bool):
        self._blocks = _run_dataset(setup, chunks, workers, gpu)

    def next_block(self) -> list[bytes] | None:
        """The next completed calls; None after the last."""
        return next(self._blocks, None)


def _run_dataset(setup: bytes, chunks: Sequence[Sequence[bytes]], workers: int, gpu: bool) -> Iterator[list[bytes]]:
    import pyarrow
    import ray
    import ray.data

    silence_logs(ray)
    tables = [pyarrow.table({"row": pyarrow.array(chunk, pyarrow.large_binary())}) for chunk in chunks]
    with _blocks(ray, sum(len(row) for chunk in chunks for row in chunk) // 50):
        rows = ray.data.from_arrow(tables)
    answers = rows.map_batches(
        Worker,
        fn_constructor_args=(setup,),
        batch_size=max(map(len, chunks)),
        batch_format="pyarrow",
        num_cpus=0,  # workers mostly wait, or an engine uses the whole machine; a core for each might never be free
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_gpus=1 if gpu else None,
    )
    blocks: Any = answers.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    for block in blocks:
        yield block.column("ended").to_pylist()


@contextmanager
def _blocks(ray: Any, size: int) -> Iterator[None]:
    """Return results in blocks of this size, instead of collecting 128 MB first."""
    context = ray.data.DataContext.get_current()
    before = context.target_max_block_size
    context.target_max_block_size = min(max(size, _BLOCK_BYTES[0]), _BLOCK_BYTES[1])
    try:
        yield
    finally:
        context.target_max_block_size = before


class _BatchOverError(Exception):
    """Nobody waits for these answers any more."""


class Worker:
    """An actor of Ray: makes calls as the event loop does, and returns their events."""

    def __init__(self, setup: bytes):
        import ray.cloudpickle as cloudpickle

        config: Setup = cloudpickle.loads(setup)
        environment.inherit(config.environment, config.set_by_notebook)
        rate_limit.set_process_count(config.workers)
        share = 1 / config.workers
        limits = config.limits
        self.limits = BatchLimits(
            rate_limit.RateCap(limits.rpm * share) if limits.rpm else None,
            rate_limit.RateCap(limits.tpm * share) if limits.tpm else None,
            None if limits.budget is None else BatchBudget(limits.budget * share),
        )
        self.batch = config.batch
        self.concurrency = max(1, limits.concurrency // config.workers) if limits.concurrency else None
        here = config.node and config.node == node()
        self.writer = Writer(config.batch, lambda _, error: not is_fatal_for_model(error or {})) if here else None
        self.calls: list[Call] = [prepare(Rendered((Text("-"),)), m, config.options).call for m in config.models]
        self.fail_fast = limits.fail_fast
        self.stopped: frozenset[int] = frozenset()  # models that get no more calls
        self.last_check = 0.0

    def __call__(self, batch: Any) -> Iterator[Any]:
        """The events of each call of a chunk, in groups, as the calls complete."""
        with suppress(_BatchOverError):
            yield from self._run_calls(batch.column("row").to_pylist())

    def _run_calls(self, rows: Sequence[bytes]) -> Iterator[Any]:
        queues = [CallQueue(self.concurrency) for _ in self.calls]
        items: list[list[WorkItem]] = [[] for _ in queues]
        for packed in rows:
            n, m, request, meta, run, parent, neutral, positions = pickle.loads(packed)
            call = replace(self.calls[m], request=request, meta=meta, run=run, parent=parent, neutral=neutral)
            items[m].append(WorkItem(str(n), m, call, positions))
        self._check_batch()
        for m, (queue, some) in enumerate(zip(queues, items, strict=True)):
            queue.put([] if m in self.stopped else some, closed=True)
        scheduler = Scheduler(queues, self.limits, self.writer.append if self.writer else lambda ended: ended, self._stopped_by)
        done: list[bytes] = []
        since = time.monotonic()
        check = partial(self._check_batch, queues)
        with closing(iterate_sync(scheduler.run(), check)) as ends:  # type: ignore[type-var]
            for _ in ends:
                check()
                while scheduler.completed:
                    ended = scheduler.completed.popleft()
                    done.append(pickle.dumps((int(ended.item.key), ended.events, ended.inbox_id)))
                if len(done) >= _BLOCK_CALLS or (done and time.monotonic() - since > _BLOCK_SECONDS):
                    yield _block(done)
                    done, since = [], time.monotonic()
        if done:
            yield _block(done)

    def _stopped_by(self, call: CompletedCall) -> Collection[int]:
        """The models that get no more calls of this worker after this one, before the kernel knows of it."""
        if call.error is None:
            return ()
        stopped = range(len(self.calls)) if self.fail_fast else (call.item.model,) if is_fatal_for_model(call.error) else ()
        self.stopped |= frozenset(stopped)
        return stopped

    def _check_batch(self, queues: Sequence[CallQueue] = ()) -> None:
        """Stop the models that get no more calls. Raise if nobody waits for the answers any more."""
        import ray

        if time.monotonic() - self.last_check < _CHECK_SECONDS:
            return
        try:
            stopped = ray.get(ray.get_actor(_name(self.batch)).ping.remote(), timeout=30)
        except (ray.exceptions.RayActorError, ValueError):
            raise _BatchOverError from None
        self.stopped |= stopped
        for m, queue in enumerate(queues):
            if m in stopped and not queue.stopped:
                background_loop().call_soon_threadsafe(queue.stop)
        self.last_check = time.monotonic()


def _block(done: list[bytes]) -> Any:
    import pyarrow

    return pyarrow.table({"ended": pyarrow.array(done, pyarrow.large_binary())})


def node() -> str:
    """The node id of this machine in the cluster; "" in a client outside of it."""
    import ray

    try:
        return str(ray.get_runtime_context().get_node_id())
    except Exception:  # a client has no node
        return ""
