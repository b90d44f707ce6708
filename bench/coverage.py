"""How often the intervals and sentences are right, by simulation: writes docs/coverage.md.

    python bench/coverage.py [DATA_SETS [PROCESSES]]

Every number comes from the functions that evaluations use; parts have seeds of their own, so
that processes do not change a number. Designs of users, questions, votes and
skewed scores are in coverage_designs.py; here are rows that stand alone, and the page.
"""

from __future__ import annotations

import functools
import itertools
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import coverage_designs as designs
import numpy as np

from fmnb.stats.level import level
from fmnb.stats.means import estimate
from fmnb.stats.proportions import wilson
from fmnb.stats.resampling import bootstrap

SIZES = (20, 50, 100, 200, 1000)
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.95)
ICC = 0.1
PATTERNS = ("equal", "lognormal", "Zipf 1", "Zipf 1.5", "two of 40 %", "one of 65 %", "150 and singles")
USERS = (8, 12, 20, 60, 200)


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


def share_cells(repetitions: int, random, sizes=SIZES, shares=SHARES, clusters=(10, 20, 50)) -> Iterator[Cell]:
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


def gap_cells(repetitions: int, random, sizes=SIZES, shares=(0.1, 0.3, 0.5, 0.7, 0.85), gaps=(0.0, 0.1), clusters=(0, 10, 20, 50)):
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


@dataclass(frozen=True)
class Users:
    """One pattern of sizes: false winners over all kinds of data, power, and intervals that hold the truth."""

    pattern: str
    users: int
    rows: int
    false: tuple[float, ...]
    power: float
    shown: float
    covered: float
    level_shown: float
    level_covered: float


def user_cells(sets: int, random, patterns=PATTERNS, users=USERS) -> Iterator[Users]:
    """Six kinds of data for each pattern of sizes: right or wrong at several shares and correlations, and graded scores."""
    for pattern, count in itertools.product(patterns, users):
        sizes = designs.sizes_of(pattern, count, designs.rows_for(count))
        codes, g = designs.by_user(sizes)
        kinds = [
            *((designs.right_or_wrong, p, icc) for p, icc in ((0.5, 0.02), (0.5, 0.1), (0.5, 0.3), (0.8, 0.1), (0.95, 0.1))),
            (designs.graded, 0.5, 0.1),
        ]
        false, covered, power, levels, shown = [], [], 0.0, [], []
        for make, p, icc in kinds:
            step = 0.1 if p < 0.8 else -0.1
            null = designs.gaps(random, g, make(codes, p, 0.0, icc), 0.0, sets, mean=p)
            other = designs.gaps(random, g, make(codes, p, step, icc), step, sets)
            false.append(null.beats)
            power = other.beats if (make, p, icc) == (designs.right_or_wrong, 0.5, 0.1) else power
            covered += [f.covered for f in (null, other) if f.shown >= 0.2]
            shown += [null.shown, other.shown]
            levels.append((null.level_shown, null.level_covered))
        seen = [c for s, c in levels if s >= 0.2]
        yield Users(
            pattern,
            count,
            len(codes),
            tuple(false),
            power,
            float(np.mean(shown)),
            min(covered, default=float("nan")),
            float(np.mean([s for s, _ in levels])),
            min(seen, default=float("nan")),
        )


CROSSED = (
    *((users, items, 1.0) for users in (8, 20, 50) for items in (8, 15, 40)),
    *((users, items, filled) for users, items, filled in ((20, 30, 0.3), (40, 60, 0.15), (60, 20, 0.1), (20, 5, 1.0), (5, 40, 1.0))),
)


def crossed_rows(sets: int, random) -> Iterator[str]:
    for users, items, filled in CROSSED:
        cells = []
        for effects in ((0.0, 0.0), (0.1, 0.0), (0.0, 0.1), (0.1, 0.1)):
            g, draw = designs.crossed(users, items, filled, *effects)
            cells.append(designs.gaps(random, g, draw, 0.0, sets))
        covered = [c.covered for c in cells if c.shown >= 0.2]
        words = " | ".join(f"{c.beats:.1%}" for c in cells)
        rows = len(g.groups.codes)
        yield f"| {users} | {items} | {rows:,} | {g.kind} | {words} | {f'{min(covered):.1%}' if covered else 'none shown'} |"


def several_rows(sets: int, random) -> Iterator[str]:
    for pattern, users, rows, models in (
        ("each row alone", 200, 200, 4),
        ("each row alone", 60, 60, 6),
        ("equal", 12, 240, 4),
        ("equal", 50, 500, 4),
        ("Zipf 1", 20, 400, 4),
        ("Zipf 1", 60, 600, 6),
        ("Zipf 1.5", 40, 400, 4),
        ("one of 65 %", 30, 400, 4),
    ):
        sizes = np.ones(rows, dtype=int) if pattern == "each row alone" else designs.sizes_of(pattern, users, rows)
        wrong, together = designs.several(random, sizes, models, max(200, sets // 2))
        yield f"| {pattern} | {'-' if pattern == 'each row alone' else users} | {rows} | {models} | {wrong:.1%} | {together:.1%} |"


def vote_rows(sets: int, random) -> Iterator[str]:
    for words, votes in (
        ("one voter with 100 votes, 9 with one", [100, *[1] * 9]),
        ("one voter with 100 votes, 40 with one", [100, *[1] * 40]),
        ("8 voters with 10 each", [10] * 8),
        ("30 voters with 5 each", [5] * 30),
        ("20 voters, Zipf 1", designs.sizes_of("Zipf 1", 20, 200).tolist()),
        ("60 voters with one each", [1] * 60),
        ("5 voters with 40 each", [40] * 5),
    ):
        cells = [designs.voting(random, votes, leaning, sets) for leaning in (1.0, 4.0)]
        yield f"| {words} | {cells[0][0]:.1%} | {cells[1][0]:.1%} | {min(c[1] for c in cells):.1%} |"


def same_rows(sets: int, random) -> Iterator[str]:
    for pattern, users in (("equal", 20), ("equal", 200), ("Zipf 1", 40), ("Zipf 1", 200), ("one of 65 %", 60)):
        codes, g = designs.by_user(designs.sizes_of(pattern, users, 20 * users))
        edge = designs.gaps(random, g, designs.right_or_wrong(codes, 0.5, 0.05, 0.02), 0.05, sets, margin=0.05)
        none = designs.gaps(random, g, designs.right_or_wrong(codes, 0.5, 0.0, 0.02), 0.0, sets, margin=0.05)
        yield f"| {pattern} | {users} | {len(codes):,} | {edge.same:.1%} | {none.same:.1%} |"


def skewed_rows(sets: int, random) -> Iterator[str]:
    for what, rows, pattern in (
        *(("rows", n, "") for n in (12, 20, 40, 100, 300, 1000)),
        *(("users", n, pattern) for n in (12, 20, 40, 60) for pattern in ("equal", "Zipf 1")),
    ):
        codes, g = designs.by_user(designs.sizes_of(pattern, rows, 10 * rows)) if pattern else (None, None)
        n = len(codes) if codes is not None else rows
        cells = [designs.gaps(random, g, designs.skewed(codes, n, spread), 0.0, sets) for spread in (0.5, 1.0, 1.5)]
        words = " | ".join(f"{c.covered:.1%} / {c.beats:.1%}" for c in cells)
        yield f"| {rows} {what}{', ' + pattern if pattern else ''} | {words} |"


def weak_rows(sets: int, random) -> Iterator[str]:
    for pattern in ("equal", "Zipf 1", "Zipf 1.5"):
        cells = []
        for users in (8, 12, 20, 40, 200):
            codes, g = designs.by_user(designs.sizes_of(pattern, users, 20 * users))
            cells.append(designs.gaps(random, g, designs.weak(codes), 0.0, sets))
        yield f"| {pattern} | {' | '.join(f'{c.beats:.1%}' for c in cells)} |"


def informative_rows(sets: int, random) -> Iterator[str]:
    for users, spread in ((12, 0.7), (40, 0.7), (12, 1.2), (40, 1.2)):
        rows, each, named = designs.informative(random, users, spread, max(200, sets // 2))
        yield f"| {users} | {spread} | {rows:.1%} | {each:.1%} | {named:.0%} |"


def alone_rows(sets: int, random) -> Iterator[str]:
    cells = [
        *wilson_cells(),
        *score_cells(sets, random),
        *gap_cells(sets, random),
        *share_cells(sets, random),
        *bootstrap_cells(max(200, sets // 8), random),
    ]
    for method in dict.fromkeys(c.method for c in cells):
        for clusters in dict.fromkeys(c.clusters for c in cells if c.method == method):
            for n in dict.fromkeys(c.n for c in cells if c.method == method and c.clusters == clusters):
                row = [c for c in cells if (c.method, c.clusters, c.n) == (method, clusters, n)]
                seen = [c for c in row if c.shown >= 0.5]
                lowest = min(seen, key=lambda c: c.covered, default=None)
                words = f"{np.mean([c.covered for c in seen]):.1%} | {lowest.covered:.1%} at p = {lowest.p:g}" if lowest else "- | -"
                yield f"| {method} | {n:,} | {clusters or '-'} | {words} | {len(seen)} of {len(row)} | {max(c.wrong for c in row):.1%} |"


def user_rows(sets: int, random, patterns=PATTERNS) -> Iterator[str]:
    for c in user_cells(sets, random, patterns):
        level_words = f"{c.level_covered:.1%} ({c.level_shown:.0%})" if c.level_shown >= 0.2 else "none shown"
        yield (
            f"| {c.pattern} | {c.users} | {c.rows:,} | {np.mean(c.false):.1%} | {max(c.false):.1%} | {c.power:.0%} "
            f"| {c.covered:.1%} ({c.shown:.0%}) | {level_words} |"
        )


PARTS = {
    **{f"users, {p}": functools.partial(user_rows, patterns=(p,)) for p in PATTERNS},
    "crossed": crossed_rows,
    "several": several_rows,
    "votes": vote_rows,
    "same": same_rows,
    "skewed": skewed_rows,
    "weak": weak_rows,
    "informative": informative_rows,
    "alone": alone_rows,
}


def part(name: str, sets: int) -> str:
    """The rows of one part, with a seed of its own."""
    start = time.process_time()
    text = "\n".join(PARTS[name](sets, np.random.default_rng(7 + list(PARTS).index(name))))
    print(f"{name}: {time.process_time() - start:.0f} s", file=sys.stderr, flush=True)
    return text


def page(sets: int, processes: int = 1) -> str:
    if processes == 1:
        found = {name: part(name, sets) for name in PARTS}
    else:
        with ProcessPoolExecutor(processes) as pool:
            found = dict(zip(PARTS, pool.map(part, PARTS, itertools.repeat(sets)), strict=True))
    users = "\n".join(text for name, text in found.items() if name.startswith("users"))
    return TEXT.format(sets=sets, half=max(200, sets // 2), error=1.96 * (0.05 * 0.95 / sets) ** 0.5, users=users, **found)


TEXT = """# How often the verdicts and intervals are right

Generated by `python bench/coverage.py {sets}`: {sets:,} simulated data sets per design, analyzed with the functions that `fm.evaluate` uses. At most one in twenty pairs of equally good models should be reported as *beats* (false positives), and a 95 % interval should contain the true value in about 95 of 100 data sets that show an interval (coverage). The simulation error is about {error:.1%}, so among many designs with a true rate of 5.0 % the largest estimate is above 6 %.

## Users with unequal numbers of rows

Users differ in the gap itself. Each row of the table summarizes six kinds of data: right-or-wrong answers at shares of 50 % (correlation within a user 0.02, 0.1 and 0.3), 80 % and 95 % (0.1), and graded scores. *Zipf 1*: the second user has half the rows of the first, the third a third, and so on; *Zipf 1.5* is steeper. *150 and singles*: one user with 150 rows, the others with one each. *Power* is how often a true gap of 10 points is detected (right-or-wrong, 50 %, correlation 0.1). The share of data sets that showed an interval is in parentheses.

| sizes | users | rows | false positives: mean | worst | power | lowest coverage of the gap | lowest coverage of the level |
|---|---|---|---|---|---|---|---|
{users}

With fewer than 6 users there is no verdict.

## The same questions asked by several users

Graded scores; users, questions, both or neither affect the gap (standard deviation of 10 points each). *Method*: two-way errors over users and questions (crossed), or clusters of users without a common question (linked).

| users | questions | rows | method | false positives: neither | users | questions | both | lowest coverage |
|---|---|---|---|---|---|---|---|---|
{crossed}

One question asked by any number of users, five questions, or five users give no verdict.

## Several models

All models are equally good ({half:,} data sets). *Joint coverage*: how often all displayed intervals of an evaluation contain the true values at once.

| sizes | users | rows | models | any false positive | joint coverage |
|---|---|---|---|---|---|
{several}

## Votes

The average person prefers neither model, but each person leans one way (strongly: every share of their votes is equally likely; weakly: mostly between 30 and 70 %).

| votes | false positives: strong leanings | weak leanings | lowest coverage |
|---|---|---|---|
{votes}

## Equivalence within 5 points

Right-or-wrong answers, correlation 0.02. The true gap is 5 points (equivalence should be reported in at most 5 %, the fewer the better) or 0 (equivalence should be reported).

| sizes | users | rows | equivalent at a gap of 5 | equivalent at a gap of 0 |
|---|---|---|---|---|
{same}

## Unbounded skewed scores

Lognormal scores, centered at their mean, with a standard deviation of the logarithm of 0.5, 1 and 1.5 (in rows and in users). Each cell shows coverage / false positives.

| rows or users | 0.5 | 1 | 1.5 |
|---|---|---|---|
{skewed}

No method works for strongly skewed scores in few or unequal groups: the decisive tail is mostly not in the sample. The report warns that *scores are skewed*. Bounded scores, ranks or logarithms avoid the problem.

## Where no method works

Nine users in ten gain 6 points and one loses 54: the mean gap is 0, but the rare user is often not in the sample. False positives:

| sizes | 8 users | 12 | 20 | 40 | 200 |
|---|---|---|---|---|---|
{weak}

If users with many rows differ from those with few, rows and users give different answers. Here the gap grows by 6 points for each standard deviation of the logarithm of a user's rows; the mean user has no gap. An interval over rows describes these users, and covers the value of a new sample of users less often ({half:,} data sets):

| users | standard deviation of log rows | coverage over rows | coverage over users | *beats* reported |
|---|---|---|---|---|
{informative}

The report shows both gaps if one user has much weight or the verdict depends on the weights, and names no winner if they disagree about who is ahead. *Beats* over rows is not wrong here; it answers another question: what to expect of the next row, not of the next user.

Few users, or a small effective number of users, detect only large gaps: see *power* in the first table.

## Independent rows, and clusters of equal size

- *share*: Wilson's interval for the share of right answers (computed exactly); *share, clustered*: the same over clusters with a correlation of 0.1.
- *mean score*: Wilson's interval for scores between 0 and 1 (beta-distributed, concentrated at both ends), with the effective number of rows.
- *gap*: Student's interval for paired differences of right-or-wrong answers, true gaps of 0 and 10 points; *clustered*: over clusters of correlated rows.

If rows differ too little for an interval, none is shown, and the report says why. *Shown* counts the values of p for which at least half of the data sets showed an interval; *average* and *lowest* coverage are over these. *Wrong at most* is the largest share, over all p, of data sets whose interval missed the true value.

| interval | rows | clusters | average | lowest | shown | wrong at most |
|---|---|---|---|---|---|---|
{alone}

For shares, p is 0.05 to 0.95. If the expected number of right (or wrong) rows in the whole set is below about one, the coverage of Wilson's interval drops: with a true share of 1 in 120 and 20 rows it is 85 %. A set with one wrong answer or none cannot show how rare errors are.

The bootstrap is a second opinion in `.pairs`; sentences do not use it.
"""

if __name__ == "__main__":
    text = page(*(int(word) for word in sys.argv[1:3])) if len(sys.argv) > 1 else page(2000)
    (Path(__file__).parents[1] / "docs" / "coverage.md").write_text(text)
    print(text)
