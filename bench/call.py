"""What one call through the adapter costs beside the raw `openai` client, in CPU time.

    python bench/call.py [pairs]

Both talk to the same instant loopback server from one process, turn by turn. Prints medians
and the ratio for a short answer and for a 200-chunk stream.
"""

from __future__ import annotations

import dataclasses
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai

from fmnb._loop import drain
from fmnb.events import fold
from fmnb.providers import openai_compat
from fmnb.providers.profiles import profile
from fmnb.types import Request, message


def measure(pairs: int, ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[float, float, float]:
    """Median CPU milliseconds of each, and the median of the pairs' ratios."""
    for _ in range(5):
        ours(), theirs()
    times: list[tuple[float, float]] = []
    for n in range(pairs):
        pair = {}
        for name, call in (("ours", ours), ("theirs", theirs)) if n % 2 else (("theirs", theirs), ("ours", ours)):
            start = time.process_time()
            call()
            pair[name] = (time.process_time() - start) * 1000
        times.append((pair["ours"], pair["theirs"]))
    return (
        statistics.median(a for a, _ in times),
        statistics.median(b for _, b in times),
        statistics.median(a / b for a, b in times),
    )


def main(pairs: int) -> None:
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "instant_server.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin and server.stdout
    try:
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        raw = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
        here = dataclasses.replace(profile("vllm"), base_url=url)

        def ours(model: str) -> Any:
            return fold(drain(openai_compat.backend(here, model).stream(Request(model, (message("user", "hello"),)))))

        def create(model: str) -> Any:
            return raw.chat.completions.create(model=model, messages=[{"role": "user", "content": "hello"}])

        def iterate(model: str) -> str:
            stream = raw.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "hello"}], stream=True, stream_options={"include_usage": True}
            )
            return "".join(c.choices[0].delta.content or "" for c in stream if c.choices)

        print(f"{'':34}{'ours ms':>9}{'raw ms':>9}{'ratio':>7}")
        for name, call, model in (
            ("short answer, raw create()", create, "short"),
            ("short answer, raw stream", iterate, "short"),
            ("200 chunks, raw stream", iterate, "long"),
        ):
            a, b, ratio = measure(pairs, lambda m=model: ours(m), lambda c=call, m=model: c(m))
            print(f"{name:34}{a:9.2f}{b:9.2f}{ratio:7.2f}")
    finally:
        server.stdin.close()
        server.wait(5)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
