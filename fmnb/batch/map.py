"""`fm.map`: a prompt over a table, and the table back with the answers as columns."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Sequence
from typing import Any

from ..core.errors import FmnbError, Interrupted, UsageError
from ..core.events import Sink
from .io.files import is_path
from .rows import check_prompt
from .run import batch


def map(
    prompt: Any,
    over: Any,
    model: Any = None,
    *,
    models: Sequence[Any] | None = None,
    out: Any = None,
    sinks: Sequence[Sink] = (),
    **options: Any,
) -> Any:
    """Ask about every row of a table; gives the table back with columns added, of the kind that went in.

    A column's name in the prompt stands for that row's value: `"Summarise: {{ text }}"`. `over`
    is a pandas or polars DataFrame, an Arrow table, a DuckDB relation, a list of dicts or of
    texts. `schema` adds a typed column for each of its fields; then come `model`, `text`,
    `error`, `cost`, `run` and the other usual columns. A name that the table has already gets
    the suffix `_fm`. With several `models`, or `samples`, each has columns of its own.

    `head` tries the first rows alone; `budget` stops before so many dollars are passed;
    `concurrency`, `rpm`, `tpm` cap the calls at once and the requests and tokens a minute. A
    notebook shows how far it is; `sinks` hear the same events. A row that fails has its error in
    `error`, and a script is warned. What was answered is kept: the same call again
    goes on where it stopped and pays for nothing twice, unless `cache=False`;
    `retry_errors=True` asks failed rows again, `fail_fast=True` stops at the first.
    Other options are those of `fm.ask`.

    `over` may also be the path of a Parquet, CSV or JSONL file, or a pattern of several, that
    never fits into memory: then rows are read as they are needed and written in parts, as
    Parquet, into the folder `out` (beside the input without it), and `Parts` come back.

    >>> map("Say {{ word }}", [{"word": "hi"}], "echo:")[0]["text"]
    'Say hi'
    """
    if model is not None and models is not None:
        raise UsageError("Name the model as model=, or several as models=", seen="both")
    check_prompt(prompt)
    asked = models if models is not None else model
    if out is not None and not is_path(over):
        raise UsageError(
            "out is a folder for the parts of a table in files", seen=repr(out)[:60], todo="Leave it out: the table comes back."
        )
    views = _views()
    try:
        if is_path(over):
            from .map_files import map_files

            found = map_files(prompt, over, asked, out=out, sinks=[*views, *sinks], **options)
            summary, result = found.summary, found
        else:
            done = batch(prompt, over, asked, sinks=[*views, *sinks], **options)
            summary, result = done.summary, done.result()
    except (Interrupted, FmnbError) as stop:
        stop.shown = bool(views and stop.run)  # it stands below the cell already
        raise
    if summary.failed and not views:
        why = f": {summary.causes[0]}" if summary.causes else ""
        warnings.warn(f"fmnb: {summary.failed:,} of {summary.asked:,} failed{why}; the column error says of each", stacklevel=2)
    return result


def _views() -> list[Sink]:
    """The bar below a cell; none in a script."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or threading.current_thread() is not threading.main_thread():
        return []
    from ..views.batch import BatchView

    return [BatchView(shell)]
