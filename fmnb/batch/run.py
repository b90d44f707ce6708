"""A prompt over a table: every row asked once, its answer written down before it is shown, found again when the batch goes on.

rows ─ key ─► answered before? ─ no ─► flow ─► events ─► log, in groups ─► Answer ─► the table with columns
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..calls.prepare import options_from
from ..config.settings import frozen
from ..core.events import Sink
from .estimate import Estimate, agree, check_budget, estimate
from .io.files import files_of, is_path, rows_in, whole
from .io.tables import Table, table_of
from .job import Job
from .job_kinds import job_of
from .options import BatchOptions, Limits, check_together
from .result import Batch, reopen
from .rows import rows_of

__all__ = ["Batch", "batch", "planned", "reopen"]

OWN = tuple(BatchOptions.__annotations__)  # names that a misspelled one may have meant


def batch(
    prompt: Any,
    over: Any,
    models: Any = None,
    *,
    samples: int = 1,
    head: int | None = None,
    budget: float | None = None,
    yes: bool = False,
    rpm: float | None = None,
    tpm: float | None = None,
    concurrency: int | None = None,
    batch_api: bool = False,
    on: str | None = None,
    retry_errors: bool = False,
    fail_fast: bool = False,
    sinks: Sequence[Sink] = (),
    **options: Any,
) -> Batch:
    """Ask the models about every row of a table.

    `models` is a name, a list of names or objects, or None for the default model. Raises
    Interrupted when stopped, BudgetError at the budget, the error of a model that cannot be
    asked at all; what was answered until then is in the log, and the same call goes on from
    there. A row that fails has its error in its Answer.

    >>> b = batch("say {{ word }}", [{"word": "hi"}, {"word": "ho"}], "echo:")
    >>> [a.text for a in b.answers]
    ['say hi', 'say ho']
    """
    limits = Limits(head, budget, rpm, tpm, concurrency, retry_errors, fail_fast)
    check_together(limits, yes=yes, batch_api=batch_api, on=on, replay_only=options.get("replay_only"))
    table = _rows_of(over, limits)
    listed = list(models) if isinstance(models, (list, tuple)) else [models]
    with frozen():
        rows = rows_of(prompt, listed, options_from(options, OWN), table.columns, samples)
        expected = estimate(rows, table, limits)
        if batch_api:
            from .batch_jobs import hand_over

            return hand_over(Job(rows, table, limits, sinks), expected, yes)
        agree(expected, limits.budget, yes)
        return job_of(on, rows, table, limits, sinks).go()


def planned(prompt: Any, over: Any, models: Any = None, *, samples: int = 1, **options: Any) -> Estimate:
    """What `batch` would take; nothing is sent. Options as there, and refused as there.

    Raises PromptError when the prompt can be filled from none of the rows that were looked at,
    BudgetError for a budget that could not be kept.
    """
    limits = Limits(**{n: options.pop(n) for n in Limits.__dataclass_fields__ if n in options})
    more = {n: options.pop(n) for n in ("yes", "batch_api", "on") if n in options}
    check_together(limits, **more, replay_only=options.get("replay_only"))
    table = _rows_of(over, limits)
    with frozen():
        listed = list(models) if isinstance(models, (list, tuple)) else [models]
        rows = rows_of(prompt, listed, options_from(options), table.columns, samples)
        found = estimate(rows, table, limits)
        if found.why is not None and not found.calls:
            raise found.why
        check_budget(found, limits.budget)
        if not more.get("batch_api"):
            return found
        from .batch_jobs import planned as planned_as_batch_job

        return planned_as_batch_job(rows, found)


def _rows_of(over: Any, limits: Limits) -> Table:
    """The rows that are gone over."""
    return rows_in(files_of(over), limits.head) if is_path(over) else _table(over, limits)


def _table(over: Any, limits: Limits) -> Table:
    table = whole(files_of(over)) if is_path(over) else table_of(over)
    return table if limits.head is None else table.head(limits.head)
