"""A batch over tables that need not fit into memory: rows are read as needed, and written in parts.

A part is a Parquet file with rows and their answers. It is written once, when all its rows are
answered, and is reused while its rows send the same requests; answers that are not in a part
yet are in the log. A part that `head` shortens has its own name, so that a complete one stays.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...calls.call import Call
from ...core.atomic_write import replace_file
from ...core.errors import PromptError, UsageError
from ...core.events import Finished, Notice, Sink
from ...core.optional import require
from ...store.run_rows import Position
from ..answers import Answer, answer_columns, renamed_column_notes
from ..failures import is_permanent
from ..job import Job
from ..options import Limits
from ..rows import RowCalls
from ..scheduler import WorkItem
from ..summary import Cause, Summary, Tally
from .files import PARTS_SUFFIX, Files
from .tables import Row, Table

if TYPE_CHECKING:
    import pandas

ROWS = 5_000  # per part
_MAX_OPEN = 3  # parts that are open at once
_METADATA_KEY = b"fmnb"


@dataclass(frozen=True)
class Parts:
    """A table written in parts. `files` are Parquet files, in the order of the rows."""

    folder: Path
    files: tuple[Path, ...]
    summary: Summary
    run: str

    @property
    def df(self) -> pandas.DataFrame:
        """The whole table as a pandas DataFrame."""
        require("pandas", "frames", "to make a DataFrame")
        return self.table().to_pandas()

    def table(self) -> Any:
        """The whole table as an Arrow table."""
        arrow = importlib.import_module("pyarrow")
        return arrow.concat_tables([_read(f) for f in self.files]) if self.files else arrow.table({})

    def __repr__(self) -> str:
        return f"Parts({str(self.folder)!r}: {len(self.files):,} file{'' if len(self.files) == 1 else 's'}; {self.summary})"


@dataclass
class _Part:
    """One open part: its file, its rows, and how many of its answers are missing."""

    path: Path
    table: Table
    first_row: int  # number of its first row
    remaining: int
    retryable: int = 0  # failures and gaps that a later run will send again
    all_read: bool = False  # all its rows have been read
    keys: Any = field(default_factory=hashlib.sha256)  # digest of all its calls
    answers: dict[int, Any] = field(default_factory=dict)


class PartsJob(Job):
    """A batch that reads and writes as it goes."""

    def __init__(self, rows: RowCalls, files: Files, limits: Limits, folder: Path, sinks: Sequence[Sink] = ()):
        super().__init__(rows, files.head(1), limits, sinks)
        self.files, self.folder = files, folder
        self.parts: dict[int, _Part] = {}
        self.written: dict[int, Path] = {}
        self.total = 0
        self.answers_per_row = len(self.models) * self.samples
        self.count = files.count if limits.head is None else min(files.count, limits.head)
        self.asked = self.count * self.answers_per_row
        self.identity = f"{identity_of(rows, self.table)}:{_digest(files.fingerprint)}"
        self.renamed: dict[str, list[str]] = {}

    def run_to_parts(self) -> Parts:
        """Run to the end."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass  # an unwritable folder fails before anything is sent
        except OSError as e:
            raise UsageError(
                "The output folder is not writable", detail=f"{self.folder}: {e.strerror}", hint="Name another folder: out=..."
            ) from None
        self.run()
        return self._result()

    def partial_table(self) -> Parts | None:
        """The parts that are complete; None if there are none."""
        return self._result() if self.written else None

    def _result(self) -> Parts:
        return Parts(self.folder, self._files(), self._summary(), self.stamp.run)

    def source(self) -> Iterator[list[WorkItem]]:
        """Calls of one part after the other."""
        remaining = self.limits.head
        for number, table in enumerate(self.files.chunks(ROWS)):
            name = f"part-{number:05d}.parquet"
            if remaining is not None:
                if remaining <= 0:
                    return
                if remaining < table.count:
                    table, name = table.head(remaining), f"head-{self.limits.head}.parquet"
                remaining -= table.count
            first, self.total = self.total, self.total + table.count
            self.asked = max(self.asked, self.total * self.answers_per_row)
            part = _Part(self.folder / name, table, first, table.count * self.answers_per_row)
            if self._is_written(part):
                self.written[number] = part.path
                yield []
                continue
            self.parts[number] = part
            yield from self._part_items(part)
            part.all_read = True
            self._write_part(number)

    def _part_items(self, part: _Part) -> Iterator[list[WorkItem]]:
        chunk: list[tuple[str, Position, Any]] = []
        for n, values in enumerate(part.table.take(self.rows.columns), part.first_row):
            made, error = _row_calls(self.rows, values, n, self.stamp.run)
            part.keys.update(_key_bytes(made, error))
            if error is not None:
                self.fail_row(n, error)
                continue
            chunk += [(key, (n, i // self.samples, i % self.samples), call) for i, (key, call) in enumerate(made)]
            if len(chunk) >= 200:
                yield self.new_items(chunk)
                chunk = []
        yield self.new_items(chunk)

    def needs_rows(self) -> bool:
        """Limits how many parts are open at once, however slow one row is."""
        return len(self.parts) <= _MAX_OPEN and super().needs_rows()

    def add_answer(self, position: Position, columns: dict[str, Any], *, cached: bool, first: bool = True) -> None:
        """Store the answer in its part; the last answer writes the part."""
        super().add_answer(position, columns, cached=cached, first=first)
        self._add_to_part(position)

    def skip_submitted(self, position: Position) -> None:
        """Leave the row empty in its part; the part is written again by the next run."""
        super().skip_submitted(position)
        row, m, s = position
        self.answers[self.answer_index(position)] = Answer(row, self.models[m], s)
        self.parts[row // ROWS].retryable += 1
        self._add_to_part(position)

    def _add_to_part(self, position: Position) -> None:
        number = position[0] // ROWS
        part = self.parts[number]
        at = self.answer_index(position)
        part.answers[at] = a = self.answers.pop(at)
        part.remaining -= 1
        part.retryable += a.error is not None and not is_permanent(a.error)
        self._write_part(number)

    def update_health(self, item: WorkItem, error: dict[str, Any] | None) -> None:
        """Stop with the first failed model: without it no part can be complete."""
        super().update_health(item, error)
        self.fatal = self.fatal or next(iter(self.failed_models.values()), None)

    def _write_part(self, number: int) -> None:
        part = self.parts.get(number)
        if part is None or part.remaining or not part.all_read:
            return
        answers = [part.answers[i] for i in sorted(part.answers)]
        columns, self.renamed = answer_columns(part.table, answers, self.models, self.samples, self.rows.spec)
        table = part.table.add(columns)
        metadata = {
            "identity": self.identity,
            "rows": part.table.count,
            "run": self.stamp.run,
            "keys": part.keys.hexdigest(),
            "causes": _causes(answers),
        }
        table = table.replace_schema_metadata(
            {**(table.schema.metadata or {}), _METADATA_KEY: json.dumps({**metadata, "whole": not part.retryable}).encode()}
        )
        path = part.path
        temporary = path.with_suffix(f".{self.stamp.run}.new")  # another kernel may write the same part
        try:
            importlib.import_module("pyarrow.parquet").write_table(table, temporary)
            replace_file(temporary, path)
        except OSError as e:
            with suppress(OSError):  # an unwritable folder may refuse deletion too
                temporary.unlink(missing_ok=True)
            self.fatal = self.fatal or UsageError(
                f"The part cannot be written to {path.parent}", detail=str(e), hint="Free disk space, or name another folder: out=..."
            )
            return
        self.written[number] = path
        del self.parts[number]

    def _is_written(self, part: _Part) -> bool:
        """Whether the part is complete on disk, from the same batch, with the same requests in all rows."""
        call = self.rows.bases[0].call
        if not call.use_cache or call.tape is not None or call.tape_only:  # the answers must be on the tape too
            return False
        metadata = _read_metadata(part.path)
        causes = [Cause(*c) for c in metadata.get("causes") or ()]
        same = metadata.get("identity") == self.identity and metadata.get("rows") == part.table.count and metadata.get("whole")
        if not same or (causes and self.limits.retry_errors) or metadata.get("keys") != self._keys(part):
            return False
        many = part.table.count * self.answers_per_row - sum(c.count for c in causes)
        self.tally.answered += many
        self.tally.cached += many
        for cause in causes:
            self.tally.add_cause(cause)
        return True

    def _keys(self, part: _Part) -> str:
        """A digest of all requests of a part, to detect changed variables and functions."""
        keys = hashlib.sha256()
        for n, values in enumerate(part.table.take(self.rows.columns), part.first_row):
            keys.update(_key_bytes(*_row_calls(self.rows, values, n)))
        return keys.hexdigest()

    def _files(self) -> tuple[Path, ...]:
        """The written files, in the order of the rows."""
        return tuple(path for _, path in sorted(self.written.items()))

    def _summary(self) -> Summary:
        return self.tally.summary(self.total, self.asked, self.elapsed(), self.tally.notes())

    def finish(self, notes: Sequence[str] = ()) -> Any:
        """Emit the end; the parts are on disk."""
        if self.fatal is not None:
            super().finish(notes)  # raises
        here = set(self._files())
        beside = [p for p in _parts_in(self.folder) if p not in here]  # parts of an earlier --head belong to this batch
        if other := sum(not (p.name.startswith("head-") and _read_metadata(p).get("identity") == self.identity) for p in beside):
            parts = "1 part in the folder is" if other == 1 else f"{other:,} parts in the folder are"
            self.emit(Notice(kind="note", text=f"{parts} from another run: read only the files in `files`"))
        many = f"{len(self.written):,} part{'' if len(self.written) == 1 else 's'}"
        for note in (*self.tally.notes(), *renamed_column_notes(self.renamed), f"{many} in {self.folder}"):
            self.emit(Notice(kind="note", text=note))
        self.emit(Finished(extra=self._summary().to_dict()))
        if self.durable:
            self._supersede_earlier()
        return None


def folder_for(files: Files, out: Any, identity: str) -> Path:
    """The output folder: `out`, otherwise one beside the first file; never one with another batch's parts.

    Raises UsageError if `out` does not name a folder.
    """
    if out is not None:
        if not isinstance(out, (str, os.PathLike)) or not os.fspath(out):
            raise UsageError("out must name a folder", detail=repr(out)[:60], hint="Pass the path of a folder, or leave it out.")
        return Path(os.path.expanduser(out))
    first = files.paths[0]
    plain = first.parent / f"{first.stem if len(files.paths) == 1 else first.parent.name or 'table'}{PARTS_SUFFIX}"
    existing = _parts_in(plain)
    ours = not existing or any(str(_read_metadata(p).get("identity")).split(":")[0] == identity for p in existing)
    return plain if ours else plain.with_name(f"{plain.name}-{identity[:6]}")


def check_folder(folder: Path, files: Files) -> None:
    """Refuse a folder with the user's own files that parts would replace, or be confused with."""
    if folder.resolve() in {p.parent.resolve() for p in files.paths}:
        raise UsageError(
            "The output folder contains input files",
            detail=str(folder),
            hint="Name another folder: out=..., or a pattern that excludes this one.",
        )
    for path in _parts_in(folder):
        if path.stat().st_size and not _read_metadata(path):  # an empty file can be replaced
            raise UsageError(
                "A file in the output folder has the name of a part, but is not one",
                detail=str(path),
                hint="Name another folder: out=..., or move the file.",
            )


def _parts_in(folder: Path) -> list[Path]:
    """Files with the names of parts, complete ones and those of `head`."""
    return sorted([*folder.glob("part-*.parquet"), *folder.glob("head-*.parquet")])


def identity_of(rows: RowCalls, table: Table) -> str:
    """A digest of what decides the answers besides the files.

    That is the prompt, the models and their options, and the requests of the first row, which
    contain the notebook variables that the prompt uses.
    """
    requests = [b.call.request.fingerprint() for b in rows.bases]
    first = next(table.take(rows.columns), None)
    keys = "" if first is None else _key_bytes(*_row_calls(rows, first, 0)).decode()
    return _digest(json.dumps([rows.prompt, rows.system, requests, list(rows.key_suffixes), rows.samples, ROWS, keys]))


def _row_calls(rows: RowCalls, values: Row, number: int, parent: str = "") -> tuple[list[tuple[str, Call]], PromptError | None]:
    """The calls of a row with their keys, or the error that prevents them."""
    try:
        return rows.calls(values, number, parent), None
    except PromptError as e:
        return [], e


def _key_bytes(calls: Sequence[tuple[str, Call]], error: PromptError | None) -> bytes:
    """The keys of a row's calls, or its error, as bytes."""
    text = str(error) if error is not None else " ".join(key for key, _ in calls)
    return f"{text}\n".encode("utf-8", "replace")


def _causes(answers: Sequence[Answer]) -> list[list[Any]]:
    """Why rows of a part failed, for a later run that reuses the part."""
    tally = Tally()
    for a in answers:
        tally.add(a, cached=True)
    return [[c.kind, c.message, c.count, c.row, c.detail] for c in tally.causes.values()]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _read(path: Path) -> Any:
    """A part as it is.

    `read_table` would make columns of folders named key=value, and refuses duplicate columns.
    """
    with importlib.import_module("pyarrow.parquet").ParquetFile(path) as file:
        return file.read()


def _read_metadata(path: Path) -> dict[str, Any]:
    """The metadata of a part; empty if the file is not one of our parts."""
    try:
        metadata = importlib.import_module("pyarrow.parquet").read_schema(path).metadata or {}
        return dict(json.loads(metadata.get(_METADATA_KEY, b"{}")))
    except (OSError, ValueError):
        return {}
