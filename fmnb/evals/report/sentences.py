"""The conclusions of an evaluation in sentences.

A winner is only named for a significant gap, and a gap always comes with its size, rows and uncertainty.
"""

from __future__ import annotations

import math

from ...stats.means import Estimate, is_dominated
from ...stats.paired import is_significant
from ..analysis import Analysis, Pair
from ..clusters import group_noun, group_words, name_groups, plural
from ..failures import causes_text
from .number_text import gap_number, gap_text, p_text, score_text, two_digits


def sentences(a: Analysis) -> list[str]:
    """The findings, with the best models first; then caveats."""
    out = [pair_sentence(a, p) for p in ranked_pairs(a)]
    if not a.pairs and a.levels:
        out.append(level_sentence(a))
    return [*out, *caveats(a)]


def headline(a: Analysis) -> str:
    """The sentence about the best model."""
    return sentences(a)[0]


def ranked_pairs(a: Analysis) -> list[Pair]:
    """Pairs, sorted by the rank of the better model, then by that of the other."""
    rank = {m: i for i, m in enumerate(a.ranking)}
    return sorted(a.pairs, key=lambda p: (min(rank[p.a], rank[p.b]), max(rank[p.a], rank[p.b])))


def pair_sentence(a: Analysis, p: Pair) -> str:
    """The conclusion about a pair: the gap, or the minimum detectable difference if it is not significant."""
    return _verdict(a, p) + _equal_weight_text(a, p)


def _verdict(a: Analysis, p: Pair) -> str:
    gap = p.test.gap
    better, worse = (p.b, p.a) if gap.value > 0 else (p.a, p.b)
    conditions = _conditions(a, p)
    size = gap_text(abs(gap.value), a.in_points)
    if p.no_verdict_reason:
        return f"{better} and {worse} have no verdict: {p.no_verdict_reason} (gap {size}, {conditions})."
    if p.significant:
        if p.interval is None:
            return f"{better} beats {worse} by {size} ({conditions}, {p_text(p.p)}); no interval: {_no_interval_reason(a, p)}."
        return f"{better} beats {worse} by {size} ({_interval_text(a, p)}, {conditions})."
    if p.test.identical:
        return f"{p.a} and {p.b} are not significantly different: they scored the same on every row ({conditions})."
    lead = f"{better} and {worse} are not significantly different: "
    if p.test.sign_differs and is_significant(gap, p.p):
        return f"{lead}{better} is ahead by {size} over all rows ({conditions}, {p_text(p.p)}), but not with equal weight for every {group_noun(p.grouping, a.by)}."
    too_few = _too_few_reason(a, p)
    if too_few:
        return f"{lead}{too_few} ({conditions}, gap {size})."
    if p.test.detectable_gap is None or abs(gap.value) >= p.test.detectable_gap:
        no_interval = "" if p.interval is not None else f"; {_no_interval_reason(a, p)}"
        return f"{lead}the gap of {size} may be due to chance ({conditions}, {p_text(p.p)}{no_interval})."
    sentence = f"{lead}this set cannot detect gaps under {gap_text(p.test.detectable_gap, a.in_points, round_up=True)}"
    if p.additional is not None and p.target_gap is not None:
        more = two_digits(p.additional)
        sentence += f"; about {more:,} more {p.additional_unit if more == 1 else plural(p.additional_unit)} would detect {gap_text(p.target_gap, a.in_points, round_up=True)}"
    uncorrected = "" if p.test.p >= 0.05 or len(a.pairs) < 2 else f"; alone p = {p.test.p:.2g}, among {len(a.pairs)} comparisons {p.p:.2g}"
    return f"{sentence} (gap {size}, {conditions}, {p_text(p.p)}{uncorrected})."


def level_sentence(a: Analysis) -> str:
    """The score of the only model."""
    name = a.ranking[0]
    level = a.levels[name]
    e = level.estimate
    conditions = ", ".join(_sample_text(a, e.n) + (["scores are skewed"] if e.skewed else []))
    equal_weight = ""
    if level.equal_weight is not None and is_dominated(e):
        lead = "With" if e.reason.startswith("one ") else f"{_share_text(a, e)}; with"
        every = f"equal weight for every {group_noun(a.grouping, a.by)}"
        equal_weight = f" {lead} {every}, it scores {score_text(level.equal_weight.value, a.in_points)}{_interval_in_parentheses(a, level.equal_weight)}."
    if e.low is None or e.high is None:
        return f"{name} scores {score_text(e.value, a.in_points)} ({conditions}); no interval: {name_groups(a.grouping, a.by, e.reason)}.{equal_weight}"
    ends = f"95% {score_text(e.low, a.in_points)} to {score_text(e.high, a.in_points)}"
    return f"{name} scores {score_text(e.value, a.in_points)} ({ends}, {level.method}, {conditions}).{equal_weight}"


def caveats(a: Analysis) -> list[str]:
    """Dropped rows and effects of clusters; `failures.py` reports failures."""
    out = []
    m = a.matrix
    if m.drop_causes:
        n = m.drop_causes.total()
        out.append(f"{n:,} row{' is' if n == 1 else 's are'} dropped for every model: {causes_text(m.drop_causes)}.")
    effects = [e for p in a.pairs if (e := p.test.gap.design_effect)] or [e for lv in a.levels.values() if (e := lv.estimate.design_effect)]
    if effects and max(effects) >= 1.5:
        words = f"one {group_noun(a.grouping, a.by)}" if a.grouping is None or a.grouping.items is None else f"one {a.by} or question"
        out.append(f"Rows of {words} are alike: they are worth {max(effects):.1f} times fewer than as many independent rows.")
    out += _repeated_questions(a)
    without_group = a.row_groups.without_user(m.rows.tolist())
    if without_group and a.grouping is not None and a.grouping.kind != "items":
        counts = "1 row has" if without_group == 1 else f"{without_group:,} rows have"
        out.append(f"{counts} no {a.by}; each counts as a {a.by} of its own.")
    return [*out, *a.notes]


def _repeated_questions(a: Analysis) -> list[str]:
    """A note on how repeated questions were counted."""
    questions = (
        [q for i in m.tolist() if (q := a.row_groups.questions[i]) is not None]
        if len(m := a.matrix.rows) and a.row_groups.questions
        else []
    )
    repeats = len(questions) - len(set(questions))
    if not repeats or a.grouping is None:
        return []
    rows = "1 row repeats a question" if repeats == 1 else f"{repeats:,} rows repeat a question"
    how = {
        "items": "rows of one question form a cluster, and `dataset.dedupe()` keeps one of each",
        "groups": f"they are in the cluster of their {a.by}",
        "linked": f"{plural(a.by)} who share a question form a cluster",
        "crossed": f"standard errors are clustered by {a.by} and by question",
    }[a.grouping.kind]
    return [f"{rows}: {how}."]


def _equal_weight_text(a: Analysis, p: Pair) -> str:
    """The gap with equal weight for every user, if one user dominates or the weights decide the verdict."""
    equal_weight, gap = p.test.equal_weight, p.test.gap
    if equal_weight is None:
        return ""
    verdict_changes = is_significant(gap, p.p) and (
        p.test.sign_differs or not is_significant(equal_weight, 1.0 if equal_weight.p is None else equal_weight.p)
    )
    if not is_dominated(gap) and not verdict_changes:
        return ""
    better, worse = (p.b, p.a) if equal_weight.value > 0 else (p.a, p.b)
    size = f"{gap_text(abs(equal_weight.value), a.in_points)}{_interval_in_parentheses(a, equal_weight, negate=equal_weight.value < 0)}"
    conclusion = f"{better} is ahead of {worse} by {size}" if equal_weight.value else "there is no gap"
    lead = f" {_share_text(a, gap)}; with" if is_dominated(gap) else " With"
    return f"{lead} equal weight for every {group_noun(p.grouping, a.by)}, {conclusion}."


def _share_text(a: Analysis, e: Estimate) -> str:
    unit = group_noun(a.grouping, a.by)
    if e.share is not None and e.share > 1 / 3:
        return f"One {unit} has {e.share:.0%} of the rows"
    return f"The effective number of the {e.clusters} {plural(unit)} is {e.df + 1:.0f}"


def _interval_in_parentheses(a: Analysis, e: Estimate, negate: bool = False) -> str:
    """The interval of a mean with equal weights, whose values are the groups."""
    if e.low is None or e.high is None:
        return f" (no interval: {name_groups(a.grouping, a.by, e.reason.replace('row', 'cluster'))})"
    low, high = (-e.high, -e.low) if negate else (e.low, e.high)
    return f" (95% {gap_number(low, a.in_points)} to {gap_number(high, a.in_points)})"


def _interval_text(a: Analysis, p: Pair) -> str:
    """The interval of the better model's lead, corrected for all pairs."""
    if p.interval is None:
        return ""
    low, high = p.interval if p.test.gap.value > 0 else (-p.interval[1], -p.interval[0])
    together = f" for all {p.test.gap.comparisons} pairs together" if p.test.gap.comparisons > 1 else ""
    return f"95%{together} {gap_number(low + 0.0, a.in_points)} to {gap_number(high, a.in_points)}"


def _conditions(a: Analysis, p: Pair) -> str:
    parts = ["paired", *_sample_text(a, p.test.gap.n, p)]
    return ", ".join([*parts, "scores are skewed"] if p.test.gap.skewed else parts)


def _sample_text(a: Analysis, n: int, p: Pair | None = None) -> list[str]:
    parts = [f"{n:,} row{'s' if n != 1 else ''}"]
    if a.matrix.samples > 1:
        parts.append(f"{a.matrix.samples} samples each")
    g = p.grouping if p is not None else a.grouping
    if g is not None:
        parts.append(group_words(g, a.by))
    if a.scorer not in ("exact", "normalized", "normalised"):
        parts.append(a.scorer)
    return parts


def _too_few_reason(a: Analysis, p: Pair) -> str:
    """Why no gap could be significant, or ""."""
    t, g = p.test, p.grouping
    needed = math.ceil(1 + math.log2(t.gap.comparisons / 0.05) - 1e-9)
    if t.only_a is not None and t.only_b is not None and g is None and t.only_a + t.only_b < needed:
        n = t.only_a + t.only_b
        return f"only {n} row{' differs' if n == 1 else 's differ'}, and fewer than {needed} can never be significant"
    if g is None:
        return ""
    if g.reason:
        return f"{name_groups(g, a.by, g.reason)}, however many rows there are"
    if not t.gap.too_few:
        return ""
    unit, n_nonzero, count = group_noun(g, a.by), t.gap.nonzero or 0, g.count
    if count < needed:
        more = f"however many {plural(a.by)} asked {'it' if count == 1 else 'them'}" if g.kind == "items" else "however many rows they have"
        return f"{count} {unit}{' is' if count == 1 else 's are'} too few for a verdict, {more}"
    return f"only {n_nonzero} of {count} {plural(unit)} differ{'s' if n_nonzero == 1 else ''} in total, and fewer than {needed} can never be significant"


def _no_interval_reason(a: Analysis, p: Pair) -> str:
    """Why there is no interval, with the noun for these groups."""
    return name_groups(p.grouping, a.by, p.test.gap.reason or "too few clusters for an interval that holds for all pairs together")
