"""`fm.map` over files: what it will take, where its parts go, and the job that writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..calls.prepare import options_from
from ..config.settings import frozen
from ..core.errors import UsageError
from ..core.events import Sink
from .estimate import Estimate, agree, estimate, scaled
from .io.files import Files, files_of, rows_in
from .io.parts import Parts, PartsJob, check_folder, folder_for, identity_of
from .job_kinds import job_of
from .options import Limits, check_together
from .rows import Rows, rows_of

_LOOKED_AT = 1_000_000  # rows that an estimate goes by


def map_files(
    prompt: Any,
    over: str | Path,
    models: Any = None,
    *,
    out: Any = None,
    samples: int = 1,
    yes: bool = False,
    batch_api: bool = False,
    on: str | None = None,
    sinks: Sequence[Sink] = (),
    **options: Any,
) -> Parts:
    """`fm.map` over files. Options as in `batch`."""
    if batch_api:
        raise UsageError(
            "A batch job holds a table that fits into memory", hint="Read it first: pandas.read_parquet(...), or leave batch_api out."
        )
    limits = Limits(**{n: options.pop(n) for n in Limits.__dataclass_fields__ if n in options})
    check_together(limits, yes=yes, batch_api=batch_api, on=on)
    files = files_of(over)
    listed = list(models) if isinstance(models, (list, tuple)) else [models]
    with frozen():
        rows = rows_of(prompt, listed, options_from(options), files.columns, samples)
        folder = folder_for(files, out, identity_of(rows, files.head(1)))
        check_folder(folder, files)
        agree(_expected(rows, files, limits), limits.budget, yes)
        job: PartsJob = job_of(on, rows, files, limits, sinks, folder, kind="PartsJob")
        return job.finish()


def _expected(rows: Rows, files: Files, limits: Limits) -> Estimate:
    """As of a table in memory; of more than a million rows by the first."""
    count = files.count if limits.head is None else min(files.count, limits.head)
    found = estimate(rows, rows_in(files, min(count, _LOOKED_AT)), limits)
    return scaled(found, count / _LOOKED_AT) if count > _LOOKED_AT else found
