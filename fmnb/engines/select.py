"""Selects the engine for rows: llama.cpp is faster for one prompt, torch for a shared prefix."""

from __future__ import annotations

from importlib.util import find_spec

from ..core.backend import Backend
from . import host
from .llamacpp.backend import LlamaBackend
from .torch import llama_config
from .torch.backend import backend as torch_backend
from .torch.precision import default_memory
from .weights import gguf_tokenizer

NOTE = "rows run as a batch on torch instead of llama.cpp"


def for_rows(backend: Backend) -> Backend:
    """The backend for many rows, given the backend for single prompts; usually the same.

    A GGUF file runs on torch if torch is installed, supports the family and has enough memory,
    unless the user named the engine (`gguf:...`). It is several times faster there: the prefill of
    the shared prefix runs once, and labels are scored.
    """
    if not isinstance(backend, LlamaBackend) or backend.info.name.startswith("gguf:"):
        return backend
    head = backend.head
    able = find_spec("torch") and find_spec("tokenizers") and gguf_tokenizer.is_supported(head) and llama_config.from_gguf(head)
    free = host.available_memory()
    if not able or (free is not None and default_memory(head.path) > free):
        return backend
    return torch_backend(head.path, backend.info.name, NOTE)
