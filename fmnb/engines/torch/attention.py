"""Attention in two parts: of rows of different lengths to themselves, and to a shared prefix.

Each part comes with the log-sum-exp of its scores, which suffices to merge two parts. Queries are
[tokens, groups, fold, head]: heads that share keys are folded together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

PartialAttention = tuple["Tensor", "Tensor"]  # the output of attention, and the log-sum-exp of its scores


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float | None) -> PartialAttention:
    """Attention [n, heads, queries, head] and its log-sum-exp [n, heads, queries].

    `mask` is added to the scores.
    """
    import torch

    if q.device.type == "cpu":
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, attn_mask=mask, scale=scale)  # type: ignore[return-value]
    scores = (q @ k.transpose(-1, -2)).float() * (q.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None:
        scores = scores + mask
    weight = scores.logsumexp(-1)
    return (scores - weight[..., None]).exp().to(v.dtype) @ v, weight


def merge_attention(a: PartialAttention, b: PartialAttention) -> Tensor:
    """Merge the attention to two sets of keys."""
    share = (a[1] - b[1]).sigmoid()[..., None]
    return (b[0].float().lerp(a[0].float(), share)).to(a[0].dtype)


def attend_to_prefix(q: Tensor, kv: Tensor, mask: Tensor | None, scale: float | None) -> PartialAttention:
    """Attention of all tokens, as one long query, to shared keys and values [places, 2 × groups, head].

    `mask` is [tokens, places]. A token that sees no place gets weight zero.
    """
    n, groups, fold, size = q.shape
    q = q.transpose(0, 1).reshape(1, groups, n * fold, size)
    kv = kv.unsqueeze(0).transpose(1, 2)
    mask_per_query = None if mask is None else mask.repeat_interleave(fold, 0)
    out, weight = attention(q, kv[:, :groups], kv[:, groups:], mask_per_query, scale)
    out = out.view(groups, n, fold, size).transpose(0, 1)
    weight = weight.view(groups, n, fold).transpose(0, 1)
    if mask is not None:
        nothing = (mask == -math.inf).all(1)
        out = out.masked_fill(nothing[:, None, None, None], 0)
        weight = weight.masked_fill(nothing[:, None, None], -math.inf)
    return out, weight


def prefix_mask(positions: Tensor, places: int, window: int, dtype: Any) -> Tensor | None:
    """The sliding-window mask for shared places and tokens at `positions`; None if all are visible."""
    import torch

    if not window or int(positions.max()) < window:
        return None
    hidden = torch.arange(places, device=positions.device) <= (positions - window)[:, None]
    return torch.zeros(hidden.shape, dtype=dtype, device=positions.device).masked_fill_(hidden, -math.inf)


class TailAttention:
    """Attention of sequences to their own tails in one forward pass: positions of new tokens, masks.

    `before` are the numbers of tokens in each row's cache, `new` the numbers of new tokens. The last
    tokens of each row may form a tree: `parents` are their parents among them, -1 for the token
    before the tree. `window` is the window of local layers, 0 for no limit. `count` is the number of
    new tokens in all rows, `place` the position of each in its row's cache, `depths` its distance
    from the start of the row, `last_tokens` the last new token of each row.
    """

    def __init__(self, before: Sequence[int], new: Sequence[int], parents: Sequence[int], window: int, fold: int, dtype: Any, device: str):
        import torch

        cached, sizes = torch.tensor(before), torch.tensor(new)
        ends = sizes.cumsum(0)
        self.count, self._longest = int(ends[-1]), int(sizes.max())
        self.places = int((cached + sizes).max())
        self.last_tokens = (ends - 1).to(device)
        row = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
        step = torch.arange(self.count) - (ends - sizes)[row]
        place = cached[row] + step
        keys = torch.arange(self.places)
        visible, depth = keys <= place[:, None], place
        if parents:
            root = (cached + sizes - len(parents))[row]  # the start of the tree
            node, key = place - root, keys - root[:, None]
            lineage, deep = _tree(parents)
            inside = (node >= 0)[:, None] & (key >= 0) & (key < len(parents))
            related = lineage[node.clamp(min=0)[:, None], key.clamp(0, len(parents) - 1)]
            visible = torch.where(inside, related, visible)
            depth = torch.where(node >= 0, root + deep[node.clamp(min=0)], place)
        self.depths = depth
        self._rows, self._fold = len(sizes), fold
        self._at = None if self._longest == 1 else (row, step)
        self._masks = [self._mask(visible, dtype, device)]
        if window and int(depth.max()) >= window:
            near = torch.zeros(len(sizes), self.places, dtype=torch.int64)
            near[:] = keys
            near[row, place] = depth
            visible = visible & (near[row] > (depth - window)[:, None])
            self._masks.append(self._mask(visible, dtype, device))
        self.row, self.place = row.to(device), place.to(device)
        if self._at is not None:
            self._at = (row.to(device), step.to(device))

    def _mask(self, visible: Tensor, dtype: Any, device: str) -> Tensor | None:
        """0 where a token sees a place, [rows, 1, longest × fold, places]; None if all are visible."""
        import torch

        if self._at is None and bool(visible.all()):
            return None
        mask = torch.zeros(self._rows, self._longest, self.places, dtype=dtype)
        values = torch.zeros(visible.shape, dtype=dtype).masked_fill_(~visible, -math.inf)
        if self._at is None:
            mask[:, 0] = values
        else:
            mask[self._at] = values
        return mask.repeat_interleave(self._fold, 1).unsqueeze(1).to(device)

    def attend(self, q: Tensor, kv: Tensor, local: bool, scale: float | None) -> PartialAttention:
        """Attention of the new tokens to their rows.

        The keys and values [rows, places, 2 × groups, head] already include the new tokens.
        """
        import torch

        n, groups, fold, size = q.shape
        kv = kv[:, : self.places].transpose(1, 2)
        mask = self._masks[-1 if local else 0]
        if self._at is None:
            return attention(q, kv[:, :groups], kv[:, groups:], mask, scale)
        padded = torch.zeros(self._rows, self._longest, groups, fold, size, dtype=q.dtype, device=q.device)
        padded[self._at] = q
        padded = padded.transpose(1, 2).reshape(self._rows, groups, self._longest * fold, size)
        out, weight = attention(padded, kv[:, :groups], kv[:, groups:], mask, scale)
        row, step = self._at
        out = out.view(self._rows, groups, self._longest, fold, size).transpose(1, 2)[row, step]
        return out, weight.view(self._rows, groups, self._longest, fold).transpose(1, 2)[row, step]


def _tree(parents: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The visibility of tree nodes (each sees its ancestors and itself), and their depths."""
    import torch

    n = len(parents)
    lineage, depth = torch.eye(n, dtype=torch.bool), torch.zeros(n, dtype=torch.int64)
    for i, parent in enumerate(parents):
        if parent >= 0:
            lineage[i] |= lineage[parent]
            depth[i] = depth[parent] + 1
    return lineage, depth
