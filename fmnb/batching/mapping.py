"""`fm.map`: a prompt over a table, and the table back with the answers as columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import UsageError
from ..events import Sink
from .run import batch


def map(
    prompt: Any,
    over: Any,
    model: Any = None,
    *,
    models: Sequence[Any] | None = None,
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
    row that fails has its error in `error`. What was answered is kept: the same call again
    goes on where it stopped and pays for nothing twice, unless `cache=False`;
    `retry_errors=True` asks failed rows again, `fail_fast=True` stops at the first.
    Other options are those of `fm.ask`.

    >>> map("Say {{ word }}", [{"word": "hi"}], "echo:")[0]["text"]
    'Say hi'
    """
    if model is not None and models is not None:
        raise UsageError("Name the model as model=, or several as models=", seen="both")
    return batch(prompt, over, models if models is not None else model, sinks=sinks, **options).result()
