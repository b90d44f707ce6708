"""One update of an index as a run: what was added, changed and removed since the last one.

    paths ─ find_files ─► new, changed ─ read ─► chunks ─ embed ─► one transaction a document

A document is stored in one transaction, so an update that was stopped or killed goes on where it
ended. Two kernels may update one index: a document is stored by whoever is first.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...calls.embed import EmbedJob
from ...calls.run_events import run_events
from ...core.errors import FmnbError
from ...core.event_loop import aclose, to_thread
from ...core.events import Event, EventStamper, Finished, Notice, Progress, Started
from ...core.labels import UNTRUSTED
from ...documents.document import Document
from ...documents.read import read
from ...documents.walk import FoundFile, find_files
from ...store.index_file import ChunkRow, FileRow, IndexFile
from .chunks import chunks as make_chunks
from .embedder import IndexEmbedder, embed_texts
from .filters import BUILT_IN
from .update_report import SkippedFile, UpdateReport

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_TOGETHER = 64  # chunks that are embedded together


@dataclass(frozen=True)
class Addition:
    """A document that is no file, such as a frame's column, under a path of its own."""

    path: str
    document: Document


@dataclass
class Update:
    """What is to be done, and what was done so far."""

    name: str
    file: IndexFile
    folder: Path  # paths in the index are relative to it
    paths: Sequence[str | Path]
    additions: Sequence[Addition]
    embedder: IndexEmbedder | None
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: int = 0
    skipped: list[SkippedFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    embedded: int = 0
    began: float = field(default_factory=time.monotonic)

    def report(self) -> UpdateReport:
        """The counts so far."""
        count, vectors = self.file.count()
        return UpdateReport(
            self.name,
            tuple(self.added),
            tuple(self.changed),
            tuple(self.removed),
            self.unchanged,
            tuple(self.skipped),
            count,
            vectors,
            self.embedded,
            time.monotonic() - self.began,
            tuple(dict.fromkeys(self.notes)),
        )


@dataclass(frozen=True)
class _Prepared:
    """A document that was read, with the vectors that are known from its version before."""

    row: FileRow
    before: str  # the hash of the version before, "" if it is new
    chunks: list[ChunkRow]
    known: dict[str, Array]

    @property
    def texts(self) -> list[str]:
        return [embedded_text(c) for c in self.chunks]


def update_events(update: Update, stamp: EventStamper) -> AsyncIterator[Event]:
    """The stamped events of an update."""
    model = update.embedder.name if update.embedder else ""
    return run_events(Started(kind="index", model=model, host="local", meta={"index": update.name}), _work(update), stamp)


def embedded_text(chunk: ChunkRow) -> str:
    """What is embedded of a chunk: its headings and its text."""
    return "\n".join([*chunk.headings, chunk.text])


async def _work(update: Update) -> AsyncIterator[Event]:
    yield Progress(stage="looking for files")
    stored = update.file.files()
    found, roots = await to_thread(lambda: _find(update))
    _remember_roots(update, roots)  # at once: an update that is killed goes on
    candidates: list[tuple[FoundFile | Addition, str, str]] = []
    for f, path, root in found:
        before = stored.get(path)
        if before is not None and (before.size, before.mtime) == (f.size, f.mtime):
            update.unchanged += 1
        else:
            candidates.append((f, path, root))
    candidates += [(a, a.path, a.path) for a in update.additions]
    total, done = sum(_size(c[0]) for c in candidates), 0
    waiting: list[_Prepared] = []
    for source, path, root in candidates:
        yield Progress(stage="indexing", done=done, total=total, unit="bytes", note=_left(update, done, total, path))
        try:
            prepared = await to_thread(partial(_prepare, update, source, path, root, stored.get(path)))
        except FmnbError as e:
            update.skipped.append(SkippedFile(path, " ".join(filter(None, (e.message, e.detail)))))
            if path in stored:  # its content of before is no longer what the file holds
                update.removed.append(path)
            prepared = None
        done += _size(source)
        if prepared is not None:
            waiting.append(prepared)
        if sum(len(p.chunks) for p in waiting) >= _TOGETHER:
            async for event in _store(update, waiting):
                yield event
            waiting = []
    async for event in _store(update, waiting):
        yield event
    here = {path for _, path, _ in found}
    gone = [
        p
        for p, f in stored.items()
        if p not in here and not p.startswith("frame:") and (f.root in roots or not (update.folder / p).exists())
    ]
    update.skipped = [s for s in update.skipped if s.path not in gone]  # a file that vanished is told once
    if gone or update.removed:
        update.removed = sorted({*gone, *update.removed})
        await to_thread(lambda: update.file.remove(update.removed))
    yield Finished(model=update.embedder.name if update.embedder else "", extra={"index": update.name})


def _find(update: Update) -> tuple[list[tuple[FoundFile, str, str]], set[str]]:
    """Files with their path in the index and the argument that they belong to."""
    found: dict[str, tuple[FoundFile, str, str]] = {}
    roots: set[str] = set()
    for given in update.paths:
        root = relative(Path(given), update.folder)
        roots.add(root)
        result = find_files([given])
        for f in result.files:
            path = relative(f.path, update.folder)
            if shown := _without_a_name(path):
                update.skipped.append(SkippedFile(shown, "its name is not UTF-8"))
            else:
                found.setdefault(path, (f, path, root))
        update.skipped += [SkippedFile(_without_a_name(p := relative(s.path, update.folder)) or p, s.reason) for s in result.skipped]
    return list(found.values()), roots


def _without_a_name(path: str) -> str:
    """How a path is shown that has no form in UTF-8, such as one from an old archive; "" for any other."""
    try:
        path.encode()
        return ""
    except UnicodeEncodeError:
        return path.encode("utf-8", "backslashreplace").decode()


def relative(path: str | Path, folder: Path) -> str:
    """A path as the index stores it: relative to the project's folder if it is inside, with `/`."""
    whole = Path(path).expanduser()
    whole = whole if whole.is_absolute() else Path.cwd() / whole
    try:
        return whole.relative_to(folder).as_posix()
    except ValueError:
        return whole.as_posix()


def _size(source: FoundFile | Addition) -> int:
    return source.size if isinstance(source, FoundFile) else sum(len(b.text) for b in source.document.blocks)


def _prepare(update: Update, source: FoundFile | Addition, path: str, root: str, before: FileRow | None) -> _Prepared | None:
    """Read a document and cut it into chunks; None if its content is what the index has."""
    if isinstance(source, Addition):
        document, size, mtime = source.document, _size(source), time.time()
        digest = hashlib.sha256(
            json.dumps([(b.text, b.place, b.values) for b in document.blocks], default=str).encode("utf-8", "replace")
        ).hexdigest()
    else:
        with source.path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        document, size, mtime = None, source.size, source.mtime
    if before is not None and before.sha256 == digest:
        update.unchanged += 1
        update.file.touch(path, mtime, size)
        return None
    if document is None:
        assert isinstance(source, FoundFile)
        document = read(source.path)
    pieces = make_chunks(document)
    notes = document.notes if pieces else (*document.notes, "it holds no text")
    if taken := sorted({n for c in pieces for n in c.columns} & {*BUILT_IN, "question", "k"}):
        notes = (*notes, f"no filter can have the name of its column {taken[0]}")
    update.notes += [f"{path}: {n}" for n in notes]
    row = FileRow(path, root, document.title, document.media_type, size, mtime, digest, document.pages, notes=notes)
    known = update.file.known_vectors(path) if before is not None and update.embedder is not None else {}
    return _Prepared(row, before.sha256 if before else "", pieces, known)


async def _store(update: Update, waiting: list[_Prepared]) -> AsyncIterator[Event]:
    """Embed what is new of these documents and store them."""
    if not waiting:
        return
    vectors: dict[str, Array] = {}
    if update.embedder is not None:
        for p in waiting:
            vectors |= p.known
        texts = [t for t in dict.fromkeys(t for p in waiting for t in p.texts) if t not in vectors]
        if texts:
            stream = embed_texts(update.embedder, texts, UNTRUSTED)
            try:
                async for item in stream:
                    if isinstance(item, EmbedJob):
                        vectors |= {t: _unit(v) for t, v in item.vectors.items()}
                    elif not isinstance(item, (Progress, Finished)) and not (isinstance(item, Notice) and "truncated" in item.text):
                        yield item
            finally:
                await aclose(stream)
            update.embedded += len(texts)

    def store() -> None:
        import numpy as np

        for p in waiting:
            block = None
            if update.embedder is not None and p.chunks:
                block = np.stack([vectors[t] for t in p.texts])
            if update.file.put(dataclasses.replace(p.row, indexed=time.time()), p.chunks, block, replaces=p.before):
                (update.changed if p.before else update.added).append(p.row.path)
            else:
                update.unchanged += 1

    await to_thread(store)


def _unit(vector: Array) -> Array:
    """A vector of length 1, so that a product is the cosine similarity."""
    import numpy as np

    return vector / (float(np.linalg.norm(vector)) or 1.0)


def _left(update: Update, done: int, total: int, path: str) -> str:
    """The file, and the time left once a tenth of the work or five seconds have shown the rate."""
    seconds = time.monotonic() - update.began
    if done and (seconds > 5 or done > total / 10) and (left := seconds * (total - done) / done) >= 1:
        return f"{path}, {_duration(left)} left"
    return path


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _remember_roots(update: Update, roots: set[str]) -> None:
    """Keep the arguments, so that an update without any looks at them again."""
    known = set(json.loads(update.file.about().get("roots", "[]")))
    kept = {r for r in known | roots if any(c in r for c in "*?[") or (update.folder / r).exists()}
    if kept != known:
        update.file.set_about({"roots": json.dumps(sorted(kept))})
