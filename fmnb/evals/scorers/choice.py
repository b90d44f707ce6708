"""Scores answers that state one of several choices, with the model's probability of its choice.

The probability needs log probabilities of the answer's tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .base import Case, Score, Scorer, answer_text, targets
from .stated_choice import LETTERS, asks_for_letters, stated_choice
from .text_match import normalize


def choice(names: str = "") -> Scorer:
    """Correct if the answer states the right choice.

    Choices are in the row's `choices` column, or in the scorer's name (`choice:yes|no`). Letters count if the
    prompt lists choices by letters or asks for a letter, or if the answer is only a letter. A negated choice is
    not stated. An answer that states no choice or several is wrong: nothing is guessed.
    """
    fixed = [c.strip() for c in names.split("|")] if names else None

    def score(case: Case) -> Score:
        choices = fixed if fixed is not None else case.values.get("choices")
        choices = [str(c) for c in choices] if isinstance(choices, (list, tuple)) and choices else None
        lettered = any(asks_for_letters(t) for t in (case.prompt, *(v for v in case.values.values() if isinstance(v, str))) if t)
        stated = read_choice(answer_text(case), choices, lettered or _single_letters(targets(case)))
        target_keys = {_choice_key(t, choices) for t in targets(case)}
        probability = confidence(case.logprobs, stated, choices)
        if stated is None:
            return Score(0.0, explanation="states no single choice", confidence=probability)
        return Score(float(_choice_key(stated, choices) in target_keys), stated, confidence=probability)

    return Scorer("choice", score, description="states the right choice")


def read_choice(text: str, choices: Sequence[str] | None, lettered: bool = False) -> str | None:
    """The choice that a text states by its words or its letter; None if it states none or several.

    `lettered`: the prompt asked for letters. Without choices, a letter is read if the prompt asked for letters;
    otherwise the whole text is the choice.

    >>> read_choice("The answer is (B).", ["red", "blue"]), read_choice("It is blue, of course", ["red", "blue"])
    ('B', 'blue')
    >>> read_choice("The answer is a negative one", ["positive", "negative"])
    'negative'
    """
    if choices:
        letters = _single_letters(choices)
        stated = stated_choice(
            text, choices if not letters else [f"choice {c}" for c in LETTERS[: _letter_count(choices)]], lettered or letters
        )
        if stated is None:
            return None
        index, by_letter = stated
        if letters:
            return next((c for c in choices if c.upper() == LETTERS[index]), None)
        return LETTERS[index] if by_letter else choices[index]
    if lettered:
        stated = stated_choice(text, [f"choice {c}" for c in LETTERS[:10]], True)
        if stated is not None:
            return LETTERS[stated[0]]
    return normalize(text) or None


def _single_letters(texts: Sequence[str]) -> bool:
    """Whether the choices are single letters."""
    return bool(texts) and all(len(t.strip()) == 1 and t.strip().upper() in LETTERS for t in texts)


def _letter_count(letters: Sequence[str]) -> int:
    return max(LETTERS.index(c.strip().upper()) for c in letters) + 1


def confidence(logprobs: Sequence[Any], stated: str | None, choices: Sequence[str] | None) -> float | None:
    """The model's probability of its choice among the choices, from the first token that starts one."""
    names = [c.casefold() for c in choices or ()]
    if not choices or stated is None or (len(stated) == 1 and stated not in choices):  # an answer by letter
        names += [letter.casefold() for letter in LETTERS[: len(choices or ()) or 5]]
    for token in logprobs:
        start = str(token.get("token", "")).strip().casefold()
        if start and any(n.startswith(start) for n in names) and (stated is None or stated.casefold().startswith(start)):
            top = [(str(t).strip().casefold(), p) for t, p in token.get("top") or ()] or [(start, token.get("logprob", -math.inf))]
            shares = [math.exp(p) for t, p in top if t and any(n.startswith(t) for n in names)]
            chosen = math.exp(token.get("logprob", -math.inf))
            total = sum(shares) if len(shares) > 1 else 1.0
            return min(1.0, chosen / max(total, chosen)) if chosen > 0 else None
    return None


def _choice_key(text: str, choices: Sequence[str] | None) -> Any:
    """The number of a choice if it is known, so that a letter, a number and the words are equal."""
    text = text.strip()
    if choices:
        for i, c in enumerate(choices):
            if normalize(c) == normalize(text) or c.strip().casefold() == text.casefold():
                return i
        if len(text) == 1 and text.upper() in LETTERS and LETTERS.index(text.upper()) < len(choices):
            return LETTERS.index(text.upper())
        if text.isdigit() and int(text) < len(choices):
            return int(text)
    return normalize(text)
