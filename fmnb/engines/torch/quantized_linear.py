"""Quantized linear layers (8 or 4 bits) for `transformers` models, on torch's CPU kernels.

Embeddings and norms are unchanged, and so are layers whose sizes the kernels do not support. The
output matrix has at least 8 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..weights.gguf_tensors import GROUP, quantize_int4
from .linear import is_packable, pack_int4, quantize_int8

if TYPE_CHECKING:
    from torch import Tensor, nn

_MANY = 32  # from this number of rows on, dequantizing 8 bits first is faster
_PIECE = 8192  # rows quantized at a time: the 32-bit floats of a vocabulary need much memory


def pack(model: Any, quant: str) -> None:
    """Replace a model's dense layers by quantized ones; `quant` is "int8" or "int4"."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.Linear:  # not subclasses: their weights may be used outside forward
                weight = layer.weight
            elif type(layer) is Conv1D:
                weight = layer.weight.t()
            else:
                continue
            if str(weight.dtype) == "torch.bfloat16" and is_packable(weight.shape[1]):
                setattr(parent, name, _packed_linear(weight, layer.bias, quant if layer is not head else "int8"))


def _packed_linear(weight: Tensor, bias: Tensor | None, quant: str) -> nn.Module:
    import torch

    if quant == "int4" and weight.shape[0] % 16 == 0:
        parts = [quantize_int4(w.float()) for w in torch.split(weight, _PIECE)]
        four = pack_int4(*(torch.cat(p) for p in zip(*parts, strict=True)))
        assert four is not None
        return _module()(*four, bias, weight.shape[0], weight.shape[1], 4)
    eight = [quantize_int8(w.float(), weight.dtype) for w in torch.split(weight, _PIECE)]
    return _module()(*(torch.cat(p) for p in zip(*eight, strict=True)), bias, weight.shape[0], weight.shape[1], 8)


_class: Any = None


def _module() -> Any:
    """The module class, created after torch is imported."""
    global _class
    if _class is not None:
        return _class
    import torch
    from torch import nn

    class PackedLinear(nn.Module):
        """Applies quantized weights to the last dimension."""

        numbers: Tensor
        scales: Tensor

        def __init__(self, numbers: Tensor, scales: Tensor, bias: Tensor | None, rows: int, columns: int, bits: int):
            super().__init__()
            self.register_buffer("numbers", numbers)
            self.register_buffer("scales", scales)
            self.register_buffer("bias", bias)
            # some families read the dtype from a layer's weight
            self.register_buffer("weight", torch.empty(0, dtype=torch.bfloat16), persistent=False)
            self.out_features, self.in_features, self.bits = rows, columns, bits

        def forward(self, x: Tensor) -> Tensor:
            flat = x.reshape(-1, self.in_features)
            if self.bits == 4:
                y = torch.ops.aten._weight_int4pack_mm_for_cpu(flat, self.numbers, GROUP, self.scales)
            elif len(flat) < _MANY:
                y = torch.ops.aten._weight_int8pack_mm(flat, self.numbers, self.scales)
            else:
                y = nn.functional.linear(flat, self.numbers.to(flat.dtype).mul_(self.scales[:, None]))
            if self.bias is not None:
                y = y + self.bias
            return y.view(*x.shape[:-1], self.out_features)

    _class = PackedLinear
    return _class
