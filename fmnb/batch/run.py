"""One batch from start to result: every row is sent once, and its answer is stored before it is shown.

rows ─ key ─► cached? ─ no ─► scheduler ─► events ─► log, in groups ─► Answer ─► table with answer columns
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..calls.prepare import options_from
from ..config.settings import frozen
from ..core.events import Sink
from .estimate import Estimate, check_budget, confirm_estimate, estimate
from .io.files import is_path, lazy_table, open_files, read_all
from .io.tables import Table, table_of
from .job import Job
from .job_kinds import job_of
from .options import BatchOptions, Limits, check_together
from .result import Batch, reopen
from .rows import prepare_rows

__all__ = ["Batch", "batch", "dry_run", "reopen"]

OPTION_NAMES = tuple(BatchOptions.__annotations__)  # candidates for "did you mean"


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
    """Run a prompt for every row of a table, and return the answers as a `Batch`.

    What was answered before an error is in the log, and the same call resumes from there. A row
    that fails has its error in its Answer.

    Args:
        prompt: A template with columns in `{{ }}`, or an `fm.Prompt`.
        over: A table, or the path of one.
        models: A name, a list of names or custom models, or None for the default model.
        samples: Number of answers per row.
        head: Only the first N rows.
        budget: Stop before spending more than this many US dollars.
        yes: Skip the confirmation before an expensive batch.
        rpm: Maximum requests per minute.
        tpm: Maximum tokens per minute.
        concurrency: Maximum calls in flight.
        batch_api: Submit a batch job of the service; the same call collects its answers later.
        on: Run on Ray.
        retry_errors: Send rows with permanent errors again.
        fail_fast: Stop at the first failed row.
        sinks: Functions that receive every event.
        **options: Options of the calls.

    Returns:
        The answers in the order of row, model, sample.

    Raises:
        Interrupted: The user stopped it.
        BudgetError: The next row would exceed the budget.
        FmnbError: The error of a model that cannot answer at all.

    >>> b = batch("say {{ word }}", [{"word": "hi"}, {"word": "ho"}], "echo:")
    >>> [a.text for a in b.answers]
    ['say hi', 'say ho']
    """
    limits = Limits(head, budget, rpm, tpm, concurrency, retry_errors, fail_fast)
    check_together(limits, yes=yes, batch_api=batch_api, on=on, replay_only=options.get("replay_only"), sources=options.get("sources"))
    table = _open_table(over, limits)
    listed = list(models) if isinstance(models, (list, tuple)) else [models]
    with frozen():
        rows = prepare_rows(prompt, listed, options_from(options, OPTION_NAMES), table.columns, samples, table.attributes)
        expected = estimate(rows, table, limits)
        if batch_api:
            from .batch_jobs import run_batch_job

            return run_batch_job(Job(rows, table, limits, sinks), expected, yes)
        confirm_estimate(expected, limits.budget, yes)
        return job_of(on, rows, table, limits, sinks).run()


def dry_run(prompt: Any, over: Any, models: Any = None, *, samples: int = 1, **options: Any) -> Estimate:
    """Estimate what `batch` would take, without sending anything.

    Takes the options of `batch` and refuses the same ones.

    Raises:
        PromptError: The prompt cannot be rendered for any of the sampled rows.
        BudgetError: The price is unknown, so the budget cannot be guaranteed.
    """
    limits = Limits(**{n: options.pop(n) for n in Limits.__dataclass_fields__ if n in options})
    more = {n: options.pop(n) for n in ("yes", "batch_api", "on") if n in options}
    check_together(limits, **more, replay_only=options.get("replay_only"), sources=options.get("sources"))
    table = _open_table(over, limits)
    with frozen():
        listed = list(models) if isinstance(models, (list, tuple)) else [models]
        rows = prepare_rows(prompt, listed, options_from(options), table.columns, samples, table.attributes)
        expected = estimate(rows, table, limits)
        if expected.render_error is not None and not expected.calls:
            raise expected.render_error
        check_budget(expected, limits.budget)
        if not more.get("batch_api"):
            return expected
        from .batch_jobs import batch_job_estimate

        return batch_job_estimate(rows, expected)


def _open_table(over: Any, limits: Limits) -> Table:
    """The rows of the batch; a table in files is not loaded."""
    return lazy_table(open_files(over), limits.head) if is_path(over) else _table(over, limits)


def _table(over: Any, limits: Limits) -> Table:
    table = read_all(open_files(over)) if is_path(over) else table_of(over)
    return table if limits.head is None else table.head(limits.head)
