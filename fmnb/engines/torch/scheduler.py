"""Many answers at once on our own network: continuous batching behind a shared prefix.

What all prompts begin with is read once. Each row then has a slot; every pass moves all rows
on, those that read their tail together with those that write. A row that is done leaves its
slot to the next one, the longest rows go first, so that neighbours are alike. A row's choices
are its own (sampling, schema, stop texts), so its answer does not depend on its neighbours.

How many slots there are follows from the memory that is free. When it runs out all the same,
half as many go on, and what rows have written so far is kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from ...core.errors import FmnbError, InsufficientMemoryError
from .. import host
from .kv_cache import Rows, Span, lasts
from .linear import MANY
from .llama import Stopped
from .model import TorchModel, is_memory
from .sequence import Answered, Row, answered, begin, take

MOST = {"cpu": 64, "cuda": 256, "mps": 64}  # slots: beyond, a pass takes longer by as much as it does more
_SHARE = 0.5  # of the memory that is free
PASS = {"cpu": 1024, "cuda": 8192, "mps": 1024}  # tokens of one pass


def common_prefix(prompts: Sequence[list[int]]) -> int:
    """How many tokens all prompts begin with; one less than the shortest has, as each row reads at least one.

    >>> common_prefix([[1, 2, 3, 4], [1, 2, 5]]), common_prefix([[1, 2], [1, 2]])
    (2, 1)
    """
    low, high = min(prompts), max(prompts)  # what these two share, all between them share
    most = min(len(p) for p in prompts) - 1
    return next((i for i in range(most) if low[i] != high[i]), most)


def opened(model: TorchModel, prompts: Sequence[list[int]], stopped: Callable[[], bool]) -> tuple[Rows, int, int] | None:
    """Read what the prompts share: empty slots behind it, its length, and how much of it was known. None when stopped."""
    shared = common_prefix(prompts)
    known = 0
    if shared:
        logits, known = model.read(prompts[0][:shared], stopped, True, lambda done: None)
        if logits is None:
            return None
    return Rows(model.net.model, model.net.cache, shared, dense=len(prompts) >= MANY), shared, known


def slots(rows: Rows, device: str, longest: int) -> int:
    """How many rows of so many own tokens go on at once."""
    most = MOST[device]
    free = host.available_memory() if device == "cpu" else _free_on(device)
    return most if free is None else max(1, min(most, int(free * _SHARE) // max(1, longest * rows.width)))


def _free_on(device: str) -> int | None:
    import torch

    return int(torch.cuda.mem_get_info()[0]) if device == "cuda" else None


def generated(model: TorchModel, waiting: Sequence[Row], stopped: Callable[[], bool]) -> Iterator[tuple[Row, Answered | FmnbError]]:
    """Answer all rows; each is given when it is done. Ends early when stopped."""
    queue = deque(sorted(waiting, key=lambda r: -len(r.ids)))
    start = opened(model, [r.ids for r in queue], stopped)
    if start is None:
        return
    rows, shared, known = start
    device = model.form.device
    for i, row in enumerate(queue):
        row.unread = row.ids[shared:]
        row.known = shared if i else known
    wide = slots(rows, device, max(len(r.ids) - shared + r.limit for r in queue))
    active: list[Row] = []
    while queue or active:
        if stopped():
            return
        _admit(queue, active, wide, PASS[device])
        spans, moved = _spans(active, PASS[device])
        try:
            logits = rows.logits(rows.forward(spans, stopped)[lasts(spans)])
        except Stopped:
            return
        except (MemoryError, RuntimeError) as e:
            if not is_memory(e):
                raise
            rows.clear()
            if wide == 1:
                yield (
                    active.pop(),
                    InsufficientMemoryError("Memory ran out", detail=str(e)[:200], hint="`%fm unload`, or shorten the prompt."),
                )
            wide = max(1, len(active) // 2)
            for row in active:
                row.unread = row.ids[shared:] + row.made
            queue.extendleft(reversed(active))
            active.clear()
            continue
        likeliest = logits.argmax(-1).tolist()
        for slot, (row, count) in enumerate(moved):
            row.unread = row.unread[count:]
            if not row.unread:
                take(model, row, logits[slot], likeliest[slot])
        for slot in reversed(range(len(active))):
            if active[slot].reason:
                row, active[slot] = active[slot], active[-1]
                active.pop()
                rows.drop(slot)
                yield row, answered(model, row)


def _admit(queue: deque[Row], active: list[Row], wide: int, tokens: int) -> None:
    """Give free slots to rows that wait, as long as there is room in the pass for what they read."""
    left = tokens - sum(len(r.unread) for r in active)
    while queue and len(active) < wide and left > 0:
        row = queue.popleft()
        left -= len(row.unread)
        begin(row)
        active.append(row)


def _spans(active: list[Row], tokens: int) -> tuple[list[Span], list[tuple[Row, int]]]:
    """The pass over all active rows, and how many tokens of each it reads; neighbours that read about as much stand together."""
    left = tokens
    counts = []
    for row in active:
        count = max(1, min(len(row.unread), left))
        left -= count
        counts.append(count)
    spans: list[Span] = []
    first = 0
    for i in range(1, len(active) + 1):
        if i == len(active) or (counts[i] > 1) != (counts[first] > 1):
            spans.append(Span(first, [r.unread[:n] for r, n in zip(active[first:i], counts[first:i], strict=True)]))
            first = i
    return spans, list(zip(active, counts, strict=True))
