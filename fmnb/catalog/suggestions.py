"""Well-known names that are not models, with advice for each.

They are libraries, model families and former services.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from ..config.settings import read_toml


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a name means, and what to type instead."""

    name: str
    title: str
    hint: str


def suggestion_for(typed: str) -> Suggestion | None:
    """The suggestion for a name, ignoring case and punctuation; for `family/model` that of the family.

    >>> suggestion_for("GPT-Index").name, suggestion_for("nobody") is None
    ('llamaindex', True)
    """
    posts = _suggestions()
    head = re.split(r"[:/]", typed, maxsplit=1)[0]
    return posts.get(plain(typed)) or posts.get(plain(head))


def family(typed: str) -> Suggestion | None:
    """The suggestion for the family of a versioned name.

    >>> family("llama3.2").name, family("mpt-7b").name, family("nobody-7b") is None
    ('llama', 'openweights', True)
    """
    head = re.match(r"[a-z]+", plain(typed))
    return _suggestions().get(head[0]) if head else None


def spellings(typed: str) -> set[str]:
    """Possible provider names for a service: as typed, and without suffixes.

    >>> sorted(spellings("Together AI"))
    ['together', 'togetherai']
    """
    whole = plain(typed)
    return {whole, re.sub(r"(openai|ai|ml|labs|cloud|dev|nim|models|inference|serving|router|api|\d+)$", "", whole)}


def plain(name: str) -> str:
    """Only letters and digits, in lower case.

    >>> plain("co:here")
    'cohere'
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


@functools.cache
def _suggestions() -> dict[str, Suggestion]:
    found = {}
    for name, row in read_toml(Path(__file__).with_name("suggestions.toml")).items():
        post = Suggestion(name, row["title"], row["hint"])
        for known in (name, *row.get("also", ())):
            found[plain(known)] = post
    return found
