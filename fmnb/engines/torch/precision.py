"""Dtype, quantization and device of a model on torch: options, defaults, memory needs.

Imports torch only to inspect the machine; memory estimates do not need it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.errors import BadRequestError
from ...core.optional import require
from ..weights import folder, gguf
from ..weights.gguf_tensors import FLOAT_FORMATS, INT4_FORMATS
from . import llama_config

DTYPES = ("float32", "bfloat16", "float16")
QUANTS = ("int4", "int8", "none")
INITIAL_CONTEXT = 1024
_OVERHEAD = 64 << 20  # bytes in addition to the weights
_TRANSFORMERS_OVERHEAD = 128 << 20  # the same, with transformers


@dataclass(frozen=True, slots=True)
class Precision:
    """`dtype` from DTYPES, `quant` from QUANTS, `device` cpu, cuda or mps.

    `reason` explains the choice.
    """

    dtype: str
    quant: str
    device: str
    reason: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"torch {self.device} {self.dtype}" + ("" if self.quant == "none" else f" {self.quant}")


def select_precision(path: Path, dtype: str = "", quant: str = "") -> Precision:
    """The form for loading a model; "" chooses by file and machine.

    On a CPU, files with 4-bit blocks keep them, other quantized files run with 8 bits per weight, the
    rest with 16 bits. On a GPU, all run with 16 bits. Raises BadRequestError for an impossible form.
    """
    torch = require("torch", "torch", "to run models with torch")
    if dtype not in ("", *DTYPES):
        raise BadRequestError("Unknown dtype", detail=repr(dtype), hint=f"Use one of {', '.join(DTYPES)}.")
    if quant not in ("", *QUANTS):
        raise BadRequestError("Unknown quant", detail=repr(quant), hint=f"Use one of {', '.join(QUANTS)}.")
    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kinds = _kinds(path)
    packed = bool(kinds - FLOAT_FORMATS)
    possible = _supported_quants(torch, device, dtype, kinds)
    best = next((q for q in possible if packed), "none")
    if quant not in ("", "none") and quant not in possible:
        raise BadRequestError(
            f"quant={quant} is not supported here", detail=_why_not(torch, device, dtype, kinds), hint=_hint(device, dtype)
        )
    if quant not in ("", "none") and not packed and folder.config(path).get("quantization_config"):
        raise BadRequestError(
            f"quant={quant} is not supported here", detail="the folder's weights are already quantized", hint="Leave --quant out."
        )
    numbers, reason = (dtype, "as requested") if dtype else _default_dtype(torch, device)
    reason_text = f"{numbers} on {_DEVICES[device]}: {reason}"
    if (selected := quant or best) != "none":
        reason_text += f"; {selected}: {'as requested' if quant else 'the file is quantized'}"
    return Precision(numbers, selected, device, reason_text)


_DEVICES = {"cpu": "CPU", "cuda": "CUDA", "mps": "the Apple GPU"}


def _default_dtype(torch: Any, device: str) -> tuple[str, str]:
    """The default dtype of a device, and the reason."""
    if device == "cuda" and not torch.cuda.is_bf16_supported():
        return "float16", "this GPU has no bfloat16"
    if device != "cpu":
        return "bfloat16", "half the memory of float32"
    fast = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return "bfloat16", "has AVX512-BF16" if fast is not None and fast() else "half the memory of float32"


def _supported_quants(torch: Any, device: str, dtype: str, kinds: set[str]) -> list[str]:
    """The quantized forms that work here; first the narrowest that suits the file."""
    if device != "cpu" or dtype not in ("", "bfloat16") or not hasattr(torch.ops.aten, "_weight_int8pack_mm"):
        return []
    exact = not kinds - FLOAT_FORMATS
    four = hasattr(torch.ops.aten, "_weight_int4pack_mm_for_cpu") and (exact or bool(kinds & set(INT4_FORMATS)))
    return ["int4", "int8"] if four else ["int8"]


def _why_not(torch: Any, device: str, dtype: str, kinds: set[str]) -> str:
    if device != "cpu":
        return f"quantized weights run only on a CPU, and this is {_DEVICES[device]}"
    if dtype not in ("", "bfloat16"):
        return f"quantized weights need bfloat16, not {dtype}"
    if not hasattr(torch.ops.aten, "_weight_int8pack_mm"):
        return f"torch {torch.__version__} has no kernel for it"
    return f"the file has {', '.join(sorted(kinds))}; quantizing it again would lose too much"


def _hint(device: str, dtype: str) -> str:
    return "Leave --quant or --dtype out." if device == "cpu" and dtype else "Leave --quant out, or set it to none."


def _kinds(path: Path) -> set[str]:
    """The formats of the matrices in a GGUF file; empty for a folder."""
    return {t.kind for t in gguf.read(path).tensors.values() if len(t.shape) > 1} if path.suffix == ".gguf" else set()


def default_memory(path: Path) -> int:
    """Memory of the model on a CPU in bytes, with defaults and a short context; does not import torch."""
    kinds = _kinds(path)
    return estimate_memory(path, Precision("bfloat16", "int4" if kinds - FLOAT_FORMATS else "none", "cpu"), INITIAL_CONTEXT)


def estimate_memory(path: Path, precision: Precision, context: int) -> int:
    """An estimate of the model's memory in bytes in that form, with `context` tokens.

    Includes the dense matrices of a packed model if they exist while it loads, or are created for
    the first long prompt.
    """
    width = 4 if precision.dtype == "float32" else 2
    if path.suffix != ".gguf":
        return _folder_memory(path, precision, width, context)
    head = gguf.read(path)
    config = llama_config.from_gguf(head)
    cache = 0 if config is None else config.num_layers * 2 * config.num_kv_heads * config.head_dim * width * context
    if precision.quant == "none":
        return head.parameters * width + cache + _OVERHEAD
    packed = dense = 0
    for name, t in head.tensors.items():
        numbers = math.prod(t.shape)
        packed += numbers * 5 // 8 if precision.quant == "int4" and t.kind in (*INT4_FORMATS, *FLOAT_FORMATS) else numbers
        dense += 2 * numbers if name.startswith("blk.") and t.kind not in FLOAT_FORMATS else 0
    return packed + dense + cache + _OVERHEAD


def _folder_memory(path: Path, precision: Precision, width: int, context: int) -> int:
    top = folder.config(path)
    about = top.get("text_config") or top
    layers, heads = (
        _first(about, *names) for names in (("num_hidden_layers", "n_layer", "num_layers"), ("num_attention_heads", "n_head", "num_heads"))
    )
    size = _first(about, "head_dim", "d_kv") or _first(about, "hidden_size", "n_embd", "d_model") // max(heads, 1)
    total = layers * 2 * (_first(about, "num_key_value_heads") or heads) * size * width * context + _TRANSFORMERS_OVERHEAD
    own = (
        str(top.get("model_type")) in llama_config.FAMILIES
    )  # our network packs while it reads the file; the library loads everything first
    table, headed = 0, False
    for name, rows, columns, packs in folder.matrices(path):
        numbers = rows * columns
        table = max(table, numbers)
        if precision.quant == "none" or not packs:
            total += numbers * width
            continue
        head = name.startswith(("lm_head", "embed_out"))
        headed |= head
        total += numbers * 5 // 8 if precision.quant == "int4" and not head else numbers
        total += 0 if own else numbers * width
    return total + (table if precision.quant != "none" and not headed else 0)


def _first(about: dict[str, Any], *names: str) -> int:
    return next((int(about[n]) for n in names if isinstance(about.get(n), int)), 0)
