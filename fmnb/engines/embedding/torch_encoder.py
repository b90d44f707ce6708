"""Encoders of all other families, on `transformers`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.optional import require
from .. import host

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


class TorchEncoder:
    """An encoder (or a decoder used as one) on torch, in float32 on a CPU."""

    def __init__(self, folder: Path):
        torch = require("torch", "torch", "to run this model")
        transformers = require("transformers", "torch", "to run this model")
        self._torch = torch
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._net = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True).to(self._device).eval()
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self.padding = int(self._tokenizer.pad_token_id or 0)
        if hasattr(self._net, "get_encoder") and self._net.config.is_encoder_decoder:
            self._net = self._net.get_encoder()
        self._threads = host.threads()[0]

    def tokens(self, texts: Sequence[str], max_tokens: int) -> list[tuple[list[int], bool]]:
        """Token ids of each text, truncated to `max_tokens`, and whether it was truncated."""
        full = self._tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        truncated = self._tokenizer(list(texts), truncation=True, max_length=max_tokens)["input_ids"]
        return [(short, len(all_) > len(short)) for all_, short in zip(full, truncated, strict=True)]

    def was_truncated(self, encoding: tuple[list[int], bool]) -> bool:
        """Whether a text was truncated."""
        return encoding[1]

    def ids(self, encoding: tuple[list[int], bool]) -> list[int]:
        """The token ids of an encoding."""
        return encoding[0]

    def run(self, ids: Array, mask: Array) -> Array:
        """Hidden states of all tokens (rows, tokens, width)."""
        torch = self._torch
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                inputs = {"input_ids": torch.from_numpy(ids).long(), "attention_mask": torch.from_numpy(mask).long()}
                states: Array = self._net(**{k: v.to(self._device) for k, v in inputs.items()}).last_hidden_state.float().cpu().numpy()
                return states
        finally:
            torch.set_num_threads(before)

    def close(self) -> None:
        """Free the weights."""
        self._net = None
