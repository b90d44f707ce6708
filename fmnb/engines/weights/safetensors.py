"""The safetensors of a folder in torch, with the tensor names and methods of `gguf_tensors.Weights`.

So our own network loads from a folder in the same way as from a GGUF file. The files are
memory-mapped: pages of a tensor are read on access.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import ModelError
from . import folder
from .gguf_tensors import FLOAT_FORMATS, floats

if TYPE_CHECKING:
    from torch import Tensor

_PARTS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_FOUR_NORMS = {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_OUTSIDE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


class FolderWeights:
    """The tensors of a Llama-like folder by GGUF names; `family` is the model_type of the config."""

    def __init__(self, path: Path, family: str):
        self._tensors = folder.tensors(path)
        self._parts = _PARTS | (_FOUR_NORMS if family == "gemma3_text" else {})
        self._norms_add_one = family.startswith("gemma")  # its norms multiply by 1 + weight
        self._maps: dict[Path, mmap.mmap] = {}
        for file in {t.file for t in self._tensors.values()}:
            with open(file, "rb") as f:  # a private mapping, as torch accepts only writable memory
                self._maps[file] = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY)

    @property
    def unsupported_reason(self) -> str:
        """The reason why these tensors cannot be used, or ""."""
        odd = {t.kind for t in self._tensors.values()} - FLOAT_FORMATS
        return "its weights are in a pickle file" if not self._tensors else f"its weights are {', '.join(sorted(odd))}" if odd else ""

    def _name(self, name: str) -> str:
        stem, _, kind = name.rpartition(".")
        if not stem.startswith("blk."):
            return f"{_OUTSIDE.get(stem, stem)}.{kind}"
        _, number, part = stem.split(".", 2)
        return f"model.layers.{number}.{self._parts.get(part, part)}.{kind}"

    def __contains__(self, name: str) -> bool:
        return self._name(name) in self._tensors

    def _get(self, name: str) -> folder.TensorInfo:
        theirs = self._name(name)
        if theirs not in self._tensors:
            raise ModelError("The model is incomplete", detail=f"there is no tensor {theirs}", hint="Pull the model again.")
        return self._tensors[theirs]

    def kind(self, name: str) -> str:
        """The dtype: F32, F16 or BF16."""
        return self._get(name).kind

    def size(self, name: str) -> int:
        """The size in the file in bytes."""
        return self._get(name).size

    def raw(self, name: str) -> Tensor:
        """The bytes in the file: one row of bytes per row of the matrix (one row for a vector)."""
        import torch

        t = self._get(name)
        rows = t.shape[0] if len(t.shape) > 1 else 1
        return torch.frombuffer(self._maps[t.file], dtype=torch.uint8, count=t.size, offset=t.offset).view(rows, -1)

    def floats(self, name: str) -> Tensor:
        """The tensor in 32-bit floats."""
        t = self._get(name)
        values = floats(self.raw(name), t.kind).view(t.shape)
        return values + 1 if self._norms_add_one and "norm" in name else values
