"""The torch engine against transformers on the embedded model; prints JSON lines.

    python bench/engine_torch.py [--pairs 20] [--tokens 64] [--cold 5]

Needs `gguf` and `accelerate` for transformers' side (`pip install gguf accelerate`); fmnb uses neither.

- cold: fresh processes, from start to first token (the file in the system's cache), ours and transformers' in turn
- decode: seconds a token after the first, whole calls, interleaved pairs: 4 bits against transformers in bfloat16,
  and each precision against the same
- prefix: time to first token of a 1,000-token prompt, the first time and with its prefix just used
- agreement: share of tokens of the exact model's answers that are the likeliest of the rounded ones
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from fmnb.catalog.weights import locate
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import TextDelta
from fmnb.core.types import Request, message
from fmnb.engines import host, loaded
from fmnb.engines.torch.backend import backend
from fmnb.engines.torch.model import load
from fmnb.engines.torch.precision import Precision

PROMPT = "Write a long story about a lighthouse keeper and the sea."
QUESTIONS = [
    "Explain in a few sentences why notebooks are popular among data analysts.",
    "Write a short poem about the sea.",
    "What is 12 times 12? Show your steps.",
    "Name five European capitals and one fact about each.",
    "def mean(values):",
    "Summarise: sales rose 4 % in May, fell 2 % in June and were flat in July.",
    "Translate to French: The weather is nice today.",
    "How do I read a CSV file with pandas?",
]


def say(what: str, **values: Any) -> None:
    """One result, with the machine's load beside it."""
    print(json.dumps({"what": what, **values, "load": round(os.getloadavg()[0], 2)}), flush=True)


def ask(text: str, tokens: int, **extra: Any) -> Request:
    """A greedy request that does not end early."""
    return Request("embedded", (message("user", text),), max_tokens=tokens, extra={"ignore_eos": True, **extra})


_OURS = """
import time; t0 = time.perf_counter()
import json, sys
from fmnb.core.event_loop import iterate_sync
from fmnb.engines import host
from fmnb.engines.torch.backend import backend
from fmnb.core.events import TextDelta
from fmnb.core.types import Request, message
r = Request("embedded", (message("user", "Why is the sky blue?"),), max_tokens=64)
first = None
for e in iterate_sync(backend(sys.argv[1]).stream(r)):
    if first is None and isinstance(e, TextDelta): first = time.perf_counter() - t0
print(json.dumps([first, host.process_memory()]))
"""
_THEIRS = """
import time; t0 = time.perf_counter()
import json, os, sys
os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, file = os.path.split(sys.argv[1])
tok = AutoTokenizer.from_pretrained(folder, gguf_file=file)
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.bfloat16).eval()
ids = tok.apply_chat_template([{"role": "user", "content": "Why is the sky blue?"}], add_generation_prompt=True, return_tensors="pt", return_dict=True)
model.generate(**ids, max_new_tokens=1, do_sample=False)
first = time.perf_counter() - t0
from fmnb.engines import host
print(json.dumps([first, host.process_memory()]))
"""


def cold(path: Path, runs: int) -> None:
    """Import, load and first token in processes of their own."""

    def once(script: str) -> list[float]:
        done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, check=True, text=True)
        return json.loads(done.stdout.splitlines()[-1])

    rows = [(once(_OURS), once(_THEIRS)) for _ in range(runs)]
    say(
        "cold",
        runs=runs,
        ratio=round(statistics.median(b[0] / a[0] for a, b in rows), 2),
        ours_seconds=round(statistics.median(a[0] for a, _ in rows), 2),
        transformers_seconds=round(statistics.median(b[0] for _, b in rows), 2),
        ours_mb=round(statistics.median(a[1] for a, _ in rows) / 1e6),
        transformers_mb=round(statistics.median(b[1] for _, b in rows) / 1e6),
    )


_SIDE = """
import json, os, sys, time, warnings
warnings.filterwarnings("ignore")
which, path, dtype, quant, prompt = sys.argv[1:]
if which == "ours":
    from fmnb.core.event_loop import iterate_sync
    from fmnb.engines.torch.backend import backend
    from fmnb.core.types import Request, message
    model = backend(path)
    how = {"dtype": dtype, "quant": quant, "extra": {"ignore_eos": True}}
    def one(n): list(iterate_sync(model.stream(Request("m", (message("user", prompt),), max_tokens=n, **how))))
else:
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    torch.set_num_threads(int(os.environ["FMNB_THREADS"]))
    folder, file = os.path.split(path)
    tok = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=getattr(torch, dtype)).eval()
    turn = [{"role": "user", "content": prompt}]
    ids = tok.apply_chat_template(turn, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    def one(n): model.generate(**ids, max_new_tokens=n, min_new_tokens=n, do_sample=False)
one(2)
print("ready", flush=True)
for line in sys.stdin:
    n = int(line)
    t0 = time.perf_counter(); one(1)
    t1 = time.perf_counter(); one(n + 1)
    print(n / (time.perf_counter() - t1 - (t1 - t0)), flush=True)
"""


class Side:
    """A process that holds one model and, asked for n tokens, says how many it made a second after the first.

    Each side has its own process: two pools of OpenMP threads in one slow each other down.
    """

    def __init__(self, which: str, path: Path, dtype: str, quant: str):
        command = [sys.executable, "-c", _SIDE, which, str(path), dtype, quant, PROMPT]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1
        )
        self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            return line
        raise SystemExit("a side of the bench ended; run it by hand to see why")

    def rate(self, tokens: int) -> float:
        """Tokens a second."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{tokens}\n")
        return float(self._answer())

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def decode(path: Path, pairs: int, tokens: int) -> None:
    """Ours and transformers', turn by turn, with the same number of threads."""
    for dtype in ("bfloat16", "float32"):
        theirs = Side("transformers", path, dtype, "none")
        for quant in ("int4", "int8", "none") if dtype == "bfloat16" else ("none",):
            ours = Side("ours", path, dtype, quant)
            rows = []
            for i in range(pairs):
                first, second = (ours, theirs) if i % 2 else (theirs, ours)
                a, b = first.rate(tokens), second.rate(tokens)
                rows.append((a, b) if i % 2 else (b, a))
            ours.close()
            say(
                f"decode {dtype} {quant} against transformers {dtype}",
                pairs=pairs,
                tokens=tokens,
                ratio=round(statistics.median(a / b for a, b in rows), 2),
                ours_tps=round(statistics.median(a for a, _ in rows), 1),
                transformers_tps=round(statistics.median(b for _, b in rows), 1),
                threads=int(os.environ["FMNB_THREADS"]),
            )
        theirs.close()


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

    first_token("warm. " * 200)
    rows = []
    for i in range(runs):
        text = f"Report {i}. " + "The tide came in and the keeper wrote down its height. " * 82
        rows.append((first_token(text + "What came in?"), first_token(text + "Who wrote?")))
    say(
        "prefix",
        runs=runs,
        prompt_tokens=ours.count(ask(text, 8)).tokens,
        ratio=round(statistics.median(a / b for a, b in rows), 1),
        first_seconds=round(statistics.median(a for a, _ in rows), 3),
        again_seconds=round(statistics.median(b for _, b in rows), 4),
    )
    loaded.unload()


def agreement(path: Path, tokens: int) -> None:
    """Each rounded form, led along the answers of the exact one."""
    import torch

    def opened(how: Precision) -> Any:
        return load(path, how, 512, lambda event: None, lambda: False)

    def led(model: Any, ids: list[int], along: list[int] | None) -> list[int]:
        """The likeliest tokens, after its own answer so far or after the one it is led along."""
        logits, _ = model.prefill(ids, lambda: False, True, lambda done: None)
        out: list[int] = []
        for i in range(tokens):
            out.append(int(logits.argmax()))
            logits = model.decode(out[-1] if along is None else along[i], len(ids) + i)
        return out

    with torch.inference_mode():
        exact = opened(Precision("float32", "none", "cpu"))
        ids = [exact.tokenizer.prompt([{"role": "user", "content": q}], {}) for q in QUESTIONS]
        answers = [led(exact, i, None) for i in ids]
        exact.close()
        for quant in ("none", "int8", "int4"):
            model = opened(Precision("bfloat16", quant, "cpu"))
            got = [led(model, i, a) for i, a in zip(ids, answers, strict=True)]
            same = sum(x == y for a, b in zip(answers, got, strict=True) for x, y in zip(a, b, strict=True))
            say(f"agreement bfloat16 {quant}", tokens=tokens * len(ids), share=round(same / (tokens * len(ids)), 4))
            model.close()


def main() -> None:
    """Run all four."""
    options = argparse.ArgumentParser()
    options.add_argument("--pairs", type=int, default=20)
    options.add_argument("--tokens", type=int, default=64)
    options.add_argument("--cold", type=int, default=5)
    a = options.parse_args()
    path = locate("embedded")
    if path is None:
        raise SystemExit("Pull the embedded model first: %fm pull embedded")
    os.environ.setdefault("FMNB_THREADS", str(host.cores()))
    cold(path, a.cold)
    prefix(path, min(a.pairs, 20))
    agreement(path, 64)
    decode(path, a.pairs, a.tokens)
    say("unloaded", memory_mb=round((host.process_memory() or 0) / 1e6))


if __name__ == "__main__":
    main()
