"""A writer of small GGUF files, and one that can be broken in named ways."""

from __future__ import annotations

import gc
import struct

import pytest

CODES = {int: (5, "i"), float: (6, "f"), bool: (7, "?")}


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def typed(value) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    if isinstance(value, list):
        if isinstance(value[0], str):
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(text(v) for v in value)
        kind, code = CODES[type(value[0])]
        return struct.pack("<IIQ", 9, kind, len(value)) + struct.pack(f"<{len(value)}{code}", *value)
    kind, code = (4, "I") if type(value) is int and value >= 0 else CODES[type(value)]  # llama.cpp wants its sizes unsigned
    return struct.pack("<I" + code, kind, value)


def write(metadata: dict, tensors: dict[str, tuple[tuple[int, ...], int, bytes]], *, version: int = 3) -> bytes:
    """A GGUF file. `tensors`: name -> (shape in numpy's order, ggml type, bytes)."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    head += b"".join(text(k) + typed(v) for k, v in metadata.items())
    data = b""
    for name, (shape, kind, raw) in tensors.items():
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], kind, len(data))
        data += raw + bytes(-len(raw) % 32)
    return head + bytes(-len(head) % 32) + data


@pytest.fixture
def write_gguf():
    return write


@pytest.fixture
def small_gguf() -> bytes:
    """Two tensors, a vocabulary of three."""
    metadata = {
        "general.architecture": "llama",
        "general.license": "mit",
        "general.file_type": 2,
        "llama.context_length": 64,
        "llama.block_count": 2,
        "tokenizer.ggml.tokens": ["a", "b", "ab"],
        "tokenizer.ggml.scores": [0.0, 1.0, 2.0],
        "tokenizer.ggml.add_bos_token": True,
    }
    return write(metadata, {"w": ((2, 32), 2, bytes(range(36))), "n": ((4,), 0, struct.pack("<4f", 1, 2, 3, 4))})


@pytest.fixture(scope="session", autouse=True)
def libraries_stay():
    """What torch and transformers import when they are first used stays: each unload of a model would go through it."""
    import torch
    import transformers

    transformers.PreTrainedTokenizerFast, transformers.LlamaForCausalLM, torch.nn.Linear  # noqa: B018  what is named is imported
    gc.collect()
    gc.freeze()
