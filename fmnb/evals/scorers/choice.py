"""One of several choices: read out of the answer, with the model's own probability where its tokens came with one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .base import Case, Score, Scorer, answer_text, targets
from .stated_choice import LETTERS, asks_for_letters, stated_choice
from .text_match import normalize


def choice(names: str = "") -> Scorer:
    """The answer states the right choice; choices are the row's `choices` column, or named here (`choice:yes|no`).

    Letters count where the prompt lists the choices by letters or asks for one, or where a letter
    is all that the answer says. An answer that denies a choice does not state it, and one that
    states several, or none, is wrong: nothing is guessed.
    """
    fixed = [c.strip() for c in names.split("|")] if names else None

    def score(case: Case) -> Score:
        choices = fixed if fixed is not None else case.values.get("choices")
        choices = [str(c) for c in choices] if isinstance(choices, (list, tuple)) and choices else None
        lettered = any(asks_for_letters(t) for t in (case.prompt, *(v for v in case.values.values() if isinstance(v, str))) if t)
        found = read_choice(answer_text(case), choices, lettered or _single_letters(targets(case)))
        goals = {_choice_key(t, choices) for t in targets(case)}
        sure = confidence(case.logprobs, found, choices)
        if found is None:
            return Score(0.0, explanation="names no single choice", confidence=sure)
        return Score(float(_choice_key(found, choices) in goals), found, confidence=sure)

    return Scorer("choice", score, description="states the right choice")


def read_choice(text: str, choices: Sequence[str] | None, lettered: bool = False) -> str | None:
    """Which choice a text states: its words, or its letter; None where it states none or several. `lettered` says that letters were asked for.

    Without choices a letter is read where letters were asked for, else the whole text is the choice.

    >>> read_choice("The answer is (B).", ["red", "blue"]), read_choice("It is blue, of course", ["red", "blue"])
    ('B', 'blue')
    >>> read_choice("The answer is a negative one", ["positive", "negative"])
    'negative'
    """
    if choices:
        letters = _single_letters(choices)
        found = stated_choice(
            text, choices if not letters else [f"choice {c}" for c in LETTERS[: _letter_count(choices)]], lettered or letters
        )
        if found is None:
            return None
        at, by_letter = found
        if letters:
            return next((c for c in choices if c.upper() == LETTERS[at]), None)
        return LETTERS[at] if by_letter else choices[at]
    if lettered:
        found = stated_choice(text, [f"choice {c}" for c in LETTERS[:10]], True)
        if found is not None:
            return LETTERS[found[0]]
    return normalize(text) or None


def _single_letters(texts: Sequence[str]) -> bool:
    """Whether all choices are letters themselves."""
    return bool(texts) and all(len(t.strip()) == 1 and t.strip().upper() in LETTERS for t in texts)


def _letter_count(letters: Sequence[str]) -> int:
    return max(LETTERS.index(c.strip().upper()) for c in letters) + 1


def confidence(logprobs: Sequence[Any], found: str | None, choices: Sequence[str] | None) -> float | None:
    """The model's probability of the choice it made, among the choices: from the first token that begins one of them."""
    names = [c.casefold() for c in choices or ()]
    if not choices or found is None or (len(found) == 1 and found not in choices):  # an answer by letter
        names += [letter.casefold() for letter in LETTERS[: len(choices or ()) or 5]]
    for token in logprobs:
        said = str(token.get("token", "")).strip().casefold()
        if said and any(n.startswith(said) for n in names) and (found is None or found.casefold().startswith(said)):
            top = [(str(t).strip().casefold(), p) for t, p in token.get("top") or ()] or [(said, token.get("logprob", -math.inf))]
            shares = [math.exp(p) for t, p in top if t and any(n.startswith(t) for n in names)]
            own = math.exp(token.get("logprob", -math.inf))
            total = sum(shares) if len(shares) > 1 else 1.0
            return min(1.0, own / max(total, own)) if own > 0 else None
    return None


def _choice_key(text: str, choices: Sequence[str] | None) -> Any:
    """A choice as its number where it is known, so that a letter, a number and the words mean the same."""
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
