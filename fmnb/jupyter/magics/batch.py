"""`%%fm --over DATA`: the table or path that is named, one public call, the table that comes back."""

from __future__ import annotations

import difflib
import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...batch.options import BatchOptions
from ...calls.call import Options
from ...core.errors import FmnbError, Interrupted, UsageError
from ...core.events import Event, Started
from ...core.records import Rows
from ...evals.options import EvaluateOptions
from ...prompts.dataframes import table_of
from ...views.batch import BatchView
from ...views.router import in_notebook
from .options import Line

if TYPE_CHECKING:
    from ...batch.result import Batch

_ROWS = 10  # of a table, shown


def run(line: Line, prompt: Any, options: Options, shell: Any) -> Any:
    """Run the prompt over every row. Returns what `fm.map` returns."""
    if line.get("prompts") and not line.get("score"):
        raise UsageError("--over and --prompts go together with --score alone", hint="Score the answers, or try the prompts one cell each.")
    plain = Options()
    given = {n: getattr(options, n) for n in Options.__dataclass_fields__ if getattr(options, n) != getattr(plain, n)}
    given |= line.options(BatchOptions)
    if line.get("samples") is not None:
        given["samples"] = line.get("samples")
    models = [options.values[m] if options.values and m in options.values and ":" not in m else m for m in line.models]
    if line.get("score") and not line.get("dry_run"):
        return evaluate(line, prompt, models, given, shell)
    if line.get("dry_run"):
        from ...batch.run import dry_run

        return dry_run(prompt, data(line.get("over"), shell), models or None, **given)
    from ...batch.io.files import is_path

    over, sinks = data(line.get("over"), shell), [BatchView(shell)]
    try:
        if is_path(over):
            from ...batch.map_files import map_files

            return _shown(map_files(prompt, over, models or None, sinks=sinks, **given), line)
        from ...batch.run import batch

        found = batch(prompt, over, models or None, sinks=sinks, **given)
        if in_notebook(shell):
            _show_grid(found)
        return _shown(found.result(), line)
    except (Interrupted, FmnbError) as stop:
        stop.shown = bool(stop.run)  # a batch that had begun has said it below the cell
        if stop.run and line.out:
            _keep_part(stop.run, over, line, shell)
        raise


def _show_grid(found: Batch) -> None:
    """A few rows of several models, side by side."""
    from ...batch.small_table import comparison, is_small

    if is_small(found):
        from ..widgets.grid import show

        show(comparison(found))


def _shown(table: Any, line: Line) -> Any:
    """The table, displayed where it goes under a name; without one it is the cell's value.

    The display is ours: a table library writes what a model said into the page as it is, where a typesetter reads it.
    """
    if line.out:
        from IPython.display import display

        display(_sample(table))  # type: ignore[no-untyped-call]
    return table


def _sample(table: Any) -> Any:
    """The first rows of a table, and how large it is; anything else as it is."""
    found = table_of(table)
    if found is None or found.rows is None:
        return table
    few = min(found.rows, _ROWS)
    rows = [dict(zip(found.names, values, strict=True)) for values in found.take(list(range(few)), found.columns)]
    first = f"the first {few} of " if few < found.rows else ""
    return Rows(rows, tuple(found.names), f"{first}{found.rows:,} row{'s' * (found.rows != 1)} × {found.columns} columns")


def _keep_part(run: str, over: Any, line: Line, shell: Any) -> None:
    """What a stopped batch has answered, as a table under the name that was asked for."""
    from ...batch.result import reopen

    try:
        part = reopen(run)
        shell.user_ns[line.out] = table = part.result(over) if _rows(over) == part.rows else part.result()
    except FmnbError:  # nothing of it was written down, or the table is read from files: its parts lie in their folder
        return
    _shown(table, line)
    print(f"{line.out} holds what had come; the same cell again asks the rest.")


def _rows(over: Any) -> int | None:
    from ...batch.io import tables

    try:
        return int(tables.table_of(over).count)
    except (FmnbError, TypeError):
        return None


def evaluate(line: Line, prompt: Any, models: list[Any], given: dict[str, Any], shell: Any) -> Any:
    """Ask about every row and score the answers; gives what `fm.evaluate` gives."""
    score = [shell.user_ns[n] if n in shell.user_ns else n for n in line.get("score")]
    columns = line.options(EvaluateOptions)
    if line.get("prompts"):
        from ...comparison.grid import prompts_by_name

        columns["prompts"] = prompts_by_name(line.get("prompts"), shell.user_ns)
    from ...evals import evaluate as running

    try:
        found = running.evaluate(prompt, data(line.get("over"), shell), models or None, score, sinks=[EachBatch(shell)], **columns, **given)
        if line.out:  # the verdict is what one asked for, also where it goes under a name
            from IPython.display import display

            display(found)  # type: ignore[no-untyped-call]
        return found
    except Interrupted as stop:
        stop.shown = True
        raise


class EachBatch:
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


def data(name: str, shell: Any) -> Any:
    """The notebook's table of that name, or the path of one."""
    if name in shell.user_ns:
        return shell.user_ns[name]
    if glob.has_magic(name) or Path(name).expanduser().exists() or "/" in name or Path(name).suffix:
        return name
    near = difflib.get_close_matches(name, [n for n in shell.user_ns if not n.startswith("_")], 1, 0.7)
    meant = f"Did you mean {near[0]}? " if near else ""
    raise UsageError(
        "There is no table of that name", detail=name, hint=f"{meant}Name a DataFrame of this notebook, or a Parquet, CSV or JSONL file."
    )
