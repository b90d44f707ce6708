"""Handlers about weights on the server's machine: pull with progress and cancel, remove. A download is a Run like any other.

Its events reach every open page over one stream of server-sent events; a page that comes
later gets the begin and the latest state of what runs.
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
from .base import Handler, Refused, aside, guarded
from .catalog import _source

_BEAT = 15.0  # seconds between signs of life on a silent stream: proxies cut silent ones


@dataclass
class Download:
    """One pull under way: its source, its task, what a page that comes late must know."""

    source: str
    run: str
    task: asyncio.Task[None] | None = None
    begin: Event | None = None
    latest: Event | None = None


@dataclass
class Downloads:
    """The pulls of this server, and who listens."""

    runs: dict[str, Download] = field(default_factory=dict)
    listeners: set[Callable[[dict[str, Any]], None]] = field(default_factory=set)

    def start(self, source: str) -> str:
        """Begin to pull, or join a pull of the same source; gives the run's id."""
        for d in self.runs.values():
            if d.source == source:
                return d.run
        d = Download(source, new_run())
        self.runs[d.run] = d
        d.task = asyncio.ensure_future(self._pull(d))
        return d.run

    def stop(self, run: str) -> bool:
        """Stop a pull; what had come stays for the next one to resume."""
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
                await self._tell(d, event, sinks)
        except asyncio.CancelledError:
            await stream.aclose()  # type: ignore[attr-defined]
            await self._tell(d, stamp(Cancelled(reason="stopped")), sinks)
        except Exception:  # told as a Failed event already
            pass
        finally:
            forget_backends()
            self.runs.pop(d.run, None)

    async def _tell(self, d: Download, event: Event, sinks: list[Any]) -> None:
        if isinstance(event, Started):
            d.begin = event
        elif isinstance(event, (Progress, *ENDS)):
            d.latest = event
        if not isinstance(event, Progress):  # what is only a bar is not worth a row
            await aside(lambda: emit(event, sinks))
        for listener in list(self.listeners):
            listener(event_to_dict(event))


downloads = Downloads()


class PullHandler(Handler):
    """`POST pull` begins, `DELETE pull/RUN` stops."""

    @guarded
    async def post(self, run: str = "") -> None:
        """Begin to bring the weights of a source; answers at once with the run."""
        if run:
            raise Refused(405, "A pull is begun without a run")
        source = await aside(lambda: source_of(_source(self.body(source=str)["source"])))
        weights.check_permitted(source)
        self.answer({"run": downloads.start(source)})

    @guarded
    async def delete(self, run: str = "") -> None:
        """Stop a pull."""
        if not downloads.stop(run):
            raise Refused(404, "No such download is under way", run[:40])
        self.answer({"run": run})


class RemoveHandler(Handler):
    """`POST remove`: delete weights from the models folder."""

    @guarded
    async def post(self) -> None:
        """Delete; the page has asked its person."""
        source = _source(self.body(source=str)["source"])

        def work() -> dict[str, Any]:
            freed = weights.remove(source_of(source))
            forget_backends()
            return {"freed": freed}

        self.answer(await aside(work))


class EventsHandler(Handler):
    """`GET events`: server-sent events of downloads, as long as the page listens."""

    async def get(self) -> None:
        """Stream until the page goes away."""
        await self._open()
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(1000)

        def put(event: dict[str, Any]) -> None:
            if not queue.full():  # a page that has stopped reading loses progress, never the server's memory
                queue.put_nowait(event)

        for d in downloads.runs.values():
            for event in (d.begin, d.latest):
                if event is not None:
                    put(event_to_dict(event))
        downloads.listeners.add(put)
        self._gone = asyncio.get_running_loop().create_future()
        try:
            while not self._gone.done():
                getter = asyncio.ensure_future(queue.get())
                await asyncio.wait({getter, self._gone}, timeout=_BEAT, return_when=asyncio.FIRST_COMPLETED)
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

    @guarded
    async def _open(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")
        self.write(": here\n\n")
        await self.flush()

    def on_connection_close(self) -> None:
        """The page went away."""
        if hasattr(self, "_gone") and not self._gone.done():
            self._gone.set_result(None)
        super().on_connection_close()
