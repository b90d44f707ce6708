"""The GGUF engine against bare xllamacpp on the embedded model; prints JSON lines.

    python bench/engine_gguf.py [--pairs 20] [--tokens 128]

- decode: seconds a token, ours and bare, interleaved pairs on two servers of the same settings
- cold: a fresh process, from the call to its first token, and its memory
- prefix: time to first token of a 1,000-token prompt, the first time and with its prefix just used
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from fmnb.catalog.weights import locate
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import TextDelta, UsageReported
from fmnb.core.types import Request, message
from fmnb.engines import host, loaded
from fmnb.engines.llamacpp.backend import backend

PROMPT = "Write a long story about a lighthouse keeper and the sea."


def ask(text: str, tokens: int) -> Request:
    """A greedy request that does not end early."""
    return Request("embedded", (message("user", text),), max_tokens=tokens, extra={"ignore_eos": True})


def decode(path: Path, pairs: int, tokens: int) -> None:
    """Rate between first and last token, on each side as its caller sees it."""
    import xllamacpp

    ours = backend(path)
    list(iterate_sync(ours.stream(ask(PROMPT, 2))))
    model = loaded.model_entry("gguf", path).model
    p = xllamacpp.CommonParams()
    p.model.path, p.n_ctx, p.n_parallel, p.n_batch, p.n_ubatch = str(path), model.context, 1, 256, 256
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = model.threads
    p.verbosity, p.warmup, p.fit_params, p.port, p.cache_ram_mib = -1, False, False, 0, 0
    bare = xllamacpp.Server(p)
    body = {
        "messages": [{"role": "user", "content": PROMPT}],
        "max_tokens": tokens,
        "temperature": 0.0,
        "top_k": 1,
        "ignore_eos": True,
        "stream": True,
    }

    def bare_rate() -> float:
        times: list[float] = []

        def on(chunk: dict) -> bool:
            if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                times.append(time.perf_counter())
            return False

        bare.handle_chat_completions(body, on)
        return (tokens - 1) / (times[-1] - times[0])

    def our_rate() -> float:
        times: list[float] = []
        made = 0
        for e in iterate_sync(ours.stream(ask(PROMPT, tokens))):
            if isinstance(e, TextDelta):
                times.append(time.perf_counter())
            elif isinstance(e, UsageReported):
                made = e.usage.output_tokens or 0
        return (made - 1) / (times[-1] - times[0])

    rows = []
    bare_rate(), our_rate()
    for i in range(pairs):
        first, second = (bare_rate, our_rate) if i % 2 else (our_rate, bare_rate)
        a, b = first(), second()
        rows.append((b, a) if i % 2 else (a, b))
    ratio = statistics.median(o / b for o, b in rows)
    out = {"ours_tps": statistics.median(o for o, _ in rows), "bare_tps": statistics.median(b for _, b in rows)}
    print(
        json.dumps(
            {
                "what": "decode",
                "pairs": pairs,
                "tokens": tokens,
                "ratio": round(ratio, 4),
                **{k: round(v, 1) for k, v in out.items()},
                "threads": model.threads,
            }
        )
    )


_COLD = """
import time; t0 = time.perf_counter()
import json, sys
from fmnb.core.event_loop import iterate_sync
from fmnb.engines import host
from fmnb.engines.llamacpp import backend
from fmnb.core.events import TextDelta
from fmnb.core.types import Request, message
r = Request("embedded", (message("user", "Why is the sky blue?"),), max_tokens=64)
first = None
for e in iterate_sync(backend(sys.argv[1]).stream(r)):
    if first is None and isinstance(e, TextDelta): first = time.perf_counter() - t0
print(json.dumps([first, host.process_memory()]))
"""


def cold(path: Path, runs: int) -> None:
    """Import, load and first token in a process of its own (the file in the system's cache)."""
    rows = [
        json.loads(subprocess.run([sys.executable, "-c", _COLD, str(path)], capture_output=True, check=True, text=True).stdout)
        for _ in range(runs)
    ]
    first, held = (statistics.median(r[i] for r in rows) for i in (0, 1))
    print(json.dumps({"what": "cold", "runs": runs, "first_token_seconds": round(first, 3), "memory_mb": round(held / 1e6, 1)}))


def prefix(path: Path, runs: int) -> None:
    """The same 1,000 tokens with another question at their end."""
    ours = backend(path)

    def first_token(text: str) -> float:
        t0 = time.perf_counter()
        stream = iterate_sync(ours.stream(ask(text, 8)))
        at = next(time.perf_counter() - t0 for e in stream if isinstance(e, TextDelta))
        for _ in stream:
            pass
        return at

    first_token("warm")
    rows = []
    for i in range(runs):
        text = f"Report {i}. " + "The tide came in and the keeper wrote down its height. " * 82
        rows.append((first_token(text + "What came in?"), first_token(text + "Who wrote?")))
    count = ours.count(ask(text, 8)).tokens
    ratio = statistics.median(a / b for a, b in rows)
    a, b = (statistics.median(r[i] for r in rows) for i in (0, 1))
    print(
        json.dumps(
            {
                "what": "prefix",
                "runs": runs,
                "prompt_tokens": count,
                "first_seconds": round(a, 3),
                "again_seconds": round(b, 4),
                "ratio": round(ratio, 1),
            }
        )
    )


def main() -> None:
    """Run all three."""
    options = argparse.ArgumentParser()
    options.add_argument("--pairs", type=int, default=20)
    options.add_argument("--tokens", type=int, default=128)
    a = options.parse_args()
    path = locate("embedded")
    if path is None:
        raise SystemExit("Pull the embedded model first: %fm pull embedded")
    cold(path, min(a.pairs, 20))
    decode(path, a.pairs, a.tokens)
    loaded.unload()
    prefix(path, min(a.pairs, 20))
    loaded.unload()
    print(json.dumps({"what": "unloaded", "memory_mb": round((host.process_memory() or 0) / 1e6, 1)}))


if __name__ == "__main__":
    main()
