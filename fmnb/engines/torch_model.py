"""One model loaded into torch: what it needs, how it is loaded, how a prompt is read.

Knows tokens and logits, nothing of Requests and Events but load progress. The network is
either our own fast path or one of `transformers`; both take tokens and give the last one's
logits, and both keep what they read.
"""

from __future__ import annotations

import ctypes
import gc
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .._require import require
from ..errors import BadRequestError, ModelError
from ..events import Event, Progress
from . import gguf, gguf_tokenizer, host, llama_torch, transformers_model
from .gguf_weights import FOUR_BIT
from .llama_torch import Stopped

if TYPE_CHECKING:
    from torch import Tensor

DTYPES = ("float32", "bfloat16")
QUANTS = ("int4", "int8", "none")
_FLOATS = {"F32", "F16", "BF16"}
_START_CONTEXT = 1024


class TextTokenizer(Protocol):
    """Text to tokens and back, for one model."""

    ends: frozenset[int]
    template: str

    def decode(self, ids: Sequence[int]) -> str: ...

    def token(self, id: int) -> str: ...

    def prompt(self, messages: list[dict[str, Any]], extra: dict[str, Any]) -> list[int]: ...

    def grammar_tokenizer(self, vocabulary: int) -> Any: ...


@dataclass(frozen=True, slots=True)
class Form:
    """In which numbers a model is held and where: `dtype` of DTYPES, `quant` of QUANTS, `device` cpu, cuda or mps."""

    dtype: str
    quant: str
    device: str

    def __str__(self) -> str:
        return f"torch {self.device} {self.dtype}" + ("" if self.quant == "none" else f" {self.quant}")


def form(path: Path, dtype: str | None, quant: str | None) -> Form:
    """The form to load a model in; what was not asked for is chosen by the file and the machine.

    On a CPU a file with 4-bit blocks keeps them, other quantised files run in 8 bits a weight,
    the rest in 16 bits. On a GPU all run in 16 bits. Raises BadRequestError for what cannot be.
    """
    torch = require("torch", "torch", "to run models with torch")
    if dtype not in (None, *DTYPES):
        raise BadRequestError("There is no such dtype", seen=repr(dtype), todo=f"Take one of {', '.join(DTYPES)}.")
    if quant not in (None, *QUANTS):
        raise BadRequestError("There is no such quant", seen=repr(quant), todo=f"Take one of {', '.join(QUANTS)}.")
    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kinds = _kinds(path)
    best = "none"
    if device == "cpu" and dtype != "float32" and kinds - _FLOATS and hasattr(torch.ops.aten, "_weight_int8pack_mm"):
        best = "int4" if kinds & set(FOUR_BIT) and hasattr(torch.ops.aten, "_weight_int4pack_mm_for_cpu") else "int8"
    if quant not in (None, "none") and (best == "none" or quant == "int4" != best):
        why = "it is a folder of 16- or 32-bit weights" if not kinds else f"the file holds {', '.join(sorted(kinds))}"
        raise BadRequestError(
            f"quant={quant} does not go here",
            seen=f"{why}; {device}, {dtype or 'bfloat16'}",
            todo="int4 needs a Q4 file, int8 a quantised one; both run on a CPU in bfloat16. Leave quant out, or give none.",
        )
    return Form(dtype or "bfloat16", quant or best, device)


def _kinds(path: Path) -> set[str]:
    """The formats of a GGUF file's matrices; none for a folder."""
    return {t.kind for t in gguf.read(path).tensors.values() if len(t.shape) > 1} if path.suffix == ".gguf" else set()


def usual_memory(path: Path) -> int:
    """Bytes the model takes on a CPU when nothing else is asked, with a short context; imports nothing."""
    packed = bool(_kinds(path) - _FLOATS)
    return needs(path, Form("bfloat16", "int4" if packed else "none", "cpu"), _START_CONTEXT)


def needs(path: Path, how: Form, context: int) -> int:
    """Bytes of memory the model takes in that form with `context` tokens; an estimate."""
    width = 4 if how.dtype == "float32" else 2
    if path.suffix != ".gguf":
        return sum(f.stat().st_size for f in transformers_model.weight_files(path)) + (128 << 20)
    head = gguf.read(path)
    known = llama_torch.shape(head)
    cache = 0 if known is None else known.layers * 2 * known.groups * known.head * width * context
    if how.quant == "none":
        return head.parameters * width + cache + (64 << 20)
    packed = dense = 0
    for name, t in head.tensors.items():
        numbers = math.prod(t.shape)
        packed += numbers * 5 // 8 if how.quant == "int4" and t.kind in FOUR_BIT else numbers
        dense += 2 * numbers if name.startswith("blk.") else 0  # made for the first long prompt
    return packed + dense + cache + (64 << 20)


class TorchModel:
    """A loaded model, until `close`."""

    def __init__(self, net: Any, tokenizer: TextTokenizer, vocabulary: int, context: int, how: Form, memory: int):
        self.net = net
        self.tokenizer = tokenizer
        self.vocabulary = vocabulary
        self.context = context
        self.form = how
        self.memory = memory
        self.seconds = 0.0
        self.slice = _slice(memory)
        self._read: list[list[int]] = []  # the slices of a prompt that are in the cache, from its begin
        self._grammar: Any = None

    def close(self) -> None:
        """Free its memory at once, whoever still refers to it."""
        self.net = self._grammar = None
        self._read = []
        gc.collect()
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
        if trim is not None:  # else the C library keeps freed matrices of a few megabytes for itself
            trim(0)

    def grammar_tokenizer(self) -> Any:
        """The tokenizer as llguidance wants it, made once: it takes a while."""
        if self._grammar is None:
            self._grammar = self.tokenizer.grammar_tokenizer(self.vocabulary)
        return self._grammar

    def read(self, ids: list[int], stopped: Callable[[], bool], reuse: bool, on: Callable[[int], None]) -> tuple[Tensor | None, int]:
        """Read a prompt: the logits after its last token (None when stopped), and how many tokens were known already.

        A prompt is cut into slices by its length alone, and a slice is used again whole or not at
        all. So the same prompt goes through the same arithmetic, whatever was asked before.
        """
        plan, start = list(_slices(len(ids), self.slice)), 0
        if reuse and getattr(self.net, "reusable", True):
            same = (kept == ids[a:b] for kept, (a, b) in zip(self._read, plan[:-1], strict=False))
            start = next((i for i, equal in enumerate(same) if not equal), min(len(self._read), len(plan) - 1))
        del self._read[start:]
        logits = None
        for a, b in plan[start:]:
            if stopped():
                return None, plan[start][0]
            logits = self.net.forward(ids[a:b], a)
            self._read.append(ids[a:b])
            on(b)
        return logits, plan[start][0]

    def step(self, token: int, at: int) -> Tensor:
        """The logits after one more token at position `at`."""
        return self.net.forward([token], at)


class _Fast:
    """Our own network with a cache of its own."""

    def __init__(self, model: llama_torch.Llama, name: str):
        self.model, self._name = model, name
        self._cache = llama_torch.Cache(model, min(model.shape.context, _START_CONTEXT))

    def forward(self, ids: list[int], at: int) -> Tensor:
        """Read tokens; the last one's logits."""
        more = at + len(ids) - self._cache.room
        if more > 0:
            width = self._cache.kv.element_size() * self._cache.kv.numel() // self._cache.room
            host.check_fits(self._name, width * (at + len(ids)), "its context grows")
        return self.model.forward(ids, self._cache, at)


def load(path: Path, how: Form, wanted: int, put: Callable[[Event], None], stopped: Callable[[], bool]) -> TorchModel | None:
    """Load a GGUF file or a folder of safetensors; None when stopped on the way.

    `wanted` is how many tokens it will hold at first. Raises CannotFitError before anything is
    loaded, ModelError for a model that cannot run here.
    """
    began = time.monotonic()
    size = path.stat().st_size if path.suffix == ".gguf" else sum(f.stat().st_size for f in transformers_model.weight_files(path))
    memory = needs(path, how, max(wanted, _START_CONTEXT))
    host.check_fits(path.name, memory, f"in {how}")
    put(Progress(stage="loading", done=0, total=size, unit="bytes"))
    torch = require("torch", "torch", "to run models with torch")
    dtype = getattr(torch, how.dtype)
    if path.suffix == ".gguf":
        model = _load_gguf(path, how, dtype, memory, size, put, stopped)
    else:
        net = transformers_model.FolderModel(path, dtype, how.device)
        longest = transformers_model.context(transformers_model.read_json(path / "config.json")) or 1 << 30
        model = TorchModel(net, net.tokenizer, net.vocabulary, longest, how, memory)
    if model is None or stopped():
        return None
    put(Progress(stage="loading", done=size, total=size, unit="bytes"))
    model.seconds = time.monotonic() - began
    return model


def _load_gguf(
    path: Path, how: Form, dtype: Any, memory: int, size: int, put: Callable[[Event], None], stopped: Callable[[], bool]
) -> TorchModel | None:
    head = gguf.read(path)
    if llama_torch.shape(head) is None:
        raise ModelError(
            "The torch engine does not read this kind of GGUF file",
            seen=f"{path.name}: {head.architecture or 'no architecture named'} {head.file_type}".rstrip(),
            todo="Run it on llama.cpp (put gguf: before its name), or take the same model as a folder of safetensors.",
        )
    tokens = gguf_tokenizer.tokenizer(head)

    def on_layer(done: int) -> bool:
        put(Progress(stage="loading", done=done, total=size, unit="bytes"))
        return stopped()

    try:
        net = llama_torch.Llama(head, dtype, how.quant, how.device, on_layer)
    except Stopped:
        return None
    except (RuntimeError, ValueError) as e:  # sizes that do not go together
        raise ModelError("The model file is damaged", seen=f"{path.name}: {str(e)[:200]}", todo="Pull the model again.") from None
    return TorchModel(_Fast(net, path.name), tokens, net.shape.vocabulary, net.shape.context, how, memory)


def _slice(memory: int) -> int:
    """Tokens of a prompt between two looks at the stop flag: a fraction of a second on a small machine."""
    return 128 if memory < 4 << 30 else 64


def _slices(tokens: int, most: int) -> Iterator[tuple[int, int]]:
    """Where a prompt is cut: into slices of `most`, then smaller ones, so that little is read again when its end changes.

    >>> list(_slices(300, 128))
    [(0, 128), (128, 256), (256, 288), (288, 300)]
    """
    at = 0
    for size in (most, most // 2, most // 4):
        while tokens - at >= size:
            yield at, at + size
            at += size
    if at < tokens:
        yield at, tokens


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Compute with `n` threads and without gradients; the notebook's own setting comes back."""
    import torch

    before = torch.get_num_threads()
    if n != before:
        torch.set_num_threads(n)
    try:
        with torch.inference_mode():
            yield
    finally:
        if n != before:
            torch.set_num_threads(before)
