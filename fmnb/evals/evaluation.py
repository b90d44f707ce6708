"""`Evaluation`: the conclusions, tables and report of an evaluation, its rescoring and comparison."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, overload

from ..calls.options import with_options
from ..core.atomic_write import write_atomic
from ..core.errors import UsageError
from ..core.events import Sink
from ..core.inert_text import inert_with_code
from ..core.optional import require
from ..core.records import Rows
from ..core.registry import METHODS, load
from . import failures, serialize, verdict
from .inspect_log import inspect_log
from .options import EvaluateOptions
from .regression import RunComparison, compare_runs
from .report.figure import PlotKind, plot
from .report.power import power_sentence, same_sentences
from .report.tables import levels_table, pairs_table, rows_table, slices_table
from .results import Results
from .scoring import Answers, ScorerLike, score_all, scorers_of

if TYPE_CHECKING:
    import anywidget
    import pandas
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Evaluation(Results):
    """Scores of models on a test set, and the conclusions from them.

    `print(e)` shows the conclusions in sentences; `e.models` and `e.pairs` are the tables behind
    them, `e.df` has every answer with its scores. `e.rescore(...)` scores the same answers
    by other scorers, `e.compare(other)` compares two runs, `e.report()` shows all of it.
    `fm.evaluate`, `Evaluation.load` and `Evaluation.reopen` make one.

    >>> from fmnb.evals.evaluate import evaluate
    >>> e = evaluate("{{ q }}", [{"q": "a", "target": "a"}], ["echo:"])
    >>> [(r["model"], r["score"]) for r in e.models]
    [('echo:', 1.0)]
    """

    @classmethod
    def of_results(cls, results: Results) -> Evaluation:
        """Make an evaluation from its data.

        Args:
            results: Answers and scores.

        Returns:
            The evaluation.

        >>> from fmnb.evals.scored_run import run_and_score
        >>> from fmnb.evals.datasets.dataset import Dataset
        >>> results = run_and_score("{{ q }}", Dataset.from_rows([{"q": "a", "target": "a"}]), ["echo:"], "exact")
        >>> Evaluation.of_results(results).models[0]["score"]
        1.0
        """
        return cls(**{f.name: getattr(results, f.name) for f in fields(results)})

    # ---- what it says

    @property
    def sentence(self) -> str:
        """The conclusion about the best model by the first scorer, or why there is none.

        >>> from fmnb.evals.import_scores import from_scores
        >>> from_scores([{"q": i, "a": 1, "b": i % 2} for i in range(40)], ["a", "b"]).sentence
        'a beats b by 50.0 points (95% 33.8 to 66.2, paired, 40 rows, score).'
        """
        return verdict.verdict(self)

    @property
    def problems(self) -> list[str]:
        """What failed: models without a score or verdict, scorers without scores, answers left out.

        >>> from fmnb.evals.import_scores import from_scores
        >>> from_scores([{"q": i, "a": 1, "b": i % 2} for i in range(40)], ["a", "b"]).problems
        []
        """
        return verdict.problems(self)

    @property
    def sentences(self) -> list[str]:
        """What failed, then all conclusions.

        >>> from fmnb.evals.import_scores import from_scores
        >>> e = from_scores([{"q": i, "a": 1, "b": i % 2 if i else None} for i in range(40)], ["a", "b"])
        >>> e.sentences == [*e.problems, *e.findings]
        True
        """
        return [*self.problems, *self.findings]

    @property
    def findings(self) -> list[str]:
        """The conclusions from the scores, by each scorer in turn.

        >>> from fmnb.evals.import_scores import from_scores
        >>> len(from_scores([{"q": i, "a": 1, "b": i % 2} for i in range(40)], ["a", "b"]).findings)
        1
        """
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
        """The findings, the table of models, and the collapsed table of pairs; `report()` has the rest."""
        html = "".join(f"<p>{inert_with_code(s)}</p>" for s in self.problems)
        first, *more = [inert_with_code(s) for s in self.findings] or [""]
        html += f"<p><strong>{first}</strong></p>" if first else ""
        html += f"<ul>{''.join(f'<li>{s}</li>' for s in more)}</ul>" if more else ""
        pairs = f"<details><summary>Pairs</summary>{self.pairs._repr_html_()}</details>" if self.pairs else ""
        return html + Rows(self.models, self.models.columns)._repr_html_() + pairs

    # ---- tables

    @property
    def models(self) -> Rows:
        """A table with a row for each model and scorer.

        Score, its interval, failures, the models it is not significantly different from, cost in US dollars,
        seconds.

        >>> from fmnb.evals.import_scores import from_scores
        >>> e = from_scores([{"q": i, "a": 1, "b": i % 2} for i in range(40)], ["a", "b"])
        >>> [(r["model"], r["score"], r["letters"]) for r in e.models]
        [('a', 1.0, 'a'), ('b', 0.5, 'b')]
        """
        return levels_table(self)

    @property
    def pairs(self) -> Rows:
        """A table with a row for each pair of models and scorer.

        Gap, its interval and p value, alone and corrected for all pairs, and the smallest gap that
        these rows can show.

        >>> from fmnb.evals.import_scores import from_scores
        >>> e = from_scores([{"q": i, "a": 1, "b": i % 2} for i in range(40)], ["a", "b"])
        >>> [(r["better"], r["gap"], r["only_a"]) for r in e.pairs]
        [('a', -0.5, 20)]
        """
        return pairs_table(self)

    @property
    def df(self) -> pandas.DataFrame:
        """A pandas DataFrame with a row for each answer.

        Id, group and target of the row, the answer, and a column for each scorer.

        Raises:
            MissingPackageError: pandas is not installed.

        >>> from fmnb.evals.import_scores import from_scores
        >>> from_scores([{"q": i, "a": 1, "b": i % 2} for i in range(40)], ["a", "b"]).df.shape[0]
        80
        """
        rows = rows_table(self)
        return require("pandas", "frames", "to make a DataFrame").DataFrame(list(rows), columns=list(rows.columns))

    def slices(self, by: str = "", scorer: str = "", fewest: int = 5) -> Rows:
        """Find slices of the rows on which a model does worse than elsewhere.

        Args:
            by: What defines the slices: a column with few values, "target", "group" or "split"; all of
                them if empty.
            scorer: Name of the scorer; the first if empty.
            fewest: Minimum number of rows of a slice.

        Returns:
            A table, one row per model and slice.

        >>> from fmnb.evals.import_scores import from_scores
        >>> e = from_scores([{"lang": "de" if i < 10 else "en", "a": int(i > 8)} for i in range(40)], ["a"])
        >>> [(r["value"], r["score"], round(r["elsewhere"], 2)) for r in e.slices("lang")]
        [('de', 0.1, 1.0), ('en', 1.0, 0.1)]
        """
        return slices_table(self, by, scorer, fewest)

    def to_markdown(self) -> str:
        """The conclusions, and the tables behind them, as Markdown.

        >>> from fmnb.evals.import_scores import from_scores
        >>> e = from_scores([{"q": i, "a": 1, "b": i % 2} for i in range(40)], ["a", "b"])
        >>> print(e.to_markdown().splitlines()[0])
        **a beats b by 50.0 points (95% 33.8 to 66.2, paired, 40 rows, score).**
        """
        lines = [*(f"- {s}" if i else f"**{s}**" for i, s in enumerate(self.sentences)), "", _markdown(self.models)]
        if self.pairs:
            lines += ["", _markdown(self.pairs)]
        return "\n".join(lines)

    @overload
    def to_html(self) -> str: ...

    @overload
    def to_html(self, path: str | Path) -> Path: ...

    def to_html(self, path: str | Path | None = None) -> str | Path:
        """Make the report as one self-contained HTML page.

        Args:
            path: The file to write.

        Returns:
            The HTML, or the path of the file where `path` is given.

        >>> from fmnb.evals.import_scores import from_scores
        >>> from_scores([{"q": i, "a": 1, "b": i % 2} for i in range(40)], ["a", "b"]).to_html()[:15]
        '<!doctype html>'
        """
        from .report.page import page

        text = page(self)
        return text if path is None else write_atomic(Path(path).expanduser(), text)

    # ---- going on

    def rescore(self, score: ScorerLike | Sequence[ScorerLike], *, sinks: Sequence[Sink] = ()) -> Evaluation:
        """Score the same answers with other scorers; only a judge calls a model.

        Args:
            score: A scorer or several, as in `fm.evaluate`.
            sinks: Functions that receive every event.

        Returns:
            A new evaluation with its own run.

        Raises:
            UsageError: No such scorer, or a scorer that needs missing targets.

        >>> from fmnb.evals.evaluate import evaluate
        >>> e = evaluate("{{ q }}", [{"q": "The answer is 4", "target": "4"}], ["echo:"], "exact")
        >>> e.rescore("contains").models[0]["score"]
        1.0
        """
        values = self.original_call.get("options", {}).get("values", {})
        answers = Answers(
            self.prompt,
            self.dataset,
            self.names,
            self.samples,
            self.answers,
            self.batch,
            values,
            self.missing,
            self.max_failures,
            self.request_times,
            self.started_at,
            self.prompt_titles,
        )
        scorers = scorers_of(score, values)
        call = {**self.original_call, "scorers": {s.name: s for s in scorers}}
        return replace(self.from_scores(answers, score_all(answers, scorers, sinks), call), seed=self.seed)

    def with_max_failures(self, max_failures: float) -> Evaluation:
        """Change the allowed share of failed answers, without new calls or scores.

        Args:
            max_failures: Share of failed answers, 0 to 1, above which a model gets no verdict.

        Returns:
            The same evaluation with that share.

        Raises:
            UsageError: The share is not between 0 and 1.

        >>> from fmnb.evals.import_scores import from_scores
        >>> e = from_scores([{"a": 1 if i else None} for i in range(10)], ["a"])
        >>> e.sentence
        'a has no verdict: 1 of its 10 answers failed (10%; at most 5% may fail for a verdict): 1 × no score. Its other answers average 100.0% by score.'
        >>> e.with_max_failures(0.1).sentence
        'a scores 100.0% (95% 70.1% to 100.0%, Wilson, 9 rows, score).'
        """
        return replace(self, max_failures=failures.check_share(max_failures))

    def compare(self, other: Evaluation, scorer: str = "") -> RunComparison:
        """Compare this run with a later one, on the rows they share.

        Args:
            other: The later run.
            scorer: Name of the scorer; the first if empty.

        Returns:
            The changes of models with the same name, or of the only two there are.

        Raises:
            UsageError: The runs share no rows or models.

        >>> from fmnb.evals.import_scores import from_scores
        >>> before = from_scores([{"id": str(i), "a": 1} for i in range(40)], ["a"], id="id")
        >>> after = from_scores([{"id": str(i), "a": i % 2} for i in range(40)], ["a"], id="id")
        >>> print(before.compare(after))
        a got worse by 50 points (95% 33.8 to 66.2, paired, 40 rows, p < .001).
        """
        return compare_runs(self, other, scorer)

    def failures(self, model: str = "", scorer: str = "", limit: int = 20) -> Rows:
        """List the answers that scored lowest.

        Args:
            model: Name of a model; all if empty.
            scorer: Name of the scorer; the first if empty.
            limit: Maximum number of rows.

        Returns:
            A table with answer, target, score and why.

        >>> from fmnb.evals.evaluate import evaluate
        >>> e = evaluate("{{ q }}", [{"q": "a", "target": "a"}, {"q": "b", "target": "c"}], ["echo:"])
        >>> [(r["text"], r["target"]) for r in e.failures()]
        [('b', 'c')]
        """
        name = self._scorer_name(scorer)
        rows = [r for r in rows_table(self) if not model or r["model"] == model]
        rows.sort(key=lambda r: (r[name] is not None, r[name] if r[name] is not None else 0.0))
        return Rows(
            [r for r in rows if r[name] is None or r[name] < 1][:limit], ("id", "model", "text", "target", name, "why", "error", "run")
        )

    @with_options(EvaluateOptions)
    def groups(
        self,
        model: str = "",
        *,
        score: ScorerLike | None = None,
        toxicity: Callable[[str], float] | None = None,
        columns: Sequence[str] = (),
        sinks: Sequence[Sink] = (),
        **options: Unpack[EvaluateOptions],
    ) -> Rows:
        """Measure HELM's seven groups for one model; this sends changed rows to the model.

        Accuracy, calibration, robustness, fairness, bias, toxicity, efficiency.

        Source: Liang et al. (2022), Holistic evaluation of language models.

        Args:
            model: Name of the model; the first if empty.
            score: The scorer, for an evaluation that was reopened; that of its own call otherwise.
            toxicity: Function that returns the toxicity of a text, 0 to 1.
            columns: Columns to change; all if empty.
            sinks: Functions that receive every event.
            **options: Options of the calls, for an evaluation that was reopened. `seed` is the seed of
                the changes, 0 by default.

        Returns:
            A table, one row per measure, with the reason for measures that could not be computed.

        Raises:
            UsageError: Prompts or models of a reopened evaluation are unknown in this kernel.

        >>> from fmnb.evals.evaluate import evaluate
        >>> e = evaluate("{{ q }}", [{"q": "She is his sister", "target": "She is his sister"}], ["echo:"])
        >>> list(dict.fromkeys(r["group"] for r in e.groups()))
        ['accuracy', 'calibration', 'robustness', 'fairness', 'bias', 'toxicity', 'efficiency']
        """
        from .benchmarks.helm import measure_groups

        call_options: dict[str, Any] = {"seed": 0, **options}
        return measure_groups(self, model or self.names[0], score=score, toxicity=toxicity, columns=columns, sinks=sinks, **call_options)

    def report(self) -> anywidget.AnyWidget:
        """The report as a widget in a notebook; the page of `to_html` needs no notebook.

        >>> from fmnb.evals.import_scores import from_scores
        >>> import anywidget
        >>> isinstance(from_scores([{"q": i, "a": i % 2} for i in range(40)], ["a"]).report(), anywidget.AnyWidget)
        True
        """
        return load(METHODS["Evaluation.report"])(self)

    def plot(self, kind: PlotKind = "scores", scorer: str = "", ax: Axes | None = None) -> Axes:
        """Draw the scores of the models, or the gaps between them, with matplotlib.

        Args:
            kind: `scores` of each model, or `gaps` between models on the same rows.
            scorer: Name of the scorer; the first if empty.
            ax: Where to draw; a new figure if None.

        Returns:
            The Axes, to change and to save: `e.plot().figure.savefig("scores.pdf")`.

        Raises:
            UsageError: Another kind, or gaps of a single model.
            MissingPackageError: matplotlib is not installed.

        >>> from fmnb.evals.import_scores import from_scores
        >>> e = from_scores([{"q": i, "a": int(i % 3 > 0), "b": i % 2} for i in range(60)], ["a", "b"])
        >>> [t.get_text() for t in e.plot().get_yticklabels()]
        ['b', 'a']
        """
        return plot(self, kind, scorer, ax)

    def power(self, gap: float, scorer: str = "", samples: int = 0) -> str:
        """Estimate how many rows are needed to detect a gap between the best two models.

        Args:
            gap: The gap: 0.05 is 5 points.
            scorer: Name of the scorer; the first if empty.
            samples: Answers per row; the current number if 0.

        Returns:
            A sentence.

        >>> from fmnb.evals.import_scores import from_scores
        >>> e = from_scores([{"q": i, "a": int(i % 3 > 0), "b": i % 2} for i in range(60)], ["a", "b"])
        >>> e.power(0.05)
        'A gap of 5 points between a and b needs about 1,559 rows, about 1,499 more than now; 60 rows can detect 25 points.'
        """
        return power_sentence(self.analysis(scorer), gap, samples)

    def same_within(self, margin: float, scorer: str = "") -> str:
        """Test whether models are equivalent within a margin, with one sentence per pair.

        Models that are not significantly different may still differ. They are equivalent if the displayed 95% interval of
        their gap lies inside the margin.

        Args:
            margin: The margin: 0.05 is 5 points.
            scorer: Name of the scorer; the first if empty.

        Returns:
            Sentences, one per line.

        >>> from fmnb.evals.import_scores import from_scores
        >>> e = from_scores([{"q": i, "a": i % 2, "b": int(i % 2 or i % 80 == 0)} for i in range(800)], ["a", "b"])
        >>> e.same_within(0.05)
        'a and b are the same within 5 points (gap 1.2 points, 95% 0.48 to 2.0, b less a).'
        """
        return "\n".join(same_sentences(self.analysis(scorer), margin))

    # ---- files

    def save(self, path: str | Path) -> Path:
        """Write rows, scores and answers as one JSON file.

        `python -m fmnb check` compares with it, and `Evaluation.load` reads it.

        Args:
            path: The file.

        Returns:
            Path of the file.

        >>> import tempfile
        >>> from fmnb.evals.import_scores import from_scores
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     from_scores([{"a": 1}, {"a": 0}], ["a"]).save(f"{folder}/run.json").name
        'run.json'
        """
        return write_atomic(Path(path).expanduser(), json.dumps(serialize.to_dict(self), ensure_ascii=False) + "\n")

    @classmethod
    def reopen(cls, run: str) -> Evaluation:
        """Read an evaluation from the log, without calling a model.

        Args:
            run: Id of its run.

        Returns:
            The evaluation.

        Raises:
            UsageError: The run is not an evaluation.

        >>> from fmnb.evals.evaluate import evaluate
        >>> e = evaluate("{{ q }}", [{"q": "a", "target": "a"}], ["echo:"])
        >>> Evaluation.reopen(e.run).sentence == e.sentence
        True
        """
        from .scored_run import read

        return cls.of_results(read(run))

    @classmethod
    def load(cls, path: str | Path) -> Evaluation:
        """Read an evaluation that `save` wrote.

        Args:
            path: The file.

        Returns:
            The evaluation.

        Raises:
            UsageError: The file is not an evaluation.

        >>> import tempfile
        >>> from fmnb.evals.import_scores import from_scores
        >>> e = from_scores([{"a": 1}, {"a": 0}], ["a"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Evaluation.load(e.save(f"{folder}/run.json")).sentence == e.sentence
        True
        """
        return cls(**serialize.fields(Path(path).expanduser()))

    def export(self, path: str | Path, kind: str = "inspect", model: str = "") -> Path:
        """Write one model's run as an inspect log in JSON.

        Args:
            path: The file.
            kind: "inspect".
            model: Name of the model; the first if empty.

        Returns:
            Path of the file.

        Raises:
            UsageError: There is no such format or model.

        >>> import json, tempfile
        >>> from fmnb.evals.import_scores import from_scores
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     json.loads(from_scores([{"q": 1, "a": 1}], ["a"]).export(f"{folder}/log.json").read_text())["status"]
        'success'
        """
        if kind != "inspect":
            raise UsageError(
                "No such export format for an evaluation", detail=repr(kind), hint='"inspect"; training data is exported from a Dataset.'
            )
        return write_atomic(Path(path).expanduser(), json.dumps(inspect_log(self, model), ensure_ascii=False, indent=1) + "\n")


def _markdown(rows: Rows) -> str:
    columns = [c for c in rows.columns if any(r.get(c) not in (None, "") for r in rows)]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(_cell(r.get(c)) for c in columns) + " |" for r in rows)])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|").replace("\n", " ")
