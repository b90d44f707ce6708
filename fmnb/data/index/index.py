"""`fm.Index`: documents that a question's passages are found in."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...calls.embed import embed
from ...calls.run_handle import Run
from ...config.settings import frozen
from ...core.errors import FmnbError, Interrupted, UsageError
from ...core.events import Cancelled, EventStamper, Sink
from ...core.registry import METHODS, load
from ...core.run_ids import new_run
from ...core.sources import Retrieved
from ...core.typing import ModelLike, TableLike
from ...documents.document import Document
from ...documents.frame import read_frame
from ...documents.limits import LIMITS
from ...store.index_file import FileRow, IndexFile, file_identity
from ...views.progress import ProgressView
from .chunks import VERSION
from .embedder import INSTALL, NONE, IndexEmbedder, default_embedder, named_embedder
from .filters import FilterValue, condition
from .locate import FOLDER, index_path, make_folder
from .passages import passages
from .search import rank
from .search_results import SearchResults
from .update import Addition, Update, update_events
from .update_report import UpdateReport
from .vector_matrix import VectorMatrix

if TYPE_CHECKING:
    import numpy as np
    from langchain_core.retrievers import BaseRetriever
    from llama_index.core.base.base_retriever import BaseRetriever as LlamaIndexRetriever

    Array = np.ndarray[Any, Any]


_ROWS = 1_000_000  # of a frame


class Index:
    """Documents in one SQLite file, `.fmnb/NAME.db`, searched by words and by meaning.

    Args:
        name: Letters, digits, `-` and `_`. The file is the nearest `.fmnb/NAME.db` in the working
            folder or above it; the first `add` creates it in the working folder.
        embedder: The model of the vectors when the index is created: a name such as
            `"openai:text-embedding-3-small"`, `"minilm fp32"`, or `"none"` for a search by words
            alone. By default MiniLM in 8 bits, if it is on this machine.

    Raises:
        UsageError: The name is not valid.

    >>> import os, tempfile
    >>> os.chdir(tempfile.mkdtemp())
    >>> _ = open("leave.md", "w").write("# Leave\\nContractors give thirty days' notice.")
    >>> with Index("kb", embedder="none") as kb:
    ...     report = kb.add("leave.md")
    ...     found = kb.search("notice period of contractors")
    >>> report.added, found[0].text, found[0].headings, found[0].location
    (('leave.md',), "Contractors give thirty days' notice.", ('Leave',), 'line 2')
    """

    def __init__(self, name: str, *, embedder: str | None = None):
        self.name = name
        self.path = index_path(name)
        self._wanted = embedder
        self._file: IndexFile | None = None
        self._matrix = VectorMatrix()
        self._lock = threading.RLock()

    def add(
        self,
        *sources: str | Path | TableLike,
        column: str | None = None,
        name: str | None = None,
        rebuild: bool = False,
        sinks: Sequence[Sink] | None = None,
    ) -> UpdateReport:
        """Add documents, and bring those of the same folders up to date.

        Files with the same content are not read again, changed ones are, and files that no longer
        exist leave the index. Without sources, everything that was added before is looked at again.

        Args:
            *sources: Files, folders, patterns such as `"docs/*.md"`, or data frames with `column=`.
            column: The text column of a frame; the other columns become filters.
            name: The name of a frame in the index, `"rows"` by default.
            rebuild: Whether to read and embed everything again, also with another embedder.
            sinks: Functions that receive every event; a progress bar if None.

        Returns:
            The report of what was added, changed, removed and skipped, and why.

        Raises:
            UsageError: There is no such file, or the index has another embedder.
            StoreError: The disk is full, or the file cannot be written.
            Interrupted: The user stopped it; what is indexed stays, and the same call goes on.
        """
        folder = self.path.parent.parent if self.path.parent.name == FOLDER else self.path.parent
        paths = [s for s in sources if isinstance(s, (str, Path))]
        frames = [s for s in sources if not isinstance(s, (str, Path))]
        additions = [
            Addition(f"frame:{name or 'rows'}{f'-{i}' if i else ''}", _frame_document(f, column, name or "rows"))
            for i, f in enumerate(frames)
        ]
        if paths:
            _check_exist(paths)
        file = self._open(create=bool(sources))
        if not sources:
            paths = [str(folder / r) for r in json.loads(file.about().get("roots", "[]"))]
            if not paths and not file.files():
                raise UsageError(
                    "This index is empty", detail=self.name, hint=f"Name files or folders: `%fm index docs/ --name {self.name}`."
                )
        embedder = self._embedder(file, rebuild)
        update = Update(self.name, file, folder, paths, additions, embedder)
        if rebuild:
            file.remove([p for p in file.files() if sources == () or not p.startswith("frame:")] if not frames else list(file.files()))
        stamp = EventStamper(new_run())
        run = Run(
            update_events(update, stamp),
            [ProgressView()] if sinks is None else sinks,
            runs=[stamp.run],
            stop_events=lambda *_: [stamp(Cancelled())],
            finish=lambda _: self._matrix.changed(),
        )
        try:
            run.drive()
        except FmnbError:
            if not file.files():  # nothing is stored, so another embedder may be chosen
                file.forget(["embedder", "chunks"])
            raise
        except KeyboardInterrupt:
            done = len(update.added) + len(update.changed)
            raise Interrupted(None, stamp.run, kept=f"{done} files are indexed; the same line goes on with the rest") from None
        if embedder is None and self._wanted != NONE and file.about().get("embedder") == NONE:
            update.notes.append(f"searched by words alone. {INSTALL}")
        return update.report()

    def search(self, question: str, k: int = 8, **filters: FilterValue) -> SearchResults:
        """Find passages for a question; no model answers.

        Args:
            question: Words or a sentence.
            k: The most passages to return.
            **filters: `path="docs/*"` (a pattern, a file or a folder), `after="2026-01-31"` and
                `before=` (when the file was changed), and columns of frames: `product="A"`.

        Returns:
            The passages, best first, at most three chunks of a document.

        Raises:
            UsageError: A filter is unknown, or the embedder of the index is not available.
        """
        if not isinstance(question, str) or not question.strip():
            raise UsageError("There is nothing to search for", detail=repr(question)[:60], hint="Give some words.")
        if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= 100:
            raise UsageError("k must be a number from 1 to 100", detail=repr(k)[:60])
        with self._lock:
            file = self._open()
            where = condition(filters, file.columns())
            vector, notes = self._vector(file, question)
            ranked = rank(file, self._matrix, question, vector, where)
            found = passages(file, ranked, k, self.name)
        return SearchResults(question, found, notes)

    def retrieve(self, question: str, *, limit: int = 8, model: ModelLike | None = None) -> Retrieved:
        """Find passages for an answer: what `--with` calls (see `fmnb.core.sources.Source`).

        Args:
            question: The prompt.
            limit: The most passages to return.
            model: The model of the answer; an index needs none.

        Returns:
            The passages, and notes for the user.
        """
        found = self.search(question, limit)
        return Retrieved(found.passages, notes=found.notes)

    def as_langchain(self, k: int = 8) -> BaseRetriever:
        """This index as a LangChain retriever, to use in chains.

        Args:
            k: The most passages to return.

        Returns:
            A `langchain_core` retriever; each document has source, title, location and headings.

        Raises:
            MissingPackageError: langchain-core is not installed.
        """
        return load(METHODS["Index.as_langchain"])(self, k)

    def as_llamaindex(self, k: int = 8) -> LlamaIndexRetriever:
        """This index as a LlamaIndex retriever, to use in query engines.

        Args:
            k: The most passages to return.

        Returns:
            A `llama_index` retriever; each node has source, title, location and headings.

        Raises:
            MissingPackageError: llama-index-core is not installed.
        """
        return load(METHODS["Index.as_llamaindex"])(self, k)

    def state(self) -> str:
        """A hash of the content: paths and what is in the files, without the embedder.

        Returns:
            A hexadecimal text, the same for the same documents on every machine.
        """
        content = [(f.path, f.sha256) for f in self._open().files().values()]
        return hashlib.sha256(json.dumps([VERSION, content]).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def files(self) -> tuple[FileRow, ...]:
        """The files of the index with title, size, time, pages, chunks and notes."""
        return tuple(self._open().files().values())

    @property
    def embedder(self) -> str:
        """The model of the vectors, or "none"."""
        return self._open().about().get("embedder", NONE)

    def remove(self, *paths: str) -> int:
        """Delete documents with their text, words and vectors.

        Args:
            *paths: Paths as in `files`, folders, or patterns.

        Returns:
            How many were deleted.

        Raises:
            UsageError: No document has such a path.
        """
        from fnmatch import fnmatchcase

        with self._lock:
            file = self._open()
            known = list(file.files())
            found = [p for p in known if any(p == g or p.startswith(f"{g.rstrip('/')}/") or fnmatchcase(p, g) for g in paths)]
            if not found:
                hint = "`.files` lists them." if paths else f"To remove the index, delete its file: {self.path}"
                raise UsageError("No such document in the index", detail=", ".join(paths)[:200], hint=hint)
            file.remove(found)
            self._matrix.changed()
        return len(found)

    def close(self) -> None:
        """Close the file and free the vectors in memory."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file, self._matrix = None, VectorMatrix()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        if not self.path.is_file():
            return f"Index({self.name!r}: empty)"
        count, vectors = self._open().count()
        by = "words and meaning" if vectors and vectors == count else "words"
        return f"Index({self.name!r}: {len(self.files):,} documents, {count:,} chunks, searched by {by})"

    def _open(self, create: bool = False) -> IndexFile:
        with self._lock:
            if self._file is not None and self._file.identity != file_identity(self.path):
                self.close()  # the file was deleted, or made anew
            if self._file is None:
                if not self.path.is_file():
                    if not create:
                        raise UsageError(
                            "There is no such index",
                            detail=self.name,
                            hint=f"`%fm index FILES --name {self.name}` makes one; `%fm index` lists them.",
                        )
                    make_folder(self.path)
                self._file = IndexFile(self.path)
            return self._file

    def _embedder(self, file: IndexFile, rebuild: bool) -> IndexEmbedder | None:
        """The embedder to index with. An index keeps the one it was made with."""
        about = file.about()
        stored, version = about.get("embedder"), about.get("chunks")
        if stored is None or rebuild:
            embedder = named_embedder(self._wanted) if self._wanted is not None else default_embedder()
            file.set_about({"embedder": embedder.name if embedder else NONE, "chunks": VERSION})
            return embedder
        wanted = named_embedder(self._wanted) if self._wanted is not None else None
        if self._wanted is not None and (wanted.name if wanted else NONE) != stored:
            raise UsageError(
                "The index was made with another embedder",
                detail=f"{self.name} has {stored}, not {wanted.name if wanted else NONE}",
                hint=f"Their vectors cannot be compared. `%fm index --name {self.name} --embedder {self._wanted} --rebuild` makes it anew.",
            )
        if version != VERSION:
            raise UsageError(
                "The index was made by another version of fmnb",
                detail=self.name,
                hint=f"`%fm index --name {self.name} --rebuild` makes it anew.",
            )
        return self._stored_embedder(stored)

    def _stored_embedder(self, stored: str) -> IndexEmbedder | None:
        try:
            return named_embedder(stored)
        except FmnbError as e:
            raise UsageError(
                "The embedder of this index is not available",
                detail=f"{stored}: {e.message}",
                hint=f"{INSTALL} `%fm index --name {self.name} --embedder none --rebuild` searches by words alone.",
            ) from None

    @frozen()
    def _vector(self, file: IndexFile, question: str) -> tuple[Array | None, tuple[str, ...]]:
        """The question's vector; None for an index without vectors."""
        stored = file.about().get("embedder", NONE)
        if stored == NONE:
            return None, (f"Searched by words alone: the index has no vectors. {INSTALL}",) if self._wanted != NONE else ()
        embedder = self._stored_embedder(stored)
        assert embedder is not None
        vector = embed(question, embedder, quant=embedder.quant, cache=False, sinks=())
        return vector, ()


def _frame_document(frame: object, column: str | None, name: str) -> Document:
    if column is None:
        raise UsageError("A frame needs the name of its text column", detail=type(frame).__name__, hint='For example column="text".')
    return read_frame(frame, column, name, limits=replace(LIMITS, rows=_ROWS))


def _check_exist(paths: Sequence[str | Path]) -> None:
    """Raise UsageError for a path that is neither a file nor a folder nor a pattern."""
    for path in paths:
        if not any(c in str(path) for c in "*?[") and not Path(path).expanduser().exists():
            raise UsageError(
                "There is no such file or folder", detail=str(path), hint="Check the path; patterns such as docs/*.md work, too."
            )
