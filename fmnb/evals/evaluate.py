"""`fm.evaluate`: calls models for every row of a test set and scores their answers.

    prompt, rows, models ─ batch ─► answers ─ scorers ─► Scored events ─► Evaluation

The batch is resumed, cached and limited by a budget like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

from ..calls.options import with_options
from ..calls.prepare import check_names
from ..core.events import Sink
from ..core.typing import HubDataset, ModelLike, TableLike
from ..prompts.prompt import PromptLike
from .datasets.dataset import Dataset
from .evaluation import Evaluation
from .options import EvaluateOptions
from .scored_run import run_and_score
from .scoring import ScorerLike
from .withheld_target import check_target_is_withheld


@with_options(EvaluateOptions)
def evaluate(
    prompt: PromptLike,
    over: TableLike | HubDataset | Dataset,
    models: ModelLike | Sequence[ModelLike] | None = None,
    score: ScorerLike | Sequence[ScorerLike] = "exact",
    *,
    sinks: Sequence[Sink] = (),
    **options: Unpack[EvaluateOptions],
) -> Evaluation:
    """Evaluate models on a test set: score their answers and test which model is better.

    Cached answers are reused; the report shows how many, and their age. `fresh=True` sends the
    requests again.

    Args:
        prompt: A template with columns in `{{ }}`, or an `fm.Prompt`.
        over: An `fm.Dataset`, or a table or path as in `fm.map`. `target=`, `group=` and `id=` name
            its columns of good answers, of rows that belong together, and of ids.
        models: One model or several, as in `fm.ask`.
        score: A scorer or several: names (exact, contains, numeric, f1, judge, ...), functions of
            (answer, target), `fm.Judge(...)`. Several names may be joined by commas.
        sinks: Functions that receive every event of the batches.
        **options: Options of the evaluation, the batch and its calls: see `EvaluateOptions`. With
            `samples`, the scores of a row's samples are averaged. A model gets no
            verdict if more than `max_failures` of its answers failed.

    Returns:
        The evaluation: sentences, tables, intervals and tests, and a report.

    Raises:
        UsageError: No rows, no scorer, or a scorer that needs missing targets.
        FmnbError: What `fm.map` raises; finished answers are stored, and the same call resumes.

    >>> rows = [{"q": "a", "target": "a"}, {"q": "b", "target": "c"}]
    >>> e = evaluate("{{ q }}", rows, ["echo:"], "exact")
    >>> e.sentence
    'echo: scores 50.0% (95% 9.5% to 90.5%, Wilson, 2 rows).'
    """
    check_names(options, tuple(EvaluateOptions.__annotations__))
    target, id, group = options.pop("target", None), options.pop("id", None), options.pop("group", None)
    dataset = Dataset.from_rows(over, target=target, id=id, group=group)
    variants = options.get("prompts") or ()
    ways = variants.values() if isinstance(variants, Mapping) else variants
    check_target_is_withheld([prompt, *ways], dataset, target, options.get("values") or {})
    return Evaluation.of_results(run_and_score(prompt, dataset, models, score, sinks=sinks, **options))


def reopen(run: str) -> Evaluation:
    """Read an evaluation from the log, without calling a model.

    Raises UsageError if the run is not an evaluation.

    >>> e = evaluate("{{ q }}", [{"q": "a", "target": "a"}], ["echo:"])
    >>> reopen(e.run).sentences == e.sentences
    True
    """
    return Evaluation.reopen(run)
