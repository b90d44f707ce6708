"""fm.evaluate: a batch over a test set, every answer scored; and an evaluation reopened from the log.

    prompt, rows, models ─ batch ─► answers ─ scorers ─► Scored events ─► Evaluation

The calls are a batch: resumed, cached, held to a budget like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.events import Sink
from .datasets.dataset import Dataset
from .evaluation import Evaluation
from .failures import MAX_FAILURES
from .scored_run import ask_and_score


def evaluate(
    prompt: Any,
    over: Any,
    models: Any = None,
    score: Any = "exact",
    *,
    prompts: Sequence[Any] | Mapping[str, Any] = (),
    samples: int = 1,
    target: str | None = None,
    group: str | None = None,
    id: str | None = None,
    missing: str = "drop",
    max_failures: float = MAX_FAILURES,
    fresh: bool = False,
    sinks: Sequence[Sink] = (),
    **options: Any,
) -> Evaluation:
    """Ask models about every row of a test set, score the answers, and say which model is better and whether that is real.

    `over` is an `fm.Dataset`, a frame, a list of dicts or a path; `target` names its column of
    good answers, `group` the column of users or templates whose rows hang together. `score`
    is a scorer or a list of them: names (exact, contains, numeric, f1, judge, ...), functions
    of (answer, target), or `fm.Judge(...)`. `prompts` are several ways to ask (texts, `fm.Prompt`s,
    names of saved ones), each put above `prompt`: they are evaluated like models. A dict gives
    each the name that the report shows.
    `samples` asks each row several times and averages.
    `missing` says what an answer that failed does: its row is left out for all ("drop"), or it
    counts as 0 ("failure"). A model of which more than `max_failures` failed (5 % of its
    answers unless said otherwise) gets no verdict, and one that answered nothing no score,
    whatever `missing` says. Answers that are known are not asked for again, and the report says
    how many and how old they are; `fresh` asks again. Other options are those of `fm.map`: schema, temperature, budget, head, ...

    Raises what `fm.map` raises; what was answered until then is kept, and the same call goes on.

    >>> rows = [{"q": "a", "target": "a"}, {"q": "b", "target": "c"}]
    >>> e = evaluate("{{ q }}", rows, ["echo:"], "exact")
    >>> e.sentence
    'echo: scores 50.0% (95% 9.5% to 90.5%, Wilson, 2 rows).'
    """
    found = ask_and_score(
        prompt,
        Dataset.from_rows(over, target=target, id=id, group=group),
        models,
        score,
        prompts=prompts,
        samples=samples,
        missing=missing,
        max_failures=max_failures,
        fresh=fresh,
        sinks=sinks,
        **options,
    )
    return Evaluation.of_results(found)


def reopen(run: str) -> Evaluation:
    """An evaluation from the log alone; no model is called. UsageError when it is no evaluation's run.

    >>> e = evaluate("{{ q }}", [{"q": "a", "target": "a"}], ["echo:"])
    >>> reopen(e.run).sentences == e.sentences
    True
    """
    return Evaluation.reopen(run)
