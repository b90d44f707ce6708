"""Tensors of a GGUF file in torch: dequantized, or as 4-bit blocks for torch's own kernel.

Handles block layouts, independent of models. The file is memory-mapped: pages of a tensor are read
on access. All functions work on whole tensors or on selected rows.

Layouts: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import ModelError
from . import gguf

if TYPE_CHECKING:
    from torch import Tensor

GROUP = 32  # weights that share a scale in a 4-bit block
SUPPORTED_FORMATS = ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K")
INT4_FORMATS = ("Q4_0", "Q4_1", "Q4_K")
FLOAT_FORMATS = frozenset({"F32", "F16", "BF16"})


class GgufWeights:
    """The tensors of a model by name, in one file or all its shards.

    Raises ModelError for a missing name.
    """

    def __init__(self, path: Path):
        head = gguf.read(path)
        self._tensors: dict[str, tuple[mmap.mmap, gguf.Tensor]] = {}
        for file in gguf.shards(path, head):
            with open(file, "rb") as f:  # a private mapping, as torch accepts only writable memory
                memory = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY)
            self._tensors |= {name: (memory, t) for name, t in gguf.read(file).tensors.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def _get(self, name: str) -> tuple[mmap.mmap, gguf.Tensor]:
        if name not in self._tensors:
            raise ModelError("The model file is incomplete", detail=f"there is no tensor {name}", hint="Pull the model again.")
        return self._tensors[name]

    def kind(self, name: str) -> str:
        """The block format, such as "Q4_1"."""
        return self._get(name)[1].kind

    def size(self, name: str) -> int:
        """The size in the file in bytes."""
        return self._get(name)[1].size

    def raw(self, name: str) -> Tensor:
        """The bytes in the file: one row of bytes per row of the matrix (one row for a vector)."""
        import torch

        memory, t = self._get(name)
        rows = t.shape[0] if len(t.shape) > 1 else 1
        return torch.frombuffer(memory, dtype=torch.uint8, count=t.size, offset=t.offset).view(rows, -1)

    def floats(self, name: str) -> Tensor:
        """The tensor in 32-bit floats."""
        return floats(self.raw(name), self.kind(name)).view(self._get(name)[1].shape)


def floats(raw: Tensor, kind: str, dtype: Any = None) -> Tensor:
    """Dequantize rows of bytes [n, bytes] to rows of 32-bit floats, or of `dtype`.

    Raises KeyError for a format not in `SUPPORTED_FORMATS`.
    """
    import torch

    if kind in FLOAT_FORMATS:
        return raw.view({"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[kind]).to(dtype or torch.float32)
    width, read = _BLOCKS[kind]
    return read(raw.view(raw.shape[0], -1, width)).reshape(raw.shape[0], -1).to(dtype or torch.float32)


def int4_blocks(raw: Tensor, kind: str) -> tuple[Tensor, Tensor, Tensor]:
    """Blocks of 4-bit weights as (q, scale, zero) with weight = (q - 8) * scale + zero.

    `q` is uint8 [n, k], `scale` and `zero` are float32 [n, k / 32]. 4-bit formats are converted
    exactly; other formats are rounded, in groups between minimum and maximum.
    """
    import torch

    n = raw.shape[0]
    if kind not in INT4_FORMATS:
        return quantize_int4(floats(raw, kind))
    if kind == "Q4_K":
        q, scale, least = _q4_k_parts(raw.view(n, -1, 144))
        return q.reshape(n, -1), scale.reshape(n, -1), (8 * scale - least).reshape(n, -1)
    b = raw.view(n, -1, 18 if kind == "Q4_0" else 20)
    scale = _float16_at(b, 0)
    zero = torch.zeros_like(scale) if kind == "Q4_0" else _float16_at(b, 2) + 8 * scale
    return _nibbles(b[..., -16:]).view(n, -1), scale.view(n, -1), zero.view(n, -1)


def quantize_int4(w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Quantize rows of 32-bit floats to the format of `int4_blocks`.

    Each group has 16 steps from its minimum to its maximum. Scale and zero are rounded first, to
    the kernel's 16 bits.
    """
    import torch

    groups = _split_last(w, w.shape[1] // GROUP, GROUP)
    least, most = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    scale = ((most - least) / 15).clamp_(min=1e-8).bfloat16().float()
    zero = (least + 8 * scale).bfloat16().float()
    q = ((groups - zero) / scale).round_().add_(8).clamp_(0, 15).to(torch.uint8)
    return q.view(w.shape), scale.squeeze(-1), zero.squeeze(-1)


def _float16_at(b: Tensor, at: int) -> Tensor:
    """The 16-bit float at byte `at` of each block, with a last dimension of size one."""
    import torch

    return b[..., at : at + 2].view(torch.float16).float()


def _nibbles(b: Tensor) -> Tensor:
    """The low nibbles of the bytes, then the high nibbles."""
    import torch

    return torch.cat([b & 15, b >> 4], -1)


def _split_last(b: Tensor, *sizes: int) -> Tensor:
    """Split the last dimension into several."""
    return b.view(*b.shape[:-1], *sizes)


def _bits(b: Tensor) -> Tensor:
    """Unpack bytes to bits, lowest first."""
    import torch

    return ((b[..., None] >> torch.arange(8, dtype=torch.uint8)) & 1).flatten(-2)


def _q8_0(b: Tensor) -> Tensor:
    import torch

    return b[..., 2:].view(torch.int8).float() * _float16_at(b, 0)


def _q4_0(b: Tensor) -> Tensor:
    return (_nibbles(b[..., 2:]).float() - 8) * _float16_at(b, 0)


def _q4_1(b: Tensor) -> Tensor:
    return _nibbles(b[..., 4:]).float() * _float16_at(b, 0) + _float16_at(b, 2)


def _q5_0(b: Tensor) -> Tensor:
    return ((_nibbles(b[..., 6:]) | _bits(b[..., 2:6]) << 4).float() - 16) * _float16_at(b, 0)


def _q5_1(b: Tensor) -> Tensor:
    return (_nibbles(b[..., 8:]) | _bits(b[..., 4:8]) << 4).float() * _float16_at(b, 0) + _float16_at(b, 2)


def _k_scales(b: Tensor) -> tuple[Tensor, Tensor]:
    """Scales and minimums of the 8 groups of a K block.

    They have 6 bits each, in 12 bytes, and are multiplied by the block's two factors.
    """
    import torch

    s = b[..., 4:16]
    a, m, rest = s[..., :4], s[..., 4:8], s[..., 8:]
    scale = torch.cat([a & 63, (rest & 15) | (a >> 6) << 4], -1)
    least = torch.cat([m & 63, (rest >> 4) | (m >> 6) << 4], -1)
    return scale.float() * _float16_at(b, 0), least.float() * _float16_at(b, 2)


def _k_nibbles(b: Tensor) -> Tensor:
    """Unpack 128 bytes to 8 groups of 32.

    Each 32 bytes hold one group in the low nibbles and the next in the high nibbles.
    """
    return _split_last(_nibbles(_split_last(b, 4, 32)), 2, 32).flatten(-3, -2)


def _q4_k_parts(b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    scale, least = _k_scales(b)
    return _k_nibbles(b[..., 16:]), scale, least


def _q4_k(b: Tensor) -> Tensor:
    q, scale, least = _q4_k_parts(b)
    return q.float() * scale[..., None] - least[..., None]


def _q5_k(b: Tensor) -> Tensor:
    import torch

    scale, least = _k_scales(b)
    high = (b[..., None, 16:48] >> torch.arange(8, dtype=torch.uint8)[:, None]) & 1
    return (_k_nibbles(b[..., 48:]) | high << 4).float() * scale[..., None] - least[..., None]


def _q6_k(b: Tensor) -> Tensor:
    import torch

    low = _nibbles(_split_last(b[..., :128], 2, 64))  # two halves of 128 weights
    high = _split_last(b[..., 128:192], 2, 1, 32) >> torch.tensor([[0], [2], [4], [6]], dtype=torch.uint8) & 3
    q = (low | high.flatten(-2) << 4).float() - 32
    scale = b[..., 192:208].view(torch.int8).float() * _float16_at(b, 208)
    return _split_last(q, 8, 16) * _split_last(scale, 2, 8)[..., None]


# format -> bytes per block, and the function from [..., bytes] to the block's weights
_BLOCKS: dict[str, tuple[int, Callable[[Tensor], Tensor]]] = {
    "Q4_0": (18, _q4_0),
    "Q4_1": (20, _q4_1),
    "Q5_0": (22, _q5_0),
    "Q5_1": (24, _q5_1),
    "Q8_0": (34, _q8_0),
    "Q4_K": (144, _q4_k),
    "Q5_K": (176, _q5_k),
    "Q6_K": (210, _q6_k),
}
