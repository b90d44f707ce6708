"""Which of the held-out texts a text resembles: by equality, by runs of words, by words whatever their order, by meaning.

How alike counts as resembling depends on the held-out texts themselves: rules grow stricter until
few of these texts would be taken for another one of them. So customers of one bank who ask
similar things are told apart, and a reworded text is still found. `paraphrases.py` has the rule for
free paraphrases.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .paraphrases import Background, Meanings, limit, subtract_overlap
from .text_signatures import (
    LIGHT_HASHES,
    LIGHT_LETTERS,
    NUMBER_WORDS,
    Array,
    Signature,
    containment,
    letters_hash,
    misspelled_hashes,
    split_words,
)

_FUNCTION_WORD_WEIGHT = 0.4  # weight of a function word
_MAX_CANDIDATES = 60  # texts that share most words, looked at one by one
_MAX_FALSE_SHARE = 0.01  # of the held-out texts may resemble another of them


@dataclass(frozen=True)
class Rule:
    """Likeness that counts: of words (weighted Jaccard), of meaning (cosine), of both (0.3 words, 0.7 meaning), of runs of three words."""

    words: float
    meaning: float
    both: float
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
    """A held-out text: which row of which data set it was (`id`, `source`), its signature, its vector where there is one."""

    signature: Signature
    id: str = ""
    source: str = ""
    vector: Array | None = None


@dataclass(frozen=True)
class NearDuplicate:
    """Which held-out text, how alike from 0 to 1, and by what."""

    text: HeldoutText
    value: float
    reason: str


@dataclass(frozen=True)
class _Pair:
    """A text beside a held-out one: the share of runs, of words, the cosine, and how far it stands above the limit (`paraphrases.py`)."""

    held: int
    runs: float
    words: float
    cosine: float = 0.0
    above: float = -1.0


@dataclass
class Index:
    """The held-out texts, ready to be looked up. `common` are words and runs of most texts that are looked up: a template's."""

    texts: Sequence[HeldoutText]
    common: frozenset[int] = frozenset()
    rule: Rule = RULES[0]
    whole: dict[int, int] = field(default_factory=dict)
    unspaced: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._df: Counter[int] = Counter()
        self._at: dict[int, list[int]] = defaultdict(list)
        self._spelt: dict[int, int] = {}
        for i, h in enumerate(self.texts):
            s = h.signature
            self.whole.setdefault(s.whole, i)
            if s.unspaced:
                self.unspaced.setdefault(s.unspaced, i)
            self._df.update(s.words | s.light)
            for w in s.words:
                self._at[w].append(i)
            for w, k in s.keys.items():
                self._spelt.setdefault(k, w)
        self._runs: dict[int, list[int]] = defaultdict(list)
        for i, h in enumerate(self.texts):
            for g in h.signature.grams:
                self._runs[g].append(i)
        self._rows = [i for i, h in enumerate(self.texts) if h.vector is not None]
        vectors = [h.vector for h in self.texts if h.vector is not None]
        self._meanings = Meanings(np.stack(vectors).astype(np.float32)) if vectors else None
        self._paraphrases = False  # not while the other rules are chosen
        self.rule = self._choose_rule()
        if self._meanings is not None and not self._meanings.crowded:
            self._paraphrases = True

    @property
    def has_vectors(self) -> bool:
        """Whether any held-out text has a vector."""
        return self._meanings is not None

    @property
    def document_frequency(self) -> Counter[int]:
        """How many held-out texts have each word."""
        return self._df

    def corrected(self, s: Signature, unknown: dict[int, str]) -> Signature:
        """The signature with words that no held-out text has read as those they are likely to be meant as."""
        words = set(s.words)
        for h, word in unknown.items():
            if h not in words:
                continue
            if letters_hash(word) in LIGHT_LETTERS:  # liek, thnaks
                words.discard(h)
                continue
            halves = next((set(two) for two in split_words(word) if all(w in self._df for w in two)), None)
            meant = next((self._spelt[k] for k in misspelled_hashes(word) if k in self._spelt), None) if halves is None else None
            if halves or meant is not None:
                words = (words - {h}) | (halves or {meant})  # type: ignore[arg-type]
        light = s.light | {w for w in words if w in LIGHT_HASHES}
        return replace(s, words=frozenset(words - light) or s.words, light=light)

    def _sharing_words(self, s: Signature) -> set[int]:
        """The held-out texts that share most of its words."""
        shared: Counter[int] = Counter()
        for w in s.words:
            if len(self._at.get(w, ())) <= max(200, len(self.texts) // 10):
                shared.update(self._at.get(w, ()))
        return {i for i, _ in shared.most_common(_MAX_CANDIDATES)}

    def near(
        self, s: Signature, vector: Array | None = None, *, paraphrases: bool = True, background: Background | None = None
    ) -> NearDuplicate | None:
        """The held-out text that this one resembles most by the rule, None where there is none.

        Free paraphrases count if `paraphrases`; `background` is that of the texts looked up together.
        """
        best: NearDuplicate | None = None
        for pair in self._pairs(s, vector, background=background):
            found = self._apply_rule(pair, self.rule, paraphrases)
            if found is not None and (best is None or found[0] > best.value):
                best = NearDuplicate(self.texts[pair.held], *found)
        return best

    def _pairs(self, s: Signature, vector: Array | None, exclude: int | None = None, background: Background | None = None) -> list[_Pair]:
        """The held-out texts that this one may resemble. `but` is left out."""
        close = self._sharing_words(s)
        runs: Counter[int] = Counter()
        for g in s.grams:
            if g not in self.common:
                runs.update(self._runs.get(g, ()))
        close |= {i for i, _ in runs.most_common(_MAX_CANDIDATES)}
        meaning: dict[int, tuple[float, float]] = {}
        if vector is not None and self._meanings is not None:
            least = background.limit if background else limit(1)
            meaning = {self._rows[j]: (cosine, left - least) for j, cosine, left in self._meanings.near(vector, background)}
            close |= set(meaning)
        lighter = {g: 0.1 for g in self.common} if self.common else None
        found = []
        for i in close:
            h = self.texts[i].signature
            if i == exclude or (exclude is not None and h.whole == s.whole) or not (s.is_comparable and h.is_comparable):
                continue
            if not (_lacks_number(s, h) and _lacks_number(h, s)):  # other numbers: another question
                found.append(_Pair(i, containment(s, h, lighter), self._jaccard(s, h), *meaning.get(i, ())))
        return found

    def _apply_rule(self, p: _Pair, rule: Rule, paraphrases: bool = True) -> tuple[float, str] | None:
        """How alike a pair is and by what, where the rule says that it counts."""
        found = []
        if p.runs >= rule.runs:
            found.append((p.runs, "one holds the other's words in their order"))
        if p.words >= rule.words:
            found.append((p.words, "the same words" if p.words > 0.99 else "nearly the same words"))
        if (
            p.cosine >= rule.meaning
            or (p.cosine and 0.3 * p.words + 0.7 * p.cosine >= rule.both)
            or (paraphrases and self._is_paraphrase(p))
        ):
            found.append((min(1.0, p.cosine), "the same meaning"))
        return max(found, default=None)

    def _is_paraphrase(self, p: _Pair) -> bool:
        return self._paraphrases and p.cosine > 0 and subtract_overlap(p.above, p.words) >= 0

    def _jaccard(self, a: Signature, b: Signature) -> float:
        x, y = a.words | a.light, b.words | b.light
        if not (a.words & b.words):
            return 0.0
        either = sum(self._weight(w, a, b) for w in x | y)
        return sum(self._weight(w, a, b) for w in x & y) / either if either else 0.0

    def _weight(self, word: int, a: Signature, b: Signature) -> float:
        rare = math.log(1 + (len(self.texts) + 5) / (self._df.get(word, 0) + 1))
        light = word in a.light or word in b.light
        return rare * (_FUNCTION_WORD_WEIGHT if light else 1.0) * (0.1 if word in self.common else 1.0)

    def _choose_rule(self) -> Rule:
        """The loosest rule by which hardly any held-out text resembles another."""
        at = list(range(len(self.texts)))
        some = random.Random(0).sample(at, 300) if len(at) > 300 else at
        allowed = max(2, math.ceil(_MAX_FALSE_SHARE * len(some)))
        pairs = [self._pairs(self.texts[i].signature, self.texts[i].vector, exclude=i) for i in some]
        hits = []
        for rule in RULES:
            hits.append(sum(any(self._apply_rule(p, rule) for p in mine) for mine in pairs))
            if hits[-1] <= allowed:
                return rule
        template = hits[-2] > 0.1 * len(some)  # rows that a template made: only what is all but equal resembles
        return RULES[-1] if template else RULES[-2]


def _lacks_number(a: Signature, b: Signature) -> bool:
    """Whether `a` has a number that `b` has neither in digits nor as a word."""
    return any(NUMBER_WORDS.get(n) not in b.words for n in a.numbers - b.numbers)
