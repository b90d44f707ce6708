"""The file of an index over documents: files, their chunks, words and vectors, in one SQLite database.

A chunk's row holds its text, location and vector, so that none of them can be lost or left behind
alone. `words` is its full-text index. Deleted content is overwritten.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .db import Database

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

MIGRATIONS = [
    """
    CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE files (
      id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, root TEXT NOT NULL, title TEXT NOT NULL, media_type TEXT NOT NULL,
      size INTEGER NOT NULL, mtime REAL NOT NULL, sha256 TEXT NOT NULL, pages INTEGER, chunks INTEGER NOT NULL,
      vectors INTEGER NOT NULL, notes TEXT NOT NULL, columns TEXT NOT NULL, indexed REAL NOT NULL
    );
    CREATE TABLE chunks (
      id INTEGER PRIMARY KEY AUTOINCREMENT, file INTEGER NOT NULL, n INTEGER NOT NULL, text TEXT NOT NULL, headings TEXT NOT NULL,
      page INTEGER, last_page INTEGER, line INTEGER, last_line INTEGER, place TEXT NOT NULL, columns TEXT, vector BLOB
    );
    CREATE INDEX chunks_file ON chunks(file, n);
    CREATE VIRTUAL TABLE words USING fts5(text, headings, content='', tokenize='porter unicode61 remove_diacritics 2');
    """,
]
_MANY = 300  # deleted chunks from which rewriting all words is faster than overwriting those of each
_NO_SPACES = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f])")  # scripts without spaces between words


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file of the index. `path` is relative to the folder of the project if it is inside."""

    path: str
    root: str
    title: str = ""
    media_type: str = ""
    size: int = 0
    mtime: float = 0.0
    sha256: str = ""
    pages: int | None = None
    chunks: int = 0
    vectors: int = 0
    notes: tuple[str, ...] = ()
    indexed: float = 0.0


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A piece of a file's text; `n` counts from 0 in its file, `id` is 0 until it is stored."""

    text: str
    n: int = 0
    headings: tuple[str, ...] = ()
    pages: tuple[int, int] | None = None
    lines: tuple[int, int] | None = None
    place: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0
    file: int = 0


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on chunks (`c`) and their files (`f`) as SQL, with its values."""

    sql: str = ""
    values: tuple[Any, ...] = ()


ALL = Condition()


def file_identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one under the same path; None if there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


class IndexFile:
    """The database of one index, open in this process."""

    def __init__(self, path: Path):
        self.path = path
        self.read_only = path.is_file() and not os.access(path.parent, os.W_OK)
        self.db = Database(path, MIGRATIONS, "index", read_only=self.read_only)
        self.identity = file_identity(path)
        self._secure_delete = False
        if self.read_only:
            return
        with self.db.write() as db:
            try:
                db.execute("INSERT INTO words(words, rank) VALUES('secure-delete', 1)")
                self._secure_delete = True
            except sqlite3.Error:  # SQLite before 3.42
                self._secure_delete = False

    def about(self) -> dict[str, str]:
        """What is known of the index: its embedder, the version of its chunks."""
        return {r["key"]: r["value"] for r in self.db.rows("SELECT key, value FROM about")}

    def set_about(self, values: Mapping[str, str]) -> None:
        """Set or change what is known of the index."""
        with self.db.write() as db:
            db.executemany("INSERT OR REPLACE INTO about VALUES (?,?)", list(values.items()))

    def forget(self, keys: Iterable[str]) -> None:
        """Remove what is known of the index under these keys."""
        with self.db.write() as db:
            db.executemany("DELETE FROM about WHERE key=?", [(k,) for k in keys])

    def files(self) -> dict[str, FileRow]:
        """All files by path."""
        return {r["path"]: _file(r) for r in self.db.rows("SELECT * FROM files ORDER BY path")}

    def file_ids_of(self, ids: Iterable[int]) -> dict[int, FileRow]:
        """Files by id."""
        some = tuple(ids)
        return {r["id"]: _file(r) for r in self.db.rows(f"SELECT * FROM files WHERE id IN ({','.join('?' * len(some))})", some)}

    def put(self, file: FileRow, chunks: Sequence[ChunkRow], vectors: Array | None, *, replaces: str = "") -> bool:
        """Store a file and its chunks in place of what is stored under its path.

        `replaces` is the hash of the version that was seen before, "" for none. If another kernel has
        stored a newer one meanwhile, nothing is done and the result is False.
        """
        blobs: list[bytes | None] = [None] * len(chunks) if vectors is None else [v.astype("<f2").tobytes() for v in vectors]
        with self.db.write() as db:
            stored = db.execute("SELECT id, sha256 FROM files WHERE path=?", (file.path,)).fetchone()
            if stored and stored["sha256"] != replaces:
                return False
            if stored:
                _delete_file(db, stored["id"])
            key = db.execute(
                "INSERT INTO files (path, root, title, media_type, size, mtime, sha256, pages, chunks, vectors, notes, columns, indexed)"
                " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    *(getattr(file, n) for n in ("path", "root", "title", "media_type", "size", "mtime", "sha256", "pages")),
                    len(chunks),
                    0 if vectors is None else len(chunks),
                    json.dumps(file.notes),
                    json.dumps(sorted({name for c in chunks for name in c.columns})),
                    file.indexed,
                ),
            ).lastrowid
            for c, blob in zip(chunks, blobs, strict=True):
                columns = json.dumps(dict(c.columns), default=str) if c.columns else None
                row = db.execute(
                    "INSERT INTO chunks (file, n, text, headings, page, last_page, line, last_line, place, columns, vector) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                    (
                        key,
                        c.n,
                        c.text,
                        "\n".join(c.headings),
                        *(c.pages or (None, None)),
                        *(c.lines or (None, None)),
                        c.place,
                        columns,
                        blob,
                    ),
                ).lastrowid
                db.execute("INSERT INTO words(rowid, text, headings) VALUES (?,?,?)", (row, *_words(c.text, "\n".join(c.headings))))
        return True

    def touch(self, path: str, mtime: float, size: int) -> None:
        """Record that a file has a new time and the same content."""
        with self.db.write() as db:
            db.execute("UPDATE files SET mtime=?, size=? WHERE path=?", (mtime, size, path))

    def remove(self, paths: Iterable[str]) -> None:
        """Delete files with their text, words and vectors, also from the disk's pages."""
        with self.db.write() as db:
            stored = [r for p in paths for r in db.execute("SELECT id, chunks FROM files WHERE path=?", (p,))]
            # each deletion from the full-text index takes 3 ms if it is overwritten at once
            many = not self._secure_delete or sum(r["chunks"] for r in stored) > _MANY
            if many and self._secure_delete:
                db.execute("INSERT INTO words(words, rank) VALUES('secure-delete', 0)")
            for r in stored:
                _delete_file(db, r["id"])
            if many and stored:
                db.execute("INSERT INTO words(words) VALUES('optimize')")
            if many and self._secure_delete:
                db.execute("INSERT INTO words(words, rank) VALUES('secure-delete', 1)")
        self.db.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def chunk_ids(self, condition: Condition = ALL) -> list[int]:
        """Ids of all chunks, or of those that meet a condition."""
        if not condition.sql:
            return [r[0] for r in self.db.rows("SELECT id FROM chunks ORDER BY id")]
        return [
            r[0]
            for r in self.db.rows(
                f"SELECT c.id FROM chunks c JOIN files f ON f.id = c.file WHERE {condition.sql} ORDER BY c.id", condition.values
            )
        ]

    def vectors(self, after: int, dimensions: int) -> tuple[list[int], Array]:
        """Ids and vectors of the chunks with a vector and an id above `after`."""
        import numpy as np

        rows = self.db.rows("SELECT id, vector FROM chunks WHERE id > ? AND vector IS NOT NULL ORDER BY id", (after,))
        whole = (
            np.frombuffer(b"".join(r["vector"] for r in rows), "<f2").reshape(-1, dimensions) if rows else np.zeros((0, dimensions), "<f2")
        )
        return [r["id"] for r in rows], whole

    def known_vectors(self, path: str) -> dict[str, Array]:
        """The vectors of a file's chunks by the text that was embedded: headings and text."""
        import numpy as np

        rows = self.db.rows(
            "SELECT c.text, c.headings, c.vector FROM chunks c JOIN files f ON f.id = c.file WHERE f.path = ? AND c.vector IS NOT NULL",
            (path,),
        )
        return {"\n".join(filter(None, (r["headings"], r["text"]))): np.frombuffer(r["vector"], "<f2").astype(np.float32) for r in rows}

    def match(self, query: str, limit: int, condition: Condition = ALL) -> list[int]:
        """Ids of the best chunks by BM25 for an FTS5 query, best first."""
        if not query:
            return []
        if not condition.sql:
            return [r[0] for r in self.db.rows("SELECT rowid FROM words WHERE words MATCH ? ORDER BY bm25(words) LIMIT ?", (query, limit))]
        sql = (
            "SELECT c.id FROM words w JOIN chunks c ON c.id = w.rowid JOIN files f ON f.id = c.file "
            f"WHERE words MATCH ? AND {condition.sql} ORDER BY bm25(words) LIMIT ?"
        )
        return [r[0] for r in self.db.rows(sql, (query, *condition.values, limit))]

    def rarest(self, words: Sequence[str], limit: int) -> list[str]:
        """The words that are in the fewest chunks, together in about `limit` of them."""
        if self.read_only:
            return list(words)
        with self.db.write() as db:  # temporary tables: nothing reaches the file
            db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary USING fts5vocab('main', 'words', 'row')")
            db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.query USING fts5(text, tokenize='porter unicode61 remove_diacritics 2')")
            db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.stems USING fts5vocab('temp', 'query', 'instance')")
            db.execute("DELETE FROM temp.query")
            db.executemany("INSERT INTO temp.query(rowid, text) VALUES (?,?)", [(i, w) for i, (w,) in enumerate(map(_words, words))])
            counts = {
                r[0]: r[1]
                for r in db.execute(
                    "SELECT s.doc, max(coalesce((SELECT v.doc FROM temp.vocabulary v WHERE v.term = s.term), 0)) FROM temp.stems s GROUP BY s.doc"
                )
            }
        found = [i for i in range(len(words)) if counts.get(i, 0)]  # a word that is in no chunk finds none
        kept: list[int] = []
        for i in sorted(found, key=lambda i: counts[i]):
            if kept and (limit := limit - counts[i]) < 0:
                break
            kept.append(i)
        return [words[i] for i in sorted(kept)]

    def chunks(self, ids: Sequence[int]) -> dict[int, ChunkRow]:
        """Chunks by id."""
        found: dict[int, ChunkRow] = {}
        for at in range(0, len(ids), 500):
            some = tuple(ids[at : at + 500])
            for r in self.db.rows(f"SELECT * FROM chunks WHERE id IN ({','.join('?' * len(some))})", some):
                found[r["id"]] = _chunk(r)
        return found

    def columns(self) -> list[str]:
        """Names of the columns that filters can use."""
        return sorted({name for r in self.db.rows("SELECT DISTINCT columns FROM files") for name in json.loads(r["columns"])})

    def count(self) -> tuple[int, int]:
        """Number of chunks, and of those with a vector."""
        row = self.db.rows("SELECT coalesce(sum(chunks), 0), coalesce(sum(vectors), 0) FROM files")[0]
        return row[0], row[1]

    def version(self) -> int:
        """A number that changes when another process or connection changes the file."""
        return int(self.db.rows("PRAGMA data_version")[0][0])

    def close(self) -> None:
        """Close the file."""
        self.db.close()


def _delete_file(db: sqlite3.Connection, file: int) -> None:
    """Delete a file's rows. A contentless full-text table needs the words that were inserted."""
    rows = db.execute("SELECT id, text, headings FROM chunks WHERE file=?", (file,)).fetchall()
    db.executemany(
        "INSERT INTO words(words, rowid, text, headings) VALUES('delete',?,?,?)",
        [(r["id"], *_words(r["text"], r["headings"])) for r in rows],
    )
    db.execute("DELETE FROM chunks WHERE file=?", (file,))
    db.execute("DELETE FROM files WHERE id=?", (file,))


def _words(*texts: str) -> tuple[str, ...]:
    """Texts as the full-text index reads them: each character a word in scripts without spaces."""
    return tuple(_NO_SPACES.sub(r" \1 ", t) for t in texts)


def _file(r: sqlite3.Row) -> FileRow:
    return FileRow(**{**{n: r[n] for n in FileRow.__dataclass_fields__}, "notes": tuple(json.loads(r["notes"]))})


def _chunk(r: sqlite3.Row) -> ChunkRow:
    return ChunkRow(
        r["text"],
        r["n"],
        tuple(r["headings"].split("\n")) if r["headings"] else (),
        (r["page"], r["last_page"]) if r["page"] is not None else None,
        (r["line"], r["last_line"]) if r["line"] is not None else None,
        r["place"],
        json.loads(r["columns"]) if r["columns"] else {},
        r["id"],
        r["file"],
    )
