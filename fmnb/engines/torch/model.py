"""A model in torch: loading, and prefill of a prompt.

Works on tokens and logits; of Requests and Events it uses only load progress. The network is our
own fast path for the Llama family, from a GGUF file or a folder, or a `transformers` model for all
other folders; each maps tokens to the logits of the last token.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ...core.errors import ModelError
from ...core.events import Event, Progress
from ...core.optional import require
from ...core.types import Message
from .. import host
from ..chat_format import chat_messages
from ..weights import folder, gguf, gguf_tokenizer
from ..weights.gguf_tensors import GgufWeights
from ..weights.safetensors import FolderWeights
from . import llama as llama_torch
from . import llama_config, transformers_model
from .llama import Stopped
from .precision import INITIAL_CONTEXT, Precision, estimate_memory
from .seq2seq_model import Seq2SeqModel
from .vision_model import VisionModel

if TYPE_CHECKING:
    from torch import Tensor


class TextTokenizer(Protocol):
    """Text to tokens and back, for one model."""

    ends: frozenset[int]
    template: str

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def token(self, id: int) -> str: ...

    def prompt(self, messages: list[dict[str, Any]], extra: dict[str, Any]) -> list[int]: ...

    def grammar_tokenizer(self, vocabulary: int) -> Any: ...


class Net(Protocol):
    """A network that maps tokens to the logits of the last token.

    If `prefills_at_once`, it has a method `prefill`. Otherwise prefill runs in slices, with
    `forward`, and cached slices are reused if `reusable`.
    """

    prefills_at_once: bool
    reusable: bool

    def forward(self, ids: list[int], at: int) -> Tensor: ...


class TorchModel:
    """A loaded model, until `close`."""

    def __init__(
        self,
        net: Any,
        tokenizer: TextTokenizer,
        vocabulary: int,
        context: int,
        precision: Precision,
        memory: int,
        path_and_reason: tuple[str, str],
    ):
        """`path_and_reason` is the path, "fast" or "plain", and the reason as text."""
        self.net = net
        self.tokenizer = tokenizer
        self.vocabulary = vocabulary
        self.context = context
        self.precision = precision
        self.memory = memory
        self.path, self.path_reason = path_and_reason
        self.seconds = 0.0
        self.slice = _slice_tokens(memory)
        self._cached_slices: list[list[int]] = []  # the slices of the prompt in the KV cache, from its start
        self._grammar: Any = None

    @property
    def has_separate_contexts(self) -> bool:
        """Whether prompt and answer have separate context windows, as in an encoder-decoder model."""
        return isinstance(self.net, Seq2SeqModel)

    @property
    def base(self) -> bool:
        """Whether it is a base model, which completes text."""
        return not self.tokenizer.template and not self.has_separate_contexts

    def remaining_context(self, tokens: int) -> int:
        """The number of tokens that fit after a prompt of `tokens`; negative if the prompt is too long."""
        return self.context if self.has_separate_contexts and tokens <= self.context else self.context - tokens

    def prompt(self, messages: Sequence[Message], extra: dict[str, Any]) -> tuple[list[int], dict[str, Any]]:
        """A conversation as token ids, with image tensors for vision models.

        `extra` are additional variables of the chat template. Raises BadRequestError for images if
        the model does not accept them.
        """
        if isinstance(self.net, VisionModel):
            return self.net.prepare(messages, extra)
        return self.tokenizer.prompt([w for m in messages for w in chat_messages(m)], extra), {}

    def close(self) -> None:
        """Free its memory at once, even if references remain."""
        self.net = self._grammar = None
        self._cached_slices = []
        gc.collect()
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
        if trim is not None:  # otherwise the C library keeps the memory of freed matrices of a few megabytes
            trim(0)

    def grammar_tokenizer(self) -> Any:
        """The tokenizer for llguidance, cached, since it is slow to build."""
        if self._grammar is None:
            self._grammar = self.tokenizer.grammar_tokenizer(self.vocabulary)
        return self._grammar

    def prefill(
        self,
        ids: list[int],
        stopped: Callable[[], bool],
        reuse: bool,
        on_progress: Callable[[int], None],
        pixels: dict[str, Any] | None = None,
    ) -> tuple[Tensor | None, int]:
        """Prefill: returns the logits after the last token (None if stopped), and the number of cached tokens.

        The slices of a prompt depend only on its length, and a slice is reused completely or not at
        all. So the same prompt gives the same numbers, whatever ran before.
        """
        if self.net.prefills_at_once:
            return self.net.prefill(ids, pixels or {}, stopped, reuse)
        plan, start = list(_slices(len(ids), self.slice)), 0
        if reuse and self.net.reusable:
            same = (cached == ids[a:b] for cached, (a, b) in zip(self._cached_slices, plan[:-1], strict=False))
            start = next((i for i, equal in enumerate(same) if not equal), min(len(self._cached_slices), len(plan) - 1))
        del self._cached_slices[start:]
        logits = None
        for a, b in plan[start:]:
            if stopped():
                return None, plan[start][0]
            logits = self.net.forward(ids[a:b], a)
            self._cached_slices.append(ids[a:b])
            on_progress(b)
        return logits, plan[start][0]

    def decode(self, token: int, at: int) -> Tensor:
        """Decode one token at position `at`; returns the logits."""
        return self.net.forward([token], at)


class _FastNet:
    """Our own network with its KV cache."""

    prefills_at_once = False
    reusable = True

    def __init__(self, model: llama_torch.Llama, name: str):
        self.model, self._name = model, name
        self.cache = llama_torch.KVCache(model, min(model.config.max_positions, INITIAL_CONTEXT))

    def forward(self, ids: list[int], at: int) -> Tensor:
        """Process tokens; returns the logits of the last one."""
        more = at + len(ids) - self.cache.capacity
        if more > 0:
            width = self.cache.kv.element_size() * self.cache.kv.numel() // self.cache.capacity
            host.check_fits(self._name, width * (at + len(ids)), "for a larger context")
        return self.model.forward(ids, self.cache, at)


def load(path: Path, precision: Precision, n_ctx: int, put: Callable[[Event], None], stopped: Callable[[], bool]) -> TorchModel | None:
    """Load a GGUF file or a folder; None if stopped.

    `n_ctx` is the initial context size in tokens. Raises InsufficientMemoryError before anything is
    loaded, ModelError for a model that cannot run here.
    """
    began = time.monotonic()
    size = path.stat().st_size if path.suffix == ".gguf" else sum(f.stat().st_size for f in folder.weight_files(path))
    memory = estimate_memory(path, precision, max(n_ctx, INITIAL_CONTEXT))
    host.check_fits(path.name, memory, f"in {precision}")
    put(Progress(stage="loading", done=0, total=size, unit="bytes"))
    require("torch", "torch", "to run models with torch")

    def on_bytes(done: int) -> bool:
        put(Progress(stage="loading", done=min(done, size), total=size, unit="bytes"))
        return stopped()

    try:
        model = (_load_gguf if path.suffix == ".gguf" else _load_folder)(path, precision, memory, on_bytes)
    except Stopped:
        return None
    if stopped():
        return None
    put(Progress(stage="loading", done=size, total=size, unit="bytes"))
    model.seconds = time.monotonic() - began
    return model


def _load_gguf(path: Path, precision: Precision, memory: int, on_bytes: Callable[[int], bool]) -> TorchModel:
    head = gguf.read(path)
    config = llama_config.from_gguf(head)
    if config is None:
        raise ModelError(
            "The torch engine does not support this kind of GGUF file",
            detail=f"{path.name}: {head.architecture or 'unknown architecture'} {head.file_type}".rstrip(),
            hint="Run it on llama.cpp (put gguf: before its name), or use the same model as a folder of safetensors.",
        )
    tokens = gguf_tokenizer.tokenizer(head)
    return _fast_model(
        path, config, GgufWeights(path), tokens, precision, memory, on_bytes, f"{head.architecture} from GGUF runs on fmnb's own network"
    )


def _load_folder(path: Path, precision: Precision, memory: int, on_bytes: Callable[[int], bool]) -> TorchModel:
    about = folder.config(path)
    model_kind = folder.model_kind(about)
    context = folder.context_limit(about) or 1 << 30
    if model_kind == "causal":
        with transformers_model.quiet_loading(path):
            config = require("transformers", "torch", "to run models from a folder").AutoConfig.from_pretrained(path, local_files_only=True)
        own_config = llama_config.from_transformers(config)
        weights = FolderWeights(path, str(config.model_type)) if not isinstance(own_config, str) else None
        if not isinstance(own_config, str) and weights is not None and not weights.unsupported_reason:
            tokens = transformers_model.tokenizer(path, config)
            return _fast_model(
                path, own_config, weights, tokens, precision, memory, on_bytes, f"{config.model_type} runs on fmnb's own network"
            )
        reason = own_config if isinstance(own_config, str) else weights.unsupported_reason if weights is not None else ""
        net: Any = transformers_model.CausalModel(path, precision)
    elif model_kind == "seq2seq":
        net, reason = Seq2SeqModel(path, precision), "encoder-decoder models run on transformers"
    else:
        net, reason = VisionModel(path, precision), "vision models run on transformers"
    return TorchModel(net, net.tokenizer, net.vocabulary, context, precision, net.memory, ("plain", reason))


def _fast_model(
    path: Path,
    config: llama_config.LlamaConfig,
    weights: GgufWeights | FolderWeights,
    tokens: TextTokenizer,
    precision: Precision,
    memory: int,
    on_bytes: Callable[[int], bool],
    reason: str,
) -> TorchModel:
    import torch

    try:
        net = llama_torch.Llama(config, weights, getattr(torch, precision.dtype), precision.quant, precision.device, on_bytes)
    except (RuntimeError, ValueError) as e:  # inconsistent sizes
        raise ModelError("The model file is damaged", detail=f"{path.name}: {str(e)[:200]}", hint="Pull the model again.") from None
    return TorchModel(
        _FastNet(net, path.name), tokens, net.config.vocab_size, net.config.max_positions, precision, memory, ("fast", reason)
    )


def is_oom(e: Exception) -> bool:
    """Whether torch ran out of memory."""
    return isinstance(e, MemoryError) or "memory" in str(e)


def _slice_tokens(memory: int) -> int:
    """Prompt tokens between two checks of the stop flag: a fraction of a second on a small machine."""
    return 128 if memory < 4 << 30 else 64


def _slices(tokens: int, largest: int) -> Iterator[tuple[int, int]]:
    """Slices of a prompt: of `largest` tokens, then smaller ones.

    So little is recomputed if the end of the prompt changes.

    >>> list(_slices(300, 128))
    [(0, 128), (128, 256), (256, 288), (288, 300)]
    """
    at = 0
    for size in (largest, largest // 2, largest // 4):
        while tokens - at >= size:
            yield at, at + size
            at += size
    if at < tokens:
        yield at, tokens


@contextmanager
def inference_threads(n: int) -> Iterator[None]:
    """Compute with `n` threads and without gradients; restores the notebook's setting afterwards."""
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
