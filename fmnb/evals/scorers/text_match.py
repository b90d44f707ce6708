"""Scorers that compare text: exact, normalized, contains, starts, regex and F1."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable

from ...core.errors import UsageError
from .base import Case, Score, Scorer, answer_text, targets

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def exact(_: str = "") -> Scorer:
    """Correct if the answer equals the target, ignoring surrounding whitespace."""
    return _any_target("exact", lambda text, target: text.strip() == target.strip())


def normalized(_: str = "") -> Scorer:
    """Correct if the answer equals the target, ignoring case, punctuation, articles and spacing (SQuAD)."""
    return _any_target("normalized", lambda text, target: normalize(text) == normalize(target))


def contains(_: str = "") -> Scorer:
    """Correct if the answer contains the target, ignoring case."""
    return _any_target("contains", lambda text, target: _fold_case(target) in _fold_case(text))


def starts(_: str = "") -> Scorer:
    """Correct if the answer starts with the target, ignoring case."""
    return _any_target("starts", lambda text, target: _fold_case(text.lstrip()).startswith(_fold_case(target.strip())))


def regex(pattern: str = "") -> Scorer:
    """Correct if a pattern matches in the answer: the given one, or the row's target."""
    try:
        fixed = re.compile(pattern, re.IGNORECASE) if pattern else None
    except re.error as e:
        raise UsageError("The pattern is not a regular expression", detail=f"{pattern}: {e}") from None

    def score(case: Case) -> Score:
        patterns = [fixed] if fixed else [re.compile(t, re.IGNORECASE) for t in targets(case)]
        match = next((m for p in patterns if (m := p.search(answer_text(case)))), None)
        return Score(float(match is not None), match.group(0) if match else "")

    return Scorer("regex", score, needs_target=fixed is None, description="a pattern is found in the answer")


def f1(_: str = "") -> Scorer:
    """F1 of the words shared with the best of the targets, as in SQuAD.

    It is the harmonic mean of precision and recall.
    """

    def score(case: Case) -> Score:
        return Score(max(token_f1(answer_text(case), t) for t in targets(case)))

    return Scorer("f1", score, description="words shared with the target")


def token_f1(text: str, target: str) -> float:
    """SQuAD's F1 of two texts.

    >>> round(token_f1("the cat sat", "a cat sat down"), 3)
    0.8
    """
    a, b = normalize(text).split(), normalize(target).split()
    if not a or not b:
        return float(a == b)
    shared = (Counter(a) & Counter(b)).total()
    return 2 * shared / (len(a) + len(b)) if shared else 0.0


def normalize(text: str) -> str:
    """Lowercase, without punctuation, articles and repeated spaces.

    >>> normalize("The  Answer, is: 42.")
    'answer is 42'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def _fold_case(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _any_target(name: str, matches: Callable[[str, str], bool]) -> Scorer:
    def score(case: Case) -> Score:
        text = answer_text(case)
        return Score(float(any(matches(text, t) for t in targets(case))), text.strip()[:200])

    return Scorer(name, score, description={"exact": "equal", "normalized": "equal but for case and punctuation"}.get(name, name))
