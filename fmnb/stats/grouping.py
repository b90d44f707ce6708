"""Rows that hang together: which rows share a user or a question, and what that many groups are worth.

A row counts as independent only where no other row has its user or its question. Rows of one
user form a group; equal questions form a group; where both happen at once the two are crossed.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FEWEST_CROSSED = 6  # distinct users and distinct questions; fewer cannot tell, however many rows there are
_WORTH_CROSSED = 4.0  # degrees of freedom that each of two crossed groupings needs
_COMPONENTS = 10  # groups without a common user or question, with which a single grouping is enough


@dataclass(frozen=True, slots=True)
class Groups:
    """Each row's group as a number from 0, and the number of rows in each group."""

    codes: np.ndarray
    sizes: np.ndarray

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(self.sizes)

    @property
    def share(self) -> float:
        """The part of all rows that the largest group holds."""
        return float(self.sizes.max() / self.sizes.sum())

    @property
    def df(self) -> float:
        """Bell and McCaffrey's degrees of freedom of the mean."""
        return bell_mccaffrey(self.sizes)

    @property
    def balanced(self) -> bool:
        """Whether sizes are equal enough for Student's t: the degrees of freedom are at least 0.8 (groups - 1)."""
        return self.df >= 0.8 * (self.count - 1)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """The sum of the values in each group."""
        return np.bincount(self.codes, weights=values, minlength=self.count)


@dataclass(frozen=True, slots=True)
class Grouping:
    """How the rows of a set hang together. `kind` names what the groups are.

    "groups" are those that were given (users, templates), "items" are equal questions, "linked"
    are groups of users who share questions, and "crossed" is users by questions, with `items`
    and `cells` beside `groups`. `why` says that no verdict is possible with so few.
    """

    kind: str
    groups: Groups
    items: Groups | None = None
    cells: Groups | None = None
    users: int | None = None  # distinct, where both users and questions repeat
    questions: int | None = None
    why: str = ""

    @property
    def df(self) -> float:
        """Of the mean; the smaller one of two crossed groupings."""
        return self.groups.df if self.items is None else min(self.groups.df, self.items.df)

    @property
    def count(self) -> int:
        """How many groups limit what can be told: the fewer of users and questions where they are crossed."""
        return self.groups.count if self.items is None else min(self.groups.count, self.items.count)

    def error(self, values: np.ndarray) -> float | None:
        """The standard error (CR2) of the values' mean; None for a single group."""
        if self.groups.count < 2:
            return None
        first = cr2_error(self.groups.sums(values), self.groups.sizes)
        if self.items is None or self.cells is None:
            return first
        if self.items.count < 2:
            return None
        parts = [first**2, cr2_error(self.items.sums(values), self.items.sizes) ** 2]
        both = cr2_error(self.cells.sums(values), self.cells.sizes) ** 2
        return math.sqrt(max(sum(parts) - both, *parts))


def cr2_error(sums: np.ndarray, sizes: np.ndarray) -> float:
    """The standard error of a mean from the sums of its groups: CR2, which does not understate it where sizes are unequal.

    Bell & McCaffrey, Survey Methodology 28 (2002). For equal sizes it is the usual clustered error with G / (G - 1).

    >>> round(cr2_error(np.array([4.0, 2, 1, 1, 1, 0]), np.array([12.0, 6, 4, 3, 3, 2])), 9)
    0.029264256
    """
    total = sizes.sum()
    rest = sums - sizes * (sums.sum() / total)
    return float(math.sqrt((rest**2 / (1 - sizes / total)).sum()) / total)


def bell_mccaffrey(sizes: np.ndarray) -> float:
    """Degrees of freedom of a mean over groups of these sizes: G - 1 for equal sizes, fewer for unequal ones; 0 for a single group.

    >>> round(bell_mccaffrey(np.array([12.0, 6, 4, 3, 3, 2])), 6), round(bell_mccaffrey(np.ones(9)), 6)
    (3.32739, 8.0)
    """
    if len(sizes) < 2:
        return 0.0
    w = sizes / sizes.sum()
    a = w**2 / (1 - w)
    return float(1 / ((w**2).sum() + a.sum() ** 2 - (a**2).sum()))


def groups_of(names: Sequence[Hashable]) -> Groups:
    """Groups of equal names; a missing name is a group of its own.

    >>> groups_of(["b", "a", "b", None]).sizes.tolist()
    [2.0, 1.0, 1.0]
    """
    seen: dict[Any, int] = {}
    codes = np.empty(len(names), dtype=np.int64)
    for i, name in enumerate(names):
        missing = name is None or name != name  # NaN
        codes[i] = seen.setdefault((i,) if missing else (None, name), len(seen))
    return Groups(codes, np.bincount(codes, minlength=len(seen)).astype(float))


def grouping(users: Sequence[Hashable] | None, items: Sequence[Hashable] | None = None) -> Grouping | None:
    """How rows hang together, by user (or template) and by question; None where every row stands alone.

    The choice looks at names and sizes only, never at scores.

    >>> grouping(["ada", "bob"], ["one", "two"]) is None
    True
    >>> grouping(["ada", "ada", "bob"]).kind, grouping(["ada", "bob"], ["one", "one"]).kind
    ('groups', 'items')
    """
    if users is not None and items is not None and len(users) != len(items):
        raise ValueError(f"{len(users)} users for {len(items)} questions")
    u = groups_of(users) if users is not None else None
    i = groups_of(items) if items is not None else None
    u = u if u is not None and u.count < len(u.codes) else None
    i = i if i is not None and i.count < len(i.codes) else None
    if u is None or i is None:
        return None if u is None and i is None else Grouping("groups", u) if i is None and u is not None else Grouping("items", i or u)  # type: ignore[arg-type]
    cells = groups_of(list(zip(u.codes.tolist(), i.codes.tolist(), strict=True)))
    if cells.count == i.count:  # each question belongs to a single user
        return Grouping("groups", u)
    if cells.count == u.count:  # each user has a single question
        return Grouping("items", i)
    linked = _components(u, i)
    crossed = min(u.count, i.count) >= FEWEST_CROSSED and min(u.df, i.df) >= _WORTH_CROSSED
    if linked.count >= _COMPONENTS and (not crossed or linked.df >= 0.8 * min(u.df, i.df)):
        return Grouping("linked", linked, users=u.count, questions=i.count)
    return Grouping("crossed", u, i, cells, u.count, i.count, "" if crossed else _too_few(u, i))


def _too_few(users: Groups, items: Groups) -> str:
    few = min((users.count, "cluster"), (items.count, "question"))
    if few[0] < FEWEST_CROSSED:
        return f"{few[0]} {few[1]}{'s are' if few[0] != 1 else ' is'} too few to tell"
    one = "question" if items.df < users.df else "cluster"
    return f"one {one} has {max(users.share, items.share) if one == 'question' else users.share:.0%} of the rows"


def _components(users: Groups, items: Groups) -> Groups:
    """Rows that are linked by a user or a question, directly or over others."""
    parent = list(range(users.count + items.count))

    def root(x: int) -> int:
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        return x

    for u, i in set(zip(users.codes.tolist(), items.codes.tolist(), strict=True)):
        parent[root(u)] = root(users.count + i)
    return groups_of([root(u) for u in users.codes.tolist()])
