"""What an evaluation says, in sentences one can act on. Never a winner where chance explains the gap, never a gap without its size, rows and error."""

from __future__ import annotations

import math

from ...stats.means import Estimate, heavy
from ...stats.paired import is_real
from ..analysis import Analysis, Pair
from ..clusters import group_words, in_words, plural, unit
from ..failures import causes
from .number_text import amount, number, p_words, share, two_digits


def sentences(a: Analysis) -> list[str]:
    """The findings, the one about the best models first; then what was left out, failed, or cannot be told."""
    out = [pair_sentence(a, p) for p in ordered(a)]
    if not a.pairs and a.levels:
        out.append(level_sentence(a))
    return [*out, *caveats(a)]


def headline(a: Analysis) -> str:
    """One sentence about the best."""
    return sentences(a)[0]


def ordered(a: Analysis) -> list[Pair]:
    """Pairs by the better model's rank, then the other's."""
    rank = {m: i for i, m in enumerate(a.order)}
    return sorted(a.pairs, key=lambda p: (min(rank[p.a], rank[p.b]), max(rank[p.a], rank[p.b])))


def pair_sentence(a: Analysis, p: Pair) -> str:
    """B beats A by so much, or they are not told apart and how big a gap would have been seen."""
    return _verdict(a, p) + _one_user(a, p)


def _verdict(a: Analysis, p: Pair) -> str:
    gap = p.test.gap
    better, worse = (p.b, p.a) if gap.value > 0 else (p.a, p.b)
    where = _where(a, p)
    size = amount(abs(gap.value), a.points)
    if p.doubt:
        return f"{better} and {worse} have no verdict: {p.doubt} (gap {size}, {where})."
    if p.real:
        if p.interval is None:
            return f"{better} beats {worse} by {size} ({where}, {p_words(p.p)}); how much is uncertain: {_why(a, p)}."
        return f"{better} beats {worse} by {size} ({_interval(a, p)}, {where})."
    if p.test.identical:
        return f"{p.a} and {p.b} are not told apart: they scored the same on every row ({where})."
    lead = f"{better} and {worse} are not told apart: "
    if p.test.sign_differs and is_real(gap, p.p):
        return f"{lead}{better} is ahead by {size} over all rows ({where}, {p_words(p.p)}), but not when every {unit(p.grouping, a.by)} counts the same."
    few = _too_few(a, p)
    if few:
        return f"{lead}{few} ({where}, gap {size})."
    if p.test.smallest is None or abs(gap.value) >= p.test.smallest:
        why = "" if p.interval is not None else f"; {_why(a, p)}"
        return f"{lead}the gap of {size} may be chance ({where}, {p_words(p.p)}{why})."
    words = f"{lead}this set cannot see gaps under {amount(p.test.smallest, a.points, whole=True)}"
    if p.more_rows is not None and p.target_gap is not None:
        more = two_digits(p.more_rows)
        words += (
            f"; about {more:,} more {p.more_of if more == 1 else plural(p.more_of)} would see {amount(p.target_gap, a.points, whole=True)}"
        )
    raised = "" if p.test.p >= 0.05 or len(a.pairs) < 2 else f"; alone p = {p.test.p:.2g}, among {len(a.pairs)} comparisons {p.p:.2g}"
    return f"{words} (gap {size}, {where}, {p_words(p.p)}{raised})."


def level_sentence(a: Analysis) -> str:
    """How good the only model is."""
    name = a.order[0]
    found = a.levels[name]
    e = found.estimate
    where = ", ".join(_rows(a, e.n) + (["scores are skewed"] if e.skewed else []))
    even = ""
    if found.equal_weight is not None and heavy(e):
        lead = "With" if e.why.startswith("one ") else f"{_weight(a, e)}; with"
        every = f"every {unit(a.grouping, a.by)} counting the same"
        even = f" {lead} {every}, it scores {share(found.equal_weight.value, a.points)}{_ends(a, found.equal_weight)}."
    if e.low is None or e.high is None:
        return f"{name} scores {share(e.value, a.points)} ({where}); no interval: {in_words(a.grouping, a.by, e.why)}.{even}"
    ends = f"95% {share(e.low, a.points)} to {share(e.high, a.points)}"
    return f"{name} scores {share(e.value, a.points)} ({ends}, {found.method}, {where}).{even}"


def caveats(a: Analysis) -> list[str]:
    """What was left out, and what the rows' groups did to the errors. What failed is said before (`failures.py`)."""
    out = []
    m = a.matrix
    if m.dropped:
        n = m.dropped.total()
        out.append(f"{n:,} row{' is' if n == 1 else 's are'} left out for every model: {causes(m.dropped)}.")
    effects = [e for p in a.pairs if (e := p.test.gap.design_effect)] or [e for lv in a.levels.values() if (e := lv.estimate.design_effect)]
    if effects and max(effects) >= 1.5:
        words = f"one {unit(a.grouping, a.by)}" if a.grouping is None or a.grouping.items is None else f"one {a.by} or question"
        out.append(f"Rows of {words} are alike: they are worth {max(effects):.1f} times fewer than as many independent rows.")
    out += _repeats(a)
    unnamed = a.row_groups.unnamed(m.rows.tolist())
    if unnamed and a.grouping is not None and a.grouping.kind != "items":
        counts = "1 row has" if unnamed == 1 else f"{unnamed:,} rows have"
        out.append(f"{counts} no {a.by}; each counts as a {a.by} of its own.")
    return [*out, *a.notes]


def _repeats(a: Analysis) -> list[str]:
    """How equal questions were counted."""
    asked = (
        [q for i in m.tolist() if (q := a.row_groups.questions[i]) is not None]
        if len(m := a.matrix.rows) and a.row_groups.questions
        else []
    )
    again = len(asked) - len(set(asked))
    if not again or a.grouping is None:
        return []
    rows = "1 row repeats a question" if again == 1 else f"{again:,} rows repeat a question"
    how = {
        "items": "rows of one question count as one group, and `dataset.dedupe()` keeps one of each",
        "groups": f"they count with the other rows of their {a.by}",
        "linked": f"{plural(a.by)} who share a question count as one group",
        "crossed": f"errors are those of {plural(a.by)} and of questions together",
    }[a.grouping.kind]
    return [f"{rows}: {how}."]


def _one_user(a: Analysis, p: Pair) -> str:
    """What every user counting the same would say, where one user weighs much or the verdict rests on the weights."""
    even, gap = p.test.equal_weight, p.test.gap
    if even is None:
        return ""
    turns = is_real(gap, p.p) and (p.test.sign_differs or not is_real(even, 1.0 if even.p is None else even.p))
    if not heavy(gap) and not turns:
        return ""
    better, worse = (p.b, p.a) if even.value > 0 else (p.a, p.b)
    size = f"{amount(abs(even.value), a.points)}{_ends(a, even, turned=even.value < 0)}"
    who = f"{better} is ahead of {worse} by {size}" if even.value else "there is no gap"
    lead = f" {_weight(a, gap)}; with" if heavy(gap) else " With"
    return f"{lead} every {unit(p.grouping, a.by)} counting the same, {who}."


def _weight(a: Analysis, e: Estimate) -> str:
    what = unit(a.grouping, a.by)
    if e.share is not None and e.share > 1 / 3:
        return f"One {what} has {e.share:.0%} of the rows"
    return f"The {e.clusters} {plural(what)} are worth {e.df + 1:.0f} of equal size"


def _ends(a: Analysis, e: Estimate, turned: bool = False) -> str:
    """The interval of a mean over groups, each counting the same: its values are the groups."""
    if e.low is None or e.high is None:
        return f" (no interval: {in_words(a.grouping, a.by, e.why.replace('row', 'cluster'))})"
    low, high = (-e.high, -e.low) if turned else (e.low, e.high)
    return f" (95% {number(low, a.points)} to {number(high, a.points)})"


def _interval(a: Analysis, p: Pair) -> str:
    """The better one's lead with its ends; of several comparisons the ends that hold for all together."""
    if p.interval is None:
        return ""
    low, high = p.interval if p.test.gap.value > 0 else (-p.interval[1], -p.interval[0])
    together = f" for all {p.test.gap.comparisons} pairs together" if p.test.gap.comparisons > 1 else ""
    return f"95%{together} {number(low + 0.0, a.points)} to {number(high, a.points)}"


def _where(a: Analysis, p: Pair) -> str:
    parts = ["paired", *_rows(a, p.test.gap.n, p)]
    return ", ".join([*parts, "scores are skewed"] if p.test.gap.skewed else parts)


def _rows(a: Analysis, n: int, p: Pair | None = None) -> list[str]:
    parts = [f"{n:,} row{'s' if n != 1 else ''}"]
    if a.matrix.samples > 1:
        parts.append(f"{a.matrix.samples} samples each")
    g = p.grouping if p is not None else a.grouping
    if g is not None:
        parts.append(group_words(g, a.by))
    if a.scorer not in ("exact", "normalized", "normalised"):
        parts.append(a.scorer)
    return parts


def _too_few(a: Analysis, p: Pair) -> str:
    """Why no gap could be told, however large."""
    t, g = p.test, p.grouping
    need = math.ceil(1 + math.log2(t.gap.comparisons / 0.05) - 1e-9)
    if t.only_a is not None and t.only_b is not None and g is None and t.only_a + t.only_b < need:
        n = t.only_a + t.only_b
        return f"only {n} row{' differs' if n == 1 else 's differ'}, and fewer than {need} can never tell"
    if g is None:
        return ""
    if g.why:
        return f"{in_words(g, a.by, g.why)}, however many rows there are"
    if not t.gap.too_few:
        return ""
    what, telling, count = unit(g, a.by), t.gap.nonzero or 0, g.count
    if count < need:
        more = f"however many {plural(a.by)} asked {'it' if count == 1 else 'them'}" if g.kind == "items" else "however many rows they have"
        return f"{count} {what}{' is' if count == 1 else 's are'} too few to tell, {more}"
    return f"only {telling} of {count} {plural(what)} differ{'s' if telling == 1 else ''} in total, and fewer than {need} can never tell"


def _why(a: Analysis, p: Pair) -> str:
    """Why there is no interval, in the word for these rows' groups."""
    return in_words(p.grouping, a.by, p.test.gap.why or "too few clusters for an interval that holds for all pairs together")
