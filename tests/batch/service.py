"""A loopback chat service that counts what it is asked, and has limits as services have them.

with Service(latency=0.02, ceiling=64) as service:
    ...ask service.url...
    service.asked["the prompt"]
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Service:
    """Answers a prompt with its last word, or an object for a schema.

    `ceiling` calls at once are served, more are refused; `slots` are served, more wait;
    `per_minute` requests are allowed and published in headers, as a bucket that fills steadily;
    with `window` as so many every so many seconds. `publish` is True, "rounded" (whole seconds),
    "wrong" (a limit that is not the one enforced) or False; without `waits` a refusal names no wait.
    """

    latency: float = 0.0
    ceiling: int | None = None
    slots: int | None = None
    per_minute: float | None = None
    burst: int | None = None
    window: float | None = None
    publish: bool | str = True
    waits: bool = True
    jitter: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)
    requests: list[dict[str, Any]] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    peak: int = 0
    down: bool = False
    down_after: int | None = None  # it goes down when it has answered so many
    answer: Any = None  # called with the body: text, or (status, document)

    def __enter__(self) -> Service:
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
        return f"http://127.0.0.1:{self.port}/v1"

    def until(self, holds: Callable[[], bool], seconds: float = 120) -> bool:
        """Wait until `holds()`; False where it does not within `seconds`."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                return False
            time.sleep(0.002)
        return True

    def quiet(self) -> bool:
        """Wait until no call is under way."""
        return self.until(lambda: self._flying == 0)

    def silent(self) -> bool:
        """Wait until nobody has asked for a second."""

        def holds() -> bool:
            before = len(self.requests)
            time.sleep(1)
            return self._flying == 0 and len(self.requests) == before

        return self.until(holds)

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(lambda loop, context: None)
        self._free = asyncio.Semaphore(self.slots) if self.slots else None
        self._flying, self._level, self._at = (
            0,
            0.0 if self.window else float(self.burst or self.per_minute or 0),
            0.0 if self.window else time.monotonic(),
        )
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=600)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
                data = await reader.readexactly(length)
                if self.down:
                    break
                body = json.loads(data) if data else {}
                status, document, headers = await self._answer(body)
                if self.down:
                    break
                out = json.dumps(document).encode()
                more = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
                writer.write(
                    f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(out)}\r\n{more}\r\n".encode() + out
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, body: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        if not body:  # somebody asks for the list of models
            return 200, {"object": "list", "data": [{"id": "m", "object": "model"}]}, {}
        prompt = body["messages"][-1]["content"]
        self.requests.append(body)
        allowed, headers = self._allow()
        if not allowed or (self.ceiling and self._flying >= self.ceiling):
            self.refused.append(time.monotonic())
            wait = {"retry-after-ms": str(int(1000 * self._next_in()))} if self.per_minute and self.waits else {}
            return 429, {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}, {**headers, **wait}
        self.asked[prompt] += 1
        self._flying += 1
        self.peak = max(self.peak, self._flying)
        try:
            if self._free:
                async with self._free:
                    await asyncio.sleep(self.latency * random.uniform(1 - self.jitter, 1 + self.jitter))
            elif self.latency:
                await asyncio.sleep(self.latency * random.uniform(1 - self.jitter, 1 + self.jitter))
        finally:
            self._flying -= 1
        self.answered.append(time.monotonic())
        if self.down_after is not None and len(self.answered) >= self.down_after:
            self.down = True
        said = self.answer(body) if self.answer else prompt.split()[-1] if prompt.split() else "nothing"
        if isinstance(said, tuple):
            return said[0], said[1], headers
        return 200, completion(said), headers

    def _allow(self) -> tuple[bool, dict[str, str]]:
        """Whether there is one left, and what the headers say of it."""
        if not self.per_minute:
            return True, {}
        rate, now = self.per_minute / 60, time.monotonic()
        if self.window:
            most = rate * self.window
            if now // self.window != self._at // self.window:
                self._level = most
        else:
            most = float(self.burst or self.per_minute)
            self._level = min(most, self._level + (now - self._at) * rate)
        self._at = now
        allowed = self._level >= 1
        self._level -= allowed
        full = self._next_in() if self.window else (most - self._level) / rate
        said = {"limit": f"{most:.0f}", "remaining": f"{int(self._level)}", "reset": f"{full:.3f}s"}
        if self.publish == "rounded":
            said["reset"] = f"{full:.0f}s"
        elif self.publish == "wrong":
            said = {"limit": "10000", "remaining": "9999", "reset": "6ms"}
        return allowed, {f"x-ratelimit-{k}-requests": v for k, v in said.items()} if self.publish else {}

    def _next_in(self) -> float:
        """Seconds until one more is allowed."""
        return self.window - time.monotonic() % self.window if self.window else 60 / (self.per_minute or 60)


def completion(text: str, tokens: tuple[int, int] = (20, 2)) -> dict[str, Any]:
    """A whole chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "m-answered", "choices": [choice], "usage": usage}
