"""Padded batches on `transformers`: prompts of similar length go through `generate` together.

The library handles the positions of padded rows for each family; the tokens are chosen by our
sampler, so sampling, schemas, stop strings and stopping work as for a single answer. Supports
encoder-decoder models too. Batches shrink if memory runs out.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import FmnbError, InsufficientMemoryError
from ...core.optional import require
from .. import host
from .llama import Stopped
from .model import TorchModel, is_oom
from .precision import estimate_memory
from .seq2seq_model import Seq2SeqModel
from .sequence import SequenceResult, SequenceState, append_token, finish, mark_started, prepare
from .transformers_model import interruptible

if TYPE_CHECKING:
    from torch import Tensor

MAX_BATCH_SIZE = 16  # rows: with more, padding costs more than batching saves
_MEMORY_SHARE = 0.5  # of the memory that is free


def generate(
    model: TorchModel, path: Path, waiting: Sequence[SequenceState], stopped: Callable[[], bool]
) -> Iterator[tuple[SequenceState, SequenceResult | FmnbError]]:
    """Answer all rows; yields each row after its batch. Ends early if stopped."""
    queue = deque(sorted(waiting, key=lambda r: -len(r.prompt_ids)))
    batch_size = _batch_size(model, path, max(len(r.prompt_ids) + r.max_tokens for r in queue))
    while queue:
        batch = [queue.popleft() for _ in range(min(batch_size, len(queue)))]
        try:
            _generate_batch(model, batch, stopped)
        except Stopped:
            return
        except (MemoryError, RuntimeError) as e:
            if not is_oom(e):
                raise
            if len(batch) == 1:
                error = InsufficientMemoryError("Out of memory", detail=str(e)[:200], hint="`%fm unload`, or shorten the prompt.")
                yield batch[0], error
                continue
            batch_size = len(batch) // 2
            queue.extendleft(prepare(model, r.number, r.request, r.variables) for r in reversed(batch))
            continue
        if stopped():
            return
        for row in batch:
            yield row, finish(model, row)


def _batch_size(model: TorchModel, path: Path, tokens: int) -> int:
    """The batch size for rows of `tokens` tokens."""
    one = estimate_memory(path, model.precision, tokens) - estimate_memory(path, model.precision, 0)
    free = host.available_memory() if model.precision.device == "cpu" else None
    return MAX_BATCH_SIZE if free is None else max(1, min(MAX_BATCH_SIZE, int(free * _MEMORY_SHARE) // max(1, one)))


def _generate_batch(model: TorchModel, batch: list[SequenceState], stopped: Callable[[], bool]) -> None:
    """Generate the answers of a batch and store them in its rows."""
    import torch

    library = require("transformers", "torch", "to run models from a folder")
    net = model.net
    inner = net.inner
    is_seq2seq = isinstance(net, Seq2SeqModel)
    longest = max(len(r.prompt_ids) for r in batch)
    ids = torch.zeros(len(batch), longest, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(batch):
        mark_started(row)
        where = (
            slice(0, len(row.prompt_ids)) if is_seq2seq else slice(longest - len(row.prompt_ids), longest)
        )  # an encoder is padded on the right
        ids[i, where], mask[i, where] = torch.tensor(row.prompt_ids), 1

    def choose(_: Tensor, scores: Tensor) -> Tensor:
        if stopped():
            raise Stopped
        forced = torch.full_like(scores, -math.inf)
        for i, row in enumerate(batch):
            if not row.finish_reason:
                logits = scores[i].float()
                if is_seq2seq:
                    logits = net.mask_forbidden(logits, first=not row.output_ids)
                append_token(model, row, logits, int(logits.argmax()))
            forced[i, row.output_ids[-1]] = 0
        return forced

    def done(_: Tensor, scores: Any, **more: Any) -> Tensor:
        return torch.tensor([bool(row.finish_reason) for row in batch], device=ids.device)

    more = {"decoder_start_token_id": net.start} if is_seq2seq else {}
    own, inner.generation_config = inner.generation_config, library.GenerationConfig()  # the folder's config may set beams or penalties
    try:
        with interruptible(inner, stopped):
            inner.generate(
                input_ids=ids.to(model.precision.device),
                attention_mask=mask.to(model.precision.device),
                generation_config=library.GenerationConfig(
                    max_new_tokens=max(r.max_tokens for r in batch), do_sample=False, num_beams=1, pad_token_id=0, **more
                ),
                logits_processor=library.LogitsProcessorList([choose]),
                stopping_criteria=library.StoppingCriteriaList([done]),
            )
    finally:
        inner.generation_config = own
