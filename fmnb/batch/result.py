"""What a batch gave, as it ended or from the log alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import UsageError
from ..core.events import Started
from ..schemas.spec import SchemaSpec
from ..store import batches, log
from .answers import Answer, added, answer, from_before, repeated
from .io.tables import Table, table_of
from .summary import Summary, Tally


@dataclass(frozen=True)
class Batch:
    """What a batch gave. `run` is the id above all rows; `answers` are in the order of row, model, sample."""

    run: str
    models: tuple[str, ...]
    samples: int
    rows: int
    answers: Sequence[Answer]
    summary: Summary
    spec: SchemaSpec | None = field(default=None, repr=False)
    table: Table | None = field(default=None, repr=False)

    def result(self, over: Any = None) -> Any:
        """The table with the answers' columns, of the kind that went in.

        A batch that was reopened does not hold the table: give it as `over`, or get the
        answers' columns alone, as a list of dicts.
        """
        table = self.table if over is None else table_of(over)
        if table is None:
            table = table_of([{"row": n} for n in range(self.rows)])
        elif table.count != self.rows:
            raise UsageError("The table has other rows than the batch", detail=f"{table.count} and {self.rows}")
        return table.add(added(table, self.answers, self.models, self.samples, self.spec)[0])

    def __repr__(self) -> str:
        return f"Batch({self.run!r}: {self.summary})"


def reopen(run: str) -> Batch:
    """A batch from the log alone; no model is called. UsageError when it is no batch's run.

    >>> from fmnb.batch.run import batch
    >>> b = batch("{{ w }}", [{"w": "hi"}], "echo:")
    >>> reopen(b.run).answers[0].text
    'hi'
    """
    start = log.events_of(run)[0]
    if not isinstance(start, Started) or start.kind != "batch":
        raise UsageError("That run is no batch", detail=run, hint="`%fm log` lists runs; a batch's says so.")
    meta = start.meta
    models, samples, rows = tuple(meta["models"]), int(meta["samples"]), int(meta["rows"])
    tally, found = Tally(), {}
    seen: set[str] = set()
    for (row, m, s), columns in batches.rows_of(run, detailed=bool(meta.get("detailed"))):
        reused = columns["parent"] != run
        a = answer(row, models[m], s, columns)
        a = from_before(a) if reused else a
        first = a.run not in seen
        seen.add(a.run)
        a = a if first else repeated(a)
        found[(row * len(models) + m) * samples + s] = a
        tally.add(a, reused=reused, first=first)
    asked = rows * len(models) * samples
    places = ((i, *divmod(i, len(models) * samples)) for i in range(asked))
    answers = [found.get(i) or Answer(row, models[rest // samples], rest % samples) for i, row, rest in places]
    spec = SchemaSpec(meta["schema"]) if meta.get("schema") else None
    return Batch(run, models, samples, rows, answers, tally.summary(rows, asked, 0.0), spec)
