"""SQLite databases: the only place where one is opened and migrated.

The log is one; an index over documents is another, each with its own migrations.

WAL mode, so that several kernels can write. Network file systems do not support WAL: there a
rollback journal is used, with one warning that names `FMNB_STATE`. The file has mode 0600.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..config.settings import state_dir
from ..core.errors import StoreError

# Append only: released steps never change. Each runs once, in its own transaction.
MIGRATIONS = [
    """
    CREATE TABLE runs (
      run TEXT PRIMARY KEY, parent TEXT, kind TEXT NOT NULL, asked TEXT, model TEXT, place TEXT,
      started REAL NOT NULL, ended REAL, finish TEXT, error TEXT, prompt TEXT, text TEXT, request TEXT, key TEXT,
      input_tokens INTEGER, output_tokens INTEGER, cached_tokens INTEGER, reasoning_tokens INTEGER, cost REAL,
      seconds REAL, first_token_seconds REAL, source TEXT, notebook TEXT, kernel TEXT
    );
    CREATE INDEX runs_started ON runs(started);
    CREATE INDEX runs_key ON runs(key);
    CREATE TABLE events (run TEXT NOT NULL, n INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (run, n)) WITHOUT ROWID;
    CREATE TABLE cache (key TEXT PRIMARY KEY, run TEXT NOT NULL, created REAL NOT NULL, events TEXT NOT NULL);
    CREATE INDEX cache_run ON cache(run);
    """,
    """
    CREATE VIRTUAL TABLE words USING fts5(prompt, text, content='runs', tokenize='unicode61 remove_diacritics 2');
    CREATE TRIGGER words_in AFTER INSERT ON runs BEGIN
      INSERT INTO words(rowid, prompt, text) VALUES (new.rowid, new.prompt, new.text); END;
    CREATE TRIGGER words_out AFTER DELETE ON runs BEGIN
      INSERT INTO words(words, rowid, prompt, text) VALUES ('delete', old.rowid, old.prompt, old.text); END;
    CREATE TRIGGER words_new AFTER UPDATE OF prompt, text ON runs BEGIN
      INSERT INTO words(words, rowid, prompt, text) VALUES ('delete', old.rowid, old.prompt, old.text);
      INSERT INTO words(rowid, prompt, text) VALUES (new.rowid, new.prompt, new.text); END;
    """,
    """
    CREATE TABLE media (sha256 TEXT NOT NULL, run TEXT NOT NULL, PRIMARY KEY (sha256, run)) WITHOUT ROWID;
    CREATE INDEX media_run ON media(run);
    """,
    """
    CREATE TABLE vectors (key BLOB PRIMARY KEY, run TEXT NOT NULL, data BLOB NOT NULL) WITHOUT ROWID;
    CREATE INDEX vectors_run ON vectors(run);
    """,
    """
    CREATE INDEX events_signals ON events(run) WHERE event LIKE '{"event":"Signal"%';
    CREATE INDEX runs_parent ON runs(parent);
    """,
    """
    ALTER TABLE runs ADD COLUMN data TEXT;
    CREATE TABLE batch_rows (
      batch TEXT NOT NULL, row INTEGER NOT NULL, model INTEGER NOT NULL, sample INTEGER NOT NULL, run TEXT NOT NULL,
      PRIMARY KEY (batch, row, model, sample)
    ) WITHOUT ROWID;
    """,
    """
    DROP TRIGGER words_in; DROP TRIGGER words_out; DROP TRIGGER words_new;
    CREATE TRIGGER words_in AFTER INSERT ON runs WHEN new.kind != 'row' BEGIN
      INSERT INTO words(rowid, prompt, text) VALUES (new.rowid, new.prompt, new.text); END;
    CREATE TRIGGER words_out AFTER DELETE ON runs WHEN old.kind != 'row' BEGIN
      INSERT INTO words(words, rowid, prompt, text) VALUES ('delete', old.rowid, old.prompt, old.text); END;
    CREATE TRIGGER words_new AFTER UPDATE OF prompt, text ON runs WHEN old.kind != 'row' BEGIN
      INSERT INTO words(words, rowid, prompt, text) VALUES ('delete', old.rowid, old.prompt, old.text);
      INSERT INTO words(rowid, prompt, text) VALUES (new.rowid, new.prompt, new.text); END;
    """,
    """
    CREATE TABLE arrived (n INTEGER PRIMARY KEY, batch TEXT NOT NULL, entry TEXT NOT NULL);
    """,
    """
    CREATE INDEX runs_open ON runs(kind, model) WHERE ended IS NULL;
    """,
    """
    ALTER TABLE runs ADD COLUMN estimated INTEGER NOT NULL DEFAULT 0;
    """,
    """
    CREATE TABLE leases (
      batch TEXT PRIMARY KEY, machine TEXT NOT NULL, pid INTEGER NOT NULL, born TEXT NOT NULL, beat INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE claims (key TEXT PRIMARY KEY, batch TEXT NOT NULL) WITHOUT ROWID;
    """,
]
_NETWORK = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "fuse.sshfs", "9p", "afs")


class Database:
    """A connection shared by the threads of this process, one statement group at a time."""

    def __init__(self, path: Path, migrations: Sequence[str] = MIGRATIONS, noun: str = "log", *, read_only: bool = False):
        self.path, self._migrations, self._noun = path, migrations, noun
        self._lock = threading.RLock()
        self._pid = os.getpid()
        try:
            if read_only:  # a folder that nobody can write to: SQLite may not make its own files there
                self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
                self._connection.row_factory = sqlite3.Row
                self._connection.execute("PRAGMA user_version")
                self.journal = "off"
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            _create(path)
            self._connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            self._connection.row_factory = sqlite3.Row
            self.journal = self._set_journal()
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute("PRAGMA secure_delete=ON")  # deleted answers are overwritten on disk
            self._migrate()
        except (sqlite3.Error, OSError) as e:
            raise _store_error(path, e, noun) from None

    def _set_journal(self) -> str:
        if not on_network(self.path):
            try:
                mode = self._connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
                if mode == "wal":
                    return "wal"
            except sqlite3.OperationalError:
                pass
        mode = self._connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
        warnings.warn(
            f"fmnb: {self.path.parent} cannot hold a shared-memory log (a network folder?); a slower journal is used. "
            "Set FMNB_STATE to a folder on local disk to avoid that.",
            stacklevel=3,
        )
        return str(mode)

    def _migrate(self) -> None:
        have = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if have > len(self._migrations):
            raise StoreError(
                f"The {self._noun} {self.path} was written by a newer fmnb",
                detail=f"version {have}",
                hint="Upgrade fmnb" + (", or set FMNB_STATE to another folder." if self._noun == "log" else "."),
            )
        for number in range(have, len(self._migrations)):
            with self.write() as db:
                # Another kernel may have run this step while this one waited for the lock.
                if db.execute("PRAGMA user_version").fetchone()[0] > number:
                    continue
                for statement in _statements(self._migrations[number]):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={number + 1}")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A write transaction. Disk errors become StoreError."""
        with self._lock:
            self._undo()  # an interrupt may occur between any two steps, also during a rollback
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except sqlite3.Error as e:
                self._undo()
                raise _store_error(self.path, e, self._noun) from None
            except BaseException:
                self._undo()
                raise

    def _undo(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                pass  # a full disk may already have rolled back

    def rows(self, sql: str, values: tuple | dict = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._lock:
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.Error as e:
                raise _store_error(self.path, e, self._noun) from None

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Change the file without a journal on disk, for a disk without room for one.

        A crash meanwhile may damage the log. Raises StoreError while another kernel has the log open.
        """
        with self._lock:
            try:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._connection.execute("PRAGMA journal_mode=MEMORY")
            except sqlite3.Error as e:
                raise _store_error(self.path, e, self._noun) from None
            try:
                yield
            finally:
                try:
                    self.journal = self._set_journal()
                except sqlite3.Error:
                    pass  # no room for the files of a journal: the next process sets it

    def vacuum(self) -> None:
        """Free space and truncate the write-ahead log, so that deleted text is removed from disk."""
        with self._lock:
            try:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._connection.execute("VACUUM")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error as e:
                raise _store_error(self.path, e, self._noun) from None

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()


def _create(path: Path) -> None:
    """Create the file with its mode. One that exists is not opened.

    Closing it would end the locks that SQLite holds on it in this process, and another process
    would delete the write-ahead log of a live connection.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass


def _statements(script: str) -> Iterator[str]:
    """Split a script into statements; executescript would commit in between."""
    part = ""
    for piece in script.split(";"):
        part += piece + ";"
        if sqlite3.complete_statement(part):
            yield part
            part = ""


def _store_error(path: Path, e: Exception, noun: str = "log") -> StoreError:
    text = str(e)
    log = noun == "log"
    again = "`%fm log on`" if log else "run the line again"
    if "full" in text or getattr(e, "errno", 0) == 28:
        return StoreError(f"The disk that holds {path.parent} is full", detail=text, hint=f"Free some disk space, then {again}.")
    if "disk I/O" in text:  # the error of a quota or a file size limit
        return StoreError(
            f"The {noun} cannot be written to {path.parent}",
            detail=text,
            hint=f"Free some disk space{', or set FMNB_STATE to another folder' if log else ''}; then {again}.",
        )
    if "readonly" in text or "unable to open" in text or isinstance(e, OSError):
        return StoreError(
            f"{path.parent} cannot be written",
            detail=text,
            hint="Set FMNB_HOME to a writable folder, then restart the kernel." if log else "Work in a folder that you can write to.",
        )
    if "not a database" in text or "malformed" in text:
        return StoreError(
            f"The {noun} {path} is damaged",
            detail=text,
            hint="Move that file away; fmnb creates a new one. `%fm doctor` has details." if log else "Delete that file and index again.",
        )
    if not log and "locked" in text:
        return StoreError(
            f"The {noun} {path} is in use", detail=text, hint="Another kernel is writing to it: wait a moment, then run the line again."
        )
    return StoreError(
        f"The {noun} {path} cannot be used",
        detail=text,
        hint="`%fm doctor` has details; `%fm log off` works without a log."
        if log
        else "Delete that file and index again if this does not pass.",
    )


def is_disk_full(error: StoreError) -> bool:
    """Whether a write failed for want of space: a full disk, a quota, or a limit on the size of files."""
    return "full" in (error.detail or "") or "disk I/O" in (error.detail or "") or "No space" in (error.detail or "")


def on_network(path: Path) -> bool:
    """Whether a path is on a network file system, if the system can tell."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except (OSError, IndexError):
        return False
    where = str(path.resolve())
    best = max((m for m in mounts if where == m[0] or where.startswith(m[0].rstrip("/") + "/")), key=lambda m: len(m[0]), default=None)
    return best is not None and best[1].startswith(_NETWORK)


_open: dict[Path, Database] = {}
_opening = threading.Lock()


def database() -> Database:
    """The database of this process at `config.state_dir()`; a forked child opens its own."""
    folder = state_dir()
    with _opening:
        db = _open.get(folder)
        if db is not None and db._pid == os.getpid():
            return db
        db = _open[folder] = Database(folder / "fmnb.sqlite")
    return db


def close_all() -> None:
    """Close all connections of this process (at kernel exit, and between tests)."""
    with _opening:
        for db in _open.values():
            db.close()
        _open.clear()
