"""A loopback web server that answers each path with given steps, and records what was asked.

    with Web({"/data": lambda seen: [reply(200, {"x": 1})]}) as web:
        ...fetch web.url + "/data"...
        web.seen[-1].headers

A step is bytes, a number of seconds to wait for the client to go away, or `HANG`.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .server import HANG, Raw


@dataclass(frozen=True)
class Got:
    """One request as it arrived."""

    path: str
    query: str
    headers: Mapping[str, str]


@dataclass
class Web:
    """Runs in a thread of its own while the `with` block lasts. A path without steps is a 404."""

    routes: Mapping[str, Callable[[Got], Iterable[Any]]]
    tls: ssl.SSLContext | None = None
    seen: list[Got] = field(default_factory=list)

    def __enter__(self) -> Web:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(lambda loop, context: None)  # clients that go away are the point here
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").split("\r\n")
            path, _, query = head[0].split(" ")[1].partition("?")
            headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if ": " in line)}
            got = Got(path, query, headers)
            self.seen.append(got)
            missing = [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]
            for step in self.routes[path](got) if path in self.routes else missing:
                if step is HANG:
                    await reader.read(1)
                elif isinstance(step, float):
                    await asyncio.wait([asyncio.ensure_future(reader.read(1))], timeout=step)
                else:
                    writer.write(step.data if isinstance(step, Raw) else step)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            pass
        finally:
            writer.close()


def redirect(to: str, status: int = 302) -> list[bytes]:
    """The steps of a redirect."""
    return [f"HTTP/1.1 {status} X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()]
