"""Weights in the fastest layouts for this machine: packed for few rows, dense for many.

A decode step reads every weight once per row, so fewer bytes are faster: 4-bit blocks stay 4-bit,
unquantized numbers are rounded to 4 bits, other blocks become 8-bit per row. Prefill has many rows
and is limited by arithmetic: it uses dense 16-bit weights, created on first use.

Torch's 4-bit CPU kernel uses blocks as in the file: it computes (q - 8) * scale + zero in groups
of 32; only the scales are rounded to 16 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..weights.gguf_tensors import FLOAT_FORMATS, GROUP, INT4_FORMATS, floats, int4_blocks

if TYPE_CHECKING:
    from torch import Tensor

MIN_DENSE_ROWS = 8  # from this number of rows on, the dense form is faster
MIN_DENSE_PROMPT = 64  # prompt tokens from which on creating it pays off
_PIECES = 8  # a 32-bit matrix times one row uses one thread; a batch of products uses all


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of a matrix as bytes in a block format, and their bias."""

    raw: Tensor
    kind: str
    bias: Tensor | None


class Linear:
    """Stacked matrices, applied to rows together. `packed` is true if there is a quantized form."""

    def __init__(self, parts: list[Matrix], dtype: Any, quant: str, device: str):
        import torch

        self._parts, self._dtype, self._device = parts, dtype, device
        self._int4: tuple[Tensor, Tensor] | None = None
        self._int8: tuple[Tensor, Tensor] | None = None
        self._dense: Tensor | None = None
        some = [p.bias for p in parts if p.bias is not None]
        self._bias = torch.cat(some) if some else None  # a family has biases for all of them or none
        packs = quant != "none" and all(is_packable(floats(p.raw[:1], p.kind).shape[1]) for p in parts)
        if packs and quant == "int4" and all(p.kind in INT4_FORMATS or p.kind in FLOAT_FORMATS for p in parts):
            self._int4 = _pack_int4_parts(parts)
        if packs and self._int4 is None:
            self._int8 = _pack_int8_parts(parts, dtype)
        self.packed = packs
        self._split: Tensor | None = None
        if not self.packed:
            rows, columns = self.dense.shape
            if dtype == torch.float32 and device == "cpu" and rows % _PIECES == 0:
                self._split = self.dense.view(_PIECES, -1, columns)
            self._parts = []

    @property
    def dense(self) -> Tensor:
        """All rows in the model's dtype, cached.

        Not cached for unquantized files, where packing would save nothing.
        """
        import torch

        if self._dense is not None:
            return self._dense
        dense = torch.cat([floats(p.raw, p.kind, self._dtype) for p in self._parts]).to(self._device)
        if not (self.packed and all(p.kind in FLOAT_FORMATS for p in self._parts)):
            self._dense = dense
        return dense

    def __call__(self, x: Tensor, dense: bool = False) -> Tensor:
        """Map rows [n, k] to [n, all rows of the matrices]; `dense` uses the dense form, for many rows."""
        import torch

        if dense or not self.packed:
            if x.shape[0] == 1 and self._split is not None:
                y = torch.bmm(self._split, x.t().expand(_PIECES, -1, 1)).view(1, -1)
                return y if self._bias is None else y.add_(self._bias)
            return torch.nn.functional.linear(x, self.dense, self._bias)
        if self._int4 is not None:
            y = torch.ops.aten._weight_int4pack_mm_for_cpu(x, self._int4[0], GROUP, self._int4[1])
        else:
            assert self._int8 is not None
            y = torch.ops.aten._weight_int8pack_mm(x, *self._int8)
        return y if self._bias is None else y.add_(self._bias)


def is_packable(columns: int) -> bool:
    """Whether the kernels support rows of that many weights; with others they read out of bounds."""
    return columns % GROUP == 0


def _pack_int4_parts(parts: list[Matrix]) -> tuple[Tensor, Tensor] | None:
    import torch

    q, scale, zero = (torch.cat(z) for z in zip(*(int4_blocks(p.raw, p.kind) for p in parts), strict=True))
    return pack_int4(q, scale, zero)


def pack_int4(q: Tensor, scale: Tensor, zero: Tensor) -> tuple[Tensor, Tensor] | None:
    """4-bit weights from `int4_blocks` in the kernel's layout; None if it does not support the sizes."""
    import torch

    if q.shape[0] % 16:
        return None
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(q.to(torch.int32), 1)
    return packed, torch.stack([scale, zero], -1).transpose(0, 1).contiguous().to(torch.bfloat16)


def _pack_int8_parts(parts: list[Matrix], dtype: Any) -> tuple[Tensor, Tensor]:
    import torch

    done = [
        quantize_int8(floats(piece, p.kind), dtype)
        for p in parts
        for piece in torch.split(p.raw, 8192)  # the floats of a vocabulary would take four times the size of the file
    ]
    return torch.cat([q for q, _ in done]), torch.cat([scale for _, scale in done])


def quantize_int8(w: Tensor, dtype: Any) -> tuple[Tensor, Tensor]:
    """Quantize rows of 32-bit floats to 8 bits with one scale per row."""
    import torch

    scale = w.abs().amax(1).clamp_(min=1e-12) / 127
    return (w / scale[:, None]).round_().to(torch.int8), scale.to(dtype)


class Embedding:
    """The token embedding: rows of a dense matrix, or rows dequantized from the file on demand."""

    def __init__(self, matrix: Matrix, dtype: Any, device: str, dense: Tensor | None):
        self._matrix, self._dtype, self._device, self._dense = matrix, dtype, device, dense

    def __call__(self, ids: list[int]) -> Tensor:
        """One row per token."""
        import torch

        index = torch.tensor(ids, dtype=torch.int64)
        if self._dense is not None:
            return self._dense[index.to(self._device)]
        return floats(self._matrix.raw[index], self._matrix.kind).to(self._device, self._dtype)
