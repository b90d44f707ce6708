"""A folder of weights in the hub's layout: config.json, weight files, tokenizer.

Reads JSON and safetensors headers, and imports no packages. Pickle files (pytorch_model.bin) are
used only if a folder has no other weights; `transformers` reads them as plain tensors and runs no
code in them.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...core.errors import DownloadError, ModelError

Kind = Literal["causal", "seq2seq", "vision"]

_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1}
# Model heads for classification or fill-mask, which generate no text.
_NO_TEXT_HEADS = ("ForMaskedLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "ForMultipleChoice")
_ENCODERS = ("bert", "roberta", "distilbert", "mpnet", "albert", "electra", "deberta", "deberta-v2", "xlm-roberta", "modernbert")


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor in a safetensors file: `kind` is its dtype in the file (F32, BF16, ...).

    Offsets are in bytes.
    """

    file: Path
    kind: str
    shape: tuple[int, ...]
    offset: int
    size: int


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; {} if it is missing or unreadable."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def config(folder: Path) -> dict[str, Any]:
    """The folder's config.json."""
    return read_json(folder / "config.json")


def model_kind(about: dict[str, Any]) -> Kind:
    """The kind of model in a config. Raises ModelError for a model that generates no text.

    >>> model_kind({"model_type": "t5", "is_encoder_decoder": True})
    'seq2seq'
    """
    heads = [str(a) for a in about.get("architectures") or ()]
    if isinstance(about.get("vision_config"), dict):
        return "vision"
    if about.get("is_encoder_decoder"):
        return "seq2seq"
    if any(h.endswith(_NO_TEXT_HEADS) for h in heads) or about.get("model_type") in _ENCODERS:
        raise ModelError(
            "This model does not generate text",
            detail=", ".join(heads) or str(about.get("model_type")),
            hint="Use a causal or encoder-decoder model; for embeddings, use fm.embed.",
        )
    return "causal"


def context(about: dict[str, Any]) -> int | None:
    """The context window in the config, under any family's key; None if missing."""
    for part in (about, about.get("text_config") or {}):
        for name in ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length", "n_ctx"):
            if isinstance(part.get(name), int):
                return int(part[name])
    return None


def context_limit(about: dict[str, Any]) -> int | None:
    """The hard limit of tokens; None for a model with relative positions."""
    return None if "relative_attention_num_buckets" in about else context(about)


def has_template(folder: Path) -> bool:
    """Whether the folder has a chat template."""
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    return bool(read_json(folder / "tokenizer_config.json").get("chat_template"))


def weight_files(folder: Path) -> list[Path]:
    """The weight files: those in an index, otherwise safetensors, otherwise pickles of plain tensors.

    Raises DownloadError if a file in the index is missing.
    """
    for index in _INDEXES:
        if names := sorted(set((read_json(folder / index).get("weight_map") or {}).values())):
            files = [folder / str(n) for n in names]
            if missing := [f.name for f in files if not f.is_file()]:
                raise DownloadError("The model is incomplete", detail=f"{folder.name}: no {missing[0]}", hint="Pull the model again.")
            return files
        if (single := folder / index.removesuffix(".index.json")).is_file():
            return [single]
        if index == _INDEXES[0] and (others := sorted(folder.glob("*.safetensors"))):
            return others
    return sorted(folder.glob("pytorch_model*.bin"))


def tensors(folder: Path) -> dict[str, TensorInfo]:
    """The tensors of a folder's safetensors files, by name; {} for pickles, which have no header."""
    infos: dict[str, TensorInfo] = {}
    for file in weight_files(folder):
        if file.suffix == ".safetensors":
            infos |= _read_header(file)
    return infos


def _read_header(file: Path) -> dict[str, TensorInfo]:
    """Read a safetensors header: eight bytes of length, then JSON; its offsets start after the JSON."""
    file_size = file.stat().st_size
    try:
        with open(file, "rb") as f:
            (length,) = struct.unpack("<Q", f.read(8))
            if length > min(file_size, 100 << 20):
                raise ValueError("no head")
            header = json.loads(f.read(length))
        infos = {
            name: TensorInfo(
                file, t["dtype"], tuple(t["shape"]), 8 + length + t["data_offsets"][0], t["data_offsets"][1] - t["data_offsets"][0]
            )
            for name, t in header.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, struct.error):
        raise ModelError("The file is not a safetensors file", detail=file.name, hint="Pull the model again.") from None
    if any(
        t.offset + t.size > file_size or t.size != math.prod(t.shape) * _BYTES.get(t.kind, 0) for t in infos.values() if t.kind in _BYTES
    ):
        raise DownloadError("The weights file is truncated", detail=f"{file.name}: {file_size:,} bytes", hint="Pull the model again.")
    return infos


def matrices(folder: Path) -> Iterator[tuple[str, int, int, bool]]:
    """Name, rows and columns of each tensor, and whether it can be quantized (no embedding, no norm).

    For pickles, yields one tensor of all bytes, as 16-bit numbers or the config's dtype.
    """
    infos = tensors(folder)
    if not infos:
        width = 4 if str(config(folder).get("dtype") or config(folder).get("torch_dtype") or "float32") == "float32" else 2
        yield "all", 1, sum(f.stat().st_size for f in weight_files(folder)) // width, False
    for name, t in infos.items():
        rows = t.shape[0] if len(t.shape) == 2 else 1
        packs = len(t.shape) == 2 and not any(word in name for word in ("embed", "wte", "wpe", "shared", "relative_attention"))
        yield name, rows, math.prod(t.shape) // max(rows, 1), packs
