"""Local embeddings: the Embedder of a folder (config.json, safetensors, tokenizer.json).

The BERT family runs on onnxruntime (`onnx_graph`), other families on `transformers`. Texts are
sorted by length and encoded in small batches, which fit into the CPU cache.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.backend import Vectors, estimate_tokens
from ...core.errors import BadRequestError, ModelError, UsageError
from ...core.event_loop import thread_stream
from ...core.events import Event, Notice, Progress
from ...core.optional import require
from ...core.types import ModelInfo, Request, TokenCount
from .. import host
from ..loaded import model_entry, shutting_down
from ..weights.folder import read_json, weight_files
from . import onnx_graph
from .torch_encoder import TorchEncoder

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_TOKENS_PER_BATCH = 256  # per batch; more do not fit into the CPU cache, fewer cause overhead
_REPORT_INTERVAL = 0.1  # seconds between reports
_POOLINGS = ("mean", "cls", "last", "max")


@dataclass(frozen=True, slots=True)
class PoolingConfig:
    """How token vectors are pooled into one vector, from the model's settings.

    `prefix` precedes each text.
    """

    pooling: str = "mean"
    normalize: bool = True
    max_tokens: int = 512
    prefix: str = ""


def backend(path: str | Path, name: str = "") -> EmbeddingBackend:
    """The Embedder of a folder. Only its config is read here.

    Raises ModelError if the folder has no encoder.
    """
    folder = Path(path).expanduser().resolve()
    config = read_json(folder / "config.json")
    files = weight_files(folder)
    if not config or not files:
        raise ModelError(
            "This folder has no model", detail=folder.name, hint="Use a folder with config.json, model.safetensors and tokenizer.json."
        )
    return EmbeddingBackend(folder, name or f"vectors:{folder}", config, sum(f.stat().st_size for f in files))


def pooling_config(folder: Path, config: dict[str, Any]) -> PoolingConfig:
    """The pooling settings from the sentence-transformers files in a folder.

    Mean pooling and unit length by default.
    """
    modules = [str(m.get("type", "")).rpartition(".")[2] for m in _list(folder / "modules.json")]
    settings = read_json(folder / "1_Pooling/config.json")
    modes = [
        p
        for p, key in (("cls", "cls_token"), ("max", "max_tokens"), ("last", "lasttoken"), ("mean", "mean_tokens"))
        if settings.get(f"pooling_mode_{key}")
    ]
    pooling = settings.get("pooling_mode") or (modes[0] if modes else "mean")
    if pooling not in _POOLINGS:
        raise ModelError("fmnb does not support this model's pooling", detail=f"pooling {pooling}", hint="Use another model.")
    own = read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    positions = config.get("max_position_embeddings") or 512
    limit = (
        positions
        - (0 if config.get("model_type") == "bert" else config.get("pad_token_id") or 0)
        - (0 if config.get("model_type") == "bert" else 1)
    )
    about = read_json(folder / "config_sentence_transformers.json")
    prefix = (about.get("prompts") or {}).get(about.get("default_prompt_name") or "", "")
    return PoolingConfig(pooling, "Normalize" in modules or not modules, min(own or limit, limit), prefix)


def _list(path: Path) -> list[dict[str, Any]]:
    import json

    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return [m for m in data if isinstance(m, dict)] if isinstance(data, list) else []


class EmbeddingBackend:
    """A local encoder; backends with the same folder and quantization share the weights."""

    batch = 1_000_000  # texts per call: all, so that they can be sorted

    def __init__(self, folder: Path, name: str, config: dict[str, Any], size: int):
        self._folder, self._config = folder, config
        self._pooling = pooling_config(folder, config)
        self._info = ModelInfo(
            name=name,
            provider="vectors",
            host="local",
            local=True,
            context=self._pooling.max_tokens,
            outputs=("vector",),
            chat=False,
            price_in=0.0,
            price_out=0.0,
            size=size,
            memory=int(size * 2.5),
            source=str(folder),
        )

    @property
    def info(self) -> ModelInfo:
        """The model's facts from the folder."""
        return self._info

    def count(self, request: Request) -> TokenCount:
        """An estimate."""
        return estimate_tokens(request)

    def deterministic(self, request: Request) -> bool:
        """Always True: the same text has the same vector."""
        return True

    async def stream(self, request: Request) -> AsyncIterator[Event]:
        """Raises UsageError: an encoder generates no text."""
        raise UsageError(f"{self._info.name} is an embedding model and generates no text", hint="Use it with `fm.embed(texts, model)`.")
        yield

    def embed(self, texts: Sequence[str], quant: str = "", dimensions: int | None = None) -> AsyncIterator[Event | Vectors]:
        """Vectors of the texts in batches, with Progress in between.

        `quant` int8 loses about 1 % for twice the speed.
        """
        width = self._config.get("hidden_size")
        if dimensions not in (None, width):
            raise BadRequestError(
                f"This model's vectors have {width} dimensions", detail=f"dimensions={dimensions}", hint="Leave dimensions out."
            )
        if quant not in ("", "none", "int8"):
            raise BadRequestError(
                "Embeddings support only float32 and int8", detail=f"quant={quant}", hint="Leave quant out, or set it to int8."
            )

        def work(put: Callable[[Event | Vectors], None], stop: threading.Event) -> None:
            entry = model_entry(f"vectors {quant or 'none'}", self._folder)
            entry.name = self._info.name
            with entry.acquire(put, stop) as acquired:
                if not acquired:
                    return
                if entry.model is None:
                    host.check_fits(self._folder.name, self._info.memory or 0, "its weights")
                    entry.model, entry.memory = self._load(quant or "none", put), self._info.memory or 0
                self._run(entry.model, texts, put, lambda: stop.is_set() or shutting_down.is_set())

        return thread_stream(work)

    def _load(self, quant: str, put: Callable[[Event], None]) -> Any:
        put(Progress(stage="loading", note=self._folder.name))
        if self._config.get("model_type") in onnx_graph.FAMILIES and self._config.get("position_embedding_type", "absolute") == "absolute":
            return OnnxEncoder(self._folder, self._config, quant)
        if quant == "int8":
            put(Notice(kind="not_applied", text="quant"))
        return TorchEncoder(self._folder)

    def _run(self, encoder: Any, texts: Sequence[str], put: Callable[[Event | Vectors], None], stopped: Callable[[], bool]) -> None:
        encodings = encoder.tokens([self._pooling.prefix + t for t in texts], self._pooling.max_tokens)
        truncated = sum(encoder.was_truncated(t) for t in encodings)
        if truncated:
            put(
                Notice(
                    kind="warning",
                    text=f"{truncated} of {len(texts)} texts are longer than {self._pooling.max_tokens} tokens and were truncated",
                )
            )
        rows = [encoder.ids(t) for t in encodings]
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
        at, reported_at, total = 0, 0.0, sum(map(len, rows))
        done = 0
        while at < len(order) and not stopped():
            batch = order[at : at + max(1, _TOKENS_PER_BATCH // max(1, len(rows[order[at]])))]
            at += len(batch)
            put(Vectors(tuple(batch), encode_batch(encoder, [rows[i] for i in batch], self._pooling)))
            done += sum(len(rows[i]) for i in batch)
            if time.monotonic() - reported_at > _REPORT_INTERVAL:
                reported_at = time.monotonic()
                put(Progress(stage="embedding", done=done, total=total, unit="tokens"))


def encode_batch(encoder: Any, rows: list[list[int]], config: PoolingConfig) -> Array:
    """One vector (float32) per row of token ids."""
    import numpy as np

    longest = max(map(len, rows))
    ids = np.full((len(rows), longest), encoder.padding, np.int32)
    mask = np.zeros((len(rows), longest), np.int32)
    for r, row in enumerate(rows):
        ids[r, : len(row)] = row
        mask[r, : len(row)] = 1
    states = encoder.run(ids, mask)
    if config.pooling == "cls":
        out = states[:, 0]
    elif config.pooling == "last":
        out = states[np.arange(len(rows)), mask.sum(1) - 1]
    elif config.pooling == "max":
        out = np.where(mask[:, :, None] > 0, states, -np.inf).max(1)
    else:
        out = np.einsum("rth,rt->rh", states, mask.astype(np.float32)) / mask.sum(1, keepdims=True)
    if config.normalize:
        out = out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
    return np.ascontiguousarray(out, np.float32)


class OnnxEncoder:
    """An encoder on onnxruntime."""

    def __init__(self, folder: Path, config: dict[str, Any], quant: str):
        runtime = require("onnxruntime", "embed", "to compute embeddings locally")
        safe_open = require("safetensors", "embed", "to read weights").safe_open
        weights: dict[str, Array] = {}
        for file in weight_files(folder):
            with safe_open(file, "numpy") as f:
                for name in f.keys():
                    weights[_without_prefix(name)] = f.get_tensor(name)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = host.threads()[0]
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # spinning threads take a core from the kernel
        try:
            data = onnx_graph.graph(config, weights, quant)
        except KeyError as e:
            raise ModelError("This encoder is missing a weight", detail=str(e), hint="Use another model.") from None
        self._session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self.padding = int(config.get("pad_token_id") or 0)
        self._tokenizer = tokenizer(folder)

    def tokens(self, texts: Sequence[str], max_tokens: int) -> list[Any]:
        """Encodings, truncated to `max_tokens` tokens."""
        self._tokenizer.enable_truncation(max_tokens)
        return list(self._tokenizer.encode_batch_fast(list(texts)))

    def was_truncated(self, encoding: Any) -> bool:
        """Whether a text was truncated."""
        return bool(encoding.overflowing)

    def ids(self, encoding: Any) -> list[int]:
        """The token ids of an encoding."""
        return list(encoding.ids)

    def run(self, ids: Array, mask: Array) -> Array:
        """Hidden states of all tokens (rows, tokens, width)."""
        states: Array = self._session.run(None, {"ids": ids, "mask": mask})[0]
        return states

    def close(self) -> None:
        """Free the memory of the session."""
        self._session = None


def tokenizer(folder: Path) -> Any:
    """The fast tokenizer of the folder, without padding."""
    if not (folder / "tokenizer.json").is_file():
        raise ModelError("This folder has no tokenizer.json", detail=folder.name, hint="Use a model that has one.")
    inner = require("tokenizers", "embed", "to tokenize text").Tokenizer.from_file(str(folder / "tokenizer.json"))
    inner.no_padding()
    return inner


def _without_prefix(name: str) -> str:
    """The name of a weight without the prefix of its model."""
    for prefix in ("bert.", "roberta.", "camembert.", "model."):
        name = name.removeprefix(prefix)
    return name
