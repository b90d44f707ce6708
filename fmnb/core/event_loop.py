"""The one background event loop, and the only place that starts threads.

Streams are async. `iterate_sync` turns one into ordinary iteration in the caller's thread,
`thread_stream` turns a blocking engine into an async stream, `merge` runs several at once,
`run_sync` returns the result of a coroutine. To stop, close the stream.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_pid = 0
_POLL = 0.2  # on Windows, waiting for a lock without a timeout cannot be interrupted
_CLOSE = 1.0  # seconds an interrupted caller waits for the socket to close


def background_loop() -> asyncio.AbstractEventLoop:
    """The background loop, started on first use and again after a fork."""
    global _loop, _pid
    if _loop is not None and _pid == os.getpid():
        return _loop
    with _lock:
        if _loop is None or _pid != os.getpid():
            fresh = asyncio.new_event_loop()
            contextvars.Context().run(start_thread, "fmnb-loop", fresh.run_forever)  # it outlives its first caller
            _loop, _pid = fresh, os.getpid()
        return _loop


def start_thread(name: str, target: Callable[[], Any]) -> threading.Thread:
    """Start a daemon thread in the caller's context.

    Daemon, since an engine that hangs must not keep the kernel from exiting.
    """
    t = threading.Thread(target=contextvars.copy_context().run, args=(target,), name=name, daemon=True)
    t.start()
    return t


def iterate_sync(
    stream: AsyncIterator[T], on_idle: Callable[[], object] | None = None, on_caught_up: Callable[[], object] | None = None
) -> Generator[T, None, None]:
    """Iterate an async stream from ordinary code, in the caller's thread.

    `on_idle` is called regularly while no item arrives, `on_caught_up` each time all items were
    consumed and more are awaited. Closing the iterator, or an interrupt while it waits, closes the stream.
    """
    buffer: deque[T] = deque()
    ready = threading.Event()
    closed = threading.Event()
    future = asyncio.run_coroutine_threadsafe(_pump(stream, buffer, ready, closed), background_loop())
    future.add_done_callback(lambda _: ready.set())
    try:
        while True:
            done = future.done()
            while buffer:
                yield buffer.popleft()
            if done:
                future.result()
                return
            if on_caught_up is not None and not ready.is_set():
                on_caught_up()
            if not ready.wait(_POLL) and on_idle is not None:
                on_idle()
            ready.clear()
    finally:
        if not future.done():
            future.cancel()  # the future ends at once, the stream later
            closed.wait(_CLOSE)


async def _pump(stream: AsyncIterator[T], buffer: deque[T], ready: threading.Event, closed: threading.Event | None = None) -> None:
    try:
        async for item in stream:
            buffer.append(item)
            if not ready.is_set():
                ready.set()
    finally:
        try:
            await aclose(stream)
        finally:
            if closed is not None:
                closed.set()


async def aclose(stream: Any) -> None:
    """Close an async iterator, if it can be closed."""
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from the caller's thread and return its result; an interrupt cancels it."""
    future = asyncio.run_coroutine_threadsafe(work, background_loop())
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    try:
        while not done.wait(_POLL):
            pass
        return future.result()
    finally:
        future.cancel()


async def thread_stream(work: Callable[[Callable[[T], None], threading.Event], object]) -> AsyncIterator[T]:
    """Run a blocking function in a thread and yield what it puts.

    `work(put, stop)` calls `put(item)` from its thread and checks `stop` as often as it can.
    Closing this stream sets `stop` and returns at once; the thread ends by itself.
    """
    here = asyncio.get_running_loop()
    items: deque[Any] = deque()
    wake = asyncio.Event()
    stop = threading.Event()

    def put(item: Any) -> None:
        items.append(item)
        if not wake.is_set():  # the reader clears before it reads, so no item is missed
            here.call_soon_threadsafe(wake.set)

    def body() -> None:
        try:
            work(put, stop)
            put(_END)
        except BaseException as e:
            put(_Raise(e))

    start_thread("fmnb-worker", body)
    try:
        while True:
            await wake.wait()
            wake.clear()
            while items:
                item = items.popleft()
                if item is _END:
                    return
                if isinstance(item, _Raise):
                    raise item.error
                yield item
    finally:
        stop.set()


async def to_thread(work: Callable[[], T]) -> T:
    """Run a blocking call in a thread. Cancellation returns at once; the call runs to its end."""

    def body(put: Callable[[T], None], stop: threading.Event) -> None:
        put(work())

    results = [result async for result in thread_stream(body)]
    return results[0]


_END = object()


class _Raise:
    def __init__(self, error: BaseException):
        self.error = error


async def merge(streams: Mapping[str, AsyncIterator[T]]) -> AsyncIterator[tuple[str, T]]:
    """Items of several streams as they arrive, each with the name of its stream; closing closes all."""
    items: deque[tuple[str, T]] = deque()
    wake = asyncio.Event()

    async def pump(name: str, stream: AsyncIterator[T]) -> None:
        try:
            async for item in stream:
                items.append((name, item))
                wake.set()
        finally:
            await aclose(stream)
            wake.set()

    tasks = [asyncio.ensure_future(pump(n, s)) for n, s in streams.items()]
    for task in tasks:
        task.add_done_callback(lambda _: wake.set())
    try:
        while True:
            done = all(t.done() for t in tasks)
            while items:
                yield items.popleft()
            if done:
                for t in tasks:
                    t.result()
                return
            await wake.wait()
            wake.clear()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def iterate_async(stream: AsyncIterator[T]) -> AsyncIterator[T]:
    """Iterate a stream of the background loop from a coroutine on the caller's loop."""
    here = asyncio.get_running_loop()
    buffer: deque[T] = deque()
    wake = asyncio.Event()

    class Bell(threading.Event):
        def set(self) -> None:
            here.call_soon_threadsafe(wake.set)

    future = asyncio.run_coroutine_threadsafe(_pump(stream, buffer, Bell()), background_loop())
    future.add_done_callback(lambda _: here.call_soon_threadsafe(wake.set))
    try:
        while True:
            done = future.done()
            while buffer:
                yield buffer.popleft()
            if done:
                future.result()
                return
            await wake.wait()
            wake.clear()
    finally:
        future.cancel()


def iterate_inline(stream: AsyncIterator[T]) -> Iterator[T]:
    """Iterate an async iterator in a thread without a loop; each item is awaited on demand."""

    async def following() -> T:
        return await anext(stream)

    with asyncio.Runner() as runner:
        while True:
            try:
                item = runner.run(following())
            except StopAsyncIteration:
                return
            yield item
