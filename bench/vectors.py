"""Vectors of texts: fmnb against sentence-transformers on the same weights, CPU time, one thread each.

    python bench/vectors.py [--pairs 10]

Texts are 200 docstrings of the standard library, short and long. Both sides take turns in one
process, so that whatever else the machine does meets both. Prints JSON lines.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("FMNB_THREADS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def texts(count: int = 200) -> list[str]:
    """Docstrings in a fixed order, distinct."""
    import argparse as a
    import asyncio
    import collections
    import decimal
    import email.message
    import json as j
    import logging
    import pathlib
    import statistics as s
    import threading

    found: dict[str, None] = {}
    for module in (a, asyncio, collections, decimal, email.message, j, logging, pathlib, s, threading):
        for name in sorted(dir(module)):
            value: Any = getattr(module, name)
            for one in (value, *(getattr(value, m, None) for m in sorted(dir(value)) if isinstance(value, type))):
                if (text := getattr(one, "__doc__", None)) and isinstance(text, str) and len(text) > 20:
                    found.setdefault(" ".join(text.split()))
    step = len(found) / count
    whole = list(found)
    return [whole[int(i * step)] for i in range(count)]


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a call, and what it gave."""
    began = time.process_time()
    value = work()
    return time.process_time() - began, value


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=10)
    pairs = parser.parse_args().pairs
    import numpy as np
    import torch

    import fmnb as fm
    from fmnb.catalog import weights

    torch.set_num_threads(1)
    from sentence_transformers import SentenceTransformer

    folder = weights.locate("minilm")
    if folder is None:
        sys.exit("`python -m fmnb pull minilm` first")
    peer = SentenceTransformer(str(folder), device="cpu")
    given = texts()
    for quant in ("", "int8"):

        def ours(quant: str = quant) -> Any:
            return fm.embed(given, "minilm", cache=False, quant=quant, sinks=[])

        ours(), peer.encode(given[:32])  # both loaded and warm
        ratios, mine, theirs = [], [], []
        for _ in range(pairs):
            a, v = seconds(ours)
            b, w = seconds(lambda: peer.encode(given, batch_size=32, show_progress_bar=False))
            ratios.append(b / a)
            mine.append(len(given) / a)
            theirs.append(len(given) / b)
        closeness = (v * w).sum(1) / np.linalg.norm(v, axis=1) / np.linalg.norm(w, axis=1)
        row = {
            "form": quant or "float32",
            "ratio": statistics.median(ratios),
            "least": min(ratios),
            "ours_texts_per_cpu_second": statistics.median(mine),
            "theirs": statistics.median(theirs),
            "least_cosine": float(closeness.min()),
            "pairs": pairs,
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
