"""Which model is preferred, from all votes: shares with intervals, strengths of several, and a sentence that says "tied" when it is tied."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from .comparison import labels
from .events import Signal, Started
from .rows import Rows
from .stats.bradley_terry import bootstrap, bradley_terry
from .stats.shares import sign_test, wilson
from .store import log, signals

COLUMNS = ("model", "votes", "wins", "ties", "losses", "bad", "win_rate", "low", "high", "strength", "strength_low", "strength_high")
_ALPHA = 0.05
_ENOUGH = 6  # decisive votes; fewer cannot tell two models apart, however they fall


@dataclass(frozen=True, slots=True)
class Ballot:
    """One vote, names in place of runs: the prompt it was about, who was shown, who won (None: a tie, or `bad`)."""

    prompt: str
    shown: tuple[str, ...]
    winner: str | None
    bad: bool


def ballots(votes: Sequence[Signal]) -> list[Ballot]:
    """Votes with the models behind their runs. A vote whose runs are no longer in the log is left out.

    Where one model was asked in several ways, a contestant is the model and what was varied
    (`embedded, short`); tries of the very same question (samples) are no contestants.
    """
    known = log.names_of([r for v in votes for r in v.value["runs"]])
    starts = {v.run: _start(v.run) for v in votes if len({known.get(r, ("",))[0] for r in v.value["runs"]}) < len(v.value["runs"])}
    found = []
    for v in votes:
        runs = v.value["runs"]
        if not all(r in known for r in runs):
            continue
        names = starts.get(v.run) or {r: known[r][0] for r in runs}
        if len({names.get(r) for r in runs}) < len(runs):
            continue
        winner = v.value["winner"]
        found.append(
            Ballot(known[min(runs)][1], tuple(names[r] for r in runs), names[winner] if winner else None, v.value["said"] == "bad")
        )
    return found


def _start(run: str) -> dict[str, str]:
    """Labels of a comparison's answers by run, without the number of a sample; none where only that differs."""
    meta = next((e.meta for e in log.events_of(run) if isinstance(e, Started)), {})
    axes = [{n: v for n, v in a.items() if n != "sample"} for a in meta.get("axes", [])]
    return dict(zip(meta.get("runs", []), labels(axes), strict=False)) if axes else {}


def leaderboard(models: Sequence[str] = (), *, since: float | None = None) -> Rows:
    """All models that were voted on, best first, as a table whose note says in a sentence what can be said.

    `win_rate` counts ties as halves, with Wilson's 95 % interval; votes "both bad" are counted
    and decide nothing. From three models on `strength` is Bradley and Terry's (log odds, sum
    0), with an interval from drawing whole prompts again. `models` keeps some (a model with every way it was asked), `since` (seconds
    since the epoch) the newer votes.

    >>> leaderboard().columns[0]
    'model'
    """
    cast = [
        b
        for b in ballots(signals.every("vote", since))
        if not models or all(n in models or n.partition(", ")[0] in models for n in b.shown)
    ]
    names = sorted({n for b in cast for n in b.shown})
    if len(names) < 2:
        return Rows([], COLUMNS, "no votes yet: compare two models with `%%fm a b`, then `%fm vote left`")
    wins, by_prompt = _wins(cast)
    strengths = bounds = None
    trouble = ""
    if len(names) > 2:
        try:
            strengths = bradley_terry(wins)
            bounds = bootstrap(by_prompt)
            trouble = "; strengths are pulled together a little, since some model never lost" if strengths.regularised else ""
        except ValueError as e:
            trouble = f"; {e}"
    rows: list[dict[str, Any]] = []
    for name in names:
        mine = [b for b in cast if name in b.shown and not b.bad]
        won = sum(b.winner == name for b in mine)
        ties = sum(b.winner is None for b in mine)
        share = wilson(won + ties / 2, len(mine)) if mine else None
        rows.append(
            {
                "model": name,
                "votes": len(mine),
                "wins": won,
                "ties": ties,
                "losses": len(mine) - won - ties,
                "bad": sum(b.bad for b in cast if name in b.shown),
                "win_rate": share.value if share else None,
                "low": share.low if share else None,
                "high": share.high if share else None,
                "strength": strengths.strengths.get(name) if strengths else None,
                "strength_low": bounds[name][0] if bounds and name in bounds else None,
                "strength_high": bounds[name][1] if bounds and name in bounds else None,
            }
        )
    rows.sort(key=lambda r: -(r["strength"] if r["strength"] is not None else r["win_rate"] or 0))
    names = [str(r["model"]) for r in rows]  # the best, and the best of those it met
    return Rows(
        rows,
        COLUMNS,
        _sentence(names[0], next((n for n in names[1:] if wins.get((names[0], n)) or wins.get((n, names[0]))), names[1]), cast, wins)
        + trouble,
    )


def _wins(cast: Sequence[Ballot]) -> tuple[dict[tuple[str, str], float], dict[Hashable, Mapping[tuple[str, str], float]]]:
    """Wins between pairs, in all and by prompt: the winner beats everyone shown, in a tie everyone halves."""
    total: dict[tuple[str, str], float] = defaultdict(float)
    by_prompt: dict[str, dict[tuple[str, str], float]] = defaultdict(lambda: defaultdict(float))
    for b in cast:
        if b.bad:
            continue
        if b.winner is not None:
            pairs = [((b.winner, other), 1.0) for other in b.shown if other != b.winner]
        else:
            pairs = [(pair, 0.5) for x, y in combinations(b.shown, 2) for pair in ((x, y), (y, x))]
        for pair, count in pairs:
            total[pair] += count
            by_prompt[b.prompt][pair] += count
    return dict(total), {p: dict(w) for p, w in by_prompt.items()}


def _sentence(a: str, b: str, cast: Sequence[Ballot], wins: Mapping[tuple[str, str], float]) -> str:
    """What the votes say of the first two. Only decisive votes are tested; ties show in the share."""
    x, y = wins.get((a, b), 0.0), wins.get((b, a), 0.0)
    if not x + y:
        return f"{a} and {b} were never voted on together"
    both = [ballot.winner for ballot in cast if {a, b} <= set(ballot.shown)]
    for_a, for_b = both.count(a), both.count(b)
    share = wilson(x, x + y)
    seen = f"{x:g} of {x + y:g} ({share.low:.0%} to {share.high:.0%})"
    if for_a + for_b < _ENOUGH:
        return f"{a} and {b} are tied so far: {seen}; fewer than {_ENOUGH} decisive votes cannot tell two models apart"
    p = sign_test(for_a, for_b)
    return f"{a} is preferred to {b}: {seen}, p = {p:.2g}" if p < _ALPHA else f"{a} and {b} are tied: {seen}, p = {p:.2g}"
