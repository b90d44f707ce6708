"""The report as one self-contained page: findings, plots with tables, and the rows of each number.

The notebook's widget uses the same parts; there, rows come from the kernel while scrolling.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ...core.inert_text import inert, inert_with_code, literal
from ...core.records import FormattedFloat, Rows
from ...stats.calibration import calibration
from ...views.look import look
from .. import verdict
from ..analysis import Analysis, Pair
from ..clusters import name_groups
from ..results import Results
from ..scoring import failure_reason
from . import plots
from .number_text import Percent, Seconds, gap, share
from .plot_words import gap_axis, missing_intervals, score_axis
from .plots import Mark, Point
from .sentences import ranked_pairs
from .tables import levels_table, slices_table

HERE = Path(__file__).parent
_MANY_ROWS, _LONG_TEXT, _SHORT_TEXT = 2_000, 1_500, 240  # rows; letters of an answer in the page of few rows, and of many
_MAX_SLICES = 8  # slices


def page(e: Results) -> str:
    """The page as HTML. Text from models is inserted as data and shown as text."""
    data = json.dumps(rows_data(e), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c").replace("\u2028", "\\u2028")
    title = literal(e.dataset.name or "Evaluation")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title}: {literal(verdict.verdict(e))}</title>
<style>{look()}{style()}</style>
</head>
<body class="fr-page">
<main class="fmnb-report">
<h1>{title}</h1>
{findings(e)}
<section class="fr-rows" aria-label="Rows"></section>
<p class="fr-small">{inert(_provenance(e))}</p>
</main>
<script type="application/json" id="fr-data">{data}</script>
<script>{script()}
const data = JSON.parse(document.getElementById("fr-data").textContent);
fmnbRows(document.querySelector(".fmnb-report"), fmnbLocal(data));
</script>
</body>
</html>
"""


def style() -> str:
    """The report's own CSS, on top of the shared look."""
    return (HERE / "page.css").read_text("utf-8")


def script() -> str:
    """The script of the table of rows, which only draws visible rows."""
    return (HERE / "page.js").read_text("utf-8")


def findings(e: Results, prefix: str = "fr") -> str:
    """Sentences, plots and tables; `prefix` makes ids unique if a page has several reports."""
    out = [f'<p class="fr-trouble">{inert_with_code(s)}</p>' for s in verdict.problems(e)]
    first, *more = verdict.findings(e) or [""]
    out += [f'<p class="fr-first">{inert_with_code(first)}</p>'] if first else []
    if more:
        out.append(f"<ul>{''.join(f'<li>{inert_with_code(s)}</li>' for s in more)}</ul>")
    compared = e.analyses
    for i, name in enumerate(e.scores):
        if name in compared:
            out += _scorer(e, compared[name], f"{prefix}-{i}")
    return "\n".join(out)


def _scorer(e: Results, a: Analysis, key: str) -> Iterator[str]:
    heading = f"<h2>{inert(a.scorer)}</h2>" if len(e.scores) > 1 else ""
    yield heading
    marks = [
        Mark(m, lv.value, lv.low, lv.high, note=f"group {a.letters[m]} of models not significantly different")
        for m in a.ranking
        for lv in [a.levels[m].estimate]
    ]
    missing = missing_intervals(a)
    yield _figure(
        plots.intervals(
            f"Score of each model by {a.scorer}", marks, score_axis(a), percent=a.in_points, whole=bool(missing), name=f"{key}-levels"
        ),
        f"Each model's score{', in percent' if a.in_points else ''}; {missing}."
        if missing
        else f"Each model's score{', in percent,' if a.in_points else ''} with its 95% interval.",
        _levels(e, a),
    )
    if a.pairs:
        pairs = ranked_pairs(a)
        gaps = [_gap_mark(p) for p in pairs]
        together = f" Intervals hold for all {len(pairs)} pairs together." if len(pairs) > 1 else ""
        yield _figure(
            plots.intervals("Gaps between models on the same rows", gaps, gap_axis(a), percent=a.in_points, zero=True, name=f"{key}-gaps"),
            f"Paired gaps{f'; {lacking}' if (lacking := missing_intervals(a, gaps=True)) else ''}. Filled marks are significant; hollow ones are not.{together}",
            _pairs(a),
        )
    yield from _cost_quality(e, a, key)
    yield from _slices(e, a, key)
    yield from _calibration(e, a, key)


def _gap_mark(p: Pair) -> Mark:
    """The gap b - a, as in the table below."""
    low, high = p.interval or (None, None)
    label = f"{plots.shorten(p.b, 11)} − {plots.shorten(p.a, 11)}"
    return Mark(label, p.test.gap.value, low, high, p.significant, "significant" if p.significant else "not significant")


def _cost_quality(e: Results, a: Analysis, key: str) -> Iterator[str]:
    costs = {r["model"]: r for r in levels_table(e) if r["scorer"] == a.scorer}
    if len(e.names) < 2:
        return
    for column, words in (("cost", "cost of the run, US dollars"), ("seconds", "median seconds per answer")):
        known = [(m, float(costs[m][column]), a.levels[m].estimate) for m in a.ranking if costs[m][column] is not None]
        if len(known) < 2 or not any(x for _, x, _ in known):
            continue
        best = plots.pareto_front([(m, x, lv.value) for m, x, lv in known])
        points = [Point(m, x, lv.value, lv.low, lv.high, m in best) for m, x, lv in known]
        table = Rows(
            [
                {
                    "model": p.label,
                    words: Seconds(p.x) if column == "seconds" else p.x,
                    "score": share(p.y, a.in_points),
                    "on the front": "yes" if p.best else "no",
                }
                for p in points
            ]
        )
        yield _figure(
            plots.scatter(f"Quality over {words}", points, words, score_axis(a), percent=a.in_points, name=f"{key}-{column}"),
            f"Quality over {words}; the connected round marks are the Pareto front: no other model is better in both.",
            table,
        )
        return


def _slices(e: Results, a: Analysis, key: str) -> Iterator[str]:
    worst = [r for r in slices_table(e, scorer=a.scorer) if r["score"] < r["elsewhere"]][:_MAX_SLICES]
    if not worst:
        return
    marks = [Mark(f"{r['model']}: {r['column']} {r['value']}", r["score"], r["low"], r["high"], tick=r["elsewhere"]) for r in worst]
    rows = [{**r, "_filters": _slice_filters(a, r)} for r in worst]
    yield _figure(
        plots.intervals("Slices where a model does worse than elsewhere", marks, score_axis(a), percent=a.in_points, name=f"{key}-slices"),
        "Slices where a model does worse than on the other rows (dashed). Intervals are not corrected: of many slices, some are low by chance.",
        rows_html(rows, ("model", "column", "value", "rows", "score", "low", "high", "elsewhere")),
    )


def _calibration(e: Results, a: Analysis, key: str) -> Iterator[str]:
    for model in e.names:
        scored = [
            (s.confidence, s.value)
            for s, x in zip(e.scores[a.scorer], e.answers, strict=True)
            if x.model == model and s.confidence is not None and s.value is not None
        ]
        if len(scored) < 20:
            continue
        c = calibration([p for p, _ in scored], [v for _, v in scored])
        error = (
            f"expected calibration error {c.error:.3f}" if c.error is not None else f"in one bin {c.one_bin:.3f} (ten bins need 300 rows)"
        )
        bins = [(b.confidence, b.accuracy, b.n) for b in c.bins]
        table = Rows([{"rows": n, "confidence": Percent(p), "accuracy": Percent(r)} for p, r, n in bins])
        yield _figure(
            plots.calibration_curve(f"Calibration of {model}", bins, name=f"{key}-sure-{e.names.index(model)}"),
            f"{model}: accuracy at each confidence; {error}, Brier score {c.brier:.3f}.",
            table,
        )


def _levels(e: Results, a: Analysis) -> str:
    rows = []
    for m in a.ranking:
        lv = a.levels[m]
        failed = sum(a.matrix.failure_causes[m].values())
        rows.append(
            {
                "model": m,
                "score": share(lv.estimate.value, a.in_points),
                "low": share(lv.estimate.low, a.in_points),
                "high": share(lv.estimate.high, a.in_points),
                "letters": a.letters[m],
                "method": lv.method,
                "rows": len(a.matrix.rows),
                "failed": failed or None,
                "judge": e.badges.get(a.scorer),
                "_filters": {
                    "score": {"scorer": a.scorer, "model": m, "below": 1},
                    "rows": {"scorer": a.scorer},
                    "failed": {"failed": m},
                },
            }
        )
    columns = ("model", "score", "low", "high", "letters", "method", "rows", "failed", "judge")
    return rows_html(rows, columns)


def _pairs(a: Analysis) -> str:
    rows = []
    for p in ranked_pairs(a):
        estimate = p.test.gap
        rows.append(
            {
                "a": p.a,
                "b": p.b,
                "gap": gap(estimate.value, a.in_points),
                "low": gap(p.interval[0], a.in_points) if p.interval else None,
                "high": gap(p.interval[1], a.in_points) if p.interval else None,
                "p": p.p,
                "better": p.better if p.significant else "not significantly different",
                "test": p.test.test,
                "only a": p.test.only_a,
                "only b": p.test.only_b,
                "smallest gap": gap(p.test.detectable_gap, a.in_points),
                "why": name_groups(p.grouping, a.by, estimate.reason) or None,
                "_filters": {
                    "gap": {"scorer": a.scorer, "differ": [p.a, p.b]},
                    "only a": {"scorer": a.scorer, "more": [p.a, p.b]},
                    "only b": {"scorer": a.scorer, "more": [p.b, p.a]},
                },
            }
        )
    columns = ("a", "b", "gap", "low", "high", "p", "better", "test", "only a", "only b", "smallest gap", "why")
    return rows_html(rows, columns)


def _slice_filters(a: Analysis, r: dict[str, Any]) -> dict[str, Any]:
    slice_filter = {"scorer": a.scorer, "column": r["column"], "value": r["value"]}
    return {"rows": slice_filter, "score": {**slice_filter, "model": r["model"], "below": 1}}


def rows_html(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    """A table; numbers whose column is in `_filters` are buttons that show their rows."""
    visible = [c for c in columns if any(r.get(c) is not None for r in rows)]
    head = "".join(f'<th scope="col">{inert(c)}</th>' for c in visible)
    body = []
    for r in rows:
        cells = []
        for c in visible:
            text = inert(_cell_text(r.get(c)))
            if text and c in r.get("_filters", ()):
                filter_json = escape(json.dumps(r["_filters"][c], ensure_ascii=False), quote=True)
                text = f'<button type="button" data-fr-filter="{filter_json}" title="show the rows of this number">{text}</button>'
            cells.append(f"<td>{text}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _figure(svg: str, caption: str, table: Rows | str) -> str:
    inner = rows_html(table, table.columns) if isinstance(table, Rows) else table
    scroll = '<div class="fr-scroll" tabindex="0" role="region" aria-label="The numbers of this plot">'
    return f"<figure>{svg}<figcaption>{inert(caption)}</figcaption><details open><summary>Numbers</summary>{scroll}{inner}</div></details></figure>"


def rows_data(e: Results) -> dict[str, Any]:
    """The data of the table of rows: values, and the answers and scores of each model."""
    max_length = _LONG_TEXT if len(e.dataset) <= _MANY_ROWS else _SHORT_TEXT
    scorers = list(e.scores)
    return {
        "models": list(e.names),
        "samples": e.samples,
        "scorers": scorers,
        "rows": [row_data(e, i, max_length) for i in range(len(e.dataset))],
    }


def row_data(e: Results, row: int, max_length: int = _LONG_TEXT) -> list[Any]:
    """Data of one row: id, group, split, target, values, answers.

    An answer is [text, run, failure, scores], a score is [value, explanation].
    """
    s = e.dataset.samples[row]
    each = len(e.names) * e.samples
    answers = []
    for i in range(row * each, (row + 1) * each):
        a = e.answers[i]
        scores = [[v.value if v.value is None else round(v.value, 4), v.explanation or v.error] for v in (e.scores[n][i] for n in e.scores)]
        answers.append([_truncate(a.text, max_length), a.run, failure_reason(a), scores])
    values = {k: _truncate(v if isinstance(v, str) else json.dumps(v, ensure_ascii=False), max_length) for k, v in s.values.items()}
    target = s.target if s.target is None or isinstance(s.target, str) else json.dumps(s.target, ensure_ascii=False)
    return [s.id, s.group or "", s.split, None if target is None else _truncate(target, max_length), values, answers]


def _truncate(text: str, max_length: int) -> str:
    return text if len(text) <= max_length else f"{text[:max_length]} … ({len(text):,} characters in total)"


def _provenance(e: Results) -> str:
    a = next(iter(e.analyses.values()), None)
    parts = [
        f"{len(e.dataset):,} rows",
        f"data set {e.dataset.version}",
        f"{a.draws:,} bootstrap draws of seed {a.seed}" if a and a.draws and a.pairs else "",
    ]
    parts += [
        f"run {e.run}" if e.run else "",
        "p values (Holm) and intervals of gaps are corrected for all pairs" if a and len(a.pairs) > 1 else "",
    ]
    return "; ".join(p for p in parts if p) + "."


def _cell_text(value: Any) -> str:
    if value is None:
        return ""
    return (
        f"{value:.4g}"
        if isinstance(value, float) and not isinstance(value, FormattedFloat)
        else f"{value:,}"
        if type(value) is int
        else str(value)
    )
