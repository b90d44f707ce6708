"""How often the intervals and sentences are right, by simulation: writes docs/coverage.md.

    python bench/coverage.py [REPETITIONS]

Every number comes from the functions that evaluations use. Rows in clusters share a
cluster's own probability (beta-distributed, correlation 0.1 within a cluster).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmnb.stats.holm import holm
from fmnb.stats.level import level
from fmnb.stats.means import estimate
from fmnb.stats.paired import is_real, paired
from fmnb.stats.resampling import bootstrap
from fmnb.stats.shares import wilson

SIZES = (20, 50, 100, 200, 500, 1000, 2000)
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.95)
ICC = 0.1


@dataclass(frozen=True)
class Cell:
    """Of one design: how many of its intervals hold the truth, how many data sets showed one, how many showed a wrong one."""

    method: str
    n: int
    clusters: int
    p: float
    covered: float
    shown: float

    @property
    def wrong(self) -> float:
        return (1 - self.covered) * self.shown if self.shown else 0.0


def wilson_cells(sizes=SIZES, shares=SHARES) -> Iterator[Cell]:
    """Without chance: the binomial distribution itself."""
    for n, p in itertools.product(sizes, shares):
        k = np.arange(n + 1)
        log = np.cumsum(np.concatenate([[n * np.log1p(-p)], np.log((n - k[:-1]) / (k[1:])) + np.log(p / (1 - p))]))
        holds = np.array([(i := wilson(int(x), n)).low <= p <= i.high for x in k])
        yield Cell("share", n, 0, p, float(np.exp(log)[holds].sum()), 1.0)


def in_clusters(random, n: int, clusters: int, p: float, icc: float = ICC):
    """Right or wrong of `n` rows, and their clusters (0: none)."""
    if not clusters:
        return (random.random(n) < p).astype(float), None
    a = p * (1 - icc) / icc
    own = random.beta(a, a * (1 - p) / p, clusters)
    codes = np.arange(n) % clusters
    return (random.random(n) < own[codes]).astype(float), codes.tolist()


def share_cells(repetitions: int, random, sizes=SIZES, shares=SHARES, clusters=(10, 20, 50, 100)) -> Iterator[Cell]:
    """Shares of rows in clusters."""
    for n, c, p in itertools.product(sizes, clusters, shares):
        if n < 2 * c:
            continue
        hits, shown = 0, 0
        for _ in range(repetitions):
            x, codes = in_clusters(random, n, c, p)
            e = level(x, codes).estimate
            if e.low is not None:
                shown += 1
                hits += e.low <= p <= e.high
        yield Cell("share, clustered", n, c, p, hits / max(1, shown), shown / repetitions)


def differences(random, n: int, clusters: int, p: float, gap: float):
    """Paired differences: a is right with `p`, b with `p + gap`, and both are moved by the row and its cluster."""
    shared, codes = in_clusters(random, n, clusters, 0.5)
    u = np.where(random.random(n) < 0.5, np.where(shared > 0, random.random(n) / 2, 0.5 + random.random(n) / 2), random.random(n))
    v = np.where(random.random(n) < 0.5, u, random.random(n))  # half of the rows are as hard for both
    return (u < p).astype(float), (v < p + gap).astype(float), codes


def gap_cells(repetitions: int, random, sizes=SIZES, shares=(0.1, 0.3, 0.5, 0.7, 0.85), gaps=(0.0, 0.1), clusters=(0, 10, 20, 50, 100)):
    """Paired gaps of right-or-wrong answers."""
    for n, c, p in itertools.product(sizes, clusters, shares):
        if c and n < 2 * c:
            continue
        hits = shown = total = 0
        for gap in gaps:
            for _ in range(repetitions // len(gaps)):
                a, b, codes = differences(random, n, c, p, gap)
                e = estimate(b - a, codes)
                total += 1
                if e.low is not None:
                    shown += 1
                    hits += e.low <= gap <= e.high
        yield Cell("gap, clustered" if c else "gap", n, c, p, hits / max(1, shown), shown / total)


def score_cells(repetitions: int, random, sizes=SIZES, shapes=(0.1, 0.3, 0.5, 0.7, 0.9)) -> Iterator[Cell]:
    """Means of scores between 0 and 1 (beta-distributed, two parts in all)."""
    for n, p in itertools.product(sizes, shapes):
        hits = 0
        for _ in range(repetitions):
            e = level(random.beta(2 * p, 2 * (1 - p), n)).estimate
            hits += e.low is not None and e.low <= p <= e.high
        yield Cell("mean score", n, 0, p, hits / repetitions, 1.0)


def bootstrap_cells(repetitions: int, random, sizes=(50, 200, 500), shares=(0.3, 0.5, 0.7)) -> Iterator[Cell]:
    """The percentile bootstrap of the same gaps."""
    for n, p in itertools.product(sizes, shares):
        hits = 0
        for _ in range(repetitions):
            a, b, _codes = differences(random, n, 0, p, 0.1)
            i = bootstrap(b - a, draws=500, seed=int(random.integers(1 << 30)))
            hits += i.low <= 0.1 <= i.high
        yield Cell("gap, bootstrap", n, 0, p, hits / repetitions, 1.0)


def wrong_sentences(repetitions: int, random, n: int, models: int, clusters: int = 0, p: float = 0.6) -> float:
    """How often "beats" is said of any pair of equally good models."""
    wrong = 0
    for _ in range(repetitions):
        shared, codes = in_clusters(random, n, clusters, 0.5)
        hard = np.where(shared > 0, random.random(n) / 2, 0.5 + random.random(n) / 2)
        answers = [(np.where(random.random(n) < 0.5, hard, random.random(n)) < p).astype(float) for _ in range(models)]
        pairs = [paired(x, y, codes) for x, y in itertools.combinations(answers, 2)]
        wrong += any(is_real(r.gap, q) for r, q in zip(pairs, holm([r.p for r in pairs]), strict=True))
    return wrong / repetitions


def page(repetitions: int) -> str:
    random = np.random.default_rng(7)
    cells = [
        *wilson_cells(),
        *score_cells(repetitions, random),
        *gap_cells(repetitions, random),
        *share_cells(repetitions, random),
        *bootstrap_cells(max(200, repetitions // 4), random),
    ]
    lines = []
    for method in dict.fromkeys(c.method for c in cells):
        for clusters in dict.fromkeys(c.clusters for c in cells if c.method == method):
            for n in dict.fromkeys(c.n for c in cells if c.method == method and c.clusters == clusters):
                row = [c for c in cells if (c.method, c.clusters, c.n) == (method, clusters, n)]
                seen = [c for c in row if c.shown >= 0.5]
                covered = [c.covered for c in seen]
                lowest = min(seen, key=lambda c: c.covered) if seen else None
                lines.append(
                    f"| {method} | {n:,} | {clusters or '-'} | {np.mean(covered):.1%} | {lowest.covered:.1%} at p = {lowest.p:g} | {len(seen)} of {len(row)} | {max(c.wrong for c in row):.1%} |"
                    if lowest
                    else f"| {method} | {n:,} | {clusters or '-'} | - | - | 0 of {len(row)} | {max(c.wrong for c in row):.1%} |"
                )
    sentences = [
        f"| {n:,} | {models} | {c or '-'} | {wrong_sentences(repetitions, random, n, models, c):.1%} |"
        for n, models, c in (
            (20, 2, 0),
            (50, 2, 0),
            (200, 2, 0),
            (200, 4, 0),
            (1000, 2, 0),
            (40, 2, 5),
            (100, 2, 10),
            (200, 2, 20),
            (500, 4, 50),
        )
    ]
    return TEXT.format(repetitions=repetitions, table="\n".join(lines), sentences="\n".join(sentences))


TEXT = """# How often the intervals are right

Made by `python bench/coverage.py {repetitions}`: {repetitions:,} simulated data sets a design (the share without clusters is computed exactly), put through the functions that `fm.evaluate` uses. An interval of 95 % should hold the truth in about 95 of 100 of them.

- *share*: Wilson's interval of a share of right answers; *share, clustered*: the same for rows that hang together and are worth fewer, with Student's t.
- *mean score*: Wilson's interval for scores between 0 and 1 (beta-distributed, heaped at both ends), as many rows as they are worth.
- *gap*: Student's interval of paired differences of right-or-wrong answers, true gaps of 0 and 10 points; *clustered*: over clusters whose rows resemble each other (correlation 0.1).

Where rows differ too little for an interval (fewer than 10 rows or clusters that are not alike, fewer than 10 clusters) none is shown, and the report says why. The column *shown* counts the values of p for which at least half of the data sets showed one; *average* and *lowest* are over those. *Wrong at most* is the share of all data sets, of any p, that showed an interval without the truth in it.

| interval | rows | clusters | average | lowest | shown | wrong at most |
|---|---|---|---|---|---|---|
{table}

p is 0.05 to 0.95 for shares. Closer to 0 or 1 than about one right (or wrong) row in the whole set, Wilson's interval dips: with a true share of 1 in 120 and 20 rows it holds in 85 %. A set in which one answer or none is wrong cannot say how rare errors are.

The bootstrap is a second opinion in `.pairs`; sentences do not rest on it.

## How often "beats" is said of models that are equal

At most one in twenty is promised, for all pairs of an evaluation together. (The simulation's own error is about 0.7 points.)

| rows | models | clusters | said wrongly |
|---|---|---|---|
{sentences}
"""

if __name__ == "__main__":
    text = page(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
    (Path(__file__).parents[1] / "docs" / "coverage.md").write_text(text)
    print(text)
