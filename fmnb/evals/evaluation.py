"""What an evaluation found: sentences, tables, a page; scored again by other means without asking a model, set beside another run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ..core.atomic_write import write_whole
from ..core.errors import UsageError
from ..core.events import Sink
from ..core.inert_text import inert
from ..core.optional import require
from ..core.records import Rows
from ..core.registry import METHODS, load
from . import failures, serialize, verdict
from .inspect_log import as_log
from .regression import RunComparison, compare_runs
from .report.power import power_sentence, same_sentences
from .report.tables import levels_table, pairs_table, rows_table, slices_table
from .results import Results
from .scoring import Answers, score_all, scorers_of

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Evaluation(Results):
    """Scores of models on a test set, and what they say.

    `print(e)` says it in sentences; `e.models`, `e.pairs` are tables behind them, `e.df` every
    answer with its scores. `e.score_again(...)` scores the same answers by other means,
    `e.compare(other)` sets two runs side by side, `e.report()` shows it all on a page.
    """

    @classmethod
    def of_results(cls, results: Results) -> Evaluation:
        """These results, with what can be said and done about them."""
        return cls(**{f.name: getattr(results, f.name) for f in fields(results)})

    # ---- what it says

    @property
    def sentence(self) -> str:
        """The finding about the best, by the first scorer; where nothing can be compared, why."""
        return verdict.verdict(self)

    @property
    def trouble(self) -> list[str]:
        """What failed: models without a score or a verdict, scorers that scored nothing, answers that are left out."""
        return verdict.trouble(self)

    @property
    def sentences(self) -> list[str]:
        """What failed, then all findings."""
        return [*self.trouble, *self.findings]

    @property
    def findings(self) -> list[str]:
        """What the scores say, by each scorer in turn."""
        return verdict.findings(self)

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    def __repr__(self) -> str:
        return f"Evaluation({self.run!r}: {self.sentence})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def _repr_html_(self) -> str:
        """The findings, the models, and the pairs folded; `report()` has the rest."""
        said = "".join(f"<p>{inert(s)}</p>" for s in self.trouble)
        first, *more = [inert(s) for s in self.findings] or [""]
        said += f"<p><strong>{first}</strong></p>" if first else ""
        said += f"<ul>{''.join(f'<li>{s}</li>' for s in more)}</ul>" if more else ""
        pairs = f"<details><summary>Pairs</summary>{self.pairs._repr_html_()}</details>" if self.pairs else ""
        return said + Rows(self.models, self.models.columns)._repr_html_() + pairs

    # ---- tables

    @property
    def models(self) -> Rows:
        """A row a model and scorer: score, interval, failures, who is not told apart from whom, cost, seconds."""
        return levels_table(self)

    @property
    def pairs(self) -> Rows:
        """A row a pair and scorer: gap, interval and p alone and among all pairs, the smallest gap these rows can show."""
        return pairs_table(self)

    @property
    def df(self) -> pandas.DataFrame:
        """A pandas DataFrame, one row an answer: the row's id, group and target, the answer, a column for each scorer."""
        rows = rows_table(self)
        return require("pandas", "frames", "to make a DataFrame").DataFrame(list(rows), columns=list(rows.columns))

    def slices(self, by: str = "", scorer: str = "", fewest: int = 5) -> Rows:
        """Where a model does worse than elsewhere: by a column of few values, the target, the group or the split."""
        return slices_table(self, by, scorer, fewest)

    def to_markdown(self) -> str:
        """The findings and the tables behind them."""
        lines = [*(f"- {s}" if i else f"**{s}**" for i, s in enumerate(self.sentences)), "", _markdown(self.models)]
        if self.pairs:
            lines += ["", _markdown(self.pairs)]
        return "\n".join(lines)

    @overload
    def to_html(self) -> str: ...

    @overload
    def to_html(self, path: str | Path) -> Path: ...

    def to_html(self, path: str | Path | None = None) -> str | Path:
        """The report as one page that needs nothing else; where `path` is given it is written there, and the path comes back."""
        from .report.page import page

        text = page(self)
        return text if path is None else write_whole(Path(path).expanduser(), text)

    # ---- going on

    def score_again(self, score: Any, *, sinks: Sequence[Sink] = ()) -> Evaluation:
        """The same answers by other scorers; no model is called but a judge. A run of its own."""
        values = self.again.get("options", {}).get("values", {})
        given = Answers(
            self.prompt,
            self.dataset,
            self.names,
            self.samples,
            self.answers,
            self.batch,
            values,
            self.missing,
            self.max_failures,
            self.asked,
            self.begun,
            self.ways,
        )
        scorers = scorers_of(score, values)
        again = {**self.again, "scorers": {s.name: s for s in scorers}}
        return replace(self.of(given, score_all(given, scorers, sinks), again), seed=self.seed)

    def allowing(self, max_failures: float) -> Evaluation:
        """The same evaluation with another share of failures that still allows a verdict; nothing is asked or scored again."""
        return replace(self, max_failures=failures.check_share(max_failures))

    def compare(self, other: Evaluation, scorer: str = "") -> RunComparison:
        """This run and a later one, on the rows they share: models of one name, or the only two there are."""
        return compare_runs(self, other, scorer)

    def failures(self, model: str = "", scorer: str = "", limit: int = 20) -> Rows:
        """Answers that scored lowest, of one model or all, with what was asked and what was wanted."""
        name = self._scorer(scorer)
        rows = [r for r in rows_table(self) if not model or r["model"] == model]
        rows.sort(key=lambda r: (r[name] is not None, r[name] if r[name] is not None else 0.0))
        return Rows(
            [r for r in rows if r[name] is None or r[name] < 1][:limit], ("id", "model", "text", "target", name, "why", "error", "run")
        )

    def groups(self, model: str = "", **options: Any) -> Rows:
        """The seven groups of HELM for one model: accuracy, calibration, robustness, fairness, bias, toxicity, efficiency.

        Asks the model again with changed rows; options as in `fmnb.evals.benchmarks.helm.measured`.
        """
        from .benchmarks.helm import measured

        return measured(self, model or self.names[0], **options)

    def report(self) -> Any:
        """The report as a widget in a notebook; its page, from `to_html`, needs none."""
        return load(METHODS["Evaluation.report"])(self)

    def power(self, gap: float, scorer: str = "", samples: int = 0) -> str:
        """How many rows would show a gap between the best two; 0.05 is 5 points. `samples`: with so many answers a row."""
        return power_sentence(self.analysis(scorer), gap, samples)

    def same_within(self, margin: float, scorer: str = "") -> str:
        """Whether models are the same within a margin, a sentence a pair; 0.05 is 5 points.

        Models that are not told apart may still differ. They are the same within the margin
        where the 95 % interval of their gap, as it is shown, lies inside it.

        >>> from fmnb.evals.import_scores import from_scores
        >>> e = from_scores([{"q": i, "a": i % 2, "b": int(i % 2 or i % 80 == 0)} for i in range(800)], ["a", "b"])
        >>> e.same_within(0.05)
        'a and b are the same within 5 points (gap 1.2 points, 95% 0.48 to 2.0, b less a).'
        """
        return "\n".join(same_sentences(self.analysis(scorer), margin))

    # ---- files

    def save(self, path: str | Path) -> Path:
        """Write rows, scores and answers as one JSON file: what `python -m fmnb check` compares with, and `Evaluation.load` reads."""
        return write_whole(Path(path).expanduser(), json.dumps(serialize.to_dict(self), ensure_ascii=False) + "\n")

    @classmethod
    def reopen(cls, run: str) -> Evaluation:
        """An evaluation of the log by its run; no model is called. UsageError when it is no evaluation's run."""
        from .scored_run import read

        return cls.of_results(read(run))

    @classmethod
    def load(cls, path: str | Path) -> Evaluation:
        """An evaluation that `save` wrote. UsageError for another file."""
        return cls(**serialize.fields(Path(path).expanduser()))

    def export(self, path: str | Path, kind: str = "inspect", model: str = "") -> Path:
        """Write one model's run (the first's, if none is named) as an inspect log in JSON."""
        if kind != "inspect":
            raise UsageError(
                "No such format for an evaluation", seen=repr(kind), todo='"inspect"; training data is exported from a Dataset.'
            )
        return write_whole(Path(path).expanduser(), json.dumps(as_log(self, model), ensure_ascii=False, indent=1) + "\n")


def _markdown(rows: Rows) -> str:
    shown = [c for c in rows.columns if any(r.get(c) not in (None, "") for r in rows)]
    lines = ["| " + " | ".join(shown) + " |", "|" + "---|" * len(shown)]
    return "\n".join([*lines, *("| " + " | ".join(_cell(r.get(c)) for c in shown) + " |" for r in rows)])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|").replace("\n", " ")
