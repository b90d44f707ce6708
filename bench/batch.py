"""One prompt over a table through one tool, timed without its imports.

    python bench/batch.py TOOL URL ROWS AT_ONCE      0 at once: as many as the tool finds out by itself

Runs in whatever environment holds the tool. Prints JSON: seconds, CPU milliseconds a row, and
for fmnb the seconds of the second run, which finds all rows answered.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from typing import Any

Made = Callable[[list[str], int], list[str]]


def ask(text: str) -> list[Any]:
    return [{"role": "user", "content": f"Sentiment? {text}"}]


def _loop(client: Any) -> Made:
    """The loop that people write by hand on the openai client."""

    def run(rows: list[str], at_once: int) -> list[str]:
        async def main() -> list[str]:
            free = asyncio.Semaphore(at_once)
            async with client() as opened:

                async def one(text: str) -> str:
                    async with free:
                        return (await opened.chat.completions.create(model="m", messages=ask(text))).choices[0].message.content

                return await asyncio.gather(*map(one, rows))

        return asyncio.run(main())

    return run


def openai(url: str) -> Made:
    from openai import AsyncOpenAI

    return _loop(lambda: AsyncOpenAI(base_url=url, api_key="none"))


def openai_aiohttp(url: str) -> Made:
    from openai import AsyncOpenAI, DefaultAioHttpClient

    return _loop(lambda: AsyncOpenAI(base_url=url, api_key="none", http_client=DefaultAioHttpClient()))


def aiohttp(url: str) -> Made:
    import aiohttp as http

    def run(rows: list[str], at_once: int) -> list[str]:
        async def main() -> list[str]:
            free = asyncio.Semaphore(at_once)
            async with http.ClientSession(connector=http.TCPConnector(limit=at_once)) as session:

                async def one(text: str) -> str:
                    async with free, session.post(url + "/chat/completions", json={"model": "m", "messages": ask(text)}) as r:
                        return (await r.json())["choices"][0]["message"]["content"]

                return await asyncio.gather(*map(one, rows))

        return asyncio.run(main())

    return run


def langchain(url: str) -> Made:
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="m", base_url=url, api_key="none")
    return lambda rows, at_once: [a.content for a in model.batch([f"Sentiment? {t}" for t in rows], config={"max_concurrency": at_once})]


def chatlas(url: str) -> Made:
    from chatlas import ChatOpenAICompletions, parallel_chat_text

    chat = ChatOpenAICompletions(base_url=url, api_key="none", model="m")
    return lambda rows, at_once: asyncio.run(parallel_chat_text(chat, [f"Sentiment? {t}" for t in rows], max_active=at_once, rpm=10**6))


def raydata(url: str) -> Made:
    """Ray Data by hand: two actors, each with its share of the calls."""
    import ray
    import ray.data

    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")  # with two it was seen to hang
    ray.data.DataContext.get_current().enable_progress_bars = False

    def run(rows: list[str], at_once: int) -> list[str]:
        class Asks:
            def __init__(self) -> None:
                from openai import AsyncOpenAI

                self.client = AsyncOpenAI(base_url=url, api_key="none")
                self.free = asyncio.Semaphore(at_once // 2)  # Ray gives an actor several batches at a time

            async def __call__(self, batch: dict[str, Any]) -> Any:
                async def one(text: str) -> str:
                    async with self.free:
                        return (await self.client.chat.completions.create(model="m", messages=ask(text))).choices[0].message.content

                batch["answer"] = await asyncio.gather(*map(one, batch["item"]))
                yield batch

        table = ray.data.from_items([{"item": r} for r in rows]).repartition(8)
        return [r["answer"] for r in table.map_batches(Asks, concurrency=2, batch_size=250).take_all()]

    return run


def fmnb(url: str) -> Made:
    """fm.map, log writes and all."""
    os.environ["FMNB_HOME"] = tempfile.mkdtemp()
    os.environ["VLLM_BASE_URL"] = url
    import pandas

    import fmnb as fm

    fm.map("{{ text }}", ["warm"], "vllm:m")

    def run(rows: list[str], at_once: int) -> list[str]:
        out = fm.map("Sentiment? {{ review }}", pandas.DataFrame({"review": rows}), "vllm:m", concurrency=at_once or None)
        return list(out["text"])

    return run


def main(tool: str, url: str, count: int, at_once: int) -> dict[str, Any]:
    run = globals()[tool](url)
    rows = [f"review number {i}: fine product" for i in range(count)]
    counts = url.removesuffix("/v1") + "/counts"
    urllib.request.urlopen(counts).read()
    start, cpu = time.perf_counter(), time.process_time()
    found = run(rows, at_once)
    out = {"seconds": time.perf_counter() - start, "cpu_ms": (time.process_time() - cpu) / count * 1000}
    assert len(found) == count and set(found) == {"positive"}, f"{tool} lost answers: {len(found)}"
    out |= json.loads(urllib.request.urlopen(counts).read())
    if tool == "fmnb":
        start = time.perf_counter()
        assert run(rows, at_once) == found
        out["again"] = time.perf_counter() - start
        out["asked_again"] = json.loads(urllib.request.urlopen(counts).read())["answered"]
    return out


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))), flush=True)
    os._exit(0)  # Ray's own end takes seconds, and says things
