"""Simulated data sets of many designs, put through the functions that evaluations use: how often verdicts and intervals are right."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fmnb.stats.grouping import Grouping, grouping
from fmnb.stats.holm import holm
from fmnb.stats.level import level
from fmnb.stats.paired import is_significant, paired_all
from fmnb.stats.votes import preference

Scores = tuple[np.ndarray, np.ndarray]  # of two models: data sets by rows
Draw = Callable[[np.random.Generator, int], Scores]

_AT_ONCE = 64  # data sets; they share the drawn signs


@dataclass(frozen=True)
class Found:
    """Shares of data sets: a winner was named, an interval was shown, the shown ones hold the truth, and the same of a model's level."""

    beats: float
    shown: float
    covered: float
    level_shown: float = 0.0
    level_covered: float = 1.0
    same: float = 0.0  # within the margin


def gaps(
    random: np.random.Generator, g: Grouping | None, draw: Draw, truth: float, sets: int, *, mean: float | None = None, margin: float = 0.0
) -> Found:
    """Over `sets` data sets of one design; `truth` is the gap, `mean` the first model's level where that is to be looked at."""
    beats = shown = held = level_shown = level_held = same = 0
    for start in range(0, sets, _AT_ONCE):
        a, b = draw(random, min(_AT_ONCE, sets - start))
        for r in paired_all(list(zip(a, b, strict=True)), g, comparisons=1):
            beats += r.significant
            if r.gap.low is not None and r.gap.high is not None:
                shown += 1
                held += r.gap.low <= truth <= r.gap.high
                same += -margin < r.gap.low and r.gap.high < margin
        if mean is not None:
            for x in a:
                e = level(x, g).estimate
                if e.low is not None and e.high is not None:
                    level_shown += 1
                    level_held += e.low <= mean <= e.high
    return Found(beats / sets, shown / sets, held / max(1, shown), level_shown / sets, level_held / max(1, level_shown), same / sets)


# ---- users


def sizes_of(kind: str, users: int, rows: int) -> np.ndarray:
    """Rows of each user, largest first."""
    rank = np.arange(1, users + 1)
    weights = {
        "equal": np.ones(users),
        "lognormal": np.exp(np.random.default_rng(users).normal(0, 1, users)),
        "Zipf 1": 1 / rank,
        "Zipf 1.5": 1 / rank**1.5,
        "two of 40 %": np.r_[[0.4, 0.4], np.full(users - 2, 0.2 / (users - 2))],
        "one of 65 %": np.r_[0.65, np.full(users - 1, 0.35 / (users - 1))],
        "150 and singles": np.r_[150.0, np.ones(users - 1)],
    }[kind]
    if kind == "150 and singles":
        return weights.astype(int)
    return np.sort(np.maximum(1, np.round(rows * weights / weights.sum())).astype(int))[::-1]


def rows_for(users: int) -> int:
    return 400 if users <= 40 else 600 if users <= 60 else 1000


def by_user(sizes: np.ndarray) -> tuple[np.ndarray, Grouping | None]:
    """Each row's user, and how rows hang together."""
    codes = np.repeat(np.arange(len(sizes)), sizes)
    return codes, grouping(codes.tolist())


def right_or_wrong(codes: np.ndarray, p: float, gap: float, icc: float) -> Draw:
    """Both models' shares differ from user to user, each by itself: users differ in the gap, too."""

    def draw(random: np.random.Generator, sets: int) -> Scores:
        users = int(codes.max()) + 1
        each = (1 - icc) / icc
        own = [random.beta(m * each, (1 - m) * each, (sets, users))[:, codes] for m in (p, p + gap)]
        return tuple((random.random(o.shape) < o).astype(float) for o in own)  # type: ignore[return-value]

    return draw


def graded(codes: np.ndarray, p: float, gap: float, icc: float) -> Draw:
    """Scores from 0 to 1, spread round each user's own mean."""

    def draw(random: np.random.Generator, sets: int) -> Scores:
        users = int(codes.max()) + 1
        each = (1 - icc) / icc
        own = [random.beta(m * each, (1 - m) * each, (sets, users))[:, codes].clip(0.001, 0.999) for m in (p, p + gap)]
        return tuple(random.beta(3 * o, 3 * (1 - o)) for o in own)  # type: ignore[return-value]

    return draw


def skewed(codes: np.ndarray | None, rows: int, spread: float, icc: float = 0.1) -> Draw:
    """Unbounded scores whose differences are lognormal about a mean of 0, in rows and in users."""
    centre = float(np.exp(spread**2 / 2))

    def draw(random: np.random.Generator, sets: int) -> Scores:
        d = random.lognormal(0, spread, (sets, rows)) - centre
        if codes is not None:
            own = random.lognormal(0, spread, (sets, int(codes.max()) + 1)) - centre
            d = np.sqrt(1 - icc) * d + np.sqrt(icc) * own[:, codes]
        return np.zeros_like(d), d

    return draw


def weak(codes: np.ndarray) -> Draw:
    """A mean gap of 0 without symmetry: nine users in ten gain 6 points, one loses 54."""

    def draw(random: np.random.Generator, sets: int) -> Scores:
        own = np.where(random.random((sets, int(codes.max()) + 1)) < 0.9, 0.06, -0.54)[:, codes]
        noise = random.normal(0, 0.05, own.shape)
        return np.full(own.shape, 0.6), (0.6 + own + noise).clip(0, 1)

    return draw


def informative(random: np.random.Generator, users: int, spread: float, sets: int) -> tuple[float, float, float]:
    """Users drawn anew whose gap grows with their number of rows: how often the intervals over rows and over users hold, and opposite leads.

    `spread` is the standard deviation of the logarithm of rows a user.
    """

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        z = random.normal(size=count)
        return np.maximum(1, np.round(10 * np.exp(spread * z))).astype(int), 0.06 * z

    n, m = drawn(400_000)
    by_row, by_users = float((n * m).sum() / n.sum()), 0.0
    rows_hold = users_hold = named = 0
    for _ in range(sets):
        n, m = drawn(users)
        codes, g = by_user(n)
        d = m[codes] + random.normal(0, 0.1, len(codes))
        (r,) = paired_all([(np.full(len(d), 0.5), (0.5 + d).clip(0, 1))], g)
        rows_hold += r.gap.low is not None and r.gap.high is not None and r.gap.low <= by_row <= r.gap.high
        e = r.equal_weight
        users_hold += e is not None and e.low is not None and e.high is not None and e.low <= by_users <= e.high
        named += r.significant
    return rows_hold / sets, users_hold / sets, named / sets


# ---- users by questions


def crossed(users: int, items: int, filled: float, user_sd: float, item_sd: float, seed: int = 1) -> tuple[Grouping | None, Draw]:
    """Users who ask some of the same questions; `filled` is the part of all pairs that there are, popular questions more often."""
    random = np.random.default_rng(seed)
    chance = np.ones(items) if filled == 1 else 1 / np.arange(1, items + 1) ** 0.5
    chance = np.minimum(1, chance * filled * items / chance.sum())
    there = random.random((users, items)) < chance
    there[:, 0] |= ~there.any(axis=1)
    u, i = np.nonzero(there)

    def draw(random: np.random.Generator, sets: int) -> Scores:
        d = 0.1 * random.normal(size=(sets, len(u)))
        d += user_sd * random.normal(size=(sets, users))[:, u] + item_sd * random.normal(size=(sets, items))[:, i]
        return np.full(d.shape, 0.5), (0.5 + d).clip(0, 1)

    return grouping([f"u{k}" for k in u.tolist()], [f"q{k}" for k in i.tolist()]), draw


# ---- several models, votes


def several(
    random: np.random.Generator, sizes: np.ndarray, models: int, sets: int, p: float = 0.6, icc: float = 0.1
) -> tuple[float, float]:
    """Of equally good models: how often any is said to beat another, and how often all intervals that are shown together hold 0."""
    codes, g = by_user(sizes)
    if len(set(codes.tolist())) == len(codes):
        g = None
    wrong = held = 0
    each = (1 - icc) / icc
    for _ in range(sets):
        own = random.beta(p * each, (1 - p) * each, (models, len(sizes)))[:, codes]
        answers = (random.random(own.shape) < own).astype(float)
        tests = paired_all(list(itertools.combinations(answers, 2)), g)
        wrong += any(is_significant(t.gap, q) and not t.sign_differs for t, q in zip(tests, holm([t.p for t in tests]), strict=True))
        held += all(t.gap.simultaneous is None or t.gap.simultaneous[0] <= 0 <= t.gap.simultaneous[1] for t in tests)
    return wrong / sets, held / sets


def voting(random: np.random.Generator, votes: Sequence[int], leaning: float, sets: int) -> tuple[float, float]:
    """How often votes name a preference where people are of two minds, and how often shown intervals hold one half; `votes` of each voter."""
    who = np.repeat(np.arange(len(votes)), votes)
    wrong = held = shown = 0
    for _ in range(sets):
        minds = random.beta(leaning, leaning, len(votes))
        found = preference((random.random(len(who)) < minds[who]).astype(float), who.tolist(), range(len(who)))
        wrong += found.significant
        if found.low is not None and found.high is not None:
            shown += 1
            held += found.low <= 0.5 <= found.high
    return wrong / sets, held / max(1, shown)
