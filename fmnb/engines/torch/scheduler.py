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
from .kv_cache import BatchKVCache, Span, last_positions
from .linear import MIN_DENSE_ROWS
from .llama import Stopped
from .model import TorchModel, is_oom
from .sequence import SequenceResult, SequenceState, append_token, finish, mark_started

MAX_SLOTS = {"cpu": 64, "cuda": 256, "mps": 64}  # slots: with more, the time of a pass grows in proportion
_MEMORY_SHARE = 0.5  # of the memory that is free
MAX_BATCHED_TOKENS = {"cpu": 1024, "cuda": 8192, "mps": 1024}  # tokens of one pass


def common_prefix(prompts: Sequence[list[int]]) -> int:
    """The length of the common prefix in tokens; at most that of the shortest prompt minus one.

    >>> common_prefix([[1, 2, 3, 4], [1, 2, 5]]), common_prefix([[1, 2], [1, 2]])
    (2, 1)
    """
    low, high = min(prompts), max(prompts)  # the common prefix of these two is common to all
    most = min(len(p) for p in prompts) - 1
    return next((i for i in range(most) if low[i] != high[i]), most)


def prefill_shared(model: TorchModel, prompts: Sequence[list[int]], stopped: Callable[[], bool]) -> tuple[BatchKVCache, int, int] | None:
    """Prefill of the shared prefix: returns empty rows, its length, and its cached tokens.

    None if stopped.
    """
    shared = common_prefix(prompts)
    cached = 0
    if shared:
        logits, cached = model.prefill(prompts[0][:shared], stopped, True, lambda done: None)
        if logits is None:
            return None
    return BatchKVCache(model.net.model, model.net.cache, shared, dense=len(prompts) >= MIN_DENSE_ROWS), shared, cached


def slots(rows: BatchKVCache, device: str, longest: int) -> int:
    """The number of slots for rows with up to `longest` tail tokens."""
    max_slots = MAX_SLOTS[device]
    free = host.available_memory() if device == "cpu" else _free_memory(device)
    return max_slots if free is None else max(1, min(max_slots, int(free * _MEMORY_SHARE) // max(1, longest * rows.bytes_per_token)))


def _free_memory(device: str) -> int | None:
    import torch

    return int(torch.cuda.mem_get_info()[0]) if device == "cuda" else None


def generate(
    model: TorchModel, waiting: Sequence[SequenceState], stopped: Callable[[], bool]
) -> Iterator[tuple[SequenceState, SequenceResult | FmnbError]]:
    """Answer all rows; yields each row when it finishes. Ends early if stopped."""
    queue = deque(sorted(waiting, key=lambda r: -len(r.prompt_ids)))
    start = prefill_shared(model, [r.prompt_ids for r in queue], stopped)
    if start is None:
        return
    rows, shared, cached = start
    device = model.precision.device
    for i, row in enumerate(queue):
        row.pending = row.prompt_ids[shared:]
        row.cached_tokens = shared if i else cached
    batch_size = slots(rows, device, max(len(r.prompt_ids) - shared + r.max_tokens for r in queue))
    active: list[SequenceState] = []
    while queue or active:
        if stopped():
            return
        _admit(queue, active, batch_size, MAX_BATCHED_TOKENS[device])
        spans, advanced = _spans(active, MAX_BATCHED_TOKENS[device])
        try:
            logits = rows.logits(rows.forward(spans, stopped)[last_positions(spans)])
        except Stopped:
            return
        except (MemoryError, RuntimeError) as e:
            if not is_oom(e):
                raise
            rows.clear()
            if batch_size == 1:
                yield (
                    active.pop(),
                    InsufficientMemoryError("Out of memory", detail=str(e)[:200], hint="`%fm unload`, or shorten the prompt."),
                )
            batch_size = max(1, len(active) // 2)
            for row in active:
                row.pending = row.prompt_ids[shared:] + row.output_ids
            queue.extendleft(reversed(active))
            active.clear()
            continue
        likeliest = logits.argmax(-1).tolist()
        for slot, (row, count) in enumerate(advanced):
            row.pending = row.pending[count:]
            if not row.pending:
                append_token(model, row, logits[slot], likeliest[slot])
        for slot in reversed(range(len(active))):
            if active[slot].finish_reason:
                row, active[slot] = active[slot], active[-1]
                active.pop()
                rows.free_slot(slot)
                yield row, finish(model, row)


def _admit(queue: deque[SequenceState], active: list[SequenceState], batch_size: int, tokens: int) -> None:
    """Assign free slots to waiting rows, as long as their prefill fits into the pass."""
    remaining = tokens - sum(len(r.pending) for r in active)
    while queue and len(active) < batch_size and remaining > 0:
        row = queue.popleft()
        remaining -= len(row.pending)
        mark_started(row)
        active.append(row)


def _spans(active: list[SequenceState], tokens: int) -> tuple[list[Span], list[tuple[SequenceState, int]]]:
    """The spans of a pass over all active rows, and the tokens of each.

    Neighbors with similar counts share a span.
    """
    remaining = tokens
    counts = []
    for row in active:
        count = max(1, min(len(row.pending), remaining))
        remaining -= count
        counts.append(count)
    spans: list[Span] = []
    first = 0
    for i in range(1, len(active) + 1):
        if i == len(active) or (counts[i] > 1) != (counts[first] > 1):
            spans.append(Span(first, [r.pending[:n] for r, n in zip(active[first:i], counts[first:i], strict=True)]))
            first = i
    return spans, list(zip(active, counts, strict=True))
