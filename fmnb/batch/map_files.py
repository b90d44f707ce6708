"""`fm.map` over files: estimate, output folder, and the job that writes the parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..calls.prepare import options_from
from ..config.settings import frozen
from ..core.errors import UsageError
from ..core.events import Sink
from .estimate import Estimate, confirm_estimate, estimate, scale
from .io.files import Files, lazy_table, open_files
from .io.parts import Parts, PartsJob, check_folder, folder_for, identity_of
from .job_kinds import job_of
from .options import Limits, check_together
from .rows import RowCalls, prepare_rows

_MAX_ESTIMATED = 1_000_000  # rows that an estimate reads


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
    """`fm.map` over files. Takes the options of `batch`, and `out`, the folder of the parts."""
    if batch_api:
        raise UsageError("A batch job needs a table in memory", hint="Read it first: pandas.read_parquet(...), or leave batch_api out.")
    limits = Limits(**{n: options.pop(n) for n in Limits.__dataclass_fields__ if n in options})
    check_together(limits, yes=yes, batch_api=batch_api, on=on)
    files = open_files(over)
    listed = list(models) if isinstance(models, (list, tuple)) else [models]
    with frozen():
        rows = prepare_rows(prompt, listed, options_from(options), files.columns, samples)
        folder = folder_for(files, out, identity_of(rows, files.head(1)))
        check_folder(folder, files)
        confirm_estimate(_estimate(rows, files, limits), limits.budget, yes)
        job: PartsJob = job_of(on, rows, files, limits, sinks, folder, kind="PartsJob")
        return job.run_to_parts()


def _estimate(rows: RowCalls, files: Files, limits: Limits) -> Estimate:
    """Like that of a table in memory; beyond a million rows, extrapolated from the first million."""
    count = files.count if limits.head is None else min(files.count, limits.head)
    expected = estimate(rows, lazy_table(files, min(count, _MAX_ESTIMATED)), limits)
    return scale(expected, count / _MAX_ESTIMATED) if count > _MAX_ESTIMATED else expected
