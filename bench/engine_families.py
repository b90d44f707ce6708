"""The torch engine against `transformers.generate` on families of random weights; prints JSON lines.

    python bench/engine_families.py [--pairs 9] [--tokens 48] [--only llama,t5]

Models of some 60 million random parameters are made in a temporary folder, so that the arithmetic
counts and nothing is downloaded. One process a side, both with the same number of threads, turn by
turn; a pair is one call of each, its first token not counted. `path` is the one our engine took.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from fmnb.engines import host

WIDTH, LAYERS, VOCABULARY = 640, 8, 16_000
_GROUPED = {"intermediate_size": 1792, "num_key_value_heads": 5}
FAMILIES: dict[str, tuple[str, dict[str, int]]] = {
    "llama": ("LlamaConfig", _GROUPED),
    "qwen3": ("Qwen3Config", _GROUPED | {"head_dim": 64}),
    "gemma": ("GemmaConfig", _GROUPED | {"head_dim": 64}),
    "gpt_neox": ("GPTNeoXConfig", {"intermediate_size": 4 * WIDTH}),
    "opt": ("OPTConfig", {"ffn_dim": 4 * WIDTH, "word_embed_proj_dim": WIDTH}),
    "bloom": ("BloomConfig", {"n_layer": LAYERS, "n_head": 10}),
    "t5": ("T5Config", {"d_model": WIDTH, "d_kv": 64, "d_ff": 1792, "num_layers": 4, "num_heads": 10}),
}

_MAKE = """
import json, sys, torch, transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
folder, name, sizes, vocabulary = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
letters = sorted(pre_tokenizers.ByteLevel.alphabet())
core = Tokenizer(models.BPE({t: i for i, t in enumerate(letters + ["<end>"])}, []))
core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
config = getattr(transformers, name)(vocab_size=vocabulary, eos_token_id=256, pad_token_id=256, bos_token_id=None, **sizes)
if config.is_encoder_decoder:
    config.decoder_start_token_id = 0
auto = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
torch.manual_seed(0)
made = auto.from_config(config, dtype=torch.bfloat16)
made.save_pretrained(folder)
transformers.PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>").save_pretrained(folder)
print(sum(p.numel() for p in made.parameters()))
"""

_SIDE = """
import os, sys, time, warnings
warnings.filterwarnings("ignore")
which, path, dtype, quant = sys.argv[1:]
prompt = "The keeper of the lighthouse wrote down the height of the tide. " * 2
if which == "ours":
    from fmnb.core.event_loop import iterate_sync
    from fmnb.engines.torch.backend import backend
    from fmnb.core.types import Request, message
    model, took = backend(path), ""
    def one(n):
        global took
        request = Request("m", (message("user", prompt),), max_tokens=n, dtype=dtype, quant=quant, extra={"ignore_eos": True})
        took = list(iterate_sync(model.stream(request)))[-1].extra["path"]
else:
    import torch, transformers
    torch.set_num_threads(int(os.environ["FMNB_THREADS"]))
    transformers.utils.logging.set_verbosity_error()
    config, words = transformers.AutoConfig.from_pretrained(path), transformers.AutoTokenizer.from_pretrained(path)
    auto = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForCausalLM
    model, took = auto.from_pretrained(path, dtype=getattr(torch, dtype)).eval(), "generate"
    ids = words(prompt, return_tensors="pt")
    ids = {k: ids[k] for k in ("input_ids", "attention_mask")}
    def one(n): model.generate(**ids, max_new_tokens=n, min_new_tokens=n, do_sample=False)
one(2)
print(took, flush=True)
for line in sys.stdin:
    n = int(line)
    t0 = time.perf_counter(); one(1)
    t1 = time.perf_counter(); one(n + 1)
    print(n / (time.perf_counter() - t1 - (t1 - t0)), flush=True)
"""


class Side:
    """A process that holds one model and, asked for n tokens, says how many it made a second after the first."""

    def __init__(self, which: str, path: Path, dtype: str, quant: str = ""):
        command = [sys.executable, "-c", _SIDE, which, str(path), dtype, quant]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1
        )
        self.path = self._answer().strip()

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


def family(name: str, folder: Path, pairs: int, tokens: int) -> None:
    """One family: both sides in bfloat16 and in 32 bits, and ours in 8 and 4 bits against bfloat16."""
    config, sizes = FAMILIES[name]
    if name not in ("t5", "bloom"):
        sizes = sizes | {"num_hidden_layers": LAYERS, "num_attention_heads": 10}
    if name != "t5":
        sizes = sizes | {"hidden_size": WIDTH}
    made = subprocess.run(
        [sys.executable, "-c", _MAKE, str(folder), config, json.dumps(sizes), str(VOCABULARY)], capture_output=True, text=True, check=True
    )
    for dtype, quants in (("bfloat16", ("none", "int8", "int4")), ("float32", ("none",))):
        theirs = Side("transformers", folder, dtype)
        for quant in quants:
            ours = Side("ours", folder, dtype, quant)
            rows = []
            for i in range(pairs):
                first, second = (ours, theirs) if i % 2 else (theirs, ours)
                a, b = first.rate(tokens), second.rate(tokens)
                rows.append((a, b) if i % 2 else (b, a))
            ours.close()
            found = {
                "what": f"{name} {dtype} {quant}",
                "path": ours.path,
                "parameters_millions": round(int(made.stdout.split()[-1]) / 1e6),
                "pairs": pairs,
                "ratio": round(statistics.median(a / b for a, b in rows), 2),
                "ours_tps": round(statistics.median(a for a, _ in rows), 1),
                "transformers_tps": round(statistics.median(b for _, b in rows), 1),
                "threads": int(os.environ["FMNB_THREADS"]),
                "load": round(os.getloadavg()[0], 2),
            }
            print(json.dumps(found), flush=True)
        theirs.close()


def main() -> None:
    """Run the families, one after the other."""
    options = argparse.ArgumentParser()
    options.add_argument("--pairs", type=int, default=9)
    options.add_argument("--tokens", type=int, default=48)
    options.add_argument("--only", default=",".join(FAMILIES))
    a = options.parse_args()
    os.environ.setdefault("FMNB_THREADS", str(host.cores()))
    for name in a.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            family(name, Path(folder), a.pairs, a.tokens)


if __name__ == "__main__":
    main()
