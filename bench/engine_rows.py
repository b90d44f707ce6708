"""Many rows at once on the embedded model, against transformers and llama.cpp; prints JSON lines.

    python bench/engine_rows.py [--rows 64] [--new 32] [--rounds 5] [--only ours,padded,...]

Rows share a prompt of 316 tokens and write 32 tokens each, greedily, none of them ending early.
Each side is a process of its own that stays; in every round each one answers all rows once, in
turn, and ratios are of one round. Needs `gguf` and `accelerate` for transformers' side.

- ours: the torch engine's rows, text to text
- padded: one padded batch through transformers' `generate`, in bfloat16
- copied: the same behind a prefix that was read once, its keys and values copied for each row
- server: llama.cpp's own server with 8 slots, asked by 8 threads
- labels: ours, one of four labels a row by scoring (against `padded`, and against as many
  padded tokens as the label's JSON has)
- exact: share of tokens in 32-bit floats that are those of one row after the other
- limit: what the arithmetic and the memory of this machine would need at least
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PREFIX = (
    "You label customer messages for a support team. Read the message and answer with one short "
    "sentence that names the topic, the mood and the next step. "
    "Topics are: billing, delivery, returns, account, product question, praise, other. "
    "Moods are: calm, worried, angry, pleased. "
    "Next steps are: reply, refund, replace, escalate, close. "
    "Rules: never invent an order number; never promise a date; keep the customer's own words for "
    "product names; if the message holds two topics, name the one that needs action first; if the "
    "message is empty or unreadable, answer 'other, calm, close'. "
    "Example one. Message: The parcel came on Monday but the blue lamp inside was broken. "
    "Answer: This is a return from a worried customer, and the lamp should be replaced. "
    "Example two. Message: I was charged twice for the same order and nobody answers the phone! "
    "Answer: This is a billing problem from an angry customer, and the second charge needs a refund. "
    "Example three. Message: Just to say that the new kettle is lovely, thank you. "
    "Answer: This is praise from a pleased customer, and the case can be closed. "
    "Example four. Message: Can I change the address of my account before the next delivery goes out? "
    "Answer: This is an account question from a calm customer, and the team should reply with the steps. "
    "Now do the same for the next message. Message: "
)
ITEMS = ["lamp", "kettle", "desk chair", "garden hose", "phone case", "coffee grinder", "rain jacket", "bike pump"]
HAPPENED = [
    "arrived late again",
    "is exactly what I wanted",
    "stopped working after two days",
    "was billed twice",
    "has a missing screw",
    "came in the wrong colour",
    "was left at my neighbour's door",
    "needs a longer cable",
]
MOODS = ["calm", "worried", "angry", "pleased"]


def texts(rows: int) -> list[str]:
    """What the rows ask."""
    return [f"{PREFIX}My {ITEMS[i % 8]} {HAPPENED[i // 8 % 8]}." for i in range(rows)]


def prompts(path: Path, rows: int) -> list[list[int]]:
    """The same as tokens, in the model's chat template."""
    from fmnb.engines.weights import gguf
    from fmnb.engines.weights.gguf_tokenizer import tokenizer

    core = tokenizer(gguf.read(path))
    return [core.prompt([{"role": "user", "content": t}], {}) for t in texts(rows)]


def ours(path: Path, rows: int, new: int, **options: Any) -> Callable[[], Any]:
    """The torch engine's rows."""
    from fmnb.core.event_loop import iterate_sync
    from fmnb.core.events import Failed, Finished
    from fmnb.core.types import Request, message
    from fmnb.engines.torch.backend import backend

    model = backend(path)
    more = {"max_tokens": new, "extra": {"ignore_eos": True}, **options}
    requests = [(i, Request("m", (message("user", t),), **more)) for i, t in enumerate(texts(rows))]

    def once() -> None:
        events = [e for _, e in iterate_sync(model.stream_rows(requests))]
        assert sum(isinstance(e, Finished) for e in events) == rows and not any(isinstance(e, Failed) for e in events)

    return once


def labels(path: Path, rows: int, new: int) -> Callable[[], Any]:
    """One of four labels a row."""
    schema = {"type": "object", "properties": {"mood": {"enum": MOODS}}, "required": ["mood"], "additionalProperties": False}
    return ours(path, rows, 32, schema=schema, extra={})


def transformers_model(path: Path, dtype: str = "bfloat16") -> Any:
    """The model as transformers loads it from the same file."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from transformers import AutoModelForCausalLM, logging

    logging.set_verbosity_error()
    torch.set_num_threads(int(os.environ["FMNB_THREADS"]))
    made = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=getattr(torch, dtype)).eval()
    c = made.generation_config
    c.eos_token_id, c.pad_token_id, c.do_sample, c.temperature, c.top_p, c.top_k = None, 0, False, None, None, None
    return made


def padded(path: Path, rows: int, new: int) -> Callable[[], Any]:
    """One batch, padded at its left."""
    import torch

    model, ids = transformers_model(path), prompts(path, rows)
    longest = max(map(len, ids))
    x = torch.tensor([[0] * (longest - len(i)) + i for i in ids])
    mask = torch.tensor([[0] * (longest - len(i)) + [1] * len(i) for i in ids])

    def once() -> None:
        with torch.inference_mode():
            out = model.generate(input_ids=x, attention_mask=mask, max_new_tokens=new)
        assert out.shape == (rows, longest + new)

    return once


def copied(path: Path, rows: int, new: int) -> Callable[[], Any]:
    """The prefix read once, then copied for each row."""
    import copy

    import torch
    from transformers import DynamicCache

    model, ids = transformers_model(path), prompts(path, rows)
    cut = shared(ids)
    longest = max(len(i) - cut for i in ids)
    x = torch.tensor([[*i[:cut], *[0] * (longest - len(i) + cut), *i[cut:]] for i in ids])
    mask = torch.tensor([[*[1] * cut, *[0] * (longest - len(i) + cut), *[1] * (len(i) - cut)] for i in ids])

    def once() -> None:
        with torch.inference_mode():
            kept = DynamicCache(config=model.config)
            model(input_ids=x[:1, :cut], past_key_values=kept, use_cache=True, logits_to_keep=1)
            kept = copy.deepcopy(kept)
            kept.batch_repeat_interleave(rows)
            out = model.generate(input_ids=x, attention_mask=mask, past_key_values=kept, max_new_tokens=new)
        assert out.shape == (rows, cut + longest + new)

    return once


def server(path: Path, rows: int, new: int) -> Callable[[], Any]:
    """llama.cpp's server inside the process, 8 slots, its prompt cache on."""
    from concurrent.futures import ThreadPoolExecutor

    import xllamacpp

    from fmnb.engines.weights import gguf
    from fmnb.engines.weights.gguf_tokenizer import tokenizer

    p = xllamacpp.CommonParams()
    p.model.path, p.n_parallel, p.n_ctx = str(path), 8, 8 * 1024
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = int(os.environ["FMNB_THREADS"])
    p.n_gpu_layers, p.verbosity, p.endpoint_metrics, p.port, p.fit_params = 0, -1, False, 0, False
    made, core = xllamacpp.Server(p), tokenizer(gguf.read(path))
    plain = [core.core.decode(i, skip_special_tokens=False) for i in prompts(path, rows)]
    threads = ThreadPoolExecutor(8)

    def ask(text: str, tokens: int) -> Any:
        return made.handle_completions(
            {"prompt": text, "n_predict": tokens, "temperature": 0.0, "top_k": 1, "ignore_eos": True, "cache_prompt": True}
        )

    def once() -> None:
        list(threads.map(lambda i: ask(f"{i} x", 1), range(8)))  # no slot holds the prefix from the round before
        answers = list(threads.map(lambda t: ask(t, new), plain))
        assert all(a.get("content") or a.get("choices", [{}])[0].get("text") for a in answers)

    return once


def shared(ids: list[list[int]]) -> int:
    """How many tokens all begin with."""
    return next(n for n in range(len(min(ids, key=len))) if len({i[n] for i in ids}) > 1)


SIDES: dict[str, Callable[[Path, int, int], Callable[[], Any]]] = {
    "ours": ours,
    "padded": padded,
    "copied": copied,
    "server": server,
    "labels": labels,
}


def serve(side: str, path: Path, rows: int, new: int) -> None:
    """Answer all rows once for each line that comes, and say how long it took."""
    once = SIDES[side.split(":")[0]](path, rows, int(side.split(":")[1]) if ":" in side else new)
    once()
    print("ready", flush=True)
    for _ in sys.stdin:
        t0 = time.perf_counter()
        once()
        print(time.perf_counter() - t0, flush=True)


class Side:
    """A process that holds one side."""

    def __init__(self, name: str, a: argparse.Namespace):
        command = [sys.executable, __file__, "--side", name, "--rows", str(a.rows), "--new", str(a.new)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("ready") or line[0].isdigit():
                return line.strip()
        raise SystemExit("a side of the bench ended; run it by hand with --side to see why")

    def seconds(self) -> float:
        """One round."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        return float(self._line())

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def exact(path: Path, rows: int, new: int) -> dict[str, Any]:
    """Tokens of rows together against one after the other, in 32-bit floats."""
    from fmnb.core.event_loop import iterate_sync
    from fmnb.core.events import Logprobs
    from fmnb.core.types import Request, message
    from fmnb.engines import loaded
    from fmnb.engines.torch.backend import backend

    model = backend(path)
    more: dict[str, Any] = {"max_tokens": new, "dtype": "float32", "logprobs": 1, "extra": {"ignore_eos": True}}
    requests = [(i, Request("m", (message("user", t),), **more)) for i, t in enumerate(texts(rows))]
    found: dict[int, list[str]] = {}
    for n, e in iterate_sync(model.stream_rows(requests)):
        if isinstance(e, Logprobs):
            found.setdefault(n, []).extend(t["token"] for t in e.tokens)
    same = 0
    for n, request in requests:
        alone = [t["token"] for e in iterate_sync(model.stream(request)) if isinstance(e, Logprobs) for t in e.tokens]
        same += sum(a == b for a, b in zip(alone, found[n], strict=True))
    loaded.unload()
    return {"rows": rows, "tokens": rows * new, "equal": same}


def limit(path: Path, rows: int, new: int) -> dict[str, Any]:
    """Arithmetic and memory of this machine, and the least time that the rows need by each."""
    import torch

    from fmnb.engines.torch.llama_config import from_gguf
    from fmnb.engines.weights import gguf

    torch.set_num_threads(int(os.environ["FMNB_THREADS"]))
    s = from_gguf(gguf.read(path))
    assert s is not None
    blocks = s.num_layers * (
        s.hidden_size * s.head_dim * (s.num_heads + 2 * s.num_kv_heads)
        + s.num_heads * s.head_dim * s.hidden_size
        + 3 * s.hidden_size * s.intermediate_size
    )
    head = s.hidden_size * s.vocab_size
    ids = prompts(path, rows)
    cut = shared(ids)
    read = cut + sum(len(i) - cut for i in ids)
    tokens = read + rows * (new - 1)
    attended = cut * cut / 2 + sum((len(i) - cut + new) * (cut + (len(i) - cut + new) / 2) for i in ids)
    work = 2 * blocks * tokens + 2 * head * rows * new + 4 * s.num_layers * s.num_heads * s.head_dim * attended
    moved = 2 * (blocks + head) * new  # 16 bits a weight, once a step

    def best(f: Callable[[], Any], n: int) -> float:
        f()
        times = []
        for _ in range(n):
            t0 = time.perf_counter()
            f()
            times.append(time.perf_counter() - t0)
        return min(times)

    with torch.inference_mode():
        a, b = torch.randn(2048, 1536).bfloat16(), torch.randn(1536, 2048).bfloat16()
        flops = 2 * 2048 * 1536 * 2048 / best(lambda: a @ b, 30)
        big = torch.ones(1 << 28, dtype=torch.uint8).view(torch.int64)
        bandwidth = (1 << 28) / best(lambda: big.sum(), 10)
    return {
        "gflop": work / 1e9,
        "machine_gflops": flops / 1e9,
        "machine_gb_s": bandwidth / 1e9,
        "arithmetic_seconds": work / flops,
        "memory_seconds": moved / bandwidth,
    }


def say(what: str, **values: Any) -> None:
    """One result, with the machine's load beside it."""
    print(json.dumps({"what": what, **values, "load": round(os.getloadavg()[0], 2)}), flush=True)


def main() -> None:
    """All sides, turn by turn."""
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=64)
    options.add_argument("--new", type=int, default=32)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--only", default="")
    options.add_argument("--side", default="")
    a = options.parse_args()
    from fmnb.catalog.weights import locate
    from fmnb.engines import host

    os.environ.setdefault("FMNB_THREADS", str(host.cores()))
    path = locate("embedded")
    assert path is not None, "run `python -m fmnb pull embedded` first"
    if a.side:
        serve(a.side, path, a.rows, a.new)
        return
    short = f"padded:{LABEL_TOKENS}"
    wanted = a.only.split(",") if a.only else [*SIDES, short]
    sides = {name: Side(name, a) for name in wanted}
    took: dict[str, list[float]] = {name: [] for name in sides}
    for i in range(a.rounds):
        for name in sides if i % 2 else reversed(sides):
            took[name].append(sides[name].seconds())
            print(f"# round {i + 1}, {name}: {took[name][-1]:.2f} s", file=sys.stderr, flush=True)
    for side in sides.values():
        side.close()

    def ratio(slow: str, quick: str) -> float:
        return round(statistics.median(x / y for x, y in zip(took[slow], took[quick], strict=True)), 2)

    def seconds(name: str) -> float:
        return round(statistics.median(took[name]), 2)

    known = prompts(path, a.rows)
    about = {"rows": a.rows, "prefix": shared(known), "new": a.new, "rounds": a.rounds, "threads": int(os.environ["FMNB_THREADS"])}
    goals = {"padded": 4, "server": 3 if "avx512" in _flags() else 1.8, "copied": 1.4}
    if "ours" in sides:
        say("ours", seconds=seconds("ours"), tokens_per_second=round(a.rows * a.new / seconds("ours")), **about)
        for name, goal in goals.items():
            if name in sides:
                say(f"ours against {name}", ratio=ratio(name, "ours"), target=goal, theirs_seconds=seconds(name))
    if "labels" in sides:
        for name in ("padded", short):
            if name in sides:
                more = {"target": 10} if name == "padded" else {"tokens": LABEL_TOKENS}
                say(
                    f"labels against {name}",
                    ratio=ratio(name, "labels"),
                    **more,
                    ours_seconds=seconds("labels"),
                    theirs_seconds=seconds(name),
                )
    found = limit(path, a.rows, a.new)
    if "ours" in sides:
        found["of_the_limit"] = round(max(found["arithmetic_seconds"], found["memory_seconds"]) / seconds("ours"), 2)
    say("limit", **{k: round(v, 3) for k, v in found.items()})
    if not a.only:
        say("exact", **exact(path, min(a.rows, 16), 16))


LABEL_TOKENS = 9  # of {"mood": "worried"} and its like


def _flags() -> str:
    try:
        return next(x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("flags"))
    except (OSError, StopIteration):
        return ""


if __name__ == "__main__":
    main()
