"""An evaluation's report in the notebook: plots and numbers; the kernel sends rows on demand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import traitlets

from ...core.events import event_to_dict
from ...evals.evaluation import Evaluation
from ...evals.report import page as report
from ...evals.report.row_filter import matching_rows
from ...store import log
from . import base

BLOCK = 200  # maximum rows per message
_MAX_EVENTS = 60  # events of a run to send


class Report(base.Widget):
    """The report of one Evaluation, made by `evaluation.report()`.

    `evaluation.to_html()` is the same report as a web page.

    >>> from fmnb.evals.import_scores import from_scores
    >>> Report(from_scores([{"q": i, "a": 1, "b": i % 2} for i in range(20)], ["a", "b"])).about["count"]
    20
    """

    kind = "Report"
    _esm = report.script() + base.assets("report")["_esm"]
    _css = report.style() + base.assets("report")["_css"]
    about = traitlets.Dict().tag(sync=True)

    def __init__(self, evaluation: Evaluation):
        super().__init__()
        self.evaluation = e = evaluation
        self.about = {
            "html": report.findings(e, f"fr-{self.model_id}"),
            "models": list(e.names),
            "scorers": list(e.scores),
            "samples": e.samples,
            "count": len(e.dataset),
            "logged": bool(e.run),
        }

    def static_view(self) -> base.Bundle | None:
        """The findings for the saved notebook."""
        return {
            "text/html": self.evaluation._repr_html_() + "\n",
            "text/markdown": self.evaluation.to_markdown(),
            "text/plain": str(self.evaluation),
        }, {}

    def on_find(self, filter: Mapping[str, Any], number: int = 0) -> None:
        """Send the numbers of the rows behind a number of the report."""
        self.send({"do": "found", "number": number, "rows": matching_rows(self.evaluation, filter)})

    def on_rows(self, rows: Sequence[int], number: int = 0) -> None:
        """Send rows with their answers and scores."""
        count = len(self.evaluation.dataset)
        wanted = [int(i) for i in rows[:BLOCK] if 0 <= int(i) < count]
        self.send({"do": "rows", "number": number, "rows": [report.row_data(self.evaluation, i) for i in wanted]})

    def on_events(self, run: str, number: int = 0) -> None:
        """Send the events of an answer's run and its scores, one per line."""
        mine = [event_to_dict(x) for x in log.events_of(run)] if run in log.names_of([run]) else []
        scored = (
            [event_to_dict(x) for x in log.events_of(self.evaluation.run) if getattr(x, "answer", "") == run] if self.evaluation.run else []
        )
        lines = [json.dumps(x, ensure_ascii=False)[:2_000] for x in [*mine[:_MAX_EVENTS], *scored]]
        more = f"\n... and {len(mine) - _MAX_EVENTS} more events" if len(mine) > _MAX_EVENTS else ""
        self.send({"do": "events", "number": number, "text": ("\n".join(lines) + more) or "This run is no longer in the log."})
