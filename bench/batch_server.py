"""A loopback chat service for batches: `LATENCY` seconds an answer, refuses what passes `CEILING` calls at once. Prints its port, ends with its parent's pipe."""

from __future__ import annotations

import asyncio
import json
import os
import sys

LATENCY = float(os.environ.get("LATENCY", "0.02"))
CEILING = int(os.environ.get("CEILING", "0"))
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "positive"}, "finish_reason": "stop"}
USAGE = {"prompt_tokens": 20, "completion_tokens": 2, "total_tokens": 22}
GOOD = json.dumps({"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [CHOICE], "usage": USAGE}).encode()
BUSY = b'{"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}'
counts = {"answered": 0, "refused": 0, "peak": 0, "flying": 0}


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if length := int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0):
                await reader.readexactly(length)
            status, body = b"200 OK", GOOD
            if b"/counts" in head:
                body = json.dumps(counts).encode()
                counts.update(answered=0, refused=0, peak=0)
            elif CEILING and counts["flying"] >= CEILING:
                counts["refused"] += 1
                status, body = b"429 Too Many Requests", BUSY
            else:
                counts["flying"] += 1
                counts["peak"] = max(counts["peak"], counts["flying"])
                await asyncio.sleep(LATENCY)
                counts["flying"] -= 1
                counts["answered"] += 1
            writer.write(b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
