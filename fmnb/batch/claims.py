"""Rows that one batch has claimed while it sends them, and those that other kernels have.

caller's thread: claim ─► calls are made ─► the log (a stored row is no longer claimed)
a thread:        renews the lease every few seconds
loop:            `filter_claimed`, before a call is made: if this process was suspended, another may have the row
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from ..core.errors import StoreError
from ..core.event_loop import start_thread
from ..store import inbox, leases
from ..store.leases import Lease
from ..store.processes import is_alive, this_process
from .scheduler import WorkItem

LEASE_SECONDS = 30.0  # a lease expires after this time without renewal
RENEW_SECONDS = 5.0  # between two renewals
_MAX_STEP = 1.0  # the most that one check adds to the age of a heartbeat: time while this process is suspended does not count

_active_batches: set[str] = set()  # batches that run in this process


class Claims:
    """The claims of one batch. `visible` if all work for the batch ends with this process."""

    def __init__(self, batch: str, *, visible: bool = True):
        self.batch = batch
        self._process = this_process() if visible else replace(this_process(), pid=0)
        self._claimed: set[str] = set()
        self._renewed = (0.0, 0.0)
        self._stop: threading.Event | None = None
        self._monitor = LeaseMonitor()

    def sweep(self) -> None:
        """End leases of dead kernels, as far as this machine can see; what they wrote is stored first."""
        self._end_expired(leases.active_leases())

    def claim(self, items: Sequence[WorkItem]) -> list[WorkItem]:
        """The calls that this batch may make; the others are claimed elsewhere or answered."""
        wanted = {i.key: i.earlier_run for i in items if i.shared}
        if not wanted:
            return list(items)
        self._start_renewing()
        granted, new = leases.claim(self.batch, self._process, wanted)
        if new:
            self._claimed.clear()
        self._mark_renewed()
        self._claimed |= granted
        return [i for i in items if not i.shared or i.key in granted]

    def filter_claimed(self, items: Sequence[WorkItem]) -> list[WorkItem]:
        """On the loop: the calls that this batch still has claimed."""
        monotonic, clock = self._renewed
        if max(time.monotonic() - monotonic, time.time() - clock) > LEASE_SECONDS / 2:  # one clock stops while suspended, the other jumps
            self._renew()
        return [i for i in items if not i.shared or i.key in self._claimed]

    def unclaimed(self, keys: Sequence[str]) -> list[str]:
        """The keys that no other batch has claimed. Answers of expired batches are stored first."""
        owners = leases.owners(keys, self.batch)
        others = set(owners.values())
        if others and self._end_expired([lease for lease in leases.active_leases() if lease.batch in others]):
            owners = leases.owners(keys, self.batch)
        return [k for k in keys if k not in owners]

    def mark_stored(self, keys: Sequence[str]) -> None:
        """These calls are in the log, where every kernel finds them."""
        self._claimed.difference_update(keys)

    def release(self, keys: Sequence[str]) -> None:
        """Let others make these calls."""
        mine = [k for k in keys if k in self._claimed]
        self._claimed.difference_update(mine)
        if mine:
            leases.release(self.batch, mine)

    def end(self) -> None:
        """End all claims of the batch."""
        _active_batches.discard(self.batch)
        if self._stop is not None and not self._stop.is_set():
            self._stop.set()
            self._claimed.clear()
            with suppress(StoreError):  # the disk is full: the lease expires instead
                leases.release(self.batch)

    def _end_expired(self, leases_: Sequence[Lease]) -> bool:
        """End the expired ones among these leases; True if there were any."""
        expired = self._monitor.expired(leases_)
        if expired:
            inbox.ingest()
            leases.end(expired)
        return bool(expired)

    def _start_renewing(self) -> None:
        if self._stop is not None:
            return
        self._stop = stop = threading.Event()
        _active_batches.add(self.batch)

        def renew() -> None:
            while not stop.wait(RENEW_SECONDS):
                with suppress(StoreError):  # retried; `filter_claimed` raises it otherwise
                    self._renew()

        start_thread("fmnb-lease", renew)

    def _renew(self) -> None:
        if not leases.renew(self.batch):
            self._claimed.clear()
        self._mark_renewed()

    def _mark_renewed(self) -> None:
        self._renewed = (time.monotonic(), time.time())


class LeaseMonitor:
    """Watches leases of other batches, and tells which have expired."""

    def __init__(self) -> None:
        self._beats: dict[str, tuple[int, float, float]] = {}  # batch -> its heartbeat, seconds without change, time of the last check

    def expired(self, leases_: Sequence[Lease]) -> list[Lease]:
        """The leases whose process is dead, or that were not renewed for long."""
        return [lease for lease in leases_ if self._is_expired(lease)]

    def _is_expired(self, lease: Lease) -> bool:
        mine = this_process()
        if lease.process.machine == mine.machine and lease.process.pid == mine.pid and lease.process.born == mine.born:
            if lease.batch not in _active_batches:
                return True
        elif is_alive(lease.process) is False:
            return True
        now = time.monotonic()
        beat, stood, looked = self._beats.get(lease.batch, (lease.beat, 0.0, now))
        stood = stood + min(now - looked, _MAX_STEP) if beat == lease.beat else 0.0
        self._beats[lease.batch] = (lease.beat, stood, now)
        return stood > LEASE_SECONDS
