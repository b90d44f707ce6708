"""Failed answers: models without a score or a verdict, and verdicts that failures could reverse.

A failed call does not tell how good an answer would have been. So a model without answers has no
score, and a model with too many failures has no verdict. With fewer failures, a verdict must have
the same sign whether failed answers are excluded or count as 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..core.errors import UsageError
from .score_matrix import Matrix

MAX_FAILURES = 0.05  # of a model's answers: 5% of the rows can change a score by 5 points at most


def check_share(share: float) -> float:
    """The share as a number from 0 to 1. UsageError for anything else."""
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise UsageError("The allowed share of failed answers must be a number from 0 to 1", detail=repr(share), hint="0.05 is 5%.")
    return float(share)


def has_scores(m: Matrix) -> bool:
    """Whether any model has a score."""
    return bool(len(m.rows) and m.models)


def no_verdict_sentences(m: Matrix) -> list[str]:
    """A sentence for each model without a score or verdict; a single one if nothing was scored at all."""
    if m.n_expected and not any(m.n_answered.values()):
        return [f"Nothing was scored: no model answered. {causes_text(sum(m.failure_causes.values(), Counter()))}."]
    if m.n_expected and not any(m.n_scored.values()):
        return [f"Not scored by {m.scorer}: {causes_text(sum(m.failure_causes.values(), Counter()))}."]
    return [_no_verdict_sentence(m, name) for name in m.excluded]


def failure_sentences(m: Matrix) -> list[str]:
    """A sentence for each model that has a verdict although some of its answers failed."""
    out = []
    for name in m.models:
        if n := m.failure_causes[name].total():
            verb = "count" if n > 1 else "counts"
            how = f'{verb} as 0 (missing="failure")' if m.missing == "failure" else f"{'are' if n > 1 else 'is'} excluded"
            out.append(f"{n:,} of {m.n_expected:,} answers of {name} failed and {how}: {causes_text(m.failure_causes[name])}.")
    return out


def _no_verdict_sentence(m: Matrix, name: str) -> str:
    n = m.failure_causes[name].total()
    if not m.n_answered[name]:
        return f"{name} answered none of {m.n_expected:,} call{'' if m.n_expected == 1 else 's'} and has no score: {causes_text(m.failure_causes[name])}."
    if not m.n_scored[name]:
        return f"No answer of {name} could be scored by {m.scorer}: {causes_text(m.failure_causes[name])}."
    share = f"{_percent(n / m.n_expected)}; at most {_percent(m.max_failures)} may fail for a verdict"
    mean = m.observed_means[name]
    mean_text = f"{mean:.1%}" if 0 <= mean <= 1 else f"{mean:.4g}"
    return f"{name} has no verdict: {n:,} of its {m.n_expected:,} answers failed ({share}): {causes_text(m.failure_causes[name])}. Its other answers average {mean_text} by {m.scorer}."


def no_verdict_reason(m: Matrix, a: str, b: str, gap: float) -> str:
    """Why failures prevent a verdict on a gap (b - a) that is large enough; "" if they do not.

    A verdict needs the same sign of the gap if failed answers count as 0.
    """
    if (a, b) in m.pairwise:
        undecided = int(np.isnan(m.pairwise[a, b][m.rows]).sum())
        if undecided > m.max_failures * len(m.rows):
            return (
                f"{undecided:,} of their {len(m.rows):,} pairs have no verdict of the judge; at most {_percent(m.max_failures)} are allowed"
            )
        return ""
    if m.missing == "failure" or not gap or m.failures_as_zero is None:
        return ""
    x, y = (m.failures_as_zero[:, m.all_models.index(n)] for n in (a, b))
    gap_with_failures = float(np.mean(y - x))
    if gap_with_failures * gap > 0:
        return ""
    better, worse = (b, a) if gap > 0 else (a, b)
    return f"{better} is ahead of {worse} only if its failed answers are excluded"


def causes_text(counts: Counter[str], max_causes: int = 3) -> str:
    """The most frequent causes with their counts; causes with the same beginning are merged.

    >>> causes_text(Counter({"no key": 4, "timeout": 1}))
    '4 × no key, 1 × timeout'
    >>> causes_text(Counter({f"refused: request {i}": 1 for i in range(9)}))
    '9 × refused: request 0 (for example)'
    """
    if len(counts) > max_causes:
        by_beginning: dict[str, Counter[str]] = {}
        for cause, n in counts.items():
            by_beginning.setdefault(cause.split(": ")[0], Counter())[cause] = n
        examples = [(c.most_common(1)[0][0], len(c), c.total()) for c in by_beginning.values()]
        counts = Counter({f"{_without_period(example)} (for example)" if kinds > 1 else example: n for example, kinds, n in examples})
    shown: Sequence[tuple[str, int]] = counts.most_common(max_causes)
    n_others = len(counts) - len(shown)
    return ", ".join(f"{n:,} × {_without_period(cause)}" for cause, n in shown) + (
        f" and {n_others} other cause{'s' if n_others > 1 else ''}" if n_others else ""
    )


def _without_period(cause: str) -> str:
    return cause.rstrip(".")


def _percent(share: float) -> str:
    """A share in percent, with three significant digits at most.

    >>> _percent(0.05), _percent(0.125)
    ('5%', '12.5%')
    """
    return f"{100 * share:.3g}%"
