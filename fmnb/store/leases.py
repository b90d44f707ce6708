"""Claims on rows that a batch is sending, so that two kernels over one table pay for each row once.

A batch has one lease, whose `beat` its holder increments every few seconds, and claims on rows
by key. The lease of a dead process ends when another process notices; any other lease ends when its
beat stops. Clocks of different processes are never compared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from . import batches
from .db import database
from .processes import Process

_PAGE = 500


@dataclass(frozen=True)
class Lease:
    """The lease of a batch: its holder, and how often it was renewed."""

    batch: str
    process: Process
    beat: int


def claim(batch: str, process: Process, wanted: Mapping[str, str]) -> tuple[set[str], bool]:
    """Claim rows for a batch, and create its lease if it has none.

    Args:
        batch: The run of the batch.
        process: The holder of the lease.
        wanted: Keys of rows, each with the run known to answer it, or "".

    Returns:
        The claimed keys, which no other batch has and which were not answered since the lookup; and
        whether the lease is new.
    """
    keys = list(wanted)
    with database().write() as db:
        values = (batch, process.machine, process.pid, process.born)
        new = db.execute("INSERT OR IGNORE INTO leases VALUES (?,?,?,?,0)", values).rowcount > 0
        taken = owners(keys, batch)
        known = batches.runs_of([k for k in keys if k not in taken])
        mine = [k for k in keys if k not in taken and known.get(k, "") == wanted[k]]
        db.executemany("INSERT OR REPLACE INTO claims VALUES (?,?)", [(k, batch) for k in mine])
    return set(mine), new


def owners(keys: Sequence[str], batch: str) -> dict[str, str]:
    """The batch that claimed each of these keys, for keys claimed by another batch."""
    found: dict[str, str] = {}
    for at in range(0, len(keys), _PAGE):
        some = tuple(keys[at : at + _PAGE])
        rows = database().rows(
            f"SELECT key, batch FROM claims JOIN leases USING (batch) WHERE key IN ({','.join('?' * len(some))}) AND batch != ?",
            (*some, batch),
        )
        found |= {r["key"]: r["batch"] for r in rows}
    return found


def renew(batch: str) -> bool:
    """Renew a lease; False if the batch has lost it."""
    with database().write() as db:
        return db.execute("UPDATE leases SET beat = beat + 1 WHERE batch = ?", (batch,)).rowcount > 0


def active_leases() -> list[Lease]:
    """All leases."""
    rows = database().rows("SELECT * FROM leases")
    return [Lease(r["batch"], Process(r["machine"], r["pid"], r["born"]), r["beat"]) for r in rows]


def end(lost: Collection[Lease]) -> None:
    """End leases and their claims, unless they were renewed meanwhile."""
    with database().write() as db:
        for lease in lost:
            if db.execute("DELETE FROM leases WHERE batch = ? AND beat = ?", (lease.batch, lease.beat)).rowcount:
                db.execute("DELETE FROM claims WHERE batch = ?", (lease.batch,))


def release(batch: str, keys: Collection[str] | None = None) -> None:
    """Release claims of a batch; without keys, all claims and the lease."""
    with database().write() as db:
        if keys is None:
            db.execute("DELETE FROM leases WHERE batch = ?", (batch,))
            db.execute("DELETE FROM claims WHERE batch = ?", (batch,))
        else:
            db.executemany("DELETE FROM claims WHERE key = ? AND batch = ?", [(k, batch) for k in keys])
