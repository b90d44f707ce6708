"""The KV cache of many rows in the Llama network: a shared prefix, and a tail for each row.

The prefix is in the model's ordinary cache and is never copied: the queries of all rows attend to
it as one long query, each row attends to its own tail, and the two parts are merged by their
log-sum-exp. Positions are separate per row, without padding between prefix and tail, so a row gets
the same numbers as alone, up to the order of sums.

Rows are in slots 0, 1, 2, ... without gaps. Independent of requests and text.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import host
from .attention import TailAttention, attend_to_prefix, merge_attention, prefix_mask
from .llama import KVCache, Llama, Stopped

if TYPE_CHECKING:
    from torch import Tensor

_GROWTH = 32  # places by which a row's cache grows


@dataclass(frozen=True, slots=True)
class Span:
    """Adjacent slots from `first` on, and their tokens in this pass.

    A slot after the last one is a new row. With `parents`, the last tokens of each row form a tree:
    the parent of each among them, -1 for the token before the tree. Such a row ends with this pass.
    """

    first: int
    tokens: Sequence[Sequence[int]]
    parents: tuple[int, ...] = ()


class BatchKVCache:
    """Rows after the first `prefix` tokens in `cache`, with their own keys and values."""

    def __init__(self, model: Llama, cache: KVCache, prefix: int, dense: bool):
        """`dense` uses the weights for many rows.

        It is fixed, so that a row does not depend on its neighbors.
        """
        self._model, self._cache, self._prefix, self._dense = model, cache, prefix, dense
        self._kv: Tensor | None = None  # [layers, slots, places, 2 × groups, head]
        self.lengths: list[int] = []  # number of tail tokens in each slot

    @property
    def bytes_per_token(self) -> int:
        """Bytes per token of a row."""
        s = self._model.config
        return 2 * s.num_layers * s.num_kv_heads * s.head_dim * self._model.dtype.itemsize

    def free_slot(self, slot: int) -> None:
        """Free a slot; the last row moves into it."""
        last = len(self.lengths) - 1
        if slot != last and self._kv is not None:
            n = self.lengths[last]
            self._kv[:, slot, :n] = self._kv[:, last, :n]
            self.lengths[slot] = n
        self.lengths.pop()

    def reset(self) -> None:
        """Remove all rows but keep their memory for the next ones."""
        self.lengths.clear()

    def clear(self) -> None:
        """Remove all rows and free their memory."""
        self._kv = None
        self.lengths.clear()

    def forward(self, spans: Sequence[Span], stopped: Callable[[], bool]) -> Tensor:
        """Process the tokens of the spans; returns the output of the last layer, [tokens, width].

        Raises Stopped between two layers, and MemoryError before it allocates memory that is not
        available; then the rows are lost.
        """
        import torch

        model, s = self._model, self._model.config
        fold = s.num_heads // s.num_kv_heads
        owns = []
        for span in spans:
            end = span.first + len(span.tokens)
            self.lengths += [0] * (end - len(self.lengths))
            new = [len(t) for t in span.tokens]
            owns.append(TailAttention(self.lengths[span.first : end], new, span.parents, s.sliding_window, fold, model.dtype, model.device))
        kv = self._ensure_capacity(max(own.places for own in owns))
        counts = [own.count for own in owns]
        ids = list(itertools.chain.from_iterable(itertools.chain.from_iterable(span.tokens for span in spans)))
        positions = torch.cat([own.depths for own in owns]).to(model.device) + self._prefix
        kinds = (False, True) if s.sliding_window else (False,)
        angles = [model.rope_angles(positions, local) for local in kinds]
        masks = [prefix_mask(positions, self._prefix, s.sliding_window if local else 0, model.dtype) for local in kinds]
        slots = torch.cat([own.row + span.first for own, span in zip(owns, spans, strict=True)])
        places = torch.cat([own.place for own in owns])
        h = model.embed(ids)
        for i, layer in enumerate(model.layers):
            if stopped():
                raise Stopped
            local = bool(s.sliding_window and s.local_layers[i])
            z = model.project_qkv(layer, h, *angles[local], self._dense)
            kv[i].index_put_((slots, places), z[:, s.num_heads :])
            q = z[:, : s.num_heads].view(len(ids), s.num_kv_heads, fold, s.head_dim)
            parts = [
                own.attend(part, kv[i, span.first : span.first + len(span.tokens)], local, s.attention_scale)
                for own, span, part in zip(owns, spans, torch.split(q, counts), strict=True)
            ]
            tail_attention = parts[0] if len(parts) == 1 else (torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts]))
            if self._prefix:
                a = merge_attention(tail_attention, attend_to_prefix(q, self._cache.kv[i, : self._prefix], masks[local], s.attention_scale))
            else:
                a = tail_attention[0]
            model.finish_layer(layer, h, a.reshape(len(ids), -1), self._dense)
        for span in spans:
            for slot, tokens in enumerate(span.tokens, span.first):
                self.lengths[slot] += len(tokens)
        return h

    def logits(self, h: Tensor) -> Tensor:
        """Logits, [tokens, vocabulary], from the output of `forward`."""
        return self._model.logits(h, self._dense)

    def _ensure_capacity(self, places: int) -> Tensor:
        """Keys and values with room for all slots and `places` places."""
        import torch

        kv, s, slots = self._kv, self._model.config, len(self.lengths)
        if kv is None or kv.shape[1] < slots or kv.shape[2] < places:
            had = (0, 0) if kv is None else (kv.shape[1], kv.shape[2])
            slots, places = max(slots, had[0]), max(-(-places // _GROWTH) * _GROWTH, had[1])
            have = host.available_memory() if self._model.device == "cpu" else None
            if have is not None and slots * places * self.bytes_per_token > have:
                raise MemoryError("more rows than memory holds")
            # zeros, since masked places are multiplied by weight zero
            new = torch.zeros(
                s.num_layers, slots, places, 2 * s.num_kv_heads, s.head_dim, dtype=self._model.dtype, device=self._model.device
            )
            if kv is not None:
                new[:, : had[0], : had[1]] = kv
            self._kv = kv = new
        return kv


def last_positions(spans: Sequence[Span]) -> Tensor:
    """The index of each row's last token among all tokens of a pass."""
    import torch

    return torch.tensor([len(t) for span in spans for t in span.tokens]).cumsum(0) - 1
