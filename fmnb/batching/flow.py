"""Calls of one batch on the loop: taken from a feed as there is place, their ends handed back in the order they come.

caller's thread: feed.put ─► loop: pipeline ─► Flow.ended ─► caller's thread writes them down: feed.settle

A call keeps its place until it is written down. So no more than `concurrency` answers can be
lost, whatever happens.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from .. import unwatched
from .._loop import aclose, loop
from ..backend import Backend, RowBatcher, Unstreamed
from ..events import ENDS, Event
from ..guard import pace
from ..performing import stoppable
from ..pipeline import Call
from ..store.batches import Place
from ..unwatched import Caps

FEW = 16  # calls at once to a backend that has no host


@dataclass
class Item:
    """One call that is to be made, and the places its answer goes to."""

    key: str
    model: int
    call: Call
    places: list[Place]


class Feed:
    """The calls to one model: those that wait, and how many are under way or not yet written down."""

    def __init__(self, concurrency: int | None):
        self.concurrency = concurrency
        self.waiting: deque[Item] = deque()
        self.open = 0
        self.closed = False  # nothing more comes
        self.limit: Callable[[], int] = lambda: concurrency or FEW
        self._wake = asyncio.Event()

    def put(self, items: Sequence[Item], *, closed: bool = False, settled: int = 0) -> None:
        """From the caller's thread: more calls, how many were written down, and whether that was all."""
        loop().call_soon_threadsafe(self._put, items, closed, settled)

    def _put(self, items: Sequence[Item], closed: bool, settled: int) -> None:
        self.waiting.extend(items)
        self.closed = self.closed or closed
        self.open -= settled
        self._wake.set()

    def stop(self) -> None:
        """On the loop: what waits is not asked any more."""
        self.waiting.clear()
        self.closed = True
        self._wake.set()

    async def take(self, most: int = 1) -> list[Item]:
        """The next calls; none when there are no more."""
        while True:
            room = most if most > 1 else self.limit() - self.open
            if room > 0 and self.waiting:
                some = [self.waiting.popleft() for _ in range(min(most, room, len(self.waiting)))]
                self.open += len(some)
                return some
            if self.closed and not self.waiting:
                return []
            self._wake.clear()
            await self._wake.wait()


@dataclass
class Flow:
    """All feeds of a batch. `ended` is filled on the loop and emptied in the caller's thread."""

    feeds: list[Feed]
    caps: Caps
    ended: deque[tuple[Item, list[Event]]] = field(default_factory=deque)
    told: deque[Event] = field(default_factory=deque)  # of engines: what goes on before rows come
    run_id: str = ""  # under which it can be stopped from elsewhere

    async def run(self) -> AsyncIterator[None]:
        """Makes all calls; yields whenever something has ended. Closing it stops them."""
        wake = asyncio.Event()
        tasks = {asyncio.ensure_future(self._drive(feed, wake)) for feed in self.feeds}
        for t in tasks:
            t.add_done_callback(lambda _: wake.set())
        try:
            with stoppable(self.run_id):
                while True:
                    done = all(t.done() for t in tasks)
                    if self.ended or self.told:
                        yield
                    if done:
                        for t in tasks:
                            t.result()
                        return
                    await wake.wait()
                    wake.clear()
        finally:
            for t in tasks:
                t.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _drive(self, feed: Feed, wake: asyncio.Event) -> None:
        first = await feed.take()
        if not first:
            return
        feed.open -= 1
        feed.waiting.extendleft(first)
        call = first[0].call
        backend = None if call.tape_only else _opened(call)
        if isinstance(backend, RowBatcher):
            await self._together(feed, backend, wake)
            return
        if isinstance(backend, Unstreamed):
            gate = pace.gate(backend.host)
            gate.trust(feed.concurrency or 0)
            feed.limit = lambda: feed.concurrency or int(gate.limit)
        await self._one_by_one(feed, wake)

    async def _one_by_one(self, feed: Feed, wake: asyncio.Event) -> None:
        under_way: set[asyncio.Task[None]] = set()

        async def one(item: Item) -> None:
            self.ended.append((item, await unwatched.whole(item.call, self.caps)))
            wake.set()

        try:
            while some := await feed.take():
                task = asyncio.ensure_future(one(some[0]))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            if under_way:
                await asyncio.gather(*under_way)
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _together(self, feed: Feed, backend: RowBatcher, wake: asyncio.Event) -> None:
        while some := await feed.take(max(2, backend.rows_at_once)):
            events: dict[int, list[Event]] = {n: [] for n in range(len(some))}
            stream = unwatched.rows([item.call for item in some])
            try:
                async for n, event in stream:
                    if n < 0:
                        self.told.append(event)
                        wake.set()
                        continue
                    events[n].append(event)
                    if isinstance(event, ENDS):
                        self.ended.append((some[n], events.pop(n)))
                        wake.set()
            finally:
                await aclose(stream)


def _opened(call: Call) -> Backend | None:
    try:
        backend = call.target.open()
        return unwatched.for_rows(backend) if call.target.local else backend
    except Exception:  # said by the call itself, as its own error
        return None
