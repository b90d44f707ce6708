"""The branches of a conversation, each a complete list of messages from its start.

Editing an earlier turn drops nothing: the turns after it stay as a separate branch.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.types import Message

Branch = tuple[Message, ...]


def add_branch(branches: Sequence[Branch], path: Branch) -> list[Branch]:
    """The branches including this one: it replaces the branch that it continues, or is appended.

    >>> from fmnb.core.types import message
    >>> a, b, c = message("user", "a"), message("assistant", "b"), message("user", "c")
    >>> [len(p) for p in add_branch([(a, b)], (a, b, c))], [len(p) for p in add_branch([(a, b)], (c,))]
    ([3], [2, 1])
    """
    if not path or any(b[: len(path)] == path for b in branches):
        return list(branches)
    extended = next((i for i, b in enumerate(branches) if path[: len(b)] == b), None)
    if extended is None:
        return [*branches, path]
    return [path if i == extended else b for i, b in enumerate(branches)]


def alternatives(branches: Sequence[Branch], path: Branch, at: int) -> tuple[list[int], int]:
    """Alternative branches at message `at`, and the position of the current one among them.

    There is one for each exchange at `at`. Alternatives differ in the prompt at `at`, or in its
    answer.
    """
    by_exchange: dict[int, Branch] = {}
    for i, b in enumerate(branches):
        if len(b) <= at or b[:at] != path[:at]:
            continue
        exchange = _exchange(b, at)
        same = next((k for k, other in by_exchange.items() if _exchange(other, at) == exchange), None)
        if same is None:
            by_exchange[i] = b
        elif b[: len(path)] == path:  # of branches that diverge later, the current one
            by_exchange = {(i if k == same else k): (b if k == same else v) for k, v in by_exchange.items()}
    current = _exchange(path, at)
    order = list(by_exchange)
    return order, next((n for n, k in enumerate(order) if _exchange(by_exchange[k], at) == current), 0)


def _exchange(path: Branch, at: int) -> Branch:
    """One exchange: from one user message up to the next."""
    end = next((i for i in range(at + 1, len(path)) if path[i].role == "user"), len(path))
    return path[at:end]
