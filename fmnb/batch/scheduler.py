"""Runs the calls of one batch on the event loop and passes completed calls to the caller's thread.

caller's thread: queue.put ─► loop: pipeline ─► persist ─► Scheduler.completed ─► caller's thread stores, counts, shows

A call occupies its concurrency slot until its answer is on disk, so that no accident loses more
than `concurrency` answers. Calls that end in the same turn of the loop are written in one
transaction, on the loop: a slot that waits for another thread sends nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
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
from ..store.run_rows import Position

DEFAULT_CONCURRENCY = 16  # for a backend without a host
_GATHER_SECONDS = 0.02  # seconds to collect completed calls before waking the caller's thread, which blocks the loop


@dataclass
class WorkItem:
    """One call to make, and the positions that its answer fills.

    `shared` if any kernel's answer will do, so that only one kernel makes the call. `earlier_run`
    is the last known run for it if that one cannot be reused, such as a failure.
    """

    key: str
    model: int
    call: Call
    positions: list[Position]
    shared: bool = False
    earlier_run: str = ""


@dataclass(frozen=True, slots=True)
class CompletedCall:
    """A call that has ended, with its events.

    `inbox_id` is the number of its entry in the inbox, 0 if it has none; `encoded` is the JSON of each event.
    """

    item: WorkItem
    events: list[Event]
    inbox_id: int = 0
    encoded: Sequence[str] = ()

    @property
    def error(self) -> dict[str, Any] | None:
        """The error, if the call failed."""
        end = self.events[-1]
        return end.error if isinstance(end, Failed) else None


Persist: TypeAlias = Callable[[Sequence[CompletedCall]], Sequence[CompletedCall]]
ClaimFilter: TypeAlias = Callable[[Sequence[WorkItem]], Sequence[WorkItem]]


class CallQueue:
    """The calls to one model: queued ones, and how many are in flight or not yet on disk."""

    def __init__(self, concurrency: int | None):
        self.concurrency = concurrency
        self.queued: deque[WorkItem] = deque()
        self.in_flight = 0
        self.n_added = self.n_started = 0  # calls added by the caller's thread, and started by the loop
        self.closed = self.close_requested = False  # no more calls: as the loop and as the caller's thread know it
        self.stopped = False  # calls that are added are dropped
        self.batched = False  # an engine makes many calls together
        self.limit: Callable[[], int] = lambda: concurrency or DEFAULT_CONCURRENCY
        self._wake = asyncio.Event()

    def put(self, items: Sequence[WorkItem], *, closed: bool = False) -> None:
        """From the caller's thread: add calls; `closed` if these are the last ones."""
        self.n_added += len(items)
        self.close_requested = self.close_requested or closed
        background_loop().call_soon_threadsafe(self._put, items, closed)

    def _put(self, items: Sequence[WorkItem], closed: bool) -> None:
        if self.stopped:  # the caller's thread does not know it yet
            self.n_started += len(items)
        else:
            self.queued.extend(items)
        self.closed = self.closed or closed
        self._wake.set()

    @property
    def n_queued(self) -> int:
        """Number of queued calls."""
        return self.n_added - self.n_started

    def release(self) -> None:
        """On the loop: one call is on disk, and its slot is free."""
        self.in_flight -= 1
        self._wake.set()

    def stop(self) -> None:
        """On the loop: drop the queued calls, and those that are added later."""
        self.n_started += len(self.queued)
        self.queued.clear()
        self.closed = self.stopped = True
        self._wake.set()

    def get_nowait(self) -> WorkItem | None:
        """The next call, or None without a call or a free slot."""
        if not self.queued or self.in_flight >= self.limit():
            return None
        self.in_flight += 1
        self.n_started += 1
        return self.queued.popleft()

    def put_back(self, items: Sequence[WorkItem]) -> None:
        """On the loop: return calls that are not made yet."""
        self.in_flight -= len(items)
        self.n_started -= len(items)
        self.queued.extendleft(reversed(items))

    async def get(self, max_items: int = 1) -> list[WorkItem]:
        """Wait for the next calls; an empty list if there are no more."""
        while True:
            room = max_items if max_items > 1 else self.limit() - self.in_flight
            if room > 0 and self.queued:
                items = [self.queued.popleft() for _ in range(min(max_items, room, len(self.queued)))]
                self.in_flight += len(items)
                self.n_started += len(items)
                return items
            if self.closed and not self.queued:
                return []
            self._wake.clear()
            await self._wake.wait()


@dataclass
class Scheduler:
    """All queues of a batch. `completed` is filled on the loop and emptied in the caller's thread.

    `persist` receives completed calls and returns them once they are on disk. `filter_claimed`
    receives calls that are about to be made and returns those that this batch still has claimed;
    the others go to `lost_claims`. An exception from either ends the run. `stopped_by` receives
    each completed call, on the loop, and returns the models that get no more calls after it.
    """

    queues: list[CallQueue]
    limits: BatchLimits
    persist: Persist = lambda ended: ended
    stopped_by: Callable[[CompletedCall], Iterable[int]] = lambda call: ()
    completed: deque[CompletedCall] = field(default_factory=deque)
    engine_events: deque[Event] = field(default_factory=deque)  # of engines, before the first row
    cancelled: deque[CompletedCall] = field(
        default_factory=deque
    )  # calls that were in flight when the run was cancelled, and cost something
    filter_claimed: ClaimFilter = lambda items: items
    lost_claims: deque[WorkItem] = field(default_factory=deque)  # calls that another kernel has claimed
    run_id: str = ""  # for stopping it from another process
    _error: Exception | None = None
    _unwritten: list[tuple[CompletedCall, asyncio.Future[None]]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)  # a call has completed
    _urgent: asyncio.Event = field(default_factory=asyncio.Event)  # the caller's thread should wake at once

    async def run(self) -> AsyncIterator[None]:
        """Make all calls; yields whenever some have completed. Closing the generator cancels them."""
        tasks = [asyncio.ensure_future(self._run_queue(queue)) for queue in self.queues]
        for t in tasks:
            t.add_done_callback(lambda _: self._wake_caller())
        try:
            with cancellable(self.run_id):
                while True:
                    done = all(t.done() for t in tasks)
                    if self._error is not None:
                        raise self._error
                    if self.completed or self.engine_events or self.lost_claims:
                        yield
                    if done:
                        for t in tasks:
                            t.result()
                        return
                    await self._changed.wait()
                    self._changed.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(
                            _GATHER_SECONDS
                        ):  # Python 3.11's wait_for swallows a cancellation that comes with the event
                            await self._urgent.wait()
                    self._urgent.clear()
        finally:
            for t in tasks:
                t.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._write()

    def _complete(self, item: WorkItem, events: list[Event]) -> asyncio.Future[None]:
        """Write this call with all others that end in this turn of the loop; done when it is on disk."""
        call = CompletedCall(item, events)
        loop = asyncio.get_running_loop()
        if not self._unwritten:
            loop.call_soon(self._write)
        self._unwritten.append((call, loop.create_future()))
        for model in self.stopped_by(call):
            self.queues[model].stop()
        return self._unwritten[-1][1]

    def _write(self) -> None:
        """Persist completed calls, and free their slots."""
        if not self._unwritten:
            return
        unwritten, self._unwritten = self._unwritten, []
        try:
            self.completed += self.persist([call for call, _ in unwritten])
        except Exception as e:
            self._error = e
        else:
            for call, _ in unwritten:
                self.queues[call.item.model].release()
        for _, written in unwritten:
            if not written.done():
                written.set_result(None)
        self._changed.set()
        if self._error or any(call.error for call, _ in unwritten):  # it may end the batch
            self._wake_caller()

    def _still_claimed(self, items: list[WorkItem]) -> list[WorkItem]:
        """The calls that may still be made; the others free their slots."""
        if self._error is not None:
            return []  # the run is over
        try:
            claimed = list(self.filter_claimed(items))
        except Exception as e:
            self._error, claimed = e, []
            self._wake_caller()
        if len(claimed) < len(items):
            claimed_ids = {id(i) for i in claimed}
            for item in items:
                if id(item) not in claimed_ids:
                    self.lost_claims.append(item)
                    self.queues[item.model].release()
            self._wake_caller()
        return claimed

    def _wake_caller(self) -> None:
        self._changed.set()
        self._urgent.set()

    async def _run_queue(self, queue: CallQueue) -> None:
        first = await queue.get()
        if not first:
            return
        queue.put_back(first)
        call = first[0].call
        backend = None if call.tape_only else _open_backend(call)
        if isinstance(backend, BatchBackend):
            await self._run_batched(queue, backend)
            return
        if isinstance(backend, NonStreamingBackend):
            gate = rate_limit.limiter_for(backend.host)
            gate.set_known_limit(queue.concurrency or 0)
            queue.limit = lambda: queue.concurrency or gate.capacity()
        await self._run_single(queue)

    async def _run_single(self, queue: CallQueue) -> None:
        tasks: set[asyncio.Task[None]] = set()
        steps = pipeline.row_steps(self.limits)

        async def slot(item: WorkItem | None) -> None:
            while item is not None:
                if not self._still_claimed([item]):
                    item = queue.get_nowait()
                    continue
                try:
                    events = await pipeline.run_row(item.call, steps)
                except asyncio.CancelledError:
                    if events := pipeline.stopped_row(item.call):
                        self.cancelled.append(CompletedCall(item, events))
                    raise
                await self._complete(item, events)
                item = queue.get_nowait()

        try:
            while items := await queue.get():
                task = asyncio.ensure_future(slot(items[0]))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            if tasks:
                await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_batched(self, queue: CallQueue, backend: BatchBackend) -> None:
        queue.batched = True
        while items := await queue.get(max(2, backend.preferred_batch_size)):
            items = self._still_claimed(items)
            if not items:
                continue
            events: dict[int, list[Event]] = {n: [] for n in range(len(items))}
            stream = rows_together.run_together([item.call for item in items])
            try:
                async for n, event in stream:
                    if n < 0:
                        self.engine_events.append(event)
                        self._changed.set()
                        continue
                    events[n].append(event)
                    if isinstance(event, ENDS):
                        self._complete(items[n], events.pop(n))
            finally:
                await aclose(stream)


def _open_backend(call: Call) -> Backend | None:
    try:
        backend = call.target.open()
        return rows_together.batch_backend(backend) if call.target.local else backend
    except Exception:  # the call itself reports it as its error
        return None
