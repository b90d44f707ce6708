"""Encoder-decoder models of `transformers` (T5, mT5, BART, ...): the encoder runs once per prompt.

They take the prompt as text, without a chat template. The decoder starts with a special token and
runs in our token loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.optional import require
from .llama import Stopped
from .precision import Precision
from .transformers_model import cache_argument, interruptible, load_pretrained, parameter_bytes, tokenizer, vocab_size

if TYPE_CHECKING:
    from torch import Tensor


class Seq2SeqModel:
    """An encoder-decoder model and its last encoder output."""

    prefills_at_once = True
    reusable = True

    def __init__(self, path: Path, precision: Precision):
        """Load from a folder. Raises ModelError if the library fails."""
        self._library = require("transformers", "torch", "to run models from a folder")
        self.inner, generation = load_pretrained(path, "AutoModelForSeq2SeqLM", precision)
        self.device = precision.device
        self.tokenizer = tokenizer(path, self.inner.config, plain=True)
        self.memory = parameter_bytes(self.inner)
        self.vocabulary = vocab_size(self.inner)
        sources = (generation, self.inner.config)
        start_ids = (getattr(s, name, None) for name in ("decoder_start_token_id", "bos_token_id", "pad_token_id") for s in sources)
        self.start = next((i for i in start_ids if isinstance(i, int)), 0)
        self._forced_first = next((i for s in sources if isinstance(i := getattr(s, "forced_bos_token_id", None), int)), None)
        self._forbidden = [w[0] for w in getattr(generation, "bad_words_ids", None) or () if len(w) == 1]
        self._cache_name = cache_argument(self.inner)
        self._ids: list[int] = []
        self._encoded: Any = None
        self._cache: Any = None

    def prefill(self, ids: list[int], more: dict[str, Any], stopped: Callable[[], bool], reuse: bool) -> tuple[Tensor | None, int]:
        """Encode a prompt; returns the logits for the first token (None if stopped), and the cached tokens."""
        import torch

        cached = len(ids) if reuse and self._encoded is not None and ids == self._ids else 0
        if not cached:
            encoder = self.inner.get_encoder()
            self._encoded = None
            try:
                with interruptible(encoder, stopped):
                    self._encoded = encoder(input_ids=torch.tensor([ids], device=self.device), return_dict=True)
            except Stopped:
                return None, 0
            self._ids = list(ids)
        self._cache = self._library.EncoderDecoderCache(self._library.DynamicCache(), self._library.DynamicCache())
        logits = self.forward([self.start], 0)
        return self.mask_forbidden(logits, first=True), cached

    def forward(self, ids: list[int], at: int) -> Tensor:
        """Run the next decoder step; returns the logits of the last token."""
        import torch

        out = self.inner(
            encoder_outputs=self._encoded,
            decoder_input_ids=torch.tensor([ids], device=self.device),
            use_cache=True,
            **{self._cache_name: self._cache},
        )
        return self.mask_forbidden(out.logits[0, -1].float())

    def mask_forbidden(self, logits: Tensor, first: bool = False) -> Tensor:
        """Logits without the tokens that the folder's config forbids; the `first` token may be forced."""
        if self._forbidden:
            logits[self._forbidden] = -math.inf
        if first and self._forced_first is not None:  # multilingual models force the language, BART its start token
            demanded = logits[self._forced_first].clone()
            logits.fill_(-math.inf)
            logits[self._forced_first] = demanded
        return logits
