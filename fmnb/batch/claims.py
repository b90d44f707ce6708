"""The rows that one batch has claimed while it asks them, and those that other kernels have.

caller's thread: claim ─► calls are made ─► the log (a row that is filed is claimed no longer)
a thread:        the lease is renewed every few seconds
loop:            `still`, before a call is made: after a stop of this process another may have the row
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
from .scheduler import Item

LEASE = 30.0  # seconds after which a lease that nobody renewed is over
BEAT = 5.0  # seconds between two renewals
_STEP = 1.0  # the most that one look adds to how long a beat has stood still: nobody counts while all are suspended

_here: set[str] = set()  # batches of this process that are under way


class Claims:
    """What one batch has claimed. `visible` where the process that holds the lease is all that works for it."""

    def __init__(self, batch: str, *, visible: bool = True):
        self.batch = batch
        self._process = this_process() if visible else replace(this_process(), pid=0)
        self._held: set[str] = set()
        self._renewed = (0.0, 0.0)
        self._over: threading.Event | None = None
        self._watch = Watch()

    def sweep(self) -> None:
        """End what kernels that died have left, as far as that can be seen from here; what they had written down is filed first."""
        self._end(leases.active_leases())

    def claim(self, items: Sequence[Item]) -> list[Item]:
        """Those of these calls that this batch may make; the others are another's, or were answered meanwhile."""
        wanted = {i.key: i.seen for i in items if i.shared}
        if not wanted:
            return list(items)
        self._begin()
        granted, new = leases.claim(self.batch, self._process, wanted)
        if new:
            self._held.clear()
        self._fresh()
        self._held |= granted
        return [i for i in items if not i.shared or i.key in granted]

    def still(self, items: Sequence[Item]) -> list[Item]:
        """On the loop: those of these calls that are this batch's still."""
        monotonic, clock = self._renewed
        if (
            max(time.monotonic() - monotonic, time.time() - clock) > LEASE / 2
        ):  # a clock that stands still while suspended, and one that jumps
            self._renew()
        return [i for i in items if not i.shared or i.key in self._held]

    def free(self, keys: Sequence[str]) -> list[str]:
        """Those of these keys that no other batch has claimed any more. What batches left that are over is filed first."""
        owners = leases.owners(keys, self.batch)
        others = set(owners.values())
        if others and self._end([lease for lease in leases.active_leases() if lease.batch in others]):
            owners = leases.owners(keys, self.batch)
        return [k for k in keys if k not in owners]

    def filed(self, keys: Sequence[str]) -> None:
        """These are in the log, where everybody sees them."""
        self._held.difference_update(keys)

    def release(self, keys: Sequence[str]) -> None:
        """Others may ask these."""
        mine = [k for k in keys if k in self._held]
        self._held.difference_update(mine)
        if mine:
            leases.release(self.batch, mine)

    def end(self) -> None:
        """The batch is over: others may ask what it has not asked."""
        _here.discard(self.batch)
        if self._over is not None and not self._over.is_set():
            self._over.set()
            self._held.clear()
            with suppress(StoreError):  # a full disk: the lease stands still, and ends so
                leases.release(self.batch)

    def _end(self, held: Sequence[Lease]) -> bool:
        """End those of these leases that are over; whether there were any."""
        over = self._watch.over(held)
        if over:
            inbox.ingest()
            leases.end(over)
        return bool(over)

    def _begin(self) -> None:
        if self._over is not None:
            return
        self._over = over = threading.Event()
        _here.add(self.batch)

        def renew() -> None:
            while not over.wait(BEAT):
                with suppress(StoreError):  # the next time, or `still` says so
                    self._renew()

        start_thread("fmnb-lease", renew)

    def _renew(self) -> None:
        if not leases.renew(self.batch):
            self._held.clear()
        self._fresh()

    def _fresh(self) -> None:
        self._renewed = (time.monotonic(), time.time())


class Watch:
    """Looks at leases of other batches now and then, and says which are over."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float, float]] = {}  # of a batch: its beat, seconds it has stood still, when that was looked at

    def over(self, held: Sequence[Lease]) -> list[Lease]:
        """Those of these leases whose process is dead, or that were not renewed for long."""
        return [lease for lease in held if self._is_over(lease)]

    def _is_over(self, lease: Lease) -> bool:
        mine = this_process()
        if lease.process.machine == mine.machine and lease.process.pid == mine.pid and lease.process.born == mine.born:
            if lease.batch not in _here:
                return True
        elif is_alive(lease.process) is False:
            return True
        now = time.monotonic()
        beat, stood, looked = self._seen.get(lease.batch, (lease.beat, 0.0, now))
        stood = stood + min(now - looked, _STEP) if beat == lease.beat else 0.0
        self._seen[lease.batch] = (lease.beat, stood, now)
        return stood > LEASE
