"""Which model is preferred, from all votes: shares with intervals, strengths of several, and a sentence that says what chance explains.

The votes of one person are one person's: several voters count as clusters, a single one's
votes tell of that person alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from ..calls.session import session
from ..core.events import Feedback, Started
from ..core.records import Rows
from ..stats.bradley_terry import bootstrap, bradley_terry
from ..store import feedback as signals
from ..store import log
from .comparison import labels

if TYPE_CHECKING:
    from ..stats.votes import Preference

COLUMNS = (
    *("model", "votes", "wins", "ties", "losses", "bad", "voters", "win_rate", "low", "high"),
    *("strength", "strength_low", "strength_high", "note"),
)
_ENOUGH = 6  # decisive votes; fewer cannot tell two models apart, however they fall
TOO_FEW = "too few votes"


@dataclass(frozen=True, slots=True)
class Ballot:
    """One vote, names in place of runs: the prompt it was about, who was shown, who won (None: a tie, or `bad`), who voted."""

    prompt: str
    shown: tuple[str, ...]
    winner: str | None
    bad: bool
    voter: str = ""


def ballots(votes: Sequence[Feedback]) -> list[Ballot]:
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
            Ballot(known[min(runs)][1], tuple(names[r] for r in runs), names[winner] if winner else None, v.value["said"] == "bad", v.user)
        )
    return found


def _start(run: str) -> dict[str, str]:
    """Labels of a comparison's answers by run, without the number of a sample; none where only that differs."""
    meta = next((e.meta for e in log.events_of(run) if isinstance(e, Started)), {})
    axes = [{n: v for n, v in a.items() if n != "sample"} for a in meta.get("axes", [])]
    return dict(zip(meta.get("runs", []), labels(axes), strict=False)) if axes else {}


def scope(notebook: str | None) -> tuple[str, str]:
    """Whose votes count, "" for all, and a word on it where it is not plain: None is this notebook, or all where it is not known."""
    if notebook is None:
        return session.notebook, "" if session.notebook else "of all notebooks: this one is not known"
    return ("", "of all notebooks") if notebook == "all" else (notebook, f"of {notebook}")


def leaderboard(models: Sequence[str] = (), *, since: float | None = None, notebook: str | None = None) -> Rows:
    """Rank models by votes, best first.

    `win_rate` counts a tie as half a win. Its 95% interval excludes one half exactly when the
    test is significant. "Both bad" votes are counted and do not affect the ranking. With three
    or more models, `strength` is the Bradley-Terry strength (log odds, sum 0), with a bootstrap
    interval that resamples whole voters, or prompts if there is one voter. Models are ordered by
    the lower end of the interval; those with fewer than six decisive votes come last.

    Source: Bradley and Terry (1952), Rank analysis of incomplete block designs, Biometrika 39.

    Args:
        models: Models to keep, each with every way it was asked; all if empty.
        since: Only votes after this time, in seconds since the epoch.
        notebook: Whose votes count: those of this notebook if None, "all", or a notebook's path.

    Returns:
        A table, one row per model; its note is a sentence with the conclusion.

    >>> leaderboard().columns[0]
    'model'
    """
    which, scoped = scope(notebook)
    cast = [
        b
        for b in ballots(signals.all_feedback("vote", since, which))
        if not models or all(n in models or n.partition(", ")[0] in models for n in b.shown)
    ]
    names = sorted({n for b in cast for n in b.shown})
    if len(names) < 2:
        others = len(signals.all_feedback("vote", since)) if which else 0
        elsewhere = f'; {others:,} of other notebooks: fm.leaderboard(notebook="all"), `%fm leaderboard --all`' if others else ""
        return Rows([], COLUMNS, f"no votes yet: compare two models with `%%fm a b`, then `%fm vote left`{elsewhere}")
    wins, by_unit = _wins(cast)
    met = sum(bool(wins.get((x, y)) or wins.get((y, x))) for x, y in combinations(names, 2))
    strengths = bounds = None
    trouble = ""
    if len(names) > 2:
        try:
            strengths = bradley_terry(wins)
            bounds = bootstrap(by_unit) if len(by_unit) >= _ENOUGH else None
            trouble = "; strengths are pulled together a little, since some model never lost" if strengths.regularised else ""
        except ValueError as e:
            trouble = f"; {e}"
    rows: list[dict[str, Any]] = []
    for name in names:
        mine = [b for b in cast if name in b.shown and not b.bad]
        won = sum(b.winner == name for b in mine)
        ties = sum(b.winner is None for b in mine)
        share = _preference(mine, name, met)
        rows.append(
            {
                "model": name,
                "votes": len(mine),
                "wins": won,
                "ties": ties,
                "losses": len(mine) - won - ties,
                "bad": sum(b.bad for b in cast if name in b.shown),
                "voters": share.voters if share else None,
                "win_rate": share.share if share else None,
                "low": share.low if share else None,
                "high": share.high if share else None,
                "strength": strengths.strengths.get(name) if strengths else None,
                "strength_low": bounds[name][0] if bounds and name in bounds else None,
                "strength_high": bounds[name][1] if bounds and name in bounds else None,
                "note": TOO_FEW if len(mine) - ties < _ENOUGH else None,
            }
        )
    rows.sort(key=_rank)
    names = [str(r["model"]) for r in rows]  # the best, and the best of those it met
    other = next((n for n in names[1:] if wins.get((names[0], n)) or wins.get((n, names[0]))), names[1])
    return Rows(rows, COLUMNS, _sentence(names[0], other, cast, met) + trouble + (f"; votes {scoped}" if scoped else ""))


def _rank(row: Mapping[str, Any]) -> tuple[bool, float, float]:
    """Sorts models by what is sure of them."""
    few = row["note"] is not None
    low = row["strength_low"] if not few and row["strength_low"] is not None else row["low"]
    value = row["strength"] if not few and row["strength"] is not None else row["win_rate"]
    return few, -(low if low is not None else 0.0), -(value if value is not None else 0.0)


def _preference(cast: Sequence[Ballot], name: str, comparisons: int, against: str = "") -> Preference | None:
    """What the votes say of one model, against all others or a single one; None where there are none."""
    from ..stats.votes import preference  # brings numpy

    mine = [b for b in cast if not b.bad and {name, against or name} <= set(b.shown)]
    if against:
        mine = [b for b in mine if b.winner in (name, against, None)]
    if not mine:
        return None
    votes = [0.5 if b.winner is None else float(b.winner == name) for b in mine]
    return preference(votes, [b.voter for b in mine], [b.prompt for b in mine], comparisons=max(1, comparisons))


def _wins(cast: Sequence[Ballot]) -> tuple[dict[tuple[str, str], float], dict[Hashable, Mapping[tuple[str, str], float]]]:
    """Wins between pairs, in all and by voter (by prompt where there is one voter): the winner beats everyone shown, in a tie everyone halves."""
    total: dict[tuple[str, str], float] = defaultdict(float)
    by_unit: dict[Hashable, dict[tuple[str, str], float]] = defaultdict(lambda: defaultdict(float))
    several = len({b.voter for b in cast}) > 1
    for b in cast:
        if b.bad:
            continue
        if b.winner is not None:
            pairs = [((b.winner, other), 1.0) for other in b.shown if other != b.winner]
        else:
            pairs = [(pair, 0.5) for x, y in combinations(b.shown, 2) for pair in ((x, y), (y, x))]
        for pair, count in pairs:
            total[pair] += count
            by_unit[b.voter if several else b.prompt][pair] += count
    return dict(total), {u: dict(w) for u, w in by_unit.items()}


def _sentence(a: str, b: str, cast: Sequence[Ballot], comparisons: int) -> str:
    """What the votes say of the first two."""
    both = [v for v in cast if {a, b} <= set(v.shown)]
    found = _preference(both, a, comparisons, b)
    if found is None:
        return f"{a} and {b} were never voted on together"
    if found.share < 0.5:  # ahead of all others together, and not of this one
        a, b = b, a
        found = _preference(both, a, comparisons, b) or found
    wins, losses, ties = (sum(v.winner == w and not v.bad for v in both) for w in (a, b, None))
    seen = f"{wins} of {wins + losses} decisive votes" if wins + losses else f"no decisive vote of {ties}"
    if found.decisive_low is not None and found.decisive_high is not None:
        seen += f" ({_percent(found.decisive_low)} to {_percent(found.decisive_high)})"
    seen += f", {ties} {'tie' if ties == 1 else 'ties'}" if ties and wins + losses else ""
    seen += f", {found.voters} voters" if found.voters > 1 else ""
    together = f" among {comparisons} pairs" if comparisons > 1 else ""
    if found.why:
        return f"{a} and {b} are not told apart so far: {seen}; {found.why}"
    p = f"p = {_p(found.p)}{together}"
    if not found.real:
        return f"{a} and {b} are not told apart: {seen}, {p}"
    if found.voters == 1:
        return f"one voter prefers {a} to {b}: {seen}, {p}; this says nothing of other people"
    return f"{a} is preferred to {b}: {seen}, {p}"


def _percent(share: float) -> str:
    """A share in whole percent, in more digits where it would be rounded to one half.

    >>> _percent(0.65), _percent(0.5024), _percent(0.5)
    ('65%', '50.2%', '50%')
    """
    digits = next((d for d in range(4) if share == 0.5 or float(f"{100 * share:.{d}f}") != 50), 3)
    return f"{share:.{digits}%}"


def _p(p: float) -> str:
    """Two digits, or three where two would be rounded to 0.05."""
    return f"{p:.2g}" if float(f"{p:.2g}") != 0.05 else f"{p:.3g}"
