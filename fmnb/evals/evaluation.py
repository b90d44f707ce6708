"""What an evaluation found: sentences, tables, a page; scored again by other means without asking a model, set beside another run."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from .._inert import inert
from .._names import METHODS, load
from .._require import require
from ..batching.answers import Answer
from ..errors import UsageError
from ..events import Sink
from ..rows import Rows
from ..stats.resampling import SEED
from . import duplicates, failures, saving
from .analysis import Analysis, analyse
from .comparing import RunComparison, compare_runs
from .dataset import Dataset
from .failures import MAX_FAILURES
from .inspect_log import as_log
from .labels import label_notes
from .matrix import Matrix, matrix
from .powering import power_sentence, same_sentences
from .reuse import Reuse, reuse
from .row_groups import RowGroups
from .scorers.base import Score
from .scoring import Answers, Scores, failure, score_all, scorers_of
from .sentences import headline, sentences
from .tables import levels_table, pairs_table, rows_table, slices_table
from .whole import write_whole

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Evaluation:
    """Scores of models on a test set, and what they say.

    `print(e)` says it in sentences; `e.models`, `e.pairs` are tables behind them, `e.df` every
    answer with its scores. `e.score_again(...)` scores the same answers by other means,
    `e.compare(other)` sets two runs side by side, `e.report()` shows it all on a page.
    """

    run: str
    prompt: str
    dataset: Dataset
    names: tuple[str, ...]
    samples: int
    answers: Sequence[Answer]
    scores: Mapping[str, Sequence[Score]]
    batch: str = ""
    corpus: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    conduct: Mapping[str, Any] = field(default_factory=dict)  # of a judge, by scorer: how it behaved
    badges: Mapping[str, str] = field(default_factory=dict)  # of a judge: "uncalibrated", or how far it agrees with people
    missing: str = "drop"
    max_failures: float = MAX_FAILURES
    asked: tuple[float | None, ...] = ()  # when each answer was asked for, seconds since the epoch
    begun: float = 0.0  # when the models were asked; 0 where that is not known
    seed: int = SEED
    ways: tuple[str, ...] = ("",)  # titles of the prompts, where there were several
    again: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)  # scorers and options of this kernel's call

    @classmethod
    def of(cls, given: Answers, found: Scores, again: Mapping[str, Any] | None = None) -> Evaluation:
        """Answers with their scores."""
        prompt = str(getattr(given.prompt, "text", given.prompt))
        return cls(
            found.run,
            prompt,
            given.dataset,
            given.names,
            given.samples,
            given.answers,
            found.scores,
            given.batch,
            found.corpus,
            found.conduct,
            {n: c.badge for n, c in found.conduct.items()},
            given.missing,
            given.max_failures,
            given.asked,
            given.begun,
            ways=given.ways,
            again=again or {},
        )

    # ---- what it says

    @functools.cached_property
    def _analyses(self) -> dict[str, Analysis]:
        return {}

    def analysis(self, scorer: str = "") -> Analysis:
        """The statistics of one scorer, the first if none is named. UsageError where nothing was scored, or too little for a verdict."""
        name = self._scorer(scorer)
        if name not in self._analyses:
            m = self.matrix(name)
            if not failures.scored(m):
                said = " ".join(failures.blocked(m)) or f"no row is left: {failures.causes(m.dropped)}"
                todo = "Name the column of good answers: target='...'." if not m.asked else "Look at `evaluation.failures()`."
                raise UsageError(f"There is nothing to compare by {name}", seen=said, todo=todo)
            notes: tuple[str, ...] = (str(self.conduct[name]) + ".",) if name in self.conduct else ()
            t = self.row_groups
            found = analyse(m, t.users, by=t.by, questions=t.questions, seed=self.seed)
            self._analyses[name] = replace(found, notes=notes)
        return self._analyses[name]

    @functools.cached_property
    def row_groups(self) -> RowGroups:
        """Which rows hang together: those of one user or template, and those that ask the same question."""
        users = tuple(s.group for s in self.dataset)
        by = self.dataset.by or "group"
        prompt = self.prompt if len(self.ways) < 2 else ""
        return RowGroups(users, tuple(duplicates.questions(self.dataset.samples, self.dataset.by, prompt)), by)

    def matrix(self, scorer: str = "") -> Matrix:
        """Rows by models: means over samples."""
        name = self._scorer(scorer)
        if name not in self._matrices:
            given = (name, self.names, len(self.dataset), self.samples, self.scores[name], self._errors, self.missing, self.max_failures)
            self._matrices[name] = matrix(*given)
        return self._matrices[name]

    @property
    def compared(self) -> dict[str, Analysis]:
        """The statistics of every scorer that has any."""
        return {n: self.analysis(n) for n in self.scores if failures.scored(self.matrix(n))}

    @functools.cached_property
    def _matrices(self) -> dict[str, Matrix]:
        return {}

    @functools.cached_property
    def _errors(self) -> dict[int, str]:
        return {i: why for i, a in enumerate(self.answers) if (why := failure(a))}

    def _scorer(self, name: str) -> str:
        if not name:
            return next(iter(self.scores))
        if name not in self.scores:
            raise UsageError("Nothing was scored by that name", seen=repr(name), todo=f"One of {', '.join(self.scores)}.")
        return name

    @property
    def sentence(self) -> str:
        """The finding about the best, by the first scorer; where nothing can be compared, why."""
        m = self.matrix()
        if failures.scored(m):
            return " ".join([*failures.blocked(m), headline(self.analysis())])
        return " ".join(failures.blocked(m)) or f"No row could be scored: {failures.causes(m.dropped)}."

    @property
    def trouble(self) -> list[str]:
        """What failed: models without a score or a verdict, scorers that scored nothing, answers that are left out."""
        found = [self.matrix(n) for n in self.scores]
        return list(dict.fromkeys(s for tell in (failures.blocked, failures.minor) for m in found for s in tell(m)))

    @property
    def sentences(self) -> list[str]:
        """What failed, then all findings."""
        return [*self.trouble, *self.findings]

    @property
    def findings(self) -> list[str]:
        """What the scores say, by each scorer in turn."""
        out: list[str] = []
        for name in self.scores:
            m = self.matrix(name)
            if failures.scored(m):
                out += sentences(self.analysis(name))
                out += label_notes(self, self.analysis(name))
            else:
                out += [f"No row could be scored by {name}: {failures.causes(m.dropped)}."] if not m.asked else []
                out += [f"{self.conduct[name]}."] if name in self.conduct else []
            figures = self.corpus.get(name, {}).items()
            out += [f"{model} has {name} {value:.4f} over all rows together." for model, value in figures if model in m.models]
        out += [self.reuse.sentence] if self.reuse.count else []
        return list(dict.fromkeys(out))  # what holds for every scorer is said once

    @property
    def reuse(self) -> Reuse:
        """How many answers came from the cache, and how old they are."""
        known = self.asked if len(self.asked) == len(self.answers) else [None] * len(self.answers)
        return reuse(known, [a.source for a in self.answers], self.begun)

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
        text: str = load("fmnb.evals.report:page")(self)
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

        Asks the model again with changed rows; options as in `fmnb.evals.helm.measured`.
        """
        found: Rows = load("fmnb.evals.helm:measured")(self, model or self.names[0], **options)
        return found

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

        >>> from fmnb.evals.elsewhere import from_scores
        >>> e = from_scores([{"q": i, "a": i % 2, "b": int(i % 2 or i % 80 == 0)} for i in range(800)], ["a", "b"])
        >>> e.same_within(0.05)
        'a and b are the same within 5 points (gap 1.2 points, 95% 0.48 to 2.0, b less a).'
        """
        return "\n".join(same_sentences(self.analysis(scorer), margin))

    # ---- files

    def save(self, path: str | Path) -> Path:
        """Write rows, scores and answers as one JSON file: what `python -m fmnb check` compares with, and `Evaluation.load` reads."""
        return write_whole(Path(path).expanduser(), json.dumps(saving.to_dict(self), ensure_ascii=False) + "\n")

    @classmethod
    def reopen(cls, run: str) -> Evaluation:
        """An evaluation of the log by its run; no model is called. UsageError when it is no evaluation's run."""
        found: Evaluation = load("fmnb.evals.running:reopen")(run)
        return found

    @classmethod
    def load(cls, path: str | Path) -> Evaluation:
        """An evaluation that `save` wrote. UsageError for another file."""
        return cls(**saving.fields(Path(path).expanduser()))

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
