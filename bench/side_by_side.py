"""A comparison of eight models on a loopback server: against the slowest alone, and against raw asyncio on the `openai` client.

    python bench/side_by_side.py [--rounds 7]

Each model sends a piece every 10 ms; the slowest sends 300. Rounds of the three ways take turns.
Prints JSON lines. `grid_frames.py` measures the same in a browser.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as home:
        os.environ["FMNB_HOME"] = home
        from tests.wire.server import BEHAVIOURS, END, Server, chunk, says

        def steady(pieces: int) -> Callable[..., Any]:
            def behave(seen: Any, attempt: int) -> Any:
                yield from says()
                for n in range(pieces):
                    yield chunk({"content": f"word{n} "})
                    yield 0.01
                yield from END

            return behave

        names = [f"eight-{n}" for n in range(8)]
        for n, name in enumerate(names):
            BEHAVIOURS[name] = steady(300 - 10 * n)
        with Server() as server:
            (Path(home) / "fmnb.toml").write_text(f'[provider.eight]\nbase_url = "{server.url}"\nneeds_key = false\n')
            _measure(server.url, names, rounds)


def _measure(url: str, names: list[str], rounds: int) -> None:
    import openai

    import fmnb as fm

    models = [f"eight:{n}" for n in names]
    client = openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0)

    async def one(name: str) -> str:
        stream = await client.chat.completions.create(model=name, messages=[{"role": "user", "content": "x"}], stream=True)
        return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    async def gather() -> list[str]:
        return await asyncio.gather(*map(one, names))

    loop = asyncio.new_event_loop()
    ways: dict[str, Callable[[], Any]] = {
        "slowest alone": lambda: fm.ask("x", models[0]),
        "eight compared": lambda: fm.compare("x", models),
        "eight, raw asyncio": lambda: loop.run_until_complete(gather()),
    }
    for work in ways.values():
        work()
    wall: dict[str, list[float]] = {n: [] for n in ways}
    cpu: dict[str, list[float]] = {n: [] for n in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            begun, used = time.perf_counter(), time.process_time()
            work()
            wall[name].append(time.perf_counter() - begun)
            cpu[name].append(time.process_time() - used)
    median = {n: statistics.median(t) for n, t in wall.items()}
    for name in ways:
        print(
            json.dumps(
                {"what": name, "rounds": rounds, "wall_seconds": median[name], "cpu_seconds_with_server": statistics.median(cpu[name])}
            )
        )
    alone, ours, raw = (median[n] for n in ways)
    print(json.dumps({"what": "ratios", "to_slowest_alone": ours / alone, "target": 1.1, "to_raw_asyncio": ours / raw}))


if __name__ == "__main__":
    main()
