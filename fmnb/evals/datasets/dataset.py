"""A test set: rows with targets, saved as a text file with readable diffs and a content version.

    fm.Dataset.from_votes() ─ .dedupe() ─ .split(heldout=0.5) ─ .save("tickets") ─ fm.evaluate(prompt, dataset, ...)

A Dataset is a value: every method returns a new one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack, overload

from ...batch.options import BatchOptions
from ...calls.options import with_options
from ...comparison.leaderboard import scope
from ...core.atomic_write import write_atomic
from ...core.errors import UsageError
from ...core.events import Sink
from ...core.optional import require
from ...core.records import Rows
from ...core.typing import HubDataset, ModelLike, TableLike
from ...core.version import __version__
from ...prompts.prompt import Prompt
from ...stats.agreement import Agreement, alpha, kappa
from . import dedupe as duplicates
from . import export, from_log, heldout
from .formats import read, rows_of, samples_from
from .generate import generate_samples
from .sample import SPLITS, Sample
from .splits import split

if TYPE_CHECKING:
    import pandas

Split: TypeAlias = Literal["train", "dev", "heldout"]


@dataclass(frozen=True)
class Dataset:
    """Rows to evaluate on or to train with; make one with `fm.Dataset.from_...`.

    Args:
        samples: The rows.
        name: Its name, and that of its file.
        notes: Notes on how it was made.
        by: What a group stands for: user, template, ...

    Raises:
        UsageError: Two rows have the same id.

    >>> d = Dataset.from_rows([{"ticket": "I cannot log in", "target": "account"}, {"ticket": "Refund?", "target": "money"}])
    >>> len(d), d[0].target, d.version
    (2, 'account', 'eef8dd84c2e5')
    """

    samples: tuple[Sample, ...]
    name: str = ""
    notes: tuple[str, ...] = ()
    by: str = ""  # what a group is: user, template, ...

    def __post_init__(self) -> None:
        repeated_ids = [i for i, n in Counter(s.id for s in self.samples).items() if n > 1]
        if repeated_ids:
            raise UsageError("Two rows have the same id", detail=repeated_ids[0], hint="Give each row its own id.")

    # ---- where rows come from

    @classmethod
    def from_rows(
        cls,
        over: TableLike | HubDataset | Dataset,
        *,
        target: str | None = None,
        id: str | None = None,
        group: str | None = None,
        name: str = "",
    ) -> Dataset:
        """Make a data set from the rows of a table or file.

        Files of OpenAI evals and of inspect are recognized by their columns.

        Args:
            over: A frame of any kind, a list of dicts, a dict of columns, a Hugging Face data set, or
                the path of a .csv, .tsv, .json, .jsonl or .parquet file.
            target: Name of the column with correct answers (default: `target`).
            id: Name of the column with ids (default: `id`).
            group: Name of the column with users or templates (default: `group`, `user` or `template`).
            name: Name of the data set.

        Returns:
            The data set.

        Raises:
            UsageError: No such file, column or kind of table, or two rows with one id.

        >>> Dataset.from_rows([{"q": "2+2", "target": "4"}])[0].target
        '4'
        """
        if isinstance(over, Dataset):
            return over
        if isinstance(over, (str, Path)) and _is_saved_dataset(Path(over).expanduser()):
            return cls.load(over)
        rows = rows_of(over)
        samples, by = samples_from(rows, target=target, id=id, group=group)
        return cls(tuple(samples), name, by=by)

    from_frame = from_csv = from_jsonl = from_parquet = from_hf = from_openai_evals = from_inspect = from_rows

    @classmethod
    def from_votes(cls, *, since: float | None = None, name: str = "", notebook: str | None = None) -> Dataset:
        """Make a data set from people's feedback on answers: votes, stars, edits, acceptance.

        The better answer is the target, the others are `extra["rejected"]`.

        Args:
            since: Only feedback after this time, in seconds since the epoch.
            name: Name of the data set.
            notebook: Whose feedback: this notebook's if None, "all", or a notebook's path.

        Returns:
            The data set, one row per prompt, grouped by user.
        """
        path, note = scope(notebook)
        return cls(
            tuple(from_log.from_feedback(from_log.EXPLICIT_KINDS, since=since, notebook=path)), name, (note,) if note else (), by="user"
        )

    @classmethod
    def from_feedback(cls, *kinds: str, since: float | None = None, name: str = "", notebook: str | None = None) -> Dataset:
        """Make a data set from feedback of any kind, including user behavior.

        Rows based on behavior alone are weak, and grouped by user.

        Args:
            *kinds: Kinds of feedback: star, edit, copied, ...; all if none is named.
            since: Only feedback after this time, in seconds since the epoch.
            name: Name of the data set.
            notebook: Whose feedback: this notebook's if None, "all", or a notebook's path.

        Returns:
            The data set, one row per prompt.
        """
        path, note = scope(notebook)
        return cls(tuple(from_log.from_feedback(kinds, since=since, notebook=path)), name, (note,) if note else (), by="user")

    @classmethod
    def from_log(cls, query: str = "", *, model: str = "", since: float | None = None, limit: int = 1000, name: str = "") -> Dataset:
        """Make a data set from prompts in the log, without targets.

        People add targets in `fm.Labeler`.

        Args:
            query: Words to search in prompts and answers, as in `fm.log`.
            model: Name of a model.
            since: Only runs after this time, in seconds since the epoch.
            limit: Maximum number of rows.
            name: Name of the data set.

        Returns:
            The data set; the logged answer is in `extra["answer"]`.
        """
        return cls(tuple(from_log.from_log(query, model=model, since=since, limit=limit)), name)

    @classmethod
    @with_options(BatchOptions)
    def from_documents(
        cls,
        texts: str | Path | Sequence[str | Path] | Mapping[str, str],
        model: ModelLike | None = None,
        *,
        each: int = 1,
        name: str = "",
        sinks: Sequence[Sink] = (),
        **options: Unpack[BatchOptions],
    ) -> Dataset:
        """Generate question and answer rows from texts with a model.

        Rows are marked machine-made until a person confirms them in `fm.Labeler`. Proposals whose
        quote is not in the text are dropped; a note counts them.

        Args:
            texts: Texts, paths of text files, or a dict of names to texts.
            model: The model, as in `fm.ask`.
            each: Rows for each piece of about 2,000 characters.
            name: Name of the data set.
            sinks: Functions that receive every event of the batch.
            **options: Options of the batch and its calls: see `BatchOptions`.

        Returns:
            The data set, grouped by document.

        Raises:
            UsageError: There is no text.
            FmnbError: What `fm.map` raises.
        """
        samples, note = generate_samples(texts, model, each=each, sinks=sinks, **options)
        return cls(tuple(samples), name, (note,), by="document")

    @classmethod
    def load(cls, path: str | Path) -> Dataset:
        """Read a data set that `save` wrote; a note reports later edits by hand.

        Args:
            path: The file.

        Returns:
            The data set.

        Raises:
            UsageError: No such file, or one that `save` did not write.
        """
        file = _path(path)
        rows = read(file)
        if not rows or "dataset" not in rows[0]:
            raise UsageError("The file is not a saved data set", detail=file.name, hint="Read other files with fm.Dataset.from_rows(path).")
        header = rows[0]
        dataset = cls(tuple(Sample.from_dict(r) for r in rows[1:]), str(header.get("dataset", "")), by=str(header.get("by", "")))
        edited = header.get("version") != dataset.version
        notes = (*header.get("notes", ()), *(["edited by hand"] if edited else []))
        return replace(dataset, notes=notes)

    # ---- what it is

    @property
    def version(self) -> str:
        """The first 12 hex digits of the content's SHA-256; the order of rows does not matter."""
        rows = sorted(_line(s.to_dict()) for s in self.samples)
        return hashlib.sha256("\n".join(rows).encode("utf-8", "surrogatepass")).hexdigest()[:12]

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    @overload
    def __getitem__(self, at: int) -> Sample: ...

    @overload
    def __getitem__(self, at: Split) -> Dataset: ...  # type: ignore[overload-overlap]  # no row has such an id

    @overload
    def __getitem__(self, at: str) -> Sample: ...

    def __getitem__(self, at: int | str) -> Sample | Dataset:
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
        """A pandas DataFrame: the values as columns, then id, target, group, split, weak, made.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        pandas = require("pandas", "frames", "to make a DataFrame")
        return pandas.DataFrame(
            [{**s.values, "id": s.id, "target": s.target, "group": s.group, "split": s.split, "weak": s.weak, "made": s.made} for s in self]
        )

    def summary(self) -> Rows:
        """A table by split: rows, targets, groups, weak and machine-made rows."""
        names = [n for n in (*SPLITS, "") if any(s.split == n for s in self)] or [""]
        rows = []
        for name in names:
            samples = [s for s in self if s.split == name]
            rows.append(
                {
                    "split": name or "(none)",
                    "rows": len(samples),
                    "with_target": sum(s.target is not None for s in samples),
                    "groups": len({s.group for s in samples if s.group is not None}),
                    "weak": sum(s.weak for s in samples),
                    "machine_made": sum(s.made == "machine" for s in samples),
                }
            )
        return Rows(rows, note=f"{self.name or 'data set'} {self.version}" + "".join(f"; {n}" for n in self.notes))

    def __repr__(self) -> str:
        return f"Dataset({self.name + ', ' if self.name else ''}{len(self):,} rows, version {self.version})"

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    # ---- making it better

    def where(self, keep: Callable[[Sample], bool]) -> Dataset:
        """Keep the rows that a function selects.

        Args:
            keep: Function of a `Sample` that returns True for rows to keep.

        Returns:
            A data set of these rows.

        >>> d = Dataset.from_rows([{"q": "a"}, {"q": "b"}])
        >>> len(d.where(lambda s: s.values["q"] == "a"))
        1
        """
        return replace(self, samples=tuple(s for s in self.samples if keep(s)))

    def without_heldout(self) -> Dataset:
        """Keep the rows that may be trained on.

        Returns:
            A data set without held-out rows, and without rows that resemble a held-out row of any
            data set.
        """
        heldout_ids = {m.row for m in heldout.find_matches(self.samples, [export.target_text(s) for s in self.samples])}
        return self.where(lambda s: s.id not in heldout_ids)

    def dedupe(self, similarity: float | None = None) -> Dataset:
        """Drop duplicate rows, ignoring case, spacing, users and ids.

        Args:
            similarity: Also drop near duplicates from this similarity on, 0 to 1: 0.8 is close, 1 has the
                same words.

        Returns:
            A data set with the first row of each; a note counts the dropped rows.

        >>> Dataset.from_rows([{"q": "a", "id": "1"}, {"q": "A ", "id": "2"}]).dedupe().notes
        ('1 duplicate dropped',)
        """
        dropped = {later for later, _ in duplicates.exact(self.samples)}
        n_exact = len(dropped)
        if similarity is not None:
            dropped |= {
                later for later, earlier, _ in duplicates.near(duplicates.contents(self.samples), similarity) if earlier not in dropped
            }
        note = f"{n_exact} duplicate{'s' * (n_exact != 1)} dropped" + (f", {len(dropped) - n_exact} near" if similarity is not None else "")
        return replace(self, samples=tuple(s for i, s in enumerate(self.samples) if i not in dropped), notes=(*self.notes, note))

    def split(self, *, heldout: float = 0.0, dev: float = 0.0, stratify: str | None = "target", seed: int = 0) -> Dataset:
        """Split the rows into train, dev and held-out; groups stay together.

        The content of held-out rows is remembered: they can be evaluated on and never exported for
        training, not from another data set either, nor after a later split.

        Args:
            heldout: Share of held-out rows, 0 to 1.
            dev: Share of dev rows, 0 to 1.
            stratify: Column whose values get equal shares in each split; None to turn this off.
            seed: Seed of the random choice.

        Returns:
            A data set whose rows have a `split`.

        Raises:
            UsageError: The shares are invalid.
        """
        return replace(
            self, samples=tuple(split(self.samples, {"heldout": heldout, "dev": dev}, stratify=stratify, seed=seed))
        )._remember_heldout()

    def _remember_heldout(self) -> Dataset:
        heldout_samples = [s for s in self.samples if s.split == "heldout"]
        heldout.remember_rows(heldout_samples, self.name, [s for s in self.samples if s.split != "heldout"])
        return self

    def find_leakage(self, prompt: str | Prompt = "", similarity: float = 0.8) -> Rows:
        """Find rows of one split in another split, or in a prompt's examples.

        Args:
            prompt: A prompt; dev and held-out rows are searched for in its text.
            similarity: Similarity from which two rows count as the same, 0 to 1.

        Returns:
            A table, one row per leak.
        """
        rows: list[dict[str, Any]] = []
        for later, earlier, overlap in duplicates.near(duplicates.contents(self.samples), similarity):
            a, b = self.samples[earlier], self.samples[later]
            if a.split != b.split:
                rows.append({"id": b.id, "split": b.split, "also": a.id, "in": a.split, "similarity": overlap})
        prompt_text = " ".join((prompt.text if isinstance(prompt, Prompt) else prompt).casefold().split())
        for s in self.samples:
            for value in s.values.values():
                text = " ".join(value.casefold().split()) if isinstance(value, str) else ""
                if s.split != "train" and len(text) >= 20 and text in prompt_text:
                    rows.append({"id": s.id, "split": s.split, "also": "", "in": "prompt", "similarity": 1.0})
                    break
        return Rows(rows, ("id", "split", "also", "in", "similarity"), f"{len(rows)} leaks" if rows else "no leaks")

    # ---- labels

    def with_label(self, id: str, annotator: str, label: object, **changes: object) -> Dataset:
        """Add one annotator's label to a row.

        Args:
            id: Id of the row.
            annotator: Who labels.
            label: The label, of any type that has a JSON form.
            **changes: Other fields of the `Sample` to set, such as `target`.

        Returns:
            A data set with this label.

        Raises:
            KeyError: There is no such row.

        >>> Dataset.from_rows([{"q": "a", "id": "1"}]).with_label("1", "ada", "good")["1"].extra["labels"]
        {'ada': 'good'}
        """
        s = self[id]
        labels = {**s.extra.get("labels", {}), annotator: label}
        fields: dict[str, Any] = {"extra": {**s.extra, "labels": labels}, **changes}
        return self.with_sample(replace(s, **fields))

    def with_sample(self, sample: Sample) -> Dataset:
        """Replace the row with the sample's id.

        Args:
            sample: The new row.

        Returns:
            A data set with this row.
        """
        return replace(self, samples=tuple(sample if s.id == sample.id else s for s in self.samples))

    def agreement(self, level: str = "nominal") -> Agreement:
        """Measure the agreement of annotators.

        Source: Cohen (1960), A coefficient of agreement for nominal scales; Krippendorff (2004), Content analysis.

        Args:
            level: Level of measurement of the labels: nominal, ordinal or interval.

        Returns:
            Cohen's kappa where the same two annotators labeled every row, else Krippendorff's alpha, with
            its interval.

        Raises:
            UsageError: No row has labels of two annotators.
            ValueError: There is no such level.
        """
        ratings = [dict(s.extra.get("labels", {})) for s in self.samples]
        rated = [{k: _hashable(v) for k, v in r.items()} for r in ratings if len(r) > 1]
        if not rated:
            raise UsageError("No row has labels of two annotators", hint="Let a second person label: fm.Labeler(dataset, annotator='...').")
        annotators = sorted({str(r) for labels in rated for r in labels})
        if len(annotators) == 2 and level == "nominal":
            return kappa([r[annotators[0]] for r in rated], [r[annotators[1]] for r in rated])
        return alpha(rated, level)

    # ---- files

    def save(self, path: str | Path | None = None) -> Path:
        """Write the data set as JSONL: a header line, then one line per row, sorted by id.

        Args:
            path: The file; NAME.jsonl in the working folder if None.

        Returns:
            Path of the file.

        Raises:
            UsageError: It has no name and no path is given.
        """
        if path is None and not self.name:
            raise UsageError("The data set needs a name", hint='`dataset.save("tickets")`.')
        file = _path(path if path is not None else self.name)
        header = {"dataset": self.name or file.stem, "version": self.version, "rows": len(self), "fmnb": __version__}
        if self.by:
            header["by"] = self.by
        if self.notes:
            header["notes"] = list(self.notes)
        text = "\n".join([_line(header), *(_line(s.to_dict()) for s in sorted(self.samples, key=lambda s: s.id))]) + "\n"
        write_atomic(file, text)
        self._remember_heldout()
        return file

    def diff(self, other: Dataset) -> Rows:
        """Compare with another data set, row by row.

        Args:
            other: The other data set.

        Returns:
            A table of the ids that `other` added, removed or changed.
        """
        before, after = {s.id: s for s in self}, {s.id: s for s in other}
        rows: list[dict[str, Any]] = [{"id": i, "change": "added"} for i in after if i not in before]
        rows += [{"id": i, "change": "removed"} for i in before if i not in after]
        for i, s in before.items():
            if i in after and s != after[i]:
                fields = [f for f in Sample.__dataclass_fields__ if getattr(s, f) != getattr(after[i], f)]
                rows.append({"id": i, "change": "changed: " + ", ".join(fields)})
        return Rows(rows, ("id", "change"), f"{self.version} to {other.version}: {len(rows)} differ")

    def export(self, path: str | Path, kind: str, *, prompt: str | Prompt | None = None, system: str = "") -> Path:
        """Write training data as JSONL.

        Weak and unconfirmed targets are left out.

        Args:
            path: The file.
            kind: "sft" (prompt and answer), "dpo" (chosen and rejected answer) or "chat" (OpenAI's
                fine-tuning).
            prompt: A template that makes each row's prompt.
            system: System prompt of each row.

        Returns:
            Path of the file.

        Raises:
            UsageError: A row is held out, or no row has what `kind` needs.
        """
        return export.write(path, self.samples, kind, prompt, system)


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=False)


def _hashable(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, (dict, list)) else value


def _path(path: str | Path) -> Path:
    file = Path(path).expanduser()
    return file if file.suffix else file.with_suffix(".jsonl")


def _is_saved_dataset(path: Path) -> bool:
    """Whether the file starts with the header line that `Dataset.save` writes."""
    try:
        with _path(path).open(encoding="utf-8") as f:
            return f.readline(400).startswith('{"dataset":')
    except (OSError, UnicodeDecodeError):
        return False


def batch_rows(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """The values of the samples as rows of a batch, in order."""
    names = list(dict.fromkeys(k for s in samples for k in s.values))
    return [{n: s.values.get(n) for n in names} for s in samples]
