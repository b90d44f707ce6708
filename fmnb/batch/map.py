"""`fm.map`: a prompt over a table, and the table back with the answers as columns."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, overload

from ..calls.options import with_options
from ..core.errors import FmnbError, Interrupted, UsageError
from ..core.events import Sink
from ..core.typing import FrameT, ModelLike, Record, TableLike
from ..prompts.prompt import PromptLike
from .io.files import is_path
from .options import BatchOptions
from .rows import check_prompt
from .run import batch

if TYPE_CHECKING:
    from .io.parts import Parts


@overload
def map(  # type: ignore[overload-overlap]  # a path is a str, and a str is a sequence of str
    prompt: PromptLike,
    over: str | Path,
    model: ModelLike | None = None,
    *,
    models: Sequence[ModelLike] | None = None,
    out: str | Path | None = None,
    sinks: Sequence[Sink] = (),
    **options: Unpack[BatchOptions],
) -> Parts: ...


@overload
def map(
    prompt: PromptLike,
    over: Sequence[str] | Sequence[Mapping[str, object]],
    model: ModelLike | None = None,
    *,
    models: Sequence[ModelLike] | None = None,
    sinks: Sequence[Sink] = (),
    **options: Unpack[BatchOptions],
) -> list[Record]: ...


@overload
def map(
    prompt: PromptLike,
    over: FrameT,
    model: ModelLike | None = None,
    *,
    models: Sequence[ModelLike] | None = None,
    sinks: Sequence[Sink] = (),
    **options: Unpack[BatchOptions],
) -> FrameT: ...


@overload
def map(
    prompt: PromptLike,
    over: TableLike,
    model: ModelLike | None = None,
    *,
    models: Sequence[ModelLike] | None = None,
    out: str | Path | None = None,
    sinks: Sequence[Sink] = (),
    **options: Unpack[BatchOptions],
) -> object: ...


@with_options(BatchOptions)
def map(
    prompt: PromptLike,
    over: TableLike,
    model: ModelLike | None = None,
    *,
    models: Sequence[ModelLike] | None = None,
    out: str | Path | None = None,
    sinks: Sequence[Sink] = (),
    **options: Unpack[BatchOptions],
) -> object:
    """Run a prompt for every row of a table, and return the table with answer columns.

    A column's name in the prompt inserts the row's value: `"Summarize: {{ text }}"`. Finished
    rows are stored: the same call again resumes and pays for no row twice, unless
    `cache=False`. A notebook shows the progress.

    Args:
        prompt: A template with columns in `{{ }}`, or an `fm.Prompt`.
        over: A pandas or polars DataFrame, an Arrow table, a DuckDB relation, a list of dicts or
            of texts, a dict of columns; or the path of a Parquet, CSV or JSONL file (or a pattern
            of several), which is read in chunks and need not fit into memory.
        model: The model, as in `fm.ask`.
        models: Several models instead of `model`; each gets its own columns.
        out: Folder for the parts of a table in files (default: beside the input).
        sinks: Functions that receive every event of the batch.
        **options: Options of the batch and its calls: see `BatchOptions`.

    Returns:
        A table of the kind that went in, same rows and order, with columns added: one for each
        field of `schema`, then `model`, `text`, `error`, `seconds`, tokens, `cost` (US dollars),
        `run`. A name that the table has already gets the suffix `_fm`. For texts, a list of
        dicts; for files, `Parts`: the folder of Parquet files.

    Raises:
        UsageError: The table or the prompt is missing, or options conflict.
        BudgetError: The next row would exceed `budget`.
        Interrupted: The user stopped it.
        FmnbError: No row could be sent. If only some rows fail, their errors are in the column
            `error`, and a script gets a warning, as for rows in a batch job that is not finished.
            The `partial` of an error, also of BudgetError and Interrupted, is the table so far.

    >>> map("Say {{ word }}", [{"word": "hi"}], "echo:")[0]["text"]
    'Say hi'
    """
    if model is not None and models is not None:
        raise UsageError("Name the model as model=, or several as models=", detail="both")
    check_prompt(prompt)
    result: Any
    requested: Any = models if models is not None else model
    if out is not None and not is_path(over):
        raise UsageError(
            "out is a folder for answers to tables in files", detail=repr(out)[:60], hint="Leave it out: the call returns the table."
        )
    views = _views()
    try:
        if is_path(over):
            from .map_files import map_files

            parts = map_files(prompt, over, requested, out=out, sinks=[*views, *sinks], **options)
            summary, result = parts.summary, parts
        else:
            done = batch(prompt, over, requested, sinks=[*views, *sinks], **options)
            summary, result = done.summary, done.result()
    except (Interrupted, FmnbError) as stop:
        stop.shown = bool(views and stop.run)  # the view shows it under the cell
        raise
    if summary.failed and not views:
        cause = f": {summary.causes[0]}" if summary.causes else ""
        warnings.warn(f"fmnb: {summary.failed:,} of {summary.calls:,} failed{cause}; see the column error", stacklevel=2)
    if summary.missing and not views:  # such as rows in an open batch job
        why = "".join(f"; {note}" for note in summary.notes)
        warnings.warn(f"fmnb: {summary.missing:,} of {summary.calls:,} have no answer yet{why}", stacklevel=2)
    return result


def _views() -> list[Sink]:
    """The progress bar under a cell; nothing in a script."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or threading.current_thread() is not threading.main_thread():
        return []
    from ..views.batch import BatchView

    return [BatchView(shell)]
