"""Clusters of a test set: rows of one user (or template), and rows with the same question.

Fifty users with one question are fifty rows and one question: they measure a model on that
question only.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from ..stats.grouping import Grouping, grouping


@dataclass(frozen=True)
class RowGroups:
    """User and question of every row; None if a row has none. `by` is what a user is called."""

    users: tuple[str | None, ...] = ()
    questions: tuple[str | None, ...] = ()
    by: str = "group"

    def of(self, rows: Sequence[int]) -> Grouping | None:
        """The cluster structure of some rows; None if they are independent."""
        return _structure(self, tuple(int(i) for i in rows))

    def without_user(self, rows: Sequence[int]) -> int:
        """How many of the rows have no user, if others have one."""
        missing = sum(self.users[i] is None for i in rows) if self.users else 0
        return missing if missing < len(rows) else 0


@functools.lru_cache(maxsize=64)
def _structure(t: RowGroups, rows: tuple[int, ...]) -> Grouping | None:
    users = [t.users[i] for i in rows] if t.users else None
    questions = [t.questions[i] for i in rows] if t.questions else None
    return grouping(users, questions)


def group_noun(g: Grouping | None, by: str) -> str:
    """The noun for one group."""
    if g is None:
        return "row"
    return {"items": "question", "linked": "group"}.get(g.kind, by)


def group_words(g: Grouping, by: str) -> str:
    """The number of groups, and their effective number if it is much smaller.

    >>> group_words(grouping(["ada"] * 8 + ["bob", "cyd"]), "user")
    '3 users, effective number 2'
    """
    if g.items is not None:
        return f"{_count_text(g.groups.count, by)}, {_count_text(g.items.count, 'question')}"
    effective = "" if g.groups.balanced else f", effective number {g.df + 1:.0f}"
    if g.kind == "linked":
        return f"{_count_text(g.groups.count, 'group')} of {plural(by)} who share questions{effective}"
    return f"{_count_text(g.groups.count, group_noun(g, by))}{effective}"


def name_groups(g: Grouping | None, by: str, text: str) -> str:
    """A text with "cluster" replaced by the noun for the groups."""
    return text.replace("clusters", plural(group_noun(g, by))).replace("cluster", group_noun(g, by))


def _count_text(n: int, what: str) -> str:
    return f"{n:,} {what if n == 1 else plural(what)}"


def plural(word: str) -> str:
    """The plural of a noun.

    >>> plural("user"), plural("category"), plural("class"), plural("day")
    ('users', 'categories', 'classes', 'days')
    """
    if word.endswith("y") and word[-2:-1].lower() not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "z", "ch", "sh")) else f"{word}s"
