"""A prompt over tables that never fit into memory: rows are read as they are needed, and written out in parts.

A part is a Parquet file with the rows and their answers. It appears whole, when all its rows
are answered, and is not made again while its rows ask the same; what is not in a part yet is in
the log. A part that `head` cuts short has a name of its own, so that a whole one stays whole.
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
from ...core.errors import PromptError, UsageError
from ...core.events import Finished, Notice, Sink
from ...core.optional import require
from ...store.run_rows import Place
from ..answers import Answer, added, suffixed
from ..failures import stays
from ..job import Job
from ..options import Limits
from ..rows import Rows
from ..scheduler import Item
from ..summary import Cause, Summary, Tally
from .files import ANSWERS, Files
from .tables import Row, Table

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
        arrow = importlib.import_module("pyarrow")
        return arrow.concat_tables([_read(f) for f in self.files]) if self.files else arrow.table({})

    def __repr__(self) -> str:
        return f"Parts({str(self.folder)!r}: {len(self.files):,} file{'' if len(self.files) == 1 else 's'}; {self.summary})"


@dataclass
class _Part:
    """One part under way: its file, its rows, and how many of its places are not answered."""

    path: Path
    table: Table
    first: int  # number of its first row
    left: int
    passing: int = 0  # failures and gaps that will be asked again
    taken: bool = False  # all its rows were taken from the file
    keys: Any = field(default_factory=hashlib.sha256)  # of all its calls
    answers: dict[int, Any] = field(default_factory=dict)


class PartsJob(Job):
    """A batch that reads and writes as it goes."""

    def __init__(self, rows: Rows, files: Files, limits: Limits, folder: Path, sinks: Sequence[Sink] = ()):
        super().__init__(rows, files.head(1), limits, sinks)
        self.files, self.folder = files, folder
        self.parts: dict[int, _Part] = {}
        self.written: dict[int, Path] = {}
        self.total = 0
        self.each = len(self.models) * self.samples
        self.count = files.count if limits.head is None else min(files.count, limits.head)
        self.asked = self.count * self.each
        self.identity = f"{identity_of(rows, self.table)}:{_digest(files.mark)}"
        self.changed: dict[str, list[str]] = {}

    def finish(self) -> Parts:
        """Run to the end, or as far as it goes."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass  # a folder that takes no file says so before anything is asked
        except OSError as e:
            raise UsageError(
                "The parts cannot be written there", detail=f"{self.folder}: {e.strerror}", hint="Name another folder: out=..."
            ) from None
        self.go()
        return Parts(self.folder, self._files(), self._summary(), self.stamp.run)

    def source(self) -> Iterator[list[Item]]:
        """Calls of one part after the other."""
        left = self.limits.head
        for number, table in enumerate(self.files.chunks(ROWS)):
            name = f"part-{number:05d}.parquet"
            if left is not None:
                if left <= 0:
                    return
                if left < table.count:
                    table, name = table.head(left), f"head-{self.limits.head}.parquet"
                left -= table.count
            first, self.total = self.total, self.total + table.count
            self.asked = max(self.asked, self.total * self.each)
            part = _Part(self.folder / name, table, first, table.count * self.each)
            if self._there(part):
                self.written[number] = part.path
                yield []
                continue
            self.parts[number] = part
            yield from self._part(part)
            part.taken = True
            self._write_part(number)

    def _part(self, part: _Part) -> Iterator[list[Item]]:
        chunk: list[tuple[str, Place, Any]] = []
        for n, values in enumerate(part.table.take(self.rows.columns), part.first):
            made, error = _made(self.rows, values, n, self.stamp.run)
            part.keys.update(_words(made, error))
            if error is not None:
                self.refuse(n, error)
                continue
            chunk += [(key, (n, i // self.samples, i % self.samples), call) for i, (key, call) in enumerate(made)]
            if len(chunk) >= 200:
                yield self.new(chunk)
                chunk = []
        yield self.new(chunk)

    def hungry(self) -> bool:
        """Not too many parts at once, however slow one row is."""
        return len(self.parts) <= _AHEAD and super().hungry()

    def answered(self, place: Place, columns: dict[str, Any], *, reused: bool, first: bool = True) -> None:
        """Into its part; the last one writes it."""
        super().answered(place, columns, reused=reused, first=first)
        self._placed(place)

    def left_out(self, place: Place) -> None:
        """Empty in its part, which is made again when the same is asked again."""
        super().left_out(place)
        row, m, s = place
        self.answers[self.at(place)] = Answer(row, self.models[m], s)
        self.parts[row // ROWS].passing += 1
        self._placed(place)

    def _placed(self, place: Place) -> None:
        number = place[0] // ROWS
        part = self.parts[number]
        at = self.at(place)
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
            "keys": part.keys.hexdigest(),
            "causes": _causes(answers),
        }
        table = table.replace_schema_metadata(
            {**(table.schema.metadata or {}), _MARK: json.dumps({**about, "whole": not part.passing}).encode()}
        )
        path = part.path
        temporary = path.with_suffix(f".{self.stamp.run}.new")  # another kernel may write the same part
        try:
            importlib.import_module("pyarrow.parquet").write_table(table, temporary)
            os.replace(temporary, path)
        except OSError as e:
            with suppress(OSError):  # a folder that takes no file may not let one go either
                temporary.unlink(missing_ok=True)
            self.fatal = self.fatal or UsageError(
                f"{path.parent} does not take the part", detail=str(e), hint="Make room, or name another folder: out=..."
            )
            return
        self.written[number] = path
        del self.parts[number]

    def _there(self, part: _Part) -> bool:
        """Whether a part was written before, whole and of the same batch, and all its rows ask the same now."""
        call = self.rows.bases[0].call
        if not call.use_cache or call.tape is not None or call.tape_only:  # what is asked is to be on the tape, too
            return False
        about = _about(part.path)
        causes = [Cause(*c) for c in about.get("causes") or ()]
        same = about.get("identity") == self.identity and about.get("rows") == part.table.count and about.get("whole")
        if not same or (causes and self.limits.retry_errors) or about.get("keys") != self._keys(part):
            return False
        many = part.table.count * self.each - sum(c.count for c in causes)
        self.tally.answered += many
        self.tally.reused += many
        for cause in causes:
            self.tally.add_cause(cause)
        return True

    def _keys(self, part: _Part) -> str:
        """What all rows of a part ask now. Names of the notebook and what functions give may have changed since it was written."""
        keys = hashlib.sha256()
        for n, values in enumerate(part.table.take(self.rows.columns), part.first):
            keys.update(_words(*_made(self.rows, values, n)))
        return keys.hexdigest()

    def _files(self) -> tuple[Path, ...]:
        """What is written, in the order of the rows."""
        return tuple(path for _, path in sorted(self.written.items()))

    def _summary(self) -> Summary:
        return self.tally.summary(self.total, self.asked, self.elapsed(), self.tally.notes())

    def end(self, notes: Sequence[str] = ()) -> Any:
        """Say how it ended; the parts are on disk."""
        if self.fatal is not None:
            super().end(notes)  # raises
        here = set(self._files())
        beside = [p for p in _parts_in(self.folder) if p not in here]  # what --head tried before is no other run's
        if other := sum(not (p.name.startswith("head-") and _about(p).get("identity") == self.identity) for p in beside):
            what = "1 part there is" if other == 1 else f"{other:,} parts there are"
            self.emit(Notice(kind="note", text=f"{what} of another run: read the files that `files` names"))
        many = f"{len(self.written):,} part{'' if len(self.written) == 1 else 's'}"
        for note in (*self.tally.notes(), *suffixed(self.changed), f"{many} in {self.folder}"):
            self.emit(Notice(kind="note", text=note))
        self.emit(Finished(extra=self._summary().to_dict()))
        if self.durable:
            self._close_earlier()
        return None


def folder_for(files: Files, out: Any, asked: str) -> Path:
    """Where the parts go: where the user says, else beside the first file; another question's parts there are left alone.

    UsageError for an `out` that names no folder.
    """
    if out is not None:
        if not isinstance(out, (str, os.PathLike)) or not os.fspath(out):
            raise UsageError("out is a folder for the parts", detail=repr(out)[:60], hint="Give its path, or leave it out.")
        return Path(os.path.expanduser(out))
    first = files.paths[0]
    plain = first.parent / f"{first.stem if len(files.paths) == 1 else first.parent.name or 'table'}{ANSWERS}"
    there = _parts_in(plain)
    ours = not there or any(str(_about(p).get("identity")).split(":")[0] == asked for p in there)
    return plain if ours else plain.with_name(f"{plain.name}-{asked[:6]}")


def check_folder(folder: Path, files: Files) -> None:
    """Refuse a folder with files of the user's that parts would replace, or be taken for."""
    if folder.resolve() in {p.parent.resolve() for p in files.paths}:
        raise UsageError(
            "The parts would lie among the files they are made of",
            detail=str(folder),
            hint="Name another folder: out=..., or a pattern that leaves this one out.",
        )
    for path in _parts_in(folder):
        if path.stat().st_size and not _about(path):  # an empty one holds nothing to lose
            raise UsageError(
                "A file there is called as a part is, and is none", detail=str(path), hint="Name another folder: out=..., or move the file."
            )


def _parts_in(folder: Path) -> list[Path]:
    """Files that are called as parts are, whole ones and those of a `head`."""
    return sorted([*folder.glob("part-*.parquet"), *folder.glob("head-*.parquet")])


def identity_of(rows: Rows, table: Table) -> str:
    """What decides the answers beside the files: the prompt, the models and their options, and what the first row asks.

    In what a row asks are the values of the notebook that the prompt uses.
    """
    asked = [b.call.request.fingerprint() for b in rows.bases]
    first = next(table.take(rows.columns), None)
    keys = "" if first is None else _words(*_made(rows, first, 0)).decode()
    return _digest(json.dumps([rows.prompt, rows.system, asked, list(rows.suffixes), rows.samples, ROWS, keys]))


def _made(rows: Rows, values: Row, number: int, parent: str = "") -> tuple[list[tuple[str, Call]], PromptError | None]:
    """The calls of a row, each after its key; or why there are none."""
    try:
        return rows.calls(values, number, parent), None
    except PromptError as e:
        return [], e


def _words(made: Sequence[tuple[str, Call]], error: PromptError | None) -> bytes:
    """What a row asks, in short."""
    words = str(error) if error is not None else " ".join(key for key, _ in made)
    return f"{words}\n".encode("utf-8", "replace")


def _causes(answers: Sequence[Answer]) -> list[list[Any]]:
    """Why rows of a part failed, as a run that finds the part counts them again."""
    tally = Tally()
    for a in answers:
        tally.add(a, reused=True)
    return [[c.kind, c.what, c.count, c.row, c.seen] for c in tally.causes.values()]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _read(path: Path) -> Any:
    """A part as it is: `read_table` would make columns of folders called name=value, and refuses two columns of one name."""
    with importlib.import_module("pyarrow.parquet").ParquetFile(path) as file:
        return file.read()


def _about(path: Path) -> dict[str, Any]:
    """What a part says of itself; nothing where it is no part of ours."""
    try:
        found = importlib.import_module("pyarrow.parquet").read_schema(path).metadata or {}
        return dict(json.loads(found.get(_MARK, b"{}")))
    except (OSError, ValueError):
        return {}
