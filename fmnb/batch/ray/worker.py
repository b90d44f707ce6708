"""What of a batch runs on Ray's workers: calls are made as the loop makes them, and their ends come back a few at a time.

Workers look after who asks: when that kernel stops, or dies, they stop too.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from ...calls.call import Call, Options
from ...calls.prepare import prepare
from ...core.event_loop import iterate_sync
from ...core.types import Text
from ...limits import rate_limit
from ...limits.batch_budget import BatchBudget
from ...limits.batch_limits import BatchLimits
from ...prompts.prompt import Rendered
from ..failures import ends
from ..options import Limits
from ..scheduler import Feed, Flow, Item
from ..writer import Keeper
from .start import outside, quiet

_GROUP = 25  # answers that come back together, or those of so many seconds
_SOON = 0.25
_LOOK = 0.5  # seconds between two looks after who asks
_BLOCK = 16 << 10, 1 << 20  # bytes of answers that come back together, at least and at most


@dataclass(frozen=True)
class Setup:
    """What a worker needs to know: the models, how they are asked, its share of the limits, and the keys."""

    models: tuple[Any, ...]
    options: Options
    limits: Limits
    workers: int
    environment: dict[str, str]
    batch: str  # whose answers are to be written down
    node: str  # where the log is; "" where there is none, or nobody knows


class Watch:
    """Lives as long as the kernel that asks wants answers."""

    def there(self) -> bool:
        """It is."""
        return True


@contextmanager
def watched(ray: Any, batch: str) -> Iterator[None]:
    """While answers to this batch are wanted."""
    watch = ray.remote(num_cpus=0)(Watch).options(name=_name(batch)).remote()
    try:
        yield
    finally:
        with suppress(Exception):  # Ray may be gone already
            ray.kill(watch)


def _name(batch: str) -> str:
    return f"fmnb {batch}"


def ended_there(ray: Any, setup: bytes, chunks: Sequence[Sequence[bytes]], workers: int, gpu: bool) -> Iterator[list[bytes]]:
    """The ends of these calls, as workers hand them back. In a client of Ray somebody in the cluster passes them on."""
    if not outside():
        yield from _ended(setup, chunks, workers, gpu)
        return
    courier = ray.remote(num_cpus=0)(Courier).remote(setup, chunks, workers, gpu)
    while (some := ray.get(courier.some.remote())) is not None:
        yield some


class Courier:
    """Runs Ray Data where it can run: a client cannot."""

    def __init__(self, setup: bytes, chunks: Sequence[Sequence[bytes]], workers: int, gpu: bool):
        self._ends = _ended(setup, chunks, workers, gpu)

    def some(self) -> list[bytes] | None:
        """The next ends; None after the last."""
        return next(self._ends, None)


def _ended(setup: bytes, chunks: Sequence[Sequence[bytes]], workers: int, gpu: bool) -> Iterator[list[bytes]]:
    import pyarrow
    import ray
    import ray.data

    quiet(ray)
    tables = [pyarrow.table({"row": pyarrow.array(chunk, pyarrow.large_binary())}) for chunk in chunks]
    with _blocks(ray, sum(len(row) for chunk in chunks for row in chunk) // 50):
        rows = ray.data.from_arrow(tables)
    answers = rows.map_batches(
        Worker,
        fn_constructor_args=(setup,),
        batch_size=max(map(len, chunks)),
        batch_format="pyarrow",
        num_cpus=0,  # what a worker does is wait, or it is an engine that has the machine anyway; a core each may never be free
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_gpus=1 if gpu else None,
    )
    blocks: Any = answers.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    for block in blocks:
        yield block.column("ended").to_pylist()


@contextmanager
def _blocks(ray: Any, size: int) -> Iterator[None]:
    """A dataset made in here hands on so many bytes of what a worker yields, and does not gather 128 MB of it first."""
    context = ray.data.DataContext.get_current()
    before = context.target_max_block_size
    context.target_max_block_size = min(max(size, _BLOCK[0]), _BLOCK[1])
    try:
        yield
    finally:
        context.target_max_block_size = before


class _Unwanted(Exception):
    """Nobody waits for these answers any more."""


class Worker:
    """One actor of Ray: makes calls as the loop does, and hands back their events."""

    def __init__(self, setup: bytes):
        import ray.cloudpickle as cloudpickle

        told: Setup = cloudpickle.loads(setup)
        os.environ.update(told.environment)
        rate_limit.set_process_count(told.workers)
        share = 1 / told.workers
        limits = told.limits
        self.caps = BatchLimits(
            rate_limit.RateCap(limits.rpm * share) if limits.rpm else None,
            rate_limit.RateCap(limits.tpm * share) if limits.tpm else None,
            None if limits.budget is None else BatchBudget(limits.budget * share),
        )
        self.batch = told.batch
        self.concurrency = max(1, limits.concurrency // told.workers) if limits.concurrency else None
        here = told.node and told.node == node()
        self.keeper = Keeper(told.batch, lambda _, error: not ends(error or {})) if here else None
        self.calls: list[Call] = [prepare(Rendered((Text("-"),)), m, told.options).call for m in told.models]
        self.looked = 0.0

    def __call__(self, batch: Any) -> Iterator[Any]:
        """The events of each call of a chunk, a few at a time, as they end."""
        with suppress(_Unwanted):
            yield from self._answered(batch.column("row").to_pylist())

    def _answered(self, rows: Sequence[bytes]) -> Iterator[Any]:
        feeds = [Feed(self.concurrency) for _ in self.calls]
        items: list[list[Item]] = [[] for _ in feeds]
        for packed in rows:
            n, m, request, meta, run, parent, neutral, places = pickle.loads(packed)
            call = replace(self.calls[m], request=request, meta=meta, run=run, parent=parent, neutral=neutral)
            items[m].append(Item(str(n), m, call, places))
        self._look()
        for feed, some in zip(feeds, items, strict=True):
            feed.put(some, closed=True)
        flow = Flow(feeds, self.caps, self.keeper.hold) if self.keeper else Flow(feeds, self.caps)
        done: list[bytes] = []
        since = time.monotonic()
        with closing(iterate_sync(flow.run(), self._look)) as ends:  # type: ignore[type-var]
            for _ in ends:
                self._look()
                while flow.ended:
                    ended = flow.ended.popleft()
                    done.append(pickle.dumps((int(ended.item.key), ended.events, ended.number)))
                if len(done) >= _GROUP or (done and time.monotonic() - since > _SOON):
                    yield _block(done)
                    done, since = [], time.monotonic()
        if done:
            yield _block(done)

    def _look(self) -> None:
        """Whether somebody still waits for answers."""
        import ray

        if time.monotonic() - self.looked < _LOOK:
            return
        try:
            ray.get(ray.get_actor(_name(self.batch)).there.remote(), timeout=30)
        except (ray.exceptions.RayActorError, ValueError):
            raise _Unwanted from None
        self.looked = time.monotonic()


def _block(done: list[bytes]) -> Any:
    import pyarrow

    return pyarrow.table({"ended": pyarrow.array(done, pyarrow.large_binary())})


def node() -> str:
    """The machine of the cluster this is; "" in a client outside of it."""
    import ray

    try:
        return str(ray.get_runtime_context().get_node_id())
    except Exception:  # a client knows none
        return ""
