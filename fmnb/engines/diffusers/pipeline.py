"""A diffusers pipeline in a folder: memory needs, loading and unloading.

Independent of requests and events. Only safetensors are read, and no code in the folder is run.
"""

from __future__ import annotations

import ctypes
import gc
import json
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...core.errors import BadRequestError, InsufficientMemoryError, ModelError
from ...core.optional import require
from .. import host

INDEX = "model_index.json"
DTYPES = ("float32", "bfloat16", "float16")
_BYTES_PER_ELEMENT = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}  # bytes per number; other types count as one
_BYTES_PER_PIXEL = 4_096  # bytes of activations in float32: a rough figure, for the final decoding


class Pipeline:
    """A loaded pipeline; `close` frees it."""

    def __init__(self, pipe: Any, seconds: float):
        self.pipe = pipe
        self.seconds = seconds

    def close(self) -> None:
        """Free its memory, including GPU memory."""
        import torch

        self.pipe = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
        if trim is not None:  # otherwise the C library keeps the freed memory
            trim(0)


def index(folder: Path) -> dict[str, Any]:
    """The content of `model_index.json`; {} if it is missing or unreadable."""
    try:
        data = json.loads((folder / INDEX).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def files(folder: Path) -> list[Path]:
    """The safetensors files of the pipeline's components."""
    parts = [k for k, v in index(folder).items() if isinstance(v, list) and len(v) == 2 and v[1]]
    return sorted(f for part in parts for f in (folder / part).glob("*.safetensors"))


def split_variants(files: list[Path]) -> tuple[list[Path], list[Path]]:
    """Files in the pipeline's default precision, and files of its 16-bit variant."""
    half = [f for f in files if ".fp16." in f.name or ".fp16-" in f.name]
    return [f for f in files if f not in half], half


def select_precision(folder: Path, dtype: str) -> tuple[str, str]:
    """Device and dtype: as requested, otherwise 16 bits on an NVIDIA GPU and 32 bits elsewhere."""
    torch = require("torch", "torch", "to generate images locally")
    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if dtype and dtype not in DTYPES:
        raise BadRequestError("Unknown dtype", detail=repr(dtype), hint=f"Use one of {', '.join(DTYPES)}.")
    if dtype == "float16" and device == "cpu":
        raise BadRequestError("float16 needs a GPU", detail="this machine has only a CPU", hint="--dtype bfloat16 halves the memory.")
    full, _ = split_variants(files(folder))
    kinds = {kind for f in full for kind in element_counts(f)}
    return device, dtype or ("float32" if device != "cuda" else "bfloat16" if "BF16" in kinds else "float16")


def element_counts(file: Path) -> dict[str, int]:
    """The number of elements of each format in a safetensors file, from its header."""
    try:
        with open(file, "rb") as f:
            (length,) = struct.unpack("<Q", f.read(8))
            head = json.loads(f.read(min(length, 50_000_000)))
    except (OSError, ValueError, struct.error):
        return {}
    counts: dict[str, int] = {}
    for name, tensor in head.items():
        if name != "__metadata__":
            start, end = tensor["data_offsets"]
            counts[tensor["dtype"]] = counts.get(tensor["dtype"], 0) + (end - start) // _BYTES_PER_ELEMENT.get(tensor["dtype"], 1)
    return counts


def estimate_memory(files: list[Path], dtype: str, size: tuple[int, int]) -> int:
    """An estimate of the memory in bytes for the weights in that dtype and an image of that size."""
    full, half = split_variants(files)
    numbers = sum(n for f in full or half for n in element_counts(f).values())
    width = 4 if dtype == "float32" else 2
    return numbers * width + size[0] * size[1] * _BYTES_PER_PIXEL * width // 4 + (256 << 20)


def check_fits(name: str, folder: Path, device: str, dtype: str, size: tuple[int, int] | None) -> int:
    """The memory it needs; raises InsufficientMemoryError if less is available."""
    import torch

    need = estimate_memory(files(folder), dtype, size or (512, 512))
    if device == "cuda":
        free = int(torch.cuda.mem_get_info()[0])
        if need > free:
            raise InsufficientMemoryError(
                "This pipeline does not fit into GPU memory",
                detail=f"{name} needs about {host.gib(need)}; {host.gib(free)} are free",
                hint="`%fm unload`, a smaller size, or a smaller pipeline.",
            )
    else:
        host.check_fits(name, need, f"weights in {dtype} and one image")
    return need


def load(folder: Path, device: str, dtype: str) -> Pipeline:
    """Load the pipeline from its folder: only safetensors, and no code in the folder is run."""
    began = time.monotonic()
    torch = require("torch", "torch", "to generate images locally")
    library = require("diffusers", "images", "to generate images locally")
    full, half = split_variants(files(folder))
    variant = "fp16" if half and (not full or dtype == "float16") else None
    try:
        with _quiet(library):
            pipe = library.DiffusionPipeline.from_pretrained(
                folder, dtype=getattr(torch, dtype), variant=variant, use_safetensors=True, local_files_only=True
            ).to(device)
    except (OSError, ValueError, ImportError, KeyError, AttributeError, TypeError) as e:
        raise ModelError(
            "diffusers cannot load this pipeline",
            detail=f"{folder.name}: {str(e)[:300]}",
            hint="It may need a newer version of diffusers, or its own code.",
        ) from None
    pipe.set_progress_bar_config(disable=True)
    return Pipeline(pipe, time.monotonic() - began)


@contextmanager
def _quiet(library: Any) -> Iterator[None]:
    """Suppress the libraries' progress bars and messages on stderr, which would appear below the cell."""
    logs = [library.utils.logging]
    if (other := sys.modules.get("transformers")) is not None:
        logs.append(other.utils.logging)
    before = [log.get_verbosity() for log in logs]
    for log in logs:
        log.set_verbosity_error()
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log, level in zip(logs, before, strict=True):
            log.set_verbosity(level)
            log.enable_progress_bar()


@contextmanager
def inference_threads(n: int) -> Iterator[None]:
    """Compute with `n` threads and without gradients; restores the notebook's setting afterwards."""
    torch = require("torch", "torch", "to generate images locally")
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)
