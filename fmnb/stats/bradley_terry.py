"""The Bradley-Terry model: strengths of several models from pairwise votes.

P(a beats b) = 1 / (1 + exp(strength_b - strength_a)). A tie counts as half a win for each.
Bradley & Terry, Biometrika 39 (1952). The likelihood is maximized by Newton's method.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Name = TypeVar("Name", bound=Hashable)
_PSEUDO_WINS = 0.1  # added to each compared pair if the likelihood has no maximum otherwise


@dataclass(frozen=True)
class Strengths:
    """Log strengths that sum to 0, with standard errors.

    `regularized` tells whether pseudo wins were added to make the strengths finite.
    """

    strengths: dict[Any, float]
    standard_errors: dict[Any, float]
    regularized: bool = False
    covariance: Any = field(default=None, repr=False)

    def probability(self, a: Hashable, b: Hashable) -> float:
        """The probability that `a` is preferred to `b`."""
        import math

        return 1 / (1 + math.exp(self.strengths[b] - self.strengths[a]))


def bradley_terry(wins: Mapping[tuple[Any, Any], float]) -> Strengths:
    """Fit strengths to counts `wins[(winner, loser)]`; a tie is half a win each way.

    If some group of models never lost to the rest, the likelihood has no maximum. Then a tenth of
    a win each way is added to every compared pair, and `regularized` is True. Raises ValueError
    for fewer than two models, or if the comparisons do not connect all models.

    >>> counts = {("a", "b"): 2, ("b", "a"): 3, ("a", "d"): 1, ("d", "a"): 4, ("b", "c"): 5, ("c", "b"): 3, ("c", "d"): 1, ("d", "c"): 3}
    >>> round(bradley_terry(counts).strengths["d"], 6)
    0.819946
    """
    import numpy as np

    names = sorted({n for pair in wins for n in pair}, key=str)
    if len(names) < 2:
        raise ValueError("strengths need at least two models")
    at = {n: i for i, n in enumerate(names)}
    table = np.zeros((len(names), len(names)))
    for (winner, loser), count in wins.items():
        if winner == loser or count < 0:
            raise ValueError(f"invalid vote: {winner!r} over {loser!r}, {count}")
        table[at[winner], at[loser]] += count
    met = (table + table.T) > 0
    if not _reaches_all(met):
        raise ValueError("some models were never compared with the others, so they cannot be ranked together")
    regularized = not _reaches_all(table > 0) or not _reaches_all(table.T > 0)
    if regularized:
        table = table + _PSEUDO_WINS * met
    t = _fit(table)
    spread = _covariance(table, t)
    errors = np.sqrt(np.maximum(np.diag(spread), 0.0))
    return Strengths(
        {n: float(t[i]) for n, i in at.items()},
        {n: float(errors[i]) for n, i in at.items()},
        regularized,
        {"names": names, "matrix": spread},
    )


def _reaches_all(edges: Array) -> bool:
    """Whether the first node reaches every other node."""
    seen, todo = {0}, [0]
    while todo:
        for j in edges[todo.pop()].nonzero()[0].tolist():
            if j not in seen:
                seen.add(j)
                todo.append(j)
    return len(seen) == len(edges)


def _fit(table: Array) -> Array:
    """Newton's method from zero, with step halving; strengths sum to 0."""
    import numpy as np

    games = table + table.T
    t = np.zeros(len(table))

    def likelihood(t: Array) -> float:
        return float(-(table * np.logaddexp(0.0, t[None, :] - t[:, None])).sum())

    for _ in range(100):
        p = 1 / (1 + np.exp(t[None, :] - t[:, None]))
        slope = table.sum(1) - (games * p).sum(1)
        step = np.linalg.pinv(_information(games, p)) @ slope
        size, now = 1.0, likelihood(t)
        while likelihood(t + size * step) < now - 1e-12 and size > 1e-6:
            size /= 2
        t = t + size * step
        t -= t.mean()
        if np.abs(size * step).max() < 1e-10:
            break
    return t


def _information(games: Array, p: Array) -> Array:
    import numpy as np

    weight = games * p * (1 - p)
    return np.diag(weight.sum(1)) - weight


def _covariance(table: Array, t: Array) -> Array:
    """Covariance of the strengths, which sum to 0: the pseudo-inverse of the information matrix."""
    import numpy as np

    p = 1 / (1 + np.exp(t[None, :] - t[:, None]))
    return np.linalg.pinv(_information(table + table.T, p))


def bootstrap(votes: Mapping[Hashable, Mapping[tuple[Any, Any], float]], draws: int = 300, seed: int = 0) -> dict[Any, tuple[float, float]]:
    """95% percentile intervals of strengths from a cluster bootstrap over `votes[prompt]`.

    Votes on one prompt are correlated, so whole prompts are resampled. A draw whose comparisons do
    not connect all models is replaced by another.

    >>> one = {("a", "b"): 1.0}; two = {("b", "a"): 1.0}
    >>> low, high = bootstrap({i: one if i % 3 else two for i in range(60)})["a"]
    >>> low < high
    True
    """
    import numpy as np

    random = np.random.default_rng(seed)
    prompts = list(votes)
    replicates: dict[Any, list[float]] = {}
    attempts = fits = 0
    while fits < draws and attempts < 4 * draws:
        attempts += 1
        total: dict[tuple[Any, Any], float] = {}
        for i in random.integers(len(prompts), size=len(prompts)).tolist():
            for pair, count in votes[prompts[i]].items():
                total[pair] = total.get(pair, 0.0) + count
        try:
            fit = bradley_terry(total)
        except ValueError:
            continue
        fits += 1
        for name, value in fit.strengths.items():
            replicates.setdefault(name, []).append(value)
    return {name: (float(np.percentile(v, 2.5)), float(np.percentile(v, 97.5))) for name, v in replicates.items()}


def order(strengths: Mapping[Any, float], tied: Callable[[Any, Any], bool]) -> Sequence[tuple[Any, ...]]:
    """Groups of names from strong to weak; neighbors that are `tied` share a group.

    >>> order({"a": 1.0, "b": 0.9, "c": -1.9}, lambda x, y: {x, y} == {"a", "b"})
    [('a', 'b'), ('c',)]
    """
    groups: list[tuple[Any, ...]] = []
    for name in sorted(strengths, key=lambda n: -strengths[n]):
        if groups and all(tied(other, name) for other in groups[-1]):
            groups[-1] = (*groups[-1], name)
        else:
            groups.append((name,))
    return groups
