"""Overlap of the answer with the target's wording: ROUGE, and BLEU and chrF by sacrebleu."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ...core.errors import UsageError
from ...core.optional import require
from .base import Case, Score, Scorer, targets

_WORD = re.compile(r"[a-z0-9]+")


def rouge(kind: str = "") -> Scorer:
    """ROUGE F1 against the best of the targets: `rouge:1`, `rouge:2` or `rouge:L` (the default). Lin 2004."""
    kind = (kind or "L").upper()
    if kind not in ("1", "2", "L"):
        raise UsageError("Unknown ROUGE variant", detail=kind, hint="rouge:1, rouge:2 or rouge:L.")

    def score(case: Case) -> Score:
        return Score(max(rouge_f1(t, case.text, kind) for t in targets(case)))

    return Scorer(f"rouge{kind}", score, description=f"ROUGE-{kind} F1")


def rouge_f1(target: str, text: str, kind: str = "L") -> float:
    """ROUGE-1, -2 or -L of two texts, in lower case and without stemming.

    >>> round(rouge_f1("The quick brown fox jumps over the lazy dog", "The quick brown dog jumps on the log.", "1"), 6)
    0.705882
    """
    a, b = _WORD.findall(target.lower()), _WORD.findall(text.lower())
    if kind == "L":
        shared, of_a, of_b = _lcs_length(a, b), len(a), len(b)
    else:
        n = int(kind)
        x, y = (Counter(tuple(w[i : i + n]) for i in range(len(w) - n + 1)) for w in (a, b))
        shared, of_a, of_b = (x & y).total(), x.total(), y.total()
    return 2 * shared / (of_a + of_b) if shared else 0.0


def _lcs_length(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence.

    Bit-parallel: one integer holds a whole row of the table (Hyyrö 2004).
    """
    positions: dict[str, int] = {}
    for i, word in enumerate(a):
        positions[word] = positions.get(word, 0) | 1 << i
    full = (1 << len(a)) - 1
    row = full
    for word in b:
        match = row & positions.get(word, 0)
        row = (row + match | row - match) & full
    return len(a) - row.bit_count()


def bleu(_: str = "") -> Scorer:
    """BLEU by sacrebleu, 0 to 1: per answer, and for all answers together as the corpus score."""
    return _sacrebleu_scorer("bleu", lambda m: m.BLEU(effective_order=True), lambda m: m.BLEU())


def chrf(_: str = "") -> Scorer:
    """chrF2 by sacrebleu, 0 to 1: character sequences shared with the target."""
    return _sacrebleu_scorer("chrf", lambda m: m.CHRF(), lambda m: m.CHRF())


def _sacrebleu_scorer(name: str, sentence: Callable[[Any], Any], corpus: Callable[[Any], Any]) -> Scorer:
    metrics = require("sacrebleu.metrics", "text", f"for {name}")
    sentence_metric = functools.cache(lambda: sentence(metrics))

    def score(case: Case) -> Score:
        return Score(sentence_metric().sentence_score(case.text, targets(case)).score / 100)

    def corpus_score(cases: Sequence[Case]) -> float:
        n_references = max(len(targets(c)) for c in cases)
        references = [[(targets(c)[i] if i < len(targets(c)) else targets(c)[0]) for c in cases] for i in range(n_references)]
        return float(corpus(metrics).corpus_score([c.text for c in cases], references).score / 100)

    return Scorer(name, score, corpus=corpus_score, description=f"{name} by sacrebleu")
