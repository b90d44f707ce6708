"""A prompt over tables that never fit into memory: rows are read as they are needed, and written out in parts.

A part is a Parquet file with the rows and their answers. It appears whole, when all its rows
are answered, and is not made again; what is not in a part yet is in the log.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._require import require
from ..config import held
from ..errors import PromptError, UsageError
from ..events import Finished, Notice, Sink
from ..preparing import options_from
from ..store.batches import Place
from .answers import added, suffixed
from .failures import stays
from .files import Files, files_of
from .flow import Item
from .job import Job
from .limits import Limits
from .plan import Estimate, estimate, scaled
from .rows import Rows, rows_of
from .run import agree, job_of
from .summary import Summary
from .tables import Table

if TYPE_CHECKING:
    import pandas

ROWS = 5_000  # of one part
_AHEAD = 3  # parts that are under way together
_MARK = b"fmnb"


@dataclass(frozen=True)
class Parts:
    """A table that was written in parts. `files` are Parquet files, in the order of the rows."""

    folder: Path
    files: tuple[Path, ...]
    summary: Summary
    run: str

    @property
    def df(self) -> pandas.DataFrame:
        """All of it as a pandas DataFrame."""
        require("pandas", "frames", "to make a DataFrame")
        return self.table().to_pandas()

    def table(self) -> Any:
        """All of it as an Arrow table."""
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
        return arrow.concat_tables([parquet.read_table(f) for f in self.files])

    def __repr__(self) -> str:
        return f"Parts({str(self.folder)!r}: {len(self.files):,} file{'' if len(self.files) == 1 else 's'}; {self.summary})"


@dataclass
class _Part:
    """One part under way: its rows, and how many of its places are not answered."""

    table: Table
    first: int  # number of its first row
    left: int
    passing: int = 0  # failures that will be asked again
    taken: bool = False  # all its rows were taken from the file
    answers: dict[int, Any] = field(default_factory=dict)


def map_files(
    prompt: Any,
    over: str | Path,
    models: Any = None,
    *,
    out: Any = None,
    samples: int = 1,
    yes: bool = False,
    bulk: bool = False,
    on: str | None = None,
    sinks: Sequence[Sink] = (),
    **options: Any,
) -> Parts:
    """`fm.map` over files. Options as in `batch`."""
    if bulk:
        raise UsageError(
            "A batch job holds a table that fits into memory", todo="Read it first: pandas.read_parquet(...), or leave bulk out."
        )
    limits = Limits(**{n: options.pop(n) for n in Limits.__dataclass_fields__ if n in options})
    files = files_of(over)
    listed = list(models) if isinstance(models, (list, tuple)) else [models]
    with held():
        rows = rows_of(prompt, listed, options_from(options), files.columns, samples)
        agree(_expected(rows, files, limits), limits.budget, yes)
        job: PartsJob = job_of(on, rows, files, limits, sinks, folder_for(files, out, _asked(rows)), kind="PartsJob")
        return job.finish()


def _expected(rows: Rows, files: Files, limits: Limits) -> Estimate:
    """From the first rows; of files that do not say how many they have, by their size."""
    first = files.head(200)
    found = estimate(rows, first, rpm=limits.rpm, tpm=limits.tpm, concurrency=limits.concurrency)
    count = files.count
    if count is None:
        size = max(1, first.add(()).nbytes)
        count = max(first.count, round(first.count * sum(p.stat().st_size for p in files.paths) / size))
    if limits.head is not None:
        count = min(count, limits.head)
    return scaled(found, count / first.count) if first.count else found


class PartsJob(Job):
    """A batch that reads and writes as it goes."""

    def __init__(self, rows: Rows, files: Files, limits: Limits, folder: Path, sinks: Sequence[Sink] = ()):
        super().__init__(rows, files.head(1), limits, sinks)
        self.files, self.folder = files, folder
        self.parts: dict[int, _Part] = {}
        self.written: list[Path] = []
        self.total = 0
        self.each = len(self.models) * self.samples
        self.count = files.count or 0  # 0: not known without reading
        if limits.head is not None:
            self.count = min(self.count, limits.head)
        self.asked = self.count * self.each
        self.identity = f"{_asked(rows)}:{_digest(files.mark)}"
        self.changed: dict[str, list[str]] = {}

    def finish(self) -> Parts:
        """Run to the end, or as far as it goes."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise UsageError(
                "The parts cannot be written there", seen=f"{self.folder}: {e.strerror}", todo="Name another folder: out=..."
            ) from None
        self.go()
        return Parts(self.folder, tuple(self.written), self._summary(), self.stamp.run)

    def source(self) -> Iterator[list[Item]]:
        """Calls of one part after the other. A part that is there already is not even looked at row by row."""
        left = self.limits.head
        for number, table in enumerate(self.files.chunks(ROWS)):
            if left is not None:
                if left <= 0:
                    return
                table = table.head(left)
                left -= table.count
            first, self.total = self.total, self.total + table.count
            self.asked = max(self.asked, self.total * self.each)
            if self._there(number, table.count):
                yield []
                continue
            self.parts[number] = part = _Part(table, first, table.count * self.each)
            yield from self._part(part)
            part.taken = True
            self._write_part(number)

    def _part(self, part: _Part) -> Iterator[list[Item]]:
        chunk: list[tuple[str, Place, Any]] = []
        for n, values in enumerate(part.table.take(self.rows.columns), part.first):
            try:
                made = self.rows.calls(values, n, self.stamp.run)
            except PromptError as e:
                self.refuse(n, e)
                continue
            chunk += [(key, (n, i // self.samples, i % self.samples), call) for i, (key, call) in enumerate(made)]
            if len(chunk) >= 200:
                yield self.new(chunk)
                chunk = []
        yield self.new(chunk)

    def hungry(self, fresh: list[list[Item]]) -> bool:
        """Not too many parts at once, however slow one row is."""
        return len(self.parts) <= _AHEAD and super().hungry(fresh)

    def answered(self, place: Place, columns: dict[str, Any], *, reused: bool, first: bool = True) -> None:
        """Into its part; the last one writes it."""
        super().answered(place, columns, reused=reused, first=first)
        number = place[0] // ROWS
        part = self.parts[number]
        at = (place[0] * len(self.models) + place[1]) * self.samples + place[2]
        part.answers[at] = a = self.answers.pop(at)
        part.left -= 1
        part.passing += a.error is not None and not stays(a.error)
        self._write_part(number)

    def judge(self, item: Item, error: dict[str, Any] | None) -> None:
        """A part is whole or it is not: without one of its models there is nothing to go on for."""
        super().judge(item, error)
        self.fatal = self.fatal or next(iter(self.gone.values()), None)

    def _write_part(self, number: int) -> None:
        part = self.parts.get(number)
        if part is None or part.left or not part.taken:
            return
        answers = [part.answers[i] for i in sorted(part.answers)]
        columns, self.changed = added(part.table, answers, self.models, self.samples, self.rows.spec)
        table = part.table.add(columns)
        about = {
            "identity": self.identity,
            "rows": part.table.count,
            "run": self.stamp.run,
            "failed": sum(a.error is not None for a in answers),
        }
        table = table.replace_schema_metadata(
            {**(table.schema.metadata or {}), _MARK: json.dumps({**about, "whole": not part.passing}).encode()}
        )
        path = self._path(number)
        temporary = path.with_suffix(".new")
        try:
            importlib.import_module("pyarrow.parquet").write_table(table, temporary)
            os.replace(temporary, path)
        except OSError as e:
            temporary.unlink(missing_ok=True)
            self.fatal = self.fatal or UsageError(
                f"{path.parent} does not take the part", seen=str(e), todo="Make room, or name another folder: out=..."
            )
            return
        self.written.append(path)
        del self.parts[number]

    def _there(self, number: int, rows: int) -> bool:
        """Whether a part was written before, whole and of the same batch."""
        path = self._path(number)
        if not self.rows.bases[0].call.use_cache:
            return False
        about = _about(path)
        failed = int(about.get("failed") or 0)
        same = about.get("identity") == self.identity and about.get("rows") == rows and about.get("whole")
        if not same or (failed and self.limits.retry_errors):
            return False
        self.written.append(path)
        self.tally.answered += rows * self.each - failed
        self.tally.reused += rows * self.each - failed
        self.tally.failed += failed
        self.tally.known_failed += failed
        return True

    def _path(self, number: int) -> Path:
        return self.folder / f"part-{number:05d}.parquet"

    def _summary(self) -> Summary:
        return self.tally.summary(self.total, self.asked, self.elapsed())

    def end(self, notes: Sequence[str] = ()) -> Any:
        """Say how it ended; the parts are on disk."""
        if self.fatal is not None:
            super().end(notes)  # raises
        self.written.sort()
        here = set(self.written)
        if other := sum(p not in here for p in self.folder.glob("part-*.parquet")):
            what = "1 part there is" if other == 1 else f"{other:,} parts there are"
            self.emit(Notice(kind="note", text=f"{what} of another run: read the files that `files` names"))
        many = f"{len(self.written):,} part{'' if len(self.written) == 1 else 's'}"
        for note in (*self.tally.notes(), *suffixed(self.changed), f"{many} in {self.folder}"):
            self.emit(Notice(kind="note", text=note))
        self.emit(Finished(extra=self._summary().to_dict()))
        return None


def folder_for(files: Files, out: Any, asked: str) -> Path:
    """Where the parts go: where the user says, else beside the first file; another question's parts there are left alone."""
    if out is not None:
        return Path(out).expanduser()
    first = files.paths[0]
    plain = first.parent / f"{first.stem if len(files.paths) == 1 else first.parent.name or 'table'}.answers"
    part = next(plain.glob("part-*.parquet"), None)
    ours = part is None or str(_about(part).get("identity")).split(":")[0] == asked
    return plain if ours else plain.with_name(f"{plain.name}-{asked[:6]}")


def _asked(rows: Rows) -> str:
    """What decides the answers beside the files: the prompt, the models and their options."""
    asked = [b.call.request.key() for b in rows.bases]
    return _digest(json.dumps([rows.prompt, rows.system, asked, list(rows.suffixes), rows.samples, ROWS]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _about(path: Path) -> dict[str, Any]:
    """What a part says of itself; nothing where it is no part of ours."""
    try:
        found = importlib.import_module("pyarrow.parquet").read_schema(path).metadata or {}
        return dict(json.loads(found.get(_MARK, b"{}")))
    except (OSError, ValueError):
        return {}
