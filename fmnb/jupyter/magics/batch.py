"""`%%fm --over DATA`: finds the table or path, and makes one public call."""

from __future__ import annotations

import difflib
import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...batch.options import BatchOptions
from ...calls.call import Options
from ...comparison.comparison import COLUMNS
from ...core.errors import FmnbError, Interrupted, UsageError
from ...core.events import Event, Started
from ...core.records import Rows
from ...evals.options import EvaluateOptions
from ...prompts.dataframes import table_of
from ...views.batch import BatchView
from ...views.router import in_notebook
from .options import Line
from .shown import mark_displayed

if TYPE_CHECKING:
    from ...batch.result import Batch

_MAX_ROWS = 10  # rows to show
_FACTS = frozenset(COLUMNS) - {"text", "data", "error"}


def run(line: Line, prompt: Any, options: Options, shell: Any) -> Any:
    """Run the prompt over every row. Returns what `fm.map` returns."""
    if line.get("prompts") and not line.get("score"):
        raise UsageError("--over with --prompts needs --score", hint="Score the answers, or use a separate cell for each prompt.")
    plain = Options()
    values = {n: getattr(options, n) for n in Options.__dataclass_fields__ if getattr(options, n) != getattr(plain, n)}
    values |= line.options(BatchOptions)
    if line.get("samples") is not None:
        values["samples"] = line.get("samples")
    models = [options.values[m] if options.values and m in options.values and ":" not in m else m for m in line.models]
    if line.get("score") and not line.get("dry_run"):
        return evaluate(line, prompt, models, values, shell)
    if line.get("dry_run"):
        from ...batch.run import dry_run

        return dry_run(prompt, resolve_data(line.get("over"), shell), models or None, **values)
    from ...batch.io.files import is_path

    over, sinks = resolve_data(line.get("over"), shell), [BatchView(shell)]
    try:
        if is_path(over):
            from ...batch.map_files import map_files

            return _display_table(map_files(prompt, over, models or None, sinks=sinks, **values), over, line, shell)
        from ...batch.run import batch

        result = batch(prompt, over, models or None, sinks=sinks, **values)
        if in_notebook(shell):
            _show_grid(result)
        return _display_table(result.result(), over, line, shell)
    except (Interrupted, FmnbError) as stop:
        stop.shown = bool(stop.run)  # a batch that has started shows the error under the cell
        if line.out:
            _store_partial(stop, over, line, shell)
        raise


def _show_grid(found: Batch) -> None:
    """Show a few rows of several models side by side."""
    from ...batch.small_table import comparison, is_small

    if is_small(found):
        from ..widgets.grid import show

        show(comparison(found))


def _display_table(table: Any, over: Any, line: Line, shell: Any) -> Any:
    """Display the first rows of the answered table, with a name as without.

    The display is ours: a table library would write model output into the page unescaped, where a typesetter reads it.
    """
    if line.out or in_notebook(shell):
        from IPython.display import display

        display(_sample(table, over, bool(line.get("schema"))))  # type: ignore[no-untyped-call]
    return table if line.out else mark_displayed(table, shell)


def _sample(table: Any, over: Any, schema: bool) -> Any:
    """The first rows of a table, and its size; other values unchanged.

    Of the answers' columns only texts, fields and errors are shown; the rest is in the table.
    """
    sample, asked = table_of(table), table_of(over)
    if sample is None or sample.rows is None:
        return table
    few = min(sample.rows, _MAX_ROWS)
    columns = getattr(table, "columns", None)
    levels = sample.names[: sample.columns - len(columns)] if columns is not None else []  # of a pandas index
    titles = {n: n.removesuffix(" (index)") for n in levels}
    titles = {n: title for n, title in titles.items() if title not in sample.names}  # a column may have that name
    names = [titles.get(n, n) for n in sample.names]
    rows = [dict(zip(names, values, strict=True)) for values in sample.take(list(range(few)), sample.columns)]
    theirs = set() if asked is None else {titles.get(n, n) for n in asked.names}
    hidden = _FACTS | {"text", "data"} if schema else _FACTS
    shown = tuple(n for n in names if n in theirs or n in titles.values() or not _is_fact(n, hidden))
    first = f"the first {few} of " if few < sample.rows else ""
    more = sample.columns - len(shown)
    note = f"{first}{sample.rows:,} row{'s' * (sample.rows != 1)} × {sample.columns - len(levels)} columns"
    return Rows(rows, shown, note + (f"; {more:,} about the calls (model, time, tokens, cost, run) are not shown" if more else ""))


def _is_fact(name: str, hidden: frozenset[str] | set[str]) -> bool:
    """Whether a column is about the call; with several models its name ends with the model's."""
    return any(name == f or name.startswith(f"{f}_") for f in hidden)


def _store_partial(stop: Interrupted | FmnbError, over: Any, line: Line, shell: Any) -> None:
    """Store the answers of a stopped batch under the requested name."""
    if stop.partial is None:  # no answer or part
        return
    shell.user_ns[line.out] = table = stop.partial
    stop.partial = None  # the name replaces it
    _display_table(table, over, line, shell)
    print(f"{line.out} has the answers so far; run the same cell again for the rest.")


def evaluate(line: Line, prompt: Any, models: list[Any], values: dict[str, Any], shell: Any) -> Any:
    """Run an evaluation; returns what `fm.evaluate` returns."""
    score = [shell.user_ns[n] if n in shell.user_ns else n for n in line.get("score")]
    columns = line.options(EvaluateOptions)
    if line.get("prompts"):
        from ...comparison.grid import prompts_by_name

        columns["prompts"] = prompts_by_name(line.get("prompts"), shell.user_ns)
    from ...evals import evaluate as running

    try:
        evaluation = running.evaluate(
            prompt, resolve_data(line.get("over"), shell), models or None, score, sinks=[BatchDisplays(shell)], **columns, **values
        )
        if line.out or in_notebook(shell):  # the same with a name and without
            from IPython.display import display

            display(evaluation)  # type: ignore[no-untyped-call]
        return evaluation
    except Interrupted as stop:
        stop.shown = True
        raise


class BatchDisplays:
    """A display for every batch of an evaluation: the models' answers, then a judge's verdicts."""

    name = "the batch's display"

    def __init__(self, shell: Any):
        self._shell = shell
        self._view = BatchView(shell)

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started) and event.kind == "batch":
            self._view = BatchView(self._shell)
        self._view(event)

    def tick(self) -> None:
        self._view.tick()


def resolve_data(name: str, shell: Any) -> Any:
    """The notebook's table with that name, or a path."""
    if name in shell.user_ns:
        return shell.user_ns[name]
    if glob.has_magic(name) or Path(name).expanduser().exists() or "/" in name or Path(name).suffix:
        return name
    near = difflib.get_close_matches(name, [n for n in shell.user_ns if not n.startswith("_")], 1, 0.7)
    meant = f"Did you mean {near[0]}? " if near else ""
    raise UsageError(
        "There is no table with that name", detail=name, hint=f"{meant}Name a DataFrame of this notebook, or a Parquet, CSV or JSONL file."
    )
