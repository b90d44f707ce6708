"""The scheduler: continuous batching on our own network, with a shared prefix.

The prefill of the shared prefix runs once. Each row has a slot; every forward pass advances all
rows, in prefill of their tails or in decode. When a row finishes, its slot goes to the next one.
The longest rows go first, so that neighbors have similar lengths. Sampling, schema and stop strings
are separate for each row, so its answer does not depend on its neighbors.

The number of slots depends on the free memory. If memory runs out anyway, half as many rows
continue, and their generated tokens are kept.
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

MOST = {"cpu": 64, "cuda": 256, "mps": 64}  # slots: with more, the time of a pass grows in proportion
_SHARE = 0.5  # of the memory that is free
PASS = {"cpu": 1024, "cuda": 8192, "mps": 1024}  # tokens of one pass


def common_prefix(prompts: Sequence[list[int]]) -> int:
    """The length of the common prefix in tokens; at most that of the shortest prompt minus one.

    >>> common_prefix([[1, 2, 3, 4], [1, 2, 5]]), common_prefix([[1, 2], [1, 2]])
    (2, 1)
    """
    low, high = min(prompts), max(prompts)  # the common prefix of these two is common to all
    most = min(len(p) for p in prompts) - 1
    return next((i for i in range(most) if low[i] != high[i]), most)


def opened(model: TorchModel, prompts: Sequence[list[int]], stopped: Callable[[], bool]) -> tuple[Rows, int, int] | None:
    """Prefill of the shared prefix: returns empty rows, its length, and its cached tokens.

    None if stopped.
    """
    shared = common_prefix(prompts)
    cached = 0
    if shared:
        logits, cached = model.read(prompts[0][:shared], stopped, True, lambda done: None)
        if logits is None:
            return None
    return Rows(model.net.model, model.net.cache, shared, dense=len(prompts) >= MANY), shared, cached


def slots(rows: Rows, device: str, longest: int) -> int:
    """The number of slots for rows with up to `longest` tail tokens."""
    max_slots = MOST[device]
    free = host.available_memory() if device == "cpu" else _free_on(device)
    return max_slots if free is None else max(1, min(max_slots, int(free * _SHARE) // max(1, longest * rows.width)))


def _free_on(device: str) -> int | None:
    import torch

    return int(torch.cuda.mem_get_info()[0]) if device == "cuda" else None


def generated(model: TorchModel, waiting: Sequence[Row], stopped: Callable[[], bool]) -> Iterator[tuple[Row, Answered | FmnbError]]:
    """Answer all rows; yields each row when it finishes. Ends early if stopped."""
    queue = deque(sorted(waiting, key=lambda r: -len(r.ids)))
    start = opened(model, [r.ids for r in queue], stopped)
    if start is None:
        return
    rows, shared, cached = start
    device = model.form.device
    for i, row in enumerate(queue):
        row.unread = row.ids[shared:]
        row.known = shared if i else cached
    batch_size = slots(rows, device, max(len(r.ids) - shared + r.limit for r in queue))
    active: list[Row] = []
    while queue or active:
        if stopped():
            return
        _admit(queue, active, batch_size, PASS[device])
        spans, advanced = _spans(active, PASS[device])
        try:
            logits = rows.logits(rows.forward(spans, stopped)[lasts(spans)])
        except Stopped:
            return
        except (MemoryError, RuntimeError) as e:
            if not is_memory(e):
                raise
            rows.clear()
            if batch_size == 1:
                yield (
                    active.pop(),
                    InsufficientMemoryError("Memory ran out", detail=str(e)[:200], hint="`%fm unload`, or shorten the prompt."),
                )
            batch_size = max(1, len(active) // 2)
            for row in active:
                row.unread = row.ids[shared:] + row.made
            queue.extendleft(reversed(active))
            active.clear()
            continue
        likeliest = logits.argmax(-1).tolist()
        for slot, (row, count) in enumerate(advanced):
            row.unread = row.unread[count:]
            if not row.unread:
                take(model, row, logits[slot], likeliest[slot])
        for slot in reversed(range(len(active))):
            if active[slot].reason:
                row, active[slot] = active[slot], active[-1]
                active.pop()
                rows.drop(slot)
                yield row, answered(model, row)


def _admit(queue: deque[Row], active: list[Row], batch_size: int, tokens: int) -> None:
    """Assign free slots to waiting rows, as long as their prefill fits into the pass."""
    remaining = tokens - sum(len(r.unread) for r in active)
    while queue and len(active) < batch_size and remaining > 0:
        row = queue.popleft()
        remaining -= len(row.unread)
        begin(row)
        active.append(row)


def _spans(active: list[Row], tokens: int) -> tuple[list[Span], list[tuple[Row, int]]]:
    """The spans of a pass over all active rows, and the tokens of each.

    Neighbors with similar counts share a span.
    """
    remaining = tokens
    counts = []
    for row in active:
        count = max(1, min(len(row.unread), remaining))
        remaining -= count
        counts.append(count)
    spans: list[Span] = []
    first = 0
    for i in range(1, len(active) + 1):
        if i == len(active) or (counts[i] > 1) != (counts[first] > 1):
            spans.append(Span(first, [r.unread[:n] for r, n in zip(active[first:i], counts[first:i], strict=True)]))
            first = i
    return spans, list(zip(active, counts, strict=True))
