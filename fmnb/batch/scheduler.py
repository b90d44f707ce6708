"""Calls of one batch on the loop: taken from a feed as there is place, kept as they end, then handed to the caller's thread.

caller's thread: feed.put ─► loop: pipeline ─► hold ─► Flow.ended ─► caller's thread files, counts and shows them

A call keeps its place until it is written down. So no more than `concurrency` answers can be
lost, whatever happens. Calls that end in the same turn of the loop are written in one transaction,
on the loop: a place that waits for another thread sends nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ..calls import pipeline, rows_together
from ..calls.call import Call
from ..calls.run import cancellable
from ..core.backend import Backend, BatchBackend, NonStreamingBackend
from ..core.event_loop import aclose, background_loop
from ..core.events import ENDS, Event, Failed
from ..limits import rate_limit
from ..limits.batch_limits import BatchLimits
from ..store.run_rows import Place

FEW = 16  # calls at once to a backend that has no host
_BEAT = 0.02  # seconds that ends are gathered for the caller's thread: each time it wakes it holds the loop up


@dataclass
class Item:
    """One call that is to be made, and the places its answer goes to.

    `shared` where any kernel's answer will do, so that one of them asks; `seen` is the run that
    was known for it and does not stand, a failure.
    """

    key: str
    model: int
    call: Call
    places: list[Place]
    shared: bool = False
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that has ended, with its events.

    `number` is that of its entry in the inbox, 0 if it has none; `encoded` is the JSON of each event.
    """

    item: Item
    events: list[Event]
    number: int = 0
    encoded: Sequence[str] = ()

    @property
    def error(self) -> dict[str, Any] | None:
        """Why it failed, if it did."""
        end = self.events[-1]
        return end.error if isinstance(end, Failed) else None


Hold: TypeAlias = Callable[[Sequence[Ended]], Sequence[Ended]]
Still: TypeAlias = Callable[[Sequence[Item]], Sequence[Item]]


class Feed:
    """The calls to one model: those that wait, and how many are under way or not yet written down."""

    def __init__(self, concurrency: int | None):
        self.concurrency = concurrency
        self.waiting: deque[Item] = deque()
        self.open = 0
        self.given = self.taken = 0  # calls, by the caller's thread and by the loop
        self.closed = self.sealed = False  # nothing more comes, as the loop and as the caller's thread know it
        self.limit: Callable[[], int] = lambda: concurrency or FEW
        self._wake = asyncio.Event()

    def put(self, items: Sequence[Item], *, closed: bool = False) -> None:
        """From the caller's thread: more calls, and whether that was all."""
        self.given += len(items)
        self.sealed = self.sealed or closed
        background_loop().call_soon_threadsafe(self._put, items, closed)

    def _put(self, items: Sequence[Item], closed: bool) -> None:
        self.waiting.extend(items)
        self.closed = self.closed or closed
        self._wake.set()

    @property
    def left(self) -> int:
        """How many calls wait."""
        return self.given - self.taken

    def leave(self) -> None:
        """On the loop: one call is written down, and another may have its place."""
        self.open -= 1
        self._wake.set()

    def stop(self) -> None:
        """On the loop: what waits is not asked any more."""
        self.taken += len(self.waiting)
        self.waiting.clear()
        self.closed = True
        self._wake.set()

    def next(self) -> Item | None:
        """The next call, if there is one and a place for it."""
        if not self.waiting or self.open >= self.limit():
            return None
        self.open += 1
        self.taken += 1
        return self.waiting.popleft()

    def back(self, items: Sequence[Item]) -> None:
        """On the loop: these are not asked yet after all."""
        self.open -= len(items)
        self.taken -= len(items)
        self.waiting.extendleft(reversed(items))

    async def take(self, most: int = 1) -> list[Item]:
        """The next calls; none when there are no more."""
        while True:
            room = most if most > 1 else self.limit() - self.open
            if room > 0 and self.waiting:
                some = [self.waiting.popleft() for _ in range(min(most, room, len(self.waiting)))]
                self.open += len(some)
                self.taken += len(some)
                return some
            if self.closed and not self.waiting:
                return []
            self._wake.clear()
            await self._wake.wait()


@dataclass
class Flow:
    """All feeds of a batch. `ended` is filled on the loop and emptied in the caller's thread.

    `hold` is given what ended, and gives it back once it is written down. `still` is given calls
    that are about to be made, and gives those back that may be; the others are in `lost`. What
    either raises ends the flow. `for_all` says of an error that all further calls to its model would have it:
    they are not made.
    """

    feeds: list[Feed]
    limits: BatchLimits
    hold: Hold = lambda ended: ended
    for_all: Callable[[dict[str, Any]], bool] = lambda error: False
    ended: deque[Ended] = field(default_factory=deque)
    told: deque[Event] = field(default_factory=deque)  # of engines: what goes on before rows come
    stopped: deque[Ended] = field(default_factory=deque)  # calls that were under way when it was stopped, and that cost something
    still: Still = lambda items: items
    lost: deque[Item] = field(default_factory=deque)  # calls that another kernel has taken over
    run_id: str = ""  # under which it can be stopped from elsewhere
    _fault: Exception | None = None
    _unwritten: list[tuple[Ended, asyncio.Future[None]]] = field(default_factory=list)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)  # something has ended
    _soon: asyncio.Event = field(default_factory=asyncio.Event)  # and the caller's thread should hear of it at once

    async def run(self) -> AsyncIterator[None]:
        """Makes all calls; yields whenever something has ended. Closing it stops them."""
        tasks = [asyncio.ensure_future(self._drive(feed)) for feed in self.feeds]
        for t in tasks:
            t.add_done_callback(lambda _: self._now())
        try:
            with cancellable(self.run_id):
                while True:
                    done = all(t.done() for t in tasks)
                    if self._fault is not None:
                        raise self._fault
                    if self.ended or self.told or self.lost:
                        yield
                    if done:
                        for t in tasks:
                            t.result()
                        return
                    await self._wake.wait()
                    self._wake.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_BEAT):  # Python 3.11's wait_for swallows a cancellation that comes with the event
                            await self._soon.wait()
                    self._soon.clear()
        finally:
            for t in tasks:
                t.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._write()

    def _end(self, item: Item, events: list[Event]) -> asyncio.Future[None]:
        """Write this call with all others that end in this turn of the loop; done when it is on disk."""
        end = Ended(item, events)
        loop = asyncio.get_running_loop()
        if not self._unwritten:
            loop.call_soon(self._write)
        self._unwritten.append((end, loop.create_future()))
        if end.error and self.for_all(end.error):
            self.feeds[item.model].stop()
        return self._unwritten[-1][1]

    def _write(self) -> None:
        """Write what has ended, and free the places for other calls."""
        if not self._unwritten:
            return
        unwritten, self._unwritten = self._unwritten, []
        try:
            self.ended += self.hold([end for end, _ in unwritten])
        except Exception as e:
            self._fault = e
        else:
            for end, _ in unwritten:
                self.feeds[end.item.model].leave()
        for _, written in unwritten:
            if not written.done():
                written.set_result(None)
        self._wake.set()
        if self._fault or any(end.error for end, _ in unwritten):  # it may be the end of all
            self._now()

    def _mine(self, items: list[Item]) -> list[Item]:
        """Those of these calls that may be made; the others leave their places."""
        if self._fault is not None:
            return []  # it is over
        try:
            kept = list(self.still(items))
        except Exception as e:
            self._fault, kept = e, []
            self._now()
        if len(kept) < len(items):
            may = {id(i) for i in kept}
            for item in items:
                if id(item) not in may:
                    self.lost.append(item)
                    self.feeds[item.model].leave()
            self._now()
        return kept

    def _now(self) -> None:
        self._wake.set()
        self._soon.set()

    async def _drive(self, feed: Feed) -> None:
        first = await feed.take()
        if not first:
            return
        feed.back(first)
        call = first[0].call
        backend = None if call.tape_only else _opened(call)
        if isinstance(backend, BatchBackend):
            await self._together(feed, backend)
            return
        if isinstance(backend, NonStreamingBackend):
            gate = rate_limit.limiter_for(backend.host)
            gate.set_known_limit(feed.concurrency or 0)
            feed.limit = lambda: feed.concurrency or gate.capacity()
        await self._one_by_one(feed)

    async def _one_by_one(self, feed: Feed) -> None:
        under_way: set[asyncio.Task[None]] = set()
        steps = pipeline.row_steps(self.limits)

        async def place(item: Item | None) -> None:
            while item is not None:
                if not self._mine([item]):
                    item = feed.next()
                    continue
                try:
                    events = await pipeline.run_row(item.call, steps)
                except asyncio.CancelledError:
                    if events := pipeline.stopped_row(item.call):
                        self.stopped.append(Ended(item, events))
                    raise
                await self._end(item, events)
                item = feed.next()

        try:
            while some := await feed.take():
                task = asyncio.ensure_future(place(some[0]))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            if under_way:
                await asyncio.gather(*under_way)
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _together(self, feed: Feed, backend: BatchBackend) -> None:
        while some := await feed.take(max(2, backend.preferred_batch_size)):
            some = self._mine(some)
            if not some:
                continue
            events: dict[int, list[Event]] = {n: [] for n in range(len(some))}
            stream = rows_together.run_together([item.call for item in some])
            try:
                async for n, event in stream:
                    if n < 0:
                        self.told.append(event)
                        self._wake.set()
                        continue
                    events[n].append(event)
                    if isinstance(event, ENDS):
                        self._end(some[n], events.pop(n))
            finally:
                await aclose(stream)


def _opened(call: Call) -> Backend | None:
    try:
        backend = call.target.open()
        return rows_together.batch_backend(backend) if call.target.local else backend
    except Exception:  # said by the call itself, as its own error
        return None
