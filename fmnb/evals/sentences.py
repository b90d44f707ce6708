"""What an evaluation says, in sentences one can act on. Never a winner over a tie, never a gap without its size, rows and error."""

from __future__ import annotations

from .analysis import Analysis, Pair
from .failures import causes


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
    """B beats A by so much, or they are tied and how big a gap would have been seen."""
    gap = p.test.gap
    better, worse = (p.b, p.a) if gap.value > 0 else (p.a, p.b)
    where = _where(a, rows=gap.n)
    if p.doubt:
        return f"{better} and {worse} have no verdict: {p.doubt} (gap {_amount(abs(gap.value), a.points)}, {where})."
    if p.real:
        low, high = (
            (gap.low, gap.high) if gap.value > 0 else (None if gap.high is None else -gap.high, None if gap.low is None else -gap.low)
        )
        size = _amount(abs(gap.value), a.points)
        if low is None or high is None:
            return f"{better} beats {worse} by {size} ({where}, {_p(p)}); how much is uncertain: {_why(a, gap.why)}."
        return f"{better} beats {worse} by {size} (95% {_number(low, a.points)} to {_number(high, a.points)}, {where})."
    if gap.value == 0 and gap.standard_error in (0, None):
        return f"{p.a} and {p.b} are tied: they scored the same on every row ({where})."
    lead = f"{better} and {worse} are tied: " if gap.value else f"{p.a} and {p.b} are tied: "
    few = _too_few(a, p)
    if few:
        return f"{lead}{few} ({where}, gap {_amount(abs(gap.value), a.points)})."
    if p.test.smallest is None:
        return f"{lead}the gap of {_amount(abs(gap.value), a.points)} may be chance ({where}, {_p(p)}; {_why(a, gap.why)})."
    words = f"{lead}this set cannot see gaps under {_amount(p.test.smallest, a.points, whole=True)}"
    if p.more_rows is not None and p.target_gap is not None:
        words += f"; about {_round(p.more_rows):,} more rows would see {_amount(p.target_gap, a.points, whole=True)}"
    raised = "" if p.test.p >= 0.05 or len(a.pairs) < 2 else f"; alone p = {p.test.p:.2g}, among {len(a.pairs)} comparisons {p.p:.2g}"
    return f"{words} (gap {_amount(abs(gap.value), a.points)}, {where}, {_p(p)}{raised})."


def level_sentence(a: Analysis) -> str:
    """How good the only model is."""
    name = a.order[0]
    e, method = a.levels[name].estimate, a.levels[name].method
    what = f"{e.value:.1%}" if a.points else f"{e.value:.4g}"
    if e.low is None or e.high is None:
        return f"{name} scores {what} ({_where(a, pairs=False)}); no interval: {_why(a, e.why)}."
    low, high = (f"{e.low:.1%}", f"{e.high:.1%}") if a.points else (f"{e.low:.4g}", f"{e.high:.4g}")
    return f"{name} scores {what} (95% {low} to {high}, {method}, {_where(a, pairs=False)})."


def caveats(a: Analysis) -> list[str]:
    """What was left out, and what the rows' groups did to the errors. What failed is said before (`failures.py`)."""
    out = []
    m = a.matrix
    if m.dropped:
        n = m.dropped.total()
        out.append(f"{n:,} row{' is' if n == 1 else 's are'} left out for every model: {causes(m.dropped)}.")
    effects = [e for p in a.pairs if (e := p.test.gap.design_effect)] or [e for lv in a.levels.values() if (e := lv.estimate.design_effect)]
    if effects and max(effects) >= 1.5:
        out.append(f"Rows of one {a.by} are alike: they are worth {max(effects):.1f} times fewer than as many rows of their own.")
    return [*out, *a.notes]


def _where(a: Analysis, pairs: bool = True, rows: int | None = None) -> str:
    parts = ["paired"] if pairs else []
    n = len(a.matrix.rows) if rows is None else rows
    parts.append(f"{n:,} row{'s' if n != 1 else ''}")
    if a.matrix.samples > 1:
        parts.append(f"{a.matrix.samples} samples each")
    if a.cluster_count is not None:
        parts.append(f"{a.cluster_count:,} {a.by}s")
    if a.scorer not in ("exact", "normalised"):
        parts.append(a.scorer)
    return ", ".join(parts)


def _too_few(a: Analysis, p: Pair) -> str:
    t = p.test
    if t.only_a is not None and t.only_b is not None and a.clusters is None and t.only_a + t.only_b < 6:
        return f"only {t.only_a + t.only_b} rows tell them apart, and fewer than 6 never can"
    if a.cluster_count is not None and a.cluster_count < 6:
        return f"{a.cluster_count} {a.by}s are too few to tell, however many rows they have"
    return ""


def _why(a: Analysis, why: str) -> str:
    """Why there is no interval, in the word for these rows' groups."""
    return why.replace("cluster", a.by)


def _p(p: Pair) -> str:
    return "p < .001" if p.p < 0.001 else f"p = {p.p:.2g}"


def _amount(value: float, points: bool, whole: bool = False) -> str:
    """A gap with its unit.

    >>> _amount(0.041, True), _amount(0.05, True, whole=True), _amount(0.01, True, whole=True), _amount(2.5, False)
    ('4.1 points', '5 points', '1 point', '2.5')
    """
    if not points:
        return f"{value:.3g}"
    number = f"{100 * value:.0f}" if whole and value >= 0.0095 else _number(value, True)
    return f"{number} point{'' if number in ('1', '1.0') else 's'}"


def _number(value: float, points: bool) -> str:
    if not points:
        return f"{value:.3g}"
    return f"{100 * value:.1f}" if value == 0 or abs(value) >= 0.0095 else f"{100 * value:.2f}"


def _round(n: int) -> int:
    """Two digits are all an estimate of rows can promise.

    >>> _round(423), _round(7)
    (420, 7)
    """
    scale = 10 ** max(0, len(str(n)) - 2)
    return -(-n // scale) * scale if n % scale > scale / 2 else max(1, n // scale * scale)
