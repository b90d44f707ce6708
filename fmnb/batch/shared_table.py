"""What one batch asks of a table that other kernels may go over, too: calls are claimed as their turn comes, others' answers are waited for.

source ─► backlog ─ claim ─► feed ─► asked here
              ▲        └───► elsewhere ─► answered by another kernel: taken from the log
              └──────────────────┘        not asked there any more
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from ..calls.call import Target
from ..store import batches, jobs
from ..store.run_rows import Place
from .failures import stands
from .scheduler import Item

FIRST = 4  # calls of a hosted model that wait claimed in a feed, at first: what waits here no other kernel asks
_AHEAD = 256  # calls that wait here, claimed or not
_BACKLOG = 5_000  # calls of a slow model that wait while a fast one goes on
_LOOK = 0.25  # seconds between two looks at rows that other kernels ask


class Sharing:
    """The part of a job that shares rows with other kernels. Goes before what has its state."""

    jobs: frozenset[str] | None
    elsewhere: dict[str, Item]

    def _fill(self: Any, source: Iterator[list[Item]]) -> None:
        """Give the feeds more to do: rows are looked up, and claimed when their turn is near."""
        while True:
            while self.more and self.hungry():
                some = next(source, None)
                self.more = some is not None
                for item in some or ():
                    self.backlog[item.model].append(item)
                self.say()
            if not self._claim():
                break
        for m, feed in enumerate(self.feeds):
            left = self.more or self.backlog[m] or any(i.model == m for i in self.elsewhere.values())
            if not left and not feed.sealed:
                feed.put([], closed=True)

    def _claim(self: Any) -> bool:
        """Claim rows and give them to the feeds; whether some are claimed elsewhere, so that there is room for others."""
        wanted = [self.backlog[m].popleft() for m in range(len(self.feeds)) for _ in range(min(self._room(m), len(self.backlog[m])))]
        mine = self.claimed(wanted)
        for m, feed in enumerate(self.feeds):
            if some := [i for i in mine if i.model == m]:
                feed.put(some)
        return len(mine) < len(wanted)

    def claimed(self: Any, items: Sequence[Item]) -> list[Item]:
        """Those of these calls that are this batch's to make; those that another kernel makes are waited for."""
        mine = self.claims.claim(items) if items else []
        if len(mine) < len(items):
            keys = {i.key for i in mine}
            self.elsewhere |= {i.key: i for i in items if i.key not in keys}
        if not mine or self.jobs is None:
            return mine
        open_runs = jobs.open_runs()
        if open_runs != self.jobs:  # another kernel has handed rows in; it does so under claims of its own
            self.jobs = open_runs
            self.handed_in = jobs.open_keys(dict.fromkeys(base.call.request.model for base in self.rows.bases))
        there = [i for i in mine if i.key in self.handed_in and i.call.use_cache]
        self.claims.release([i.key for i in there])
        for item in there:
            del self.pending[item.key]
            for place in item.places:
                self.left_out(place)
        return [i for i in mine if i.key in self.pending] if there else mine

    def _room(self: Any, m: int) -> int:
        """How many more calls a feed wants: few of a model that is slow, for other kernels may ask them too."""
        feed = self.feeds[m]
        if not counted(self.rows.bases[m].call.target):
            return len(self.backlog[m])  # an engine takes many rows together
        if feed.left <= 0 and feed.taken > self.taken[m]:  # it ran dry: more at a time
            self.ahead[m] = min(2 * self.ahead[m], _AHEAD)
        self.taken[m] = feed.taken
        most = max(self.ahead[m], 4 * feed.limit())
        return most - feed.left if feed.left <= most * 3 // 4 else 0

    def hungry(self: Any) -> bool:
        """Whether more rows should be looked at."""
        lengths = [f.left + len(b) for m, (f, b) in enumerate(zip(self.feeds, self.backlog, strict=True)) if m not in self.gone]
        return bool(lengths) and min(lengths) < _AHEAD and max(lengths) < _BACKLOG

    # ── what other kernels ask

    def _look_elsewhere(self: Any) -> None:
        """Take what other kernels have answered; what they do not ask any more is asked here."""
        began = time.monotonic()
        if not self.elsewhere or began < self.look_at:
            return
        known = batches.last_answers(list(self.elsewhere))
        if self.detailed:
            batches.add_details(known.values())
        places: list[tuple[Place, str]] = []
        for key, found in known.items():
            item = self.elsewhere[key]
            if not stands(found, item.call, self.limits.retry_errors and found["run"] == item.seen):
                continue
            del self.elsewhere[key], self.pending[key]
            for place in item.places:
                self.answered(place, found, reused=True, first=False)
                places.append((place, found["run"]))
            self.tally.elsewhere += len(item.places)
        if places:
            self.keeper.write([], places)
        for key in reversed(self.claims.free(list(self.elsewhere))):
            item = self.elsewhere.pop(key)
            item.seen = known[key]["run"] if key in known else ""
            self.backlog[item.model].appendleft(item)
        now = time.monotonic()
        self.look_at = now + max(_LOOK, 10 * (now - began))

    def _meanwhile(self: Any, found: dict[str, Any]) -> bool:
        """Whether another kernel got this answer while this batch was under way: its table has what it cost."""
        return bool(found["parent"] != self.stamp.run and found["ended"] >= self.began_at)


def counted(target: Target) -> bool:
    """Whether calls at once are something that is found out: what an engine has in hand is its own matter."""
    return not target.local or getattr(target, "profile", None) is not None
