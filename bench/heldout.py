"""How many rewordings the guard of held-out rows catches, and how many other rows it refuses: by kind, number of held-out rows and limit.

    FMNB_MODELS=.models python bench/heldout.py             (about 2 minutes on 2 cores)
    FMNB_MODELS=.models python bench/heldout.py lines.txt   (other rows of your own: a text a line)

The texts are those of tests/evals/data: 188 with rewordings, and 800 messages to a bank. *Among* counts rewordings
that are looked up together with those messages.
"""

from __future__ import annotations

import json
import random
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from fmnb.calls.embed import embed
from fmnb.evals.datasets.near_duplicates import HeldoutText, Index
from fmnb.evals.datasets.paraphrases import make_background
from fmnb.evals.datasets.text_signatures import signature, unknown_words, without_courtesies

DATA = Path(__file__).parents[1] / "tests/evals/data"
ROWS = [json.loads(line) for line in (DATA / "rewordings.jsonl").read_text(encoding="utf-8").splitlines()]
BANK = json.loads((DATA / "banking77_guard.json").read_text(encoding="utf-8"))["others"]
OTHERS = [json.loads(line)["question"] for line in (DATA / "gsm8k_sample.jsonl").read_text(encoding="utf-8").splitlines()]
STRENGTHS = ("light", "synonyms", "free")


def main() -> None:
    """Print the table."""
    others = [t for t in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines() if t.strip()] if sys.argv[1:] else OTHERS
    texts = list(dict.fromkeys([*(r[k] for r in ROWS for k in ("text", *STRENGTHS) if k in r), *BANK, *others]))
    vectors = dict(zip(texts, embed([without_courtesies(t) for t in texts], "minilm", sinks=[]), strict=True))
    signed = {t: signature(t) for t in texts}
    kept = [r for r in ROWS if r["part"] == "kept back"]
    bank = [r for r in ROWS if r["kind"] == "bank"]
    print(f"{len(others)} rows of other topics")
    for name, rows, size, more in (
        ("kept back, 20", kept, 20, 0),
        ("mixed, 20", ROWS, 20, 0),
        ("mixed, 100", ROWS, 100, 0),
        ("one bank, 20", bank, 20, 0),
        ("one bank, 100", bank, len(bank), 100 - len(bank)),
        ("mixed, 588", ROWS, len(ROWS), 400),
    ):
        counts: dict[str, list[bool]] = defaultdict(list)
        for seed in range(3 if size <= 20 else 1):
            chosen = random.Random(seed).sample(rows, size)
            held = [*(r["text"] for r in chosen), *BANK[:more]]
            index = Index([HeldoutText(signed[t], str(i), "", vectors[t]) for i, t in enumerate(held)])
            mine = {id(r) for r in chosen}
            tried = {
                **{k: [r[k] for r in chosen if k in r] for k in STRENGTHS},
                "other topics": others,
                "same kind": [r["text"] for r in ROWS if id(r) not in mine],
                "bank messages": BANK[more:],
                "among all bank messages": [r[k] for k in ("light", "synonyms") for r in chosen if k in r],
                "free, among all bank messages": [r["free"] for r in chosen],
            }
            for k, given in tried.items():
                beside = BANK[more:] if "among" in k else []
                around = make_background([vectors[t] for t in [*given, *beside]])
                for t in given:
                    s = index.correct_spelling(signed[t], unknown_words(t, index.document_frequency))
                    counts[k].append(index.near(s, vectors[t], background=around) is not None)
        print(f"{name:15s}", "  ".join(f"{k} {np.mean(v):.1%} of {len(v)}" for k, v in counts.items() if v))


if __name__ == "__main__":
    main()
