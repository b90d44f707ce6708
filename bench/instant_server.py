"""A loopback chat server that answers at once, so that what is measured is the client.

`short` answers with one word, `long` with 200 chunks; each streamed chunk is an HTTP chunk
of its own, as services send them. Prints its port. Ends with its parent's pipe.
"""

from __future__ import annotations

import asyncio
import json
import sys

CHUNKS = 200
USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}


def _frame(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"


def _event(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return _data({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], "usage": None})


def _data(document: dict[str, object]) -> bytes:
    return _frame(b"data: " + json.dumps(document).encode() + b"\n\n")


def _stream(chunks: int) -> bytes:
    parts = [_event({"role": "assistant", "content": ""})] + [_event({"content": "word "})] * chunks + [_event({}, "stop")]
    parts.append(_data({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": USAGE}))
    parts.append(_frame(b"data: [DONE]\n\n"))
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(parts) + b"0\r\n\r\n"


def _whole(chunks: int) -> bytes:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "word " * chunks}}
    body = json.dumps({"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": USAGE}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


ANSWERS = {(name, kind): make(n) for name, n in (("short", 1), ("long", CHUNKS)) for kind, make in ((True, _stream), (False, _whole))}


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            body = json.loads(await reader.readexactly(length))
            writer.write(ANSWERS[body["model"], bool(body.get("stream"))])
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
