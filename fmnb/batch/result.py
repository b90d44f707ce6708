"""The result of a batch, as it ended or from the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import UsageError
from ..core.events import Started
from ..core.types import Label
from ..schemas.spec import SchemaSpec
from ..store import batches, log
from .answers import Answer, answer_columns, answer_from_columns, as_cached, as_duplicate
from .io.tables import Table, table_of
from .summary import Summary, Tally


@dataclass(frozen=True)
class Batch:
    """The result of a batch; `answers` are ordered by row, model, sample.

    `run` is the parent of the runs of all rows.
    """

    run: str
    models: tuple[str, ...]
    samples: int
    rows: int
    answers: Sequence[Answer]
    summary: Summary
    spec: SchemaSpec | None = field(default=None, repr=False)
    table: Table | None = field(default=None, repr=False)
    label: Label | None = field(default=None, repr=False)

    def result(self, over: Any = None) -> Any:
        """The table with answer columns, of the kind that went in.

        Args:
            over: The table, for a reopened batch, which does not contain it.

        Returns:
            The table; without one, the answer columns alone, as a list of dicts.

        Raises:
            UsageError: `over` has another number of rows than the batch.
        """
        table = self.table if over is None else table_of(over)
        if table is None:
            table = table_of([{"row": n} for n in range(self.rows)])
        elif table.count != self.rows:
            raise UsageError("The table has another number of rows than the batch", detail=f"{table.count} and {self.rows}")
        return table.add(answer_columns(table, self.answers, self.models, self.samples, self.spec, self.label)[0])

    def __repr__(self) -> str:
        return f"Batch({self.run!r}: {self.summary})"


def reopen(run: str) -> Batch:
    """A batch from the log; no model is called.

    Raises:
        UsageError: The run is not a batch.

    >>> from fmnb.batch.run import batch
    >>> b = batch("{{ w }}", [{"w": "hi"}], "echo:")
    >>> reopen(b.run).answers[0].text
    'hi'
    """
    start = log.events_of(run)[0]
    if not isinstance(start, Started) or start.kind != "batch":
        raise UsageError("That run is not a batch", detail=run, hint="`%fm log` lists runs and their kinds.")
    meta = start.meta
    models, samples, rows = tuple(meta["models"]), int(meta["samples"]), int(meta["rows"])
    tally, answers_by_index = Tally(), {}
    runs: set[str] = set()
    for (row, m, s), columns in batches.rows_of(run, detailed=bool(meta.get("detailed"))):
        cached = columns["parent"] != run
        a = answer_from_columns(row, models[m], s, columns)
        a = as_cached(a) if cached else a
        first = a.run not in runs
        runs.add(a.run)
        a = a if first else as_duplicate(a)
        answers_by_index[(row * len(models) + m) * samples + s] = a
        tally.add(a, cached=cached, first=first)
    calls = rows * len(models) * samples
    indexes = ((i, *divmod(i, len(models) * samples)) for i in range(calls))
    answers = [answers_by_index.get(i) or Answer(row, models[rest // samples], rest % samples) for i, row, rest in indexes]
    spec = SchemaSpec(meta["schema"]) if meta.get("schema") else None
    return Batch(run, models, samples, rows, answers, tally.summary(rows, calls, 0.0), spec)
