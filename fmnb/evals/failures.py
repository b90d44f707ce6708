"""What failed is told apart from what was scored: who has no score, who has no verdict, and whether failures could turn one.

A failed call says nothing about how good an answer would have been. So a model that answered
nothing has no score; one with too many failures has no verdict; and within the share that is
allowed a verdict must have the same sign whether failed answers are left out or count as 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..core.errors import UsageError
from .score_matrix import Matrix

MAX_FAILURES = 0.05  # of a model's answers; what 5 % of rows would have scored cannot move a score by more than 5 points


def check_share(share: float) -> float:
    """The share as a number from 0 to 1. UsageError for anything else."""
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise UsageError(
            "The share of failures that still allows a verdict is a number from 0 to 1", detail=repr(share), hint="0.05 is 5 %."
        )
    return float(share)


def scored(m: Matrix) -> bool:
    """Whether any model has a score."""
    return bool(len(m.rows) and m.models)


def blocked(m: Matrix) -> list[str]:
    """A sentence for each model without a score or without a verdict; one alone where nothing was scored at all."""
    if m.asked and not any(m.answered.values()):
        return [f"Nothing was scored: no model answered. {causes(sum(m.failed.values(), Counter()))}."]
    if m.asked and not any(m.scored.values()):
        return [f"Not scored by {m.scorer}: {causes(sum(m.failed.values(), Counter()))}."]
    return [_without(m, name) for name in m.without]


def minor(m: Matrix) -> list[str]:
    """A sentence for each model with a verdict of which some answers failed."""
    out = []
    for name in m.models:
        if n := m.failed[name].total():
            done = "count" if n > 1 else "counts"
            how = f'{done} as 0, as missing="failure" says' if m.missing == "failure" else f"{'are' if n > 1 else 'is'} left out"
            out.append(f"{n:,} of {m.asked:,} answers of {name} failed and {how}: {causes(m.failed[name])}.")
    return out


def _without(m: Matrix, name: str) -> str:
    n = m.failed[name].total()
    if not m.answered[name]:
        return f"{name} answered none of {m.asked:,} calls and has no score: {causes(m.failed[name])}."
    if not m.scored[name]:
        return f"No answer of {name} could be scored by {m.scorer}: {causes(m.failed[name])}."
    share = f"{_percent(n / m.asked)}; a verdict allows {_percent(m.max_failures)}"
    mean = m.rest[name]
    what = f"{mean:.1%}" if 0 <= mean <= 1 else f"{mean:.4g}"
    return f"{name} has no verdict: {n:,} of its {m.asked:,} answers failed ({share}): {causes(m.failed[name])}. The others average {what} by {m.scorer}."


def doubt(m: Matrix, a: str, b: str, gap: float) -> str:
    """Why a gap (b less a) is no verdict although it is large enough: failures could turn it. "" where they could not.

    The gap is taken once more with failed answers counting as 0; a verdict needs the same sign in both.
    """
    if (a, b) in m.duels:
        undecided = int(np.isnan(m.duels[a, b][m.rows]).sum())
        if undecided > m.max_failures * len(m.rows):
            return f"{undecided:,} of their {len(m.rows):,} duels were not decided, and {_percent(m.max_failures)} is the most a verdict allows"
        return ""
    if m.missing == "failure" or not gap or m.zeroed is None:
        return ""
    x, y = (m.zeroed[:, m.all_models.index(n)] for n in (a, b))
    turned = float(np.mean(y - x))
    if turned * gap > 0:
        return ""
    better, worse = (b, a) if gap > 0 else (a, b)
    return f"{better} is ahead of {worse} only while its failed answers are left out"


def causes(counts: Counter[str], most: int = 3) -> str:
    """The commonest causes with their counts; many that begin alike are counted together, with one of them as the example.

    >>> causes(Counter({"no key": 4, "timeout": 1}))
    '4 × no key, 1 × timeout'
    >>> causes(Counter({f"refused: request {i}": 1 for i in range(9)}))
    '9 × refused: request 0, for example'
    """
    if len(counts) > most:
        alike: dict[str, Counter[str]] = {}
        for cause, n in counts.items():
            alike.setdefault(cause.split(": ")[0], Counter())[cause] = n
        one = [(c.most_common(1)[0][0], len(c), c.total()) for c in alike.values()]
        counts = Counter({f"{_plain(example)}, for example" if kinds > 1 else example: n for example, kinds, n in one})
    shown: Sequence[tuple[str, int]] = counts.most_common(most)
    more = len(counts) - len(shown)
    return ", ".join(f"{n:,} × {_plain(cause)}" for cause, n in shown) + (
        f" and {more} other cause{'s' if more > 1 else ''}" if more else ""
    )


def _plain(cause: str) -> str:
    return cause.rstrip(".")


def _percent(share: float) -> str:
    """A share in percent, no digit more than it needs.

    >>> _percent(0.05), _percent(0.125)
    ('5%', '12.5%')
    """
    return f"{100 * share:.3g}%"
