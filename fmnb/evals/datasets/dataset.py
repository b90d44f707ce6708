"""A test set: rows with targets, as a plain file beside the notebook that diffs well and has a version of its content.

    fm.Dataset.from_votes() ─ .dedupe() ─ .split(heldout=0.5) ─ .save("tickets") ─ fm.evaluate(prompt, dataset, ...)

A Dataset is a value: every step gives a new one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...comparison.leaderboard import scope
from ...core.atomic_write import write_whole
from ...core.errors import UsageError
from ...core.optional import require
from ...core.records import Rows
from ...core.version import __version__
from ...prompts.prompt import Prompt
from ...stats.agreement import Agreement, alpha, kappa
from . import dedupe as duplicates
from . import export, from_log, heldout
from .formats import read, rows_of, samples_from
from .generate import proposed
from .sample import SPLITS, Sample
from .splits import split

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Dataset:
    """Rows to evaluate on or to train with. Make one with `fm.Dataset.from_...`; `notes` say what was done to it.

    >>> d = Dataset.from_rows([{"ticket": "I cannot log in", "target": "account"}, {"ticket": "Refund?", "target": "money"}])
    >>> len(d), d[0].target, d.version
    (2, 'account', 'eef8dd84c2e5')
    """

    samples: tuple[Sample, ...]
    name: str = ""
    notes: tuple[str, ...] = ()
    by: str = ""  # what a group is: user, template, ...

    def __post_init__(self) -> None:
        twice = [i for i, n in Counter(s.id for s in self.samples).items() if n > 1]
        if twice:
            raise UsageError("Two rows have the same id", seen=twice[0], todo="Give each row an id of its own.")

    # ---- where rows come from

    @classmethod
    def from_rows(cls, over: Any, *, target: str | None = None, id: str | None = None, group: str | None = None, name: str = "") -> Dataset:
        """From a frame of any kind, a list of dicts, a dict of columns, a Hugging Face data set, or a path.

        `target`, `id` and `group` name columns; a column called target, id, group, user or
        template is taken as such. Files of OpenAI-evals and of inspect are known by their columns.
        """
        if isinstance(over, Dataset):
            return over
        if isinstance(over, (str, Path)) and _is_ours(Path(over).expanduser()):
            return cls.load(over)
        rows = rows_of(over)
        found, by = samples_from(rows, target=target, id=id, group=group)
        return cls(tuple(found), name, by=by)

    from_frame = from_csv = from_jsonl = from_parquet = from_hf = from_openai_evals = from_inspect = from_rows

    @classmethod
    def from_votes(cls, *, since: float | None = None, name: str = "", notebook: str | None = None) -> Dataset:
        """From what people said of answers: votes, stars, edits, acceptance. The better answer is the target, the others are `rejected`.

        What was said in this notebook counts; `notebook="all"` takes all notebooks, a path that one.
        """
        which, note = scope(notebook)
        return cls(tuple(from_log.from_signals(from_log.EXPLICIT, since=since, notebook=which)), name, (note,) if note else (), by="user")

    @classmethod
    def from_signals(cls, *kinds: str, since: float | None = None, name: str = "", notebook: str | None = None) -> Dataset:
        """From signals of any kind, behaviour too; rows that rest on behaviour alone are weak and grouped by user. Notebooks as in `from_votes`."""
        which, note = scope(notebook)
        return cls(tuple(from_log.from_signals(kinds, since=since, notebook=which)), name, (note,) if note else (), by="user")

    @classmethod
    def from_log(cls, query: str = "", *, model: str = "", since: float | None = None, limit: int = 1000, name: str = "") -> Dataset:
        """From prompts of the log, as `fm.log` finds them; the targets are still to be given (see `fm.Labeller`)."""
        return cls(tuple(from_log.from_log(query, model=model, since=since, limit=limit)), name)

    @classmethod
    def from_documents(cls, texts: Any, model: Any = None, *, each: int = 1, name: str = "", **options: Any) -> Dataset:
        """Question and answer rows that a model proposes from texts or text files, marked machine-made until confirmed in `fm.Labeller`.

        Proposals that quote words the text does not hold are left out; a note says how many.
        """
        found, note = proposed(texts, model, each=each, **options)
        return cls(tuple(found), name, (note,), by="document")

    @classmethod
    def load(cls, path: str | Path) -> Dataset:
        """A data set that `save` wrote; one that was edited by hand since says so in its notes."""
        where = _path(path)
        rows = read(where)
        if not rows or "dataset" not in rows[0]:
            raise UsageError("The file is no saved data set", seen=where.name, todo="Read other files with fm.Dataset.from_rows(path).")
        head = rows[0]
        found = cls(tuple(Sample.from_dict(r) for r in rows[1:]), str(head.get("dataset", "")), by=str(head.get("by", "")))
        edited = head.get("version") != found.version
        notes = (*head.get("notes", ()), *(["edited by hand"] if edited else []))
        return replace(found, notes=notes)

    # ---- what it is

    @property
    def version(self) -> str:
        """The first 12 hex digits of the content's SHA-256: the same rows in any order have the same."""
        rows = sorted(_line(s.to_dict()) for s in self.samples)
        return hashlib.sha256("\n".join(rows).encode("utf-8", "surrogatepass")).hexdigest()[:12]

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def __getitem__(self, at: int | str) -> Any:
        """A sample by position or id, or a data set of one split by its name."""
        if isinstance(at, int):
            return self.samples[at]
        if at in SPLITS:
            return replace(self, samples=tuple(s for s in self.samples if s.split == at))
        for s in self.samples:
            if s.id == at:
                return s
        raise KeyError(at)

    @property
    def df(self) -> pandas.DataFrame:
        """A pandas DataFrame: the values as columns, then id, target, group, split, weak, made."""
        pandas = require("pandas", "frames", "to make a DataFrame")
        return pandas.DataFrame(
            [{**s.values, "id": s.id, "target": s.target, "group": s.group, "split": s.split, "weak": s.weak, "made": s.made} for s in self]
        )

    def summary(self) -> Rows:
        """Rows, targets, groups, weak and machine-made ones, by split."""
        names = [n for n in (*SPLITS, "") if any(s.split == n for s in self)] or [""]
        rows = []
        for name in names:
            mine = [s for s in self if s.split == name]
            rows.append(
                {
                    "split": name or "(none)",
                    "rows": len(mine),
                    "with_target": sum(s.target is not None for s in mine),
                    "groups": len({s.group for s in mine if s.group is not None}),
                    "weak": sum(s.weak for s in mine),
                    "machine_made": sum(s.made == "machine" for s in mine),
                }
            )
        return Rows(rows, note=f"{self.name or 'data set'} {self.version}" + "".join(f"; {n}" for n in self.notes))

    def __repr__(self) -> str:
        return f"Dataset({self.name + ', ' if self.name else ''}{len(self):,} rows, version {self.version})"

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    # ---- making it better

    def where(self, keep: Callable[[Sample], bool]) -> Dataset:
        """The rows for which `keep(sample)` is true."""
        return replace(self, samples=tuple(s for s in self.samples if keep(s)))

    def without_heldout(self) -> Dataset:
        """The rows that may be trained on: none that is held out here, and none that resembles what was held out anywhere."""
        held = {m.row for m in heldout.matches(self.samples, [export.target_text(s) for s in self.samples])}
        return self.where(lambda s: s.id not in held)

    def dedupe(self, alike: float | None = None) -> Dataset:
        """Without rows whose content another row has (case, spacing, users and ids aside), or nearly has: `alike` 0.8 is close, 1 the same words.

        The first of each is kept. A note says how many went.
        """
        drop = {later for later, _ in duplicates.exact(self.samples)}
        same = len(drop)
        if alike is not None:
            drop |= {later for later, earlier, _ in duplicates.near(duplicates.contents(self.samples), alike) if earlier not in drop}
        note = f"{same} duplicates dropped" + (f", {len(drop) - same} near ones" if alike is not None else "")
        return replace(self, samples=tuple(s for i, s in enumerate(self.samples) if i not in drop), notes=(*self.notes, note))

    def split(self, *, heldout: float = 0.0, dev: float = 0.0, stratify: str | None = "target", seed: int = 0) -> Dataset:
        """Rows divided into train, dev and held-out; groups (users, templates) stay whole. Held-out rows are remembered.

        What was held out can be evaluated on and never exported for training, not from another
        data set either, nor after a later split: their content is what is remembered.
        """
        return replace(self, samples=tuple(split(self.samples, {"heldout": heldout, "dev": dev}, stratify=stratify, seed=seed)))._held()

    def _held(self) -> Dataset:
        held = [s for s in self.samples if s.split == "heldout"]
        heldout.hold_rows(held, self.name, [s for s in self.samples if s.split != "heldout"])
        return self

    def leaks(self, prompt: str | Prompt = "", alike: float = 0.8) -> Rows:
        """Rows of one split that are (nearly) in another, and dev or held-out rows that a prompt's examples give away."""
        rows: list[dict[str, Any]] = []
        for later, earlier, likeness in duplicates.near(duplicates.contents(self.samples), alike):
            a, b = self.samples[earlier], self.samples[later]
            if a.split != b.split:
                rows.append({"id": b.id, "split": b.split, "also": a.id, "in": a.split, "alike": likeness})
        shown = " ".join((prompt.text if isinstance(prompt, Prompt) else prompt).casefold().split())
        for s in self.samples:
            for value in s.values.values():
                text = " ".join(value.casefold().split()) if isinstance(value, str) else ""
                if s.split != "train" and len(text) >= 20 and text in shown:
                    rows.append({"id": s.id, "split": s.split, "also": "", "in": "prompt", "alike": 1.0})
                    break
        return Rows(rows, ("id", "split", "also", "in", "alike"), f"{len(rows)} leaks" if rows else "no leaks")

    # ---- labels

    def labelled(self, id: str, rater: str, label: Any, **changes: Any) -> Dataset:
        """With one rater's label of one row; `changes` set other fields, such as `target`."""
        s = self[id]
        labels = {**s.extra.get("labels", {}), rater: label}
        return self.replaced(replace(s, extra={**s.extra, "labels": labels}, **changes))

    def replaced(self, sample: Sample) -> Dataset:
        """With the row of that id exchanged."""
        return replace(self, samples=tuple(sample if s.id == sample.id else s for s in self.samples))

    def agreement(self, level: str = "nominal") -> Agreement:
        """How far the raters agree: Cohen's kappa where the same two labelled every row, else Krippendorff's alpha.

        Raises UsageError where nothing was labelled twice.
        """
        ratings = [dict(s.extra.get("labels", {})) for s in self.samples]
        twice = [{k: _hashable(v) for k, v in r.items()} for r in ratings if len(r) > 1]
        if not twice:
            raise UsageError("No row has labels of two raters", todo="Let a second person label: fm.Labeller(dataset, rater='...').")
        raters = sorted({str(r) for labels in twice for r in labels})
        if len(raters) == 2 and level == "nominal":
            return kappa([r[raters[0]] for r in twice], [r[raters[1]] for r in twice])
        return alpha(twice, level)

    # ---- files

    def save(self, path: str | Path | None = None) -> Path:
        """Write NAME.jsonl (by default beside the notebook): a line that says what it is, then a line a row, by id. Gives the path."""
        if path is None and not self.name:
            raise UsageError("The data set needs a name", todo='`dataset.save("tickets")`.')
        where = _path(path if path is not None else self.name)
        head = {"dataset": self.name or where.stem, "version": self.version, "rows": len(self), "fmnb": __version__}
        if self.by:
            head["by"] = self.by
        if self.notes:
            head["notes"] = list(self.notes)
        text = "\n".join([_line(head), *(_line(s.to_dict()) for s in sorted(self.samples, key=lambda s: s.id))]) + "\n"
        write_whole(where, text)
        self._held()
        return where

    def diff(self, other: Dataset) -> Rows:
        """What `other` has more, less, and otherwise, by id."""
        mine, theirs = {s.id: s for s in self}, {s.id: s for s in other}
        rows: list[dict[str, Any]] = [{"id": i, "change": "added"} for i in theirs if i not in mine]
        rows += [{"id": i, "change": "removed"} for i in mine if i not in theirs]
        for i, s in mine.items():
            if i in theirs and s != theirs[i]:
                fields = [f for f in Sample.__dataclass_fields__ if getattr(s, f) != getattr(theirs[i], f)]
                rows.append({"id": i, "change": "changed: " + ", ".join(fields)})
        return Rows(rows, ("id", "change"), f"{self.version} to {other.version}: {len(rows)} differ")

    def export(self, path: str | Path, kind: str, *, prompt: str | Prompt | None = None, system: str = "") -> Path:
        """Write training data as JSONL: "sft", "dpo" or "chat" (OpenAI's fine-tuning). Held-out rows are refused; weak and unconfirmed targets are left out."""
        return export.write(path, self.samples, kind, prompt, system)


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=False)


def _hashable(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, (dict, list)) else value


def _path(path: str | Path) -> Path:
    where = Path(path).expanduser()
    return where if where.suffix else where.with_suffix(".jsonl")


def _is_ours(path: Path) -> bool:
    """Whether a file begins as `Dataset.save` begins it."""
    try:
        with _path(path).open(encoding="utf-8") as f:
            return f.readline(400).startswith('{"dataset":')
    except (OSError, UnicodeDecodeError):
        return False


def answers_of(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """The rows as a batch takes them: their values, in order."""
    names = list(dict.fromkeys(k for s in samples for k in s.values))
    return [{n: s.values.get(n) for n in names} for s in samples]
