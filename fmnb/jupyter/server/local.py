"""Handlers for weights on the server's machine: download with progress and cancel, remove.

A download is a run. Its events reach every open page over a stream of server-sent events; a
page that connects later gets the start and the latest event of each download.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tornado.iostream import StreamClosedError

from ...calls.download import events as pull_events
from ...calls.session import session
from ...catalog import weights
from ...catalog.resolve import forget_backends, source_of
from ...core.events import ENDS, Cancelled, Event, EventStamper, Progress, Started, emit, event_to_dict
from ...core.run_ids import new_run
from .base import Handler, RequestError, endpoint, run_in_thread
from .catalog import _checked_source

_KEEPALIVE_SECONDS = 15.0  # seconds between keepalive comments: proxies close idle streams


@dataclass
class Download:
    """One download: its source, its task, and the events for a page that connects later."""

    source: str
    run: str
    task: asyncio.Task[None] | None = None
    start_event: Event | None = None
    latest_event: Event | None = None


@dataclass
class Downloads:
    """The downloads of this server, and their listeners."""

    runs: dict[str, Download] = field(default_factory=dict)
    listeners: set[Callable[[dict[str, Any]], None]] = field(default_factory=set)

    def start(self, source: str) -> str:
        """Start a download, or join one of the same source; returns the run's id."""
        for d in self.runs.values():
            if d.source == source:
                return d.run
        d = Download(source, new_run())
        self.runs[d.run] = d
        d.task = asyncio.ensure_future(self._pull(d))
        return d.run

    def stop(self, run: str) -> bool:
        """Stop a download; the next one of the same source resumes it."""
        d = self.runs.get(run)
        if d is None or d.task is None:
            return False
        d.task.cancel()
        return True

    async def _pull(self, d: Download) -> None:
        stamp = EventStamper(d.run)
        sinks = session.listeners()
        stream = pull_events(d.source, stamp)
        try:
            async for event in stream:
                await self._publish(d, event, sinks)
        except asyncio.CancelledError:
            await stream.aclose()  # type: ignore[attr-defined]
            await self._publish(d, stamp(Cancelled(reason="stopped")), sinks)
        except Exception:  # the Failed event reports it
            pass
        finally:
            forget_backends()
            self.runs.pop(d.run, None)

    async def _publish(self, d: Download, event: Event, sinks: list[Any]) -> None:
        if isinstance(event, Started):
            d.start_event = event
        elif isinstance(event, (Progress, *ENDS)):
            d.latest_event = event
        if not isinstance(event, Progress):  # progress is not stored
            await run_in_thread(lambda: emit(event, sinks))
        for listener in list(self.listeners):
            listener(event_to_dict(event))


downloads = Downloads()


class PullHandler(Handler):
    """`POST pull` starts, `DELETE pull/RUN` stops."""

    @endpoint
    async def post(self, run: str = "") -> None:
        """Start to download the weights of a source; responds at once with the run."""
        if run:
            raise RequestError(405, "A download starts without a run")
        source = await run_in_thread(lambda: source_of(_checked_source(self.json_body(source=str)["source"])))
        weights.check_permitted(source)
        self.respond({"run": downloads.start(source)})

    @endpoint
    async def delete(self, run: str = "") -> None:
        """Stop a download."""
        if not downloads.stop(run):
            raise RequestError(404, "No such download is running", run[:40])
        self.respond({"run": run})


class RemoveHandler(Handler):
    """`POST remove`: delete weights from the models folder."""

    @endpoint
    async def post(self) -> None:
        """Delete; the page has asked for confirmation."""
        source = _checked_source(self.json_body(source=str)["source"])

        def work() -> dict[str, Any]:
            freed = weights.remove(source_of(source))
            forget_backends()
            return {"freed": freed}

        self.respond(await run_in_thread(work))


class EventsHandler(Handler):
    """`GET events`: server-sent events of downloads, while the page is connected."""

    async def get(self) -> None:
        """Stream until the page disconnects."""
        await self._open()
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(1000)

        def put(event: dict[str, Any]) -> None:
            if not queue.full():  # a page that stops reading misses progress, and the server's memory is bounded
                queue.put_nowait(event)

        for d in downloads.runs.values():
            for event in (d.start_event, d.latest_event):
                if event is not None:
                    put(event_to_dict(event))
        downloads.listeners.add(put)
        self._closed = asyncio.get_running_loop().create_future()
        try:
            while not self._closed.done():
                getter = asyncio.ensure_future(queue.get())
                await asyncio.wait({getter, self._closed}, timeout=_KEEPALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if getter.done():
                    self.write(f"data: {json.dumps(getter.result())}\n\n")
                else:
                    getter.cancel()
                    self.write(": still here\n\n")
                await self.flush()
        except StreamClosedError:
            pass
        finally:
            downloads.listeners.discard(put)

    @endpoint
    async def _open(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")
        self.write(": here\n\n")
        await self.flush()

    def on_connection_close(self) -> None:
        """The page disconnected."""
        if hasattr(self, "_closed") and not self._closed.done():
            self._closed.set_result(None)
        super().on_connection_close()
