"""A test set: rows with targets, saved as a text file with readable diffs and a content version.

    fm.Dataset.from_votes() ─ .dedupe() ─ .split(heldout=0.5) ─ .save("tickets") ─ fm.evaluate(prompt, dataset, ...)

A Dataset is a value: every method returns a new one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack, overload

from ...batch.options import BatchOptions
from ...calls.options import with_options
from ...comparison.leaderboard import scope
from ...core.errors import UsageError
from ...core.events import Sink
from ...core.optional import require
from ...core.records import Rows
from ...core.typing import HubDataset, ModelLike, TableLike
from ...prompts.prompt import Prompt
from ...stats.agreement import Agreement
from . import dedupe as duplicates
from . import export, from_log, heldout, saved_file, tables
from .formats import rows_of, samples_from
from .generate import generate_samples
from .label_agreement import label_agreement
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
        if isinstance(over, (str, Path)) and saved_file.is_saved(Path(over)):
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

        >>> from fmnb.comparison.compare import compare
        >>> from fmnb.comparison.feedback import vote
        >>> _ = vote(compare("Say hi", ["echo:", "echo:think"]), "left", user="ada")
        >>> d = Dataset.from_votes(notebook="all")
        >>> d[0].values, d[0].target, d[0].group
        ({'prompt': 'Say hi'}, 'Say hi', 'ada')
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

        >>> from fmnb.calls.model import ask
        >>> from fmnb.comparison.feedback import feedback
        >>> _ = feedback(ask("Say hi", "echo:"), "copied", user="ada")
        >>> d = Dataset.from_feedback("copied", notebook="all")
        >>> d[0].target, d[0].weak
        ('Say hi', True)
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

        >>> from fmnb.calls.model import ask
        >>> _ = ask("Where is my card?", "echo:")
        >>> d = Dataset.from_log("card")
        >>> d[0].values, d[0].target
        ({'prompt': 'Where is my card?'}, None)
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

        >>> def model(prompt): return '{"question": "How high is it?", "answer": "300 m", "quote": "is 300 m high"}'
        >>> d = Dataset.from_documents(["The tower is 300 m high."], model)
        >>> d[0].values, d[0].target, d[0].made
        ({'question': 'How high is it?'}, '300 m', 'machine')
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

        >>> import tempfile
        >>> d = Dataset.from_rows([{"q": "2+2", "target": "4"}], name="sums")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Dataset.load(d.save(f"{folder}/sums")) == d
        True
        """
        file = saved_file.path_of(path)
        samples, header = saved_file.read(file)
        dataset = cls(samples, str(header.get("dataset", "")), by=str(header.get("by", "")))
        edited = header.get("version") != dataset.version
        return replace(dataset, notes=(*header.get("notes", ()), *(["edited by hand"] if edited else [])))

    # ---- what it is

    @property
    def version(self) -> str:
        """The first 12 hex digits of the content's SHA-256; the order of rows does not matter.

        >>> d = Dataset.from_rows([{"q": "a"}, {"q": "b"}])
        >>> d.version == Dataset(d.samples[::-1]).version
        True
        """
        return saved_file.version_of(self.samples)

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

        >>> Dataset.from_rows([{"q": "2+2", "target": "4", "id": "1"}]).df[["q", "id", "target"]].values.tolist()
        [['2+2', '1', '4']]
        """
        pandas = require("pandas", "frames", "to make a DataFrame")
        return pandas.DataFrame(
            [{**s.values, "id": s.id, "target": s.target, "group": s.group, "split": s.split, "weak": s.weak, "made": s.made} for s in self]
        )

    def summary(self) -> Rows:
        """A table by split: rows, targets, groups, weak and machine-made rows.

        >>> d = Dataset.from_rows([{"q": str(i), "target": i % 2} for i in range(10)]).split(heldout=0.5)
        >>> [(r["split"], r["rows"], r["with_target"]) for r in d.summary()]
        [('train', 5, 5), ('heldout', 5, 5)]
        """
        return tables.summary(self.samples, f"{self.name or 'data set'} {self.version}" + "".join(f"; {n}" for n in self.notes))

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

        >>> d = Dataset.from_rows([{"q": f"What is {i} plus {i}?"} for i in range(4)]).split(heldout=0.5)
        >>> len(d), len(d.without_heldout())
        (4, 2)
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

        >>> d = Dataset.from_rows([{"q": str(i), "user": f"u{i // 4}"} for i in range(40)]).split(heldout=0.5, dev=0.1)
        >>> len(d["train"]), len(d["dev"]), len(d["heldout"])
        (16, 4, 20)
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

        >>> rows = [{"q": "Where is my new card?", "split": "train"}, {"q": "where is my new card", "split": "heldout"}]
        >>> [(r["split"], r["in"]) for r in Dataset.from_rows(rows).find_leakage()]
        [('heldout', 'train')]
        """
        return tables.leaks(self.samples, prompt.text if isinstance(prompt, Prompt) else prompt, similarity)

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

        >>> d = Dataset.from_rows([{"q": "2+2", "target": "5", "id": "1"}])
        >>> d.with_sample(replace(d["1"], target="4"))["1"].target
        '4'
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

        >>> d = Dataset.from_rows([{"q": str(i), "id": str(i)} for i in range(20)])
        >>> for i in range(20):
        ...     d = d.with_label(str(i), "ada", i % 2).with_label(str(i), "bob", i % 2 if i else 1)
        >>> round(d.agreement().value, 2)
        0.9
        """
        return label_agreement(self.samples, level)

    # ---- files

    def save(self, path: str | Path | None = None) -> Path:
        """Write the data set as JSONL: a header line, then one line per row, sorted by id.

        Args:
            path: The file; NAME.jsonl in the working folder if None.

        Returns:
            Path of the file.

        Raises:
            UsageError: It has no name and no path is given.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Dataset.from_rows([{"q": "2+2"}], name="sums").save(f"{folder}/sums").name
        'sums.jsonl'
        """
        if path is None and not self.name:
            raise UsageError("The data set needs a name", hint='`dataset.save("tickets")`.')
        file = saved_file.path_of(path if path is not None else self.name)
        saved_file.write(file, self.samples, self.name or file.stem, self.by, self.notes)
        self._remember_heldout()
        return file

    def diff(self, other: Dataset) -> Rows:
        """Compare with another data set, row by row.

        Args:
            other: The other data set.

        Returns:
            A table of the ids that `other` added, removed or changed.

        >>> a = Dataset.from_rows([{"q": "a", "id": "1"}, {"q": "b", "id": "2"}])
        >>> b = Dataset.from_rows([{"q": "A!", "id": "1"}, {"q": "c", "id": "3"}])
        >>> [(r["id"], r["change"]) for r in a.diff(b)]
        [('3', 'added'), ('2', 'removed'), ('1', 'changed: values')]
        """
        return tables.differences(self.samples, other.samples, f"{self.version} to {other.version}")

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

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Dataset.from_rows([{"q": "2+2", "target": "4"}]).export(f"{folder}/sft.jsonl", "sft", prompt="{{ q }}=").read_text()
        '{"prompt": "2+2=", "completion": "4"}\\n'
        """
        return export.write(path, self.samples, kind, prompt, system)
