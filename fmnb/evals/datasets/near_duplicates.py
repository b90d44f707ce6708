"""Finds the held-out text that a text resembles: by equality, word sequences, shared words or meaning.

Thresholds depend on the held-out texts: they become stricter until few of these texts would match
another one. So similar questions of customers of one bank are kept apart, and a reworded text is still
found. `paraphrases.py` has the rule for free paraphrases.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .paraphrases import Background, HeldoutVectors, min_corrected_cosine, subtract_overlap
from .text_signatures import (
    FUNCTION_WORD_HASHES,
    FUNCTION_WORD_LETTERS,
    NUMBER_WORDS,
    Array,
    Signature,
    containment,
    letters_hash,
    misspelled_hashes,
    split_words,
)

_FUNCTION_WORD_WEIGHT = 0.4  # weight of a function word
_MAX_CANDIDATES = 60  # texts with the most shared words, compared one by one
_MAX_FALSE_SHARE = 0.01  # share of held-out texts that may resemble another one


@dataclass(frozen=True)
class Rule:
    """Thresholds of similarity between two texts.

    `words`: weighted Jaccard index; `cosine`: cosine of the vectors; `combined`: 0.3 words + 0.7 cosine;
    `runs`: share of three-word sequences.
    """

    words: float
    cosine: float
    combined: float
    runs: float = 0.8


# From loose to strict; measured on BANKING77, see tests/evals/datasets/test_heldout.py.
RULES = (
    Rule(0.65, 0.93, 0.78),
    Rule(0.7, 0.95, 0.8),
    Rule(0.75, 0.96, 0.83),
    Rule(0.85, 0.96, 0.87, 0.85),
    Rule(0.9, 0.97, 2.0, 0.85),
    Rule(0.97, 0.995, 2.0, 0.97),
)


@dataclass(frozen=True)
class HeldoutText:
    """A held-out text: its signature, its row (`id`, `source`), and its vector if it has one."""

    signature: Signature
    id: str = ""
    source: str = ""
    vector: Array | None = None


@dataclass(frozen=True)
class NearDuplicate:
    """The matching held-out text, the similarity from 0 to 1, and the reason."""

    text: HeldoutText
    value: float
    reason: str


@dataclass(frozen=True)
class _Pair:
    """Similarities of a text and a held-out text.

    `index` is the held-out text, `margin` how far the corrected cosine exceeds its threshold (`paraphrases.py`).
    """

    index: int
    runs: float
    words: float
    cosine: float = 0.0
    margin: float = -1.0


@dataclass
class Index:
    """An index of the held-out texts.

    `common` are hashes of words and word sequences of a template: those of most texts to look up.
    """

    texts: Sequence[HeldoutText]
    common: frozenset[int] = frozenset()
    rule: Rule = RULES[0]
    whole: dict[int, int] = field(default_factory=dict)
    unspaced: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._df: Counter[int] = Counter()
        self._texts_by_word: dict[int, list[int]] = defaultdict(list)
        self._word_by_letters: dict[int, int] = {}
        for i, h in enumerate(self.texts):
            s = h.signature
            self.whole.setdefault(s.text_hash, i)
            if s.unspaced:
                self.unspaced.setdefault(s.unspaced, i)
            self._df.update(s.words | s.function_words)
            for w in s.words:
                self._texts_by_word[w].append(i)
            for w, k in s.letter_hashes.items():
                self._word_by_letters.setdefault(k, w)
        self._texts_by_run: dict[int, list[int]] = defaultdict(list)
        for i, h in enumerate(self.texts):
            for g in h.signature.grams:
                self._texts_by_run[g].append(i)
        self._vector_rows = [i for i, h in enumerate(self.texts) if h.vector is not None]
        vectors = [h.vector for h in self.texts if h.vector is not None]
        self._vectors = HeldoutVectors(np.stack(vectors).astype(np.float32)) if vectors else None
        self._find_paraphrases = False  # off while the rule is chosen
        self.rule = self._choose_rule()
        if self._vectors is not None and not self._vectors.same_template:
            self._find_paraphrases = True

    @property
    def has_vectors(self) -> bool:
        """Whether any held-out text has a vector."""
        return self._vectors is not None

    @property
    def document_frequency(self) -> Counter[int]:
        """In how many held-out texts each word occurs."""
        return self._df

    def correct_spelling(self, s: Signature, unknown: dict[int, str]) -> Signature:
        """The signature with words that no held-out text has replaced by the likely intended words."""
        words = set(s.words)
        for h, word in unknown.items():
            if h not in words:
                continue
            if letters_hash(word) in FUNCTION_WORD_LETTERS:  # liek, thnaks
                words.discard(h)
                continue
            halves = next((set(two) for two in split_words(word) if all(w in self._df for w in two)), None)
            correction = (
                next((self._word_by_letters[k] for k in misspelled_hashes(word) if k in self._word_by_letters), None)
                if halves is None
                else None
            )
            if halves or correction is not None:
                words = (words - {h}) | (halves or {correction})  # type: ignore[arg-type]
        function_words = s.function_words | {w for w in words if w in FUNCTION_WORD_HASHES}
        return replace(s, words=frozenset(words - function_words) or s.words, function_words=function_words)

    def _texts_sharing_words(self, s: Signature) -> set[int]:
        """The held-out texts that share the most words with a text."""
        shared: Counter[int] = Counter()
        for w in s.words:
            if len(self._texts_by_word.get(w, ())) <= max(200, len(self.texts) // 10):
                shared.update(self._texts_by_word.get(w, ()))
        return {i for i, _ in shared.most_common(_MAX_CANDIDATES)}

    def near(
        self, s: Signature, vector: Array | None = None, *, paraphrases: bool = True, background: Background | None = None
    ) -> NearDuplicate | None:
        """The held-out text that resembles this one most, or None.

        With `paraphrases`, free paraphrases count; `background` is that of the texts looked up together.
        """
        best: NearDuplicate | None = None
        for pair in self._pairs(s, vector, background=background):
            match = self._apply_rule(pair, self.rule, paraphrases)
            if match is not None and (best is None or match[0] > best.value):
                best = NearDuplicate(self.texts[pair.index], *match)
        return best

    def _pairs(self, s: Signature, vector: Array | None, exclude: int | None = None, background: Background | None = None) -> list[_Pair]:
        """The candidates among the held-out texts, except `exclude`."""
        candidates = self._texts_sharing_words(s)
        runs: Counter[int] = Counter()
        for g in s.grams:
            if g not in self.common:
                runs.update(self._texts_by_run.get(g, ()))
        candidates |= {i for i, _ in runs.most_common(_MAX_CANDIDATES)}
        cosines: dict[int, tuple[float, float]] = {}
        if vector is not None and self._vectors is not None:
            min_corrected = background.min_corrected if background else min_corrected_cosine(1)
            cosines = {
                self._vector_rows[j]: (cosine, corrected - min_corrected) for j, cosine, corrected in self._vectors.near(vector, background)
            }
            candidates |= set(cosines)
        weights = {g: 0.1 for g in self.common} if self.common else None
        pairs = []
        for i in candidates:
            h = self.texts[i].signature
            if i == exclude or (exclude is not None and h.text_hash == s.text_hash) or not (s.is_comparable and h.is_comparable):
                continue
            if not (_lacks_number(s, h) and _lacks_number(h, s)):  # different numbers make a different question
                pairs.append(_Pair(i, containment(s, h, weights), self._jaccard(s, h), *cosines.get(i, ())))
        return pairs

    def _apply_rule(self, p: _Pair, rule: Rule, paraphrases: bool = True) -> tuple[float, str] | None:
        """The similarity of a pair and the reason, if the rule matches."""
        reasons = []
        if p.runs >= rule.runs:
            reasons.append((p.runs, "one contains the other's word sequences"))
        if p.words >= rule.words:
            reasons.append((p.words, "the same words" if p.words > 0.99 else "nearly the same words"))
        if (
            p.cosine >= rule.cosine
            or (p.cosine and 0.3 * p.words + 0.7 * p.cosine >= rule.combined)
            or (paraphrases and self._is_paraphrase(p))
        ):
            reasons.append((min(1.0, p.cosine), "the same meaning"))
        return max(reasons, default=None)

    def _is_paraphrase(self, p: _Pair) -> bool:
        return self._find_paraphrases and p.cosine > 0 and subtract_overlap(p.margin, p.words) >= 0

    def _jaccard(self, a: Signature, b: Signature) -> float:
        x, y = a.words | a.function_words, b.words | b.function_words
        if not (a.words & b.words):
            return 0.0
        union = sum(self._weight(w, a, b) for w in x | y)
        return sum(self._weight(w, a, b) for w in x & y) / union if union else 0.0

    def _weight(self, word: int, a: Signature, b: Signature) -> float:
        idf = math.log(1 + (len(self.texts) + 5) / (self._df.get(word, 0) + 1))
        is_function_word = word in a.function_words or word in b.function_words
        return idf * (_FUNCTION_WORD_WEIGHT if is_function_word else 1.0) * (0.1 if word in self.common else 1.0)

    def _choose_rule(self) -> Rule:
        """The loosest rule by which hardly any held-out text resembles another one."""
        indices = list(range(len(self.texts)))
        sample = random.Random(0).sample(indices, 300) if len(indices) > 300 else indices
        allowed = max(2, math.ceil(_MAX_FALSE_SHARE * len(sample)))
        pairs = [self._pairs(self.texts[i].signature, self.texts[i].vector, exclude=i) for i in sample]
        hits = []
        for rule in RULES:
            hits.append(sum(any(self._apply_rule(p, rule) for p in candidates) for candidates in pairs))
            if hits[-1] <= allowed:
                return rule
        same_template = hits[-2] > 0.1 * len(sample)  # rows of one template: only nearly identical texts match
        return RULES[-1] if same_template else RULES[-2]


def _lacks_number(a: Signature, b: Signature) -> bool:
    """Whether `a` has a number that `b` has neither in digits nor as a word."""
    return any(NUMBER_WORDS.get(n) not in b.words for n in a.numbers - b.numbers)
