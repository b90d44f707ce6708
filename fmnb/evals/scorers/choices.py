"""One of several choices: read out of the answer, with the model's own probability where its tokens came with one."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from .base import Case, Score, Scorer, said, targets
from .wording import flat

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SAID = (
    re.compile(r"(?:answer|choice|option)\s*(?:is|:|=)?\s*\**\s*\(?([A-Z])\b\)?", re.IGNORECASE),
    re.compile(r"^\W*([A-Z])(?:\W|$)"),
    re.compile(r"\(([A-Z])\)"),
    re.compile(r"\b([A-Z])\b(?!.*\b[A-Z]\b)", re.DOTALL),
)


def choice(given: str = "") -> Scorer:
    """The answer names the right choice, by its letter or its words; choices are the row's `choices` column, or named here (`choice:yes|no`)."""
    fixed = [c.strip() for c in given.split("|")] if given else None

    def score(case: Case) -> Score:
        choices = fixed if fixed is not None else case.values.get("choices")
        choices = [str(c) for c in choices] if isinstance(choices, (list, tuple)) and choices else None
        found = read_choice(said(case), choices)
        goals = {_index(t, choices) for t in targets(case)}
        sure = confidence(case.logprobs, found, choices)
        if found is None:
            return Score(0.0, why="names no choice", confidence=sure)
        return Score(float(_index(found, choices) in goals), found, confidence=sure)

    return Scorer("choice", score, about="names the right choice")


def read_choice(text: str, choices: Sequence[str] | None) -> str | None:
    """Which choice a text names: the whole text, a letter where choices are listed, or the only choice it mentions.

    >>> read_choice("The answer is (B).", ["red", "blue"]), read_choice("It is blue, of course", ["red", "blue"])
    ('B', 'blue')
    """
    if choices:
        whole = [c for c in choices if flat(text) == flat(c)]
        if whole:
            return whole[0]
    lettered = not choices or not all(len(c) == 1 and c.isalpha() for c in choices)
    for pattern in _SAID:
        said = pattern.search(text.strip())
        if said and lettered:
            letter = said.group(1).upper()
            if not choices or LETTERS.index(letter) < len(choices):
                return letter
    if not choices:
        return flat(text) or None
    words = f" {flat(text)} "
    mentioned = [c for c in choices if flat(c) and f" {flat(c)} " in words]
    mentioned = [c for c in mentioned if not any(c != o and f" {flat(c)} " in f" {flat(o)} " for o in mentioned)]
    return mentioned[0] if len(mentioned) == 1 else None


def confidence(logprobs: Sequence[Any], found: str | None, choices: Sequence[str] | None) -> float | None:
    """The model's probability of the choice it made, among the choices: from the first token that begins one of them."""
    names = [c.casefold() for c in choices or ()] + ([letter.casefold() for letter in LETTERS[: len(choices or ()) or 5]])
    for token in logprobs:
        said = str(token.get("token", "")).strip().casefold()
        if said and any(n.startswith(said) for n in names) and (found is None or found.casefold().startswith(said)):
            top = [(str(t).strip().casefold(), p) for t, p in token.get("top") or ()] or [(said, token.get("logprob", -math.inf))]
            shares = [math.exp(p) for t, p in top if t and any(n.startswith(t) for n in names)]
            own = math.exp(token.get("logprob", -math.inf))
            total = sum(shares) if len(shares) > 1 else 1.0
            return min(1.0, own / max(total, own)) if own > 0 else None
    return None


def _index(said: str, choices: Sequence[str] | None) -> Any:
    """A choice as its number where it is known, so that a letter, a number and the words mean the same."""
    text = said.strip()
    if choices:
        for i, c in enumerate(choices):
            if flat(c) == flat(text) or c.strip().casefold() == text.casefold():
                return i
        if len(text) == 1 and text.upper() in LETTERS and LETTERS.index(text.upper()) < len(choices):
            return LETTERS.index(text.upper())
        if text.isdigit() and int(text) < len(choices):
            return int(text)
    return flat(text)
