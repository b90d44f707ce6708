"""`fm.Labeler(dataset)`: label rows one by one with the keyboard; every label is stored at once."""

from __future__ import annotations

import getpass
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import traitlets

from ...core.errors import UsageError
from ...core.inert_text import inert
from ...evals.datasets import labeling
from ...evals.datasets.dataset import Dataset
from ...evals.datasets.sample import Sample
from ...evals.evaluation import Evaluation
from ...store import feedback as signals
from ...store import log
from . import base

_MAX_TEXT = 20_000  # characters of a value sent to the page


class Labeler(base.Widget):
    """A widget to label the rows of a data set: accept, reject, edit, skip, or your own choices.

    Every label is stored at once, in `labeler.dataset` and in the file. Where a row came from a
    run of the log, the label is an event of that run too.

        fm.Labeler(dataset, choices=["account", "money", "other"], annotator="ada")

    Args:
        dataset: The rows.
        choices: The labels to choose from, besides accept and reject.
        annotator: Name of the annotator; the user of this machine if empty. A second annotator opens the same file
            under another name.
        evaluation: An evaluation whose models' disagreements come first.
        path: The file; named after the data set if None. Without either, nothing is written.

    Raises:
        UsageError: There are no rows, or two choices are the same.

    >>> d = Dataset.from_rows([{"q": "2+2", "target": "4"}])
    >>> labeler = Labeler(d, annotator="ada")
    >>> labeler.on_label("accept"); labeler.dataset[0].extra["labels"]
    {'ada': 'accept'}
    """

    kind = "Labeller"
    _esm = base.assets("labeler")["_esm"]
    _css = base.assets("labeler")["_css"]
    about = traitlets.Dict().tag(sync=True)
    row = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        dataset: Dataset,
        *,
        choices: Sequence[str] = (),
        annotator: str = "",
        evaluation: Evaluation | None = None,
        path: str | Path | None = None,
    ):
        if not isinstance(dataset, Dataset) or not len(dataset):
            raise UsageError("A labeler needs a data set with rows", detail=type(dataset).__name__, hint="fm.Dataset.from_rows(frame)")
        if len(set(choices)) < len(choices) or any(not str(c).strip() for c in choices):
            raise UsageError("Choices must be different and not empty", detail=", ".join(map(repr, choices)))
        super().__init__()
        self.dataset = dataset
        self.choices = tuple(map(str, choices))
        self.annotator = annotator or _user()
        self.path = Path(path) if path is not None else Path(f"{dataset.name}.jsonl") if dataset.name else None
        self._order = labeling.labeling_order(dataset, self.annotator, evaluation)
        self._index = 0
        self._history: list[tuple[int, Sample]] = []
        self._push_state()

    @property
    def agreement(self) -> str:
        """The agreement of the annotators as a sentence, or why there is none.

        >>> d = Dataset.from_rows([{"q": "2+2", "target": "4"}])
        >>> Labeler(d, annotator="ada").agreement
        'No row has labels of two annotators'
        """
        try:
            a = self.dataset.agreement()
        except UsageError as e:
            return e.message
        annotators = {r for s in self.dataset for r in s.extra.get("labels", {})}
        name = "kappa" if len(annotators) == 2 else "alpha"
        interval = f" ({a.low:.2f} to {a.high:.2f})" if a.low is not None and a.high is not None else ""
        value = f"{name} {a.value:.2f}{interval}" if a.value == a.value else f"{name} undefined: all labels are the same"
        return f"{len(annotators)} annotators agree on {a.observed:.0%} of {a.n} rows, {value}"

    def _push_state(self) -> None:
        done = sum(self.annotator in s.extra.get("labels", {}) for s in self.dataset)
        self.about = {
            "annotator": self.annotator,
            "choices": list(self.choices),
            "count": len(self.dataset),
            "done": done,
            "agreement": self.agreement,
            "file": str(self.path) if self.path is not None else "",
            "undo": bool(self._history),
        }
        if self._index >= len(self._order):
            self.row = {}
            return
        s: Sample = self.dataset[self._order[self._index]]
        shown = s.target if s.target is not None else s.extra.get("answer")
        self.row = {
            "id": s.id,
            "place": self._index + 1,
            "values": [[k, _text(v)] for k, v in s.values.items()],
            "target": "" if shown is None else _text(shown),
            "known": s.target is not None,
            "made": s.made,
            "weak": s.weak,
            "group": s.group or "",
            "quote": _text(s.extra["quote"]) if "quote" in s.extra else "",
            "mine": s.extra.get("labels", {}).get(self.annotator, ""),
        }

    def static_view(self) -> base.Bundle | None:
        """How many rows are labeled."""
        a = self.about
        words = f"{a['done']:,} of {a['count']:,} rows labeled by {a['annotator']}. {a['agreement']}."
        return {"text/html": f"<p>{inert(words)}</p>\n", "text/plain": words}, {}

    # Messages from the page

    def on_label(self, label: str) -> None:
        """Label the shown row, and continue."""
        s = self._current_sample()
        self._store(s, labeling.label(self.dataset, s.id, self.annotator, label, choices=self.choices), label)

    def on_edit(self, text: str) -> None:
        """Replace the shown row's target, and continue."""
        s = self._current_sample()
        self._store(s, labeling.edit(self.dataset, s.id, self.annotator, text), "edit", text)

    def on_skip(self) -> None:
        """Continue without a label; the row is shown again at the end."""
        s = self._current_sample()
        if self.annotator not in s.extra.get("labels", {}) and len(self._order) < 3 * len(self.dataset):
            self._order.append(s.id)
        self._index += 1
        self._push_state()
        self.update_static_view()

    def on_undo(self) -> None:
        """Undo the last label, and show its row."""
        if not self._history:
            raise UsageError("There is no label to undo")
        self._index, before = self._history.pop()
        self.dataset = labeling.restore(self.dataset, before)
        self._save()
        self._push_state()
        self.update_static_view()

    def _current_sample(self) -> Sample:
        if self._index >= len(self._order):
            raise UsageError("All rows are done", hint="Undo a label, or open the labeler again.")
        found: Sample = self.dataset[self._order[self._index]]
        return found

    def _store(self, before: Sample, after: Dataset, word: str, text: str = "") -> None:
        earlier = self.dataset
        self.dataset = after
        try:
            self._save()
        except Exception:
            self.dataset = earlier  # only show what is on disk
            raise
        self._history.append((self._index, before))
        self._log_label(before, word, text)
        self._index += 1
        self._push_state()
        self.update_static_view()

    def _save(self) -> None:
        if self.path is not None:
            self.dataset.save(self.path)

    def _log_label(self, s: Sample, word: str, text: str) -> None:
        """Log the label as feedback on the runs that the row came from."""
        if not log.enabled():
            return
        for run in log.names_of([str(r) for r in s.extra.get("runs", ())]):
            signals.add(run, "edit" if text else "label", text or word, user=self.annotator)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]} … ({len(text):,} characters in all)"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "me"
