"""The ways a conversation went: each a whole list of messages, from the same beginning.

Nothing is thrown away when an earlier turn is asked again in other words: what followed it
stays a branch of its own, and one can go back to it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.types import Message

Path = tuple[Message, ...]


def kept(branches: Sequence[Path], path: Path) -> list[Path]:
    """The branches with this way among them: in the place of the one it goes on from, or as a new one.

    >>> from fmnb.core.types import message
    >>> a, b, c = message("user", "a"), message("assistant", "b"), message("user", "c")
    >>> [len(p) for p in kept([(a, b)], (a, b, c))], [len(p) for p in kept([(a, b)], (c,))]
    ([3], [2, 1])
    """
    if not path or any(b[: len(path)] == path for b in branches):
        return list(branches)
    before = next((i for i, b in enumerate(branches) if path[: len(b)] == b), None)
    if before is None:
        return [*branches, path]
    return [path if i == before else b for i, b in enumerate(branches)]


def ways(branches: Sequence[Path], path: Path, at: int) -> tuple[list[int], int]:
    """At message number `at` of a path: the branches that go other ways from there, one for each way, and which of them the path takes.

    Ways differ in what is asked there or in the answer to it.
    """
    found: dict[int, Path] = {}
    for i, b in enumerate(branches):
        if len(b) <= at or b[:at] != path[:at]:
            continue
        step = _step(b, at)
        same = next((k for k, other in found.items() if _step(other, at) == step), None)
        if same is None:
            found[i] = b
        elif b[: len(path)] == path:  # of branches that part later, the one we are on
            found = {(i if k == same else k): (b if k == same else v) for k, v in found.items()}
    here = _step(path, at)
    order = list(found)
    return order, next((n for n, k in enumerate(order) if _step(found[k], at) == here), 0)


def _step(path: Path, at: int) -> Path:
    """One exchange: from a message of the user to before the next."""
    end = next((i for i in range(at + 1, len(path)) if path[i].role == "user"), len(path))
    return path[at:end]
