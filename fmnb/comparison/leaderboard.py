"""Models ranked by votes: win rates with intervals, Bradley-Terry strengths, and a conclusion.

Several voters are clusters. The votes of a single voter describe that person only.
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
from ..store import feedback as feedback_store
from ..store import log
from .comparison import labels

if TYPE_CHECKING:
    from ..stats.votes import Preference

COLUMNS = (
    *("model", "votes", "wins", "ties", "losses", "bad", "voters", "win_rate", "low", "high"),
    *("strength", "strength_low", "strength_high", "note"),
)
_MIN_DECISIVE_VOTES = 6  # with fewer, no difference can be significant
TOO_FEW = "too few votes"


@dataclass(frozen=True, slots=True)
class Ballot:
    """One vote, with model names instead of runs; `winner` is None for a tie and for "both bad"."""

    prompt: str
    contestants: tuple[str, ...]
    winner: str | None
    bad: bool
    voter: str = ""


def ballots(votes: Sequence[Feedback]) -> list[Ballot]:
    """Votes with the models of their runs; votes on one answer, or on runs that the log lost, are dropped.

    If one model was compared with itself, a contestant is the model and what was varied
    (`embedded, short`). Samples of the same request are not contestants.
    """
    known = log.names_of([r for v in votes for r in v.value["runs"]])
    starts = {v.run: _labels_by_run(v.run) for v in votes if len({known.get(r, ("",))[0] for r in v.value["runs"]}) < len(v.value["runs"])}
    out = []
    for v in votes:
        runs = v.value["runs"]
        if len(runs) < 2 or not all(r in known for r in runs):  # the other answers failed, or the log lost a run
            continue
        names = starts.get(v.run) or {r: known[r][0] for r in runs}
        if len({names.get(r) for r in runs}) < len(runs):
            continue
        winner = v.value["winner"]
        out.append(
            Ballot(known[min(runs)][1], tuple(names[r] for r in runs), names[winner] if winner else None, v.value["said"] == "bad", v.user)
        )
    return out


def _labels_by_run(run: str) -> dict[str, str]:
    """Labels of a comparison's answers by run, without sample numbers."""
    meta = next((e.meta for e in log.events_of(run) if isinstance(e, Started)), {})
    axes = [{n: v for n, v in a.items() if n != "sample"} for a in meta.get("axes", [])]
    return dict(zip(meta.get("runs", []), labels(axes), strict=False)) if axes else {}


def scope(notebook: str | None) -> tuple[str, str]:
    """The notebook whose votes count ("" for all), and a note about it.

    None is the current notebook, or all notebooks if the current one is unknown.
    """
    if notebook is None:
        return session.notebook, "" if session.notebook else "of all notebooks, since the current one is unknown"
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
        models: Models to keep, each with all its variations; all if empty.
        since: Only votes after this time, in seconds since the epoch.
        notebook: Whose votes count: those of this notebook if None, "all", or a notebook's path.

    Returns:
        A table, one row per model; its note is a sentence with the conclusion.

    >>> leaderboard().columns[0]
    'model'
    """
    path, scope_note = scope(notebook)
    votes_cast = [
        b
        for b in ballots(feedback_store.all_feedback("vote", since, path))
        if not models or all(n in models or n.partition(", ")[0] in models for n in b.contestants)
    ]
    names = sorted({n for b in votes_cast for n in b.contestants})
    if len(names) < 2:
        others = len(feedback_store.all_feedback("vote", since)) if path else 0
        elsewhere = f'; {others:,} in other notebooks: fm.leaderboard(notebook="all"), `%fm leaderboard --all`' if others else ""
        return Rows([], COLUMNS, f"no votes yet: compare two models with `%%fm a b`, then `%fm vote left`{elsewhere}")
    wins, by_unit = _wins(votes_cast)
    n_pairs = sum(bool(wins.get((x, y)) or wins.get((y, x))) for x, y in combinations(names, 2))
    strengths = strength_bounds = None
    strength_note = ""
    if len(names) > 2:
        try:
            strengths = bradley_terry(wins)
            strength_bounds = bootstrap(by_unit) if len(by_unit) >= _MIN_DECISIVE_VOTES else None
            strength_note = "; strengths are regularized, since some model won or lost every comparison" if strengths.regularized else ""
        except ValueError as e:
            strength_note = f"; {e}"
    rows: list[dict[str, Any]] = []
    for name in names:
        decided = [b for b in votes_cast if name in b.contestants and not b.bad]
        won = sum(b.winner == name for b in decided)
        ties = sum(b.winner is None for b in decided)
        win_share = _preference(decided, name, n_pairs)
        rows.append(
            {
                "model": name,
                "votes": len(decided),
                "wins": won,
                "ties": ties,
                "losses": len(decided) - won - ties,
                "bad": sum(b.bad for b in votes_cast if name in b.contestants),
                "voters": win_share.voters if win_share else None,
                "win_rate": win_share.share if win_share else None,
                "low": win_share.low if win_share else None,
                "high": win_share.high if win_share else None,
                "strength": strengths.strengths.get(name) if strengths else None,
                "strength_low": strength_bounds[name][0] if strength_bounds and name in strength_bounds else None,
                "strength_high": strength_bounds[name][1] if strength_bounds and name in strength_bounds else None,
                "note": TOO_FEW if len(decided) - ties < _MIN_DECISIVE_VOTES else None,
            }
        )
    rows.sort(key=_sort_key)
    names = [str(r["model"]) for r in rows]  # the best model, and the best of those it was compared with
    other = next((n for n in names[1:] if wins.get((names[0], n)) or wins.get((n, names[0]))), names[1])
    return Rows(
        rows, COLUMNS, _conclusion(names[0], other, votes_cast, n_pairs) + strength_note + (f"; votes {scope_note}" if scope_note else "")
    )


def _sort_key(row: Mapping[str, Any]) -> tuple[bool, float, float]:
    """Sort by the lower end of the interval; models with too few votes come last."""
    few = row["note"] is not None
    low = row["strength_low"] if not few and row["strength_low"] is not None else row["low"]
    value = row["strength"] if not few and row["strength"] is not None else row["win_rate"]
    return few, -(low if low is not None else 0.0), -(value if value is not None else 0.0)


def _preference(votes_cast: Sequence[Ballot], name: str, comparisons: int, against: str = "") -> Preference | None:
    """The preference for one model over all others, or over `against`; None without votes."""
    from ..stats.votes import preference  # imports numpy

    ballots_ = [b for b in votes_cast if not b.bad and {name, against or name} <= set(b.contestants)]
    if against:
        ballots_ = [b for b in ballots_ if b.winner in (name, against, None)]
    if not ballots_:
        return None
    votes = [0.5 if b.winner is None else float(b.winner == name) for b in ballots_]
    return preference(votes, [b.voter for b in ballots_], [b.prompt for b in ballots_], comparisons=max(1, comparisons))


def _wins(votes_cast: Sequence[Ballot]) -> tuple[dict[tuple[str, str], float], dict[Hashable, Mapping[tuple[str, str], float]]]:
    """Wins of each model over each other one: in total, and by voter (by prompt if there is one voter).

    A winner beats every other answer shown; a tie is half a win for each side of each pair.
    """
    total: dict[tuple[str, str], float] = defaultdict(float)
    by_unit: dict[Hashable, dict[tuple[str, str], float]] = defaultdict(lambda: defaultdict(float))
    several_voters = len({b.voter for b in votes_cast}) > 1
    for b in votes_cast:
        if b.bad:
            continue
        if b.winner is not None:
            pairs = [((b.winner, other), 1.0) for other in b.contestants if other != b.winner]
        else:
            pairs = [(pair, 0.5) for x, y in combinations(b.contestants, 2) for pair in ((x, y), (y, x))]
        for pair, count in pairs:
            total[pair] += count
            by_unit[b.voter if several_voters else b.prompt][pair] += count
    return dict(total), {u: dict(w) for u, w in by_unit.items()}


def _conclusion(a: str, b: str, votes_cast: Sequence[Ballot], comparisons: int) -> str:
    """The conclusion about the first two models."""
    both = [v for v in votes_cast if {a, b} <= set(v.contestants)]
    preference = _preference(both, a, comparisons, b)
    if preference is None:
        return f"{a} and {b} have no votes in common"
    if preference.share < 0.5:  # it is ahead of all others together, but not of this one
        a, b = b, a
        preference = _preference(both, a, comparisons, b) or preference
    wins, losses, ties = (sum(v.winner == w and not v.bad for v in both) for w in (a, b, None))
    counts = f"{wins} of {wins + losses} decisive votes" if wins + losses else f"no decisive votes among {ties}"
    if preference.decisive_low is not None and preference.decisive_high is not None:
        counts += f" ({_percent(preference.decisive_low)} to {_percent(preference.decisive_high)})"
    counts += f", {ties} {'tie' if ties == 1 else 'ties'}" if ties and wins + losses else ""
    counts += f", {preference.voters} voters" if preference.voters > 1 else ""
    together = f" among {comparisons} pairs" if comparisons > 1 else ""
    if preference.reason:
        return f"{a} and {b} are not significantly different so far: {counts}; {preference.reason}"
    p = f"p = {_p(preference.p)}{together}"
    if not preference.significant:
        return f"{a} and {b} are not significantly different: {counts}, {p}"
    if preference.voters == 1:
        return f"one voter prefers {a} to {b}: {counts}, {p}; this does not generalize to other people"
    return f"{a} is preferred to {b}: {counts}, {p}"


def _percent(share: float) -> str:
    """A share in percent, with as many decimals as are needed not to round it to one half.

    >>> _percent(0.65), _percent(0.5024), _percent(0.5)
    ('65%', '50.2%', '50%')
    """
    digits = next((d for d in range(4) if share == 0.5 or float(f"{100 * share:.{d}f}") != 50), 3)
    return f"{share:.{digits}%}"


def _p(p: float) -> str:
    """A p value with two digits, or three where two would round to 0.05."""
    return f"{p:.2g}" if float(f"{p:.2g}") != 0.05 else f"{p:.3g}"
