"""Which rows of a set hang together: rows of one user (or template), and rows that ask the same question.

Fifty users who ask one question are fifty rows and one question: they say how a model does on
that question, and nothing of others.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from ..stats.grouping import Grouping, grouping


@dataclass(frozen=True)
class RowGroups:
    """Of every row of a set its user and its question; None where a row has none, or one of its own. `by` is what a user is called."""

    users: tuple[str | None, ...] = ()
    questions: tuple[str | None, ...] = ()
    by: str = "group"

    def of(self, rows: Sequence[int]) -> Grouping | None:
        """How some of the rows hang together; None where each stands alone."""
        return _structure(self, tuple(int(i) for i in rows))

    def unnamed(self, rows: Sequence[int]) -> int:
        """How many of the rows have no user, where others have one."""
        missing = sum(self.users[i] is None for i in rows) if self.users else 0
        return missing if missing < len(rows) else 0


@functools.lru_cache(maxsize=64)
def _structure(t: RowGroups, rows: tuple[int, ...]) -> Grouping | None:
    users = [t.users[i] for i in rows] if t.users else None
    questions = [t.questions[i] for i in rows] if t.questions else None
    return grouping(users, questions)


def unit(g: Grouping | None, by: str) -> str:
    """What one of the groups is called."""
    if g is None:
        return "row"
    return {"items": "question", "linked": "group"}.get(g.kind, by)


def group_words(g: Grouping, by: str) -> str:
    """How many groups there are, and how many equal ones they are worth where that is fewer.

    >>> group_words(grouping(["ada"] * 8 + ["bob", "cyd"]), "user")
    '3 users, worth 2'
    """
    if g.items is not None:
        return f"{_number(g.groups.count, by)}, {_number(g.items.count, 'question')}"
    worth = "" if g.groups.balanced else f", worth {g.df + 1:.0f}"
    if g.kind == "linked":
        return f"{_number(g.groups.count, 'group')} of {plural(by)} who share questions{worth}"
    return f"{_number(g.groups.count, unit(g, by))}{worth}"


def in_words(g: Grouping | None, by: str, text: str) -> str:
    """A reason with "cluster" called by what the groups are."""
    return text.replace("clusters", plural(unit(g, by))).replace("cluster", unit(g, by))


def _number(n: int, what: str) -> str:
    return f"{n:,} {what if n == 1 else plural(what)}"


def plural(word: str) -> str:
    """Several of what a column is called after.

    >>> plural("user"), plural("category"), plural("class"), plural("day")
    ('users', 'categories', 'classes', 'days')
    """
    if word.endswith("y") and word[-2:-1].lower() not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "z", "ch", "sh")) else f"{word}s"
