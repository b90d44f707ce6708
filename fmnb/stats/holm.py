"""Multiple comparisons: Holm's adjusted p values, and a compact letter display of ties."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values. Scandinavian Journal of Statistics 6 (1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    out, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        out[i] = highest
    return out


def letters(names: Sequence[Name], tied: Callable[[Name, Name], bool]) -> dict[Name, str]:
    """Compact letter display: one letter for each group of mutually tied names.

    Names without a common letter differ.

    >>> letters(["x", "y", "z"], lambda a, b: {a, b} != {"x", "z"})
    {'x': 'a', 'y': 'ab', 'z': 'b'}
    """
    groups: list[list[Name]] = []
    for name in names:  # every maximal group contains some first name in the given order; extend each from there
        for start in range(len(names)):
            group = [name]
            for other in [*names[start:], *names[:start]]:
                if other != name and all(tied(other, member) for member in group):
                    group.append(other)
            group.sort(key=names.index)
            if group not in groups:
                groups.append(group)
    groups.sort(key=lambda g: [names.index(n) for n in g])
    return {n: "".join(_letter(i) for i, g in enumerate(groups) if n in g) for n in names}


def _letter(i: int) -> str:
    return chr(ord("a") + i) if i < 26 else f"({i + 1})"
