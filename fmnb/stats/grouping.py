"""Clusters of rows that share a user or a question, and their effective number.

Rows are independent only if they share neither user nor question. Rows of one user form a group,
and so do rows with one question; if both occur, the two groupings are crossed.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MIN_CROSSED = 6  # distinct users and distinct questions; fewer allow no verdict, however many rows there are
_MIN_CROSSED_DF = 4.0  # degrees of freedom needed for each of two crossed groupings
_MIN_COMPONENTS = 10  # with this many groups that share no user or question, a single grouping is enough


@dataclass(frozen=True, slots=True)
class Groups:
    """Each row's group as a number from 0, and the number of rows in each group."""

    codes: np.ndarray
    sizes: np.ndarray

    @property
    def count(self) -> int:
        """The number of groups."""
        return len(self.sizes)

    @property
    def share(self) -> float:
        """The share of rows in the largest group."""
        return float(self.sizes.max() / self.sizes.sum())

    @property
    def df(self) -> float:
        """Bell and McCaffrey's degrees of freedom for the mean."""
        return bell_mccaffrey(self.sizes)

    @property
    def balanced(self) -> bool:
        """Whether the sizes allow Student's t: the degrees of freedom are at least 0.8 (groups - 1)."""
        return self.df >= 0.8 * (self.count - 1)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """The sum of the values in each group."""
        return np.bincount(self.codes, weights=values, minlength=self.count)


@dataclass(frozen=True, slots=True)
class Grouping:
    """The cluster structure of rows.

    `kind` is "groups" (users or templates), "items" (equal questions), "linked" (sets of users who
    share questions) or "crossed" (users by questions, with `items` and `cells` in addition to
    `groups`). `reason` states why so few groups allow no verdict.
    """

    kind: str
    groups: Groups
    items: Groups | None = None
    cells: Groups | None = None
    users: int | None = None  # distinct, where both users and questions repeat
    questions: int | None = None
    reason: str = ""

    @property
    def df(self) -> float:
        """Degrees of freedom for the mean; the smaller value of two crossed groupings."""
        return self.groups.df if self.items is None else min(self.groups.df, self.items.df)

    @property
    def count(self) -> int:
        """The number of groups; the smaller one of users and questions if they are crossed."""
        return self.groups.count if self.items is None else min(self.groups.count, self.items.count)

    def error(self, values: np.ndarray) -> float | None:
        """The CR2 standard error of the mean; None for a single group."""
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
    """The CR2 standard error of a mean, from sums of groups; it is not too small for unequal sizes.

    Bell & McCaffrey, Survey Methodology 28 (2002). For equal sizes it is the usual clustered
    standard error with the factor G / (G - 1).

    >>> round(cr2_error(np.array([4.0, 2, 1, 1, 1, 0]), np.array([12.0, 6, 4, 3, 3, 2])), 9)
    0.029264256
    """
    total = sizes.sum()
    rest = sums - sizes * (sums.sum() / total)
    return float(math.sqrt((rest**2 / (1 - sizes / total)).sum()) / total)


def bell_mccaffrey(sizes: np.ndarray) -> float:
    """Degrees of freedom of a mean over groups: G - 1 for equal sizes, fewer for unequal ones.

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
    """The cluster structure by user (or template) and by question; None if all rows are independent.

    The choice depends on names and sizes only, never on scores.

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
    crossed = min(u.count, i.count) >= MIN_CROSSED and min(u.df, i.df) >= _MIN_CROSSED_DF
    if linked.count >= _MIN_COMPONENTS and (not crossed or linked.df >= 0.8 * min(u.df, i.df)):
        return Grouping("linked", linked, users=u.count, questions=i.count)
    return Grouping("crossed", u, i, cells, u.count, i.count, "" if crossed else _too_few(u, i))


def _too_few(users: Groups, items: Groups) -> str:
    few = min((users.count, "cluster"), (items.count, "question"))
    if few[0] < MIN_CROSSED:
        return f"{few[0]} {few[1]}{'s are' if few[0] != 1 else ' is'} too few for a verdict"
    one = "question" if items.df < users.df else "cluster"
    return f"one {one} has {max(users.share, items.share) if one == 'question' else users.share:.0%} of the rows"


def _components(users: Groups, items: Groups) -> Groups:
    """Connected components of rows that share a user or a question."""
    parent = list(range(users.count + items.count))

    def root(x: int) -> int:
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        return x

    for u, i in set(zip(users.codes.tolist(), items.codes.tolist(), strict=True)):
        parent[root(u)] = root(users.count + i)
    return groups_of([root(u) for u in users.codes.tolist()])
