"""Any causal model that `transformers` knows, from a folder of safetensors; the plain path.

The forward pass and its cache are the library's; the token loop is ours, so streaming,
stopping, sampling and schemas work as with the fast path.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._require import require
from ..errors import BadRequestError, ModelError

if TYPE_CHECKING:
    from torch import Tensor


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; {} when there is none that can be read."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def context(config: dict[str, Any]) -> int | None:
    """Tokens a model holds by its config.json, whatever the family calls them; None if it does not say."""
    for part in (config, config.get("text_config") or {}):
        for name in ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length", "n_ctx"):
            if isinstance(part.get(name), int):
                return int(part[name])
    return None


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights."""
    return sorted(folder.glob("*.safetensors"))


def has_template(folder: Path) -> bool:
    """Whether the folder's model was trained on conversations."""
    return (folder / "chat_template.jinja").is_file() or bool(read_json(folder / "tokenizer_config.json").get("chat_template"))


class FolderTokenizer:
    """The folder's own tokenizer, with the interface of `gguf_tokenizer.Tokenizer`."""

    def __init__(self, inner: Any, ends: Sequence[int]):
        self._inner = inner
        self.ends = frozenset(ends)
        self.template = str(inner.chat_template or "") if not isinstance(inner.chat_template, dict) else "several"

    def decode(self, ids: Sequence[int]) -> str:
        """Text without control tokens."""
        return str(self._inner.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def token(self, id: int) -> str:
        """The text of one token, control tokens included."""
        return str(self._inner.decode([id], clean_up_tokenization_spaces=False))

    def prompt(self, messages: list[dict[str, Any]], extra: dict[str, Any]) -> list[int]:
        """Token ids of a conversation that waits for its answer; plain text where there is no template."""
        if not self.template:
            return list(self._inner("\n\n".join(m["content"] for m in messages)).input_ids)
        require("jinja2", "torch", "to fill a chat template")
        from jinja2 import TemplateError

        try:
            text = self._inner.apply_chat_template(messages, add_generation_prompt=True, tokenize=False, **extra)
        except TemplateError as e:
            raise BadRequestError(
                "The model's chat template refused the conversation", seen=str(e), todo="Check the order and kinds of messages."
            ) from None
        return list(self._inner(text, add_special_tokens=False).input_ids)

    def grammar_tokenizer(self, vocabulary: int) -> Any:
        """The same as llguidance wants it, for `vocabulary` logits."""
        library = require("llguidance", "torch", "to keep an answer to its schema")
        core = getattr(self._inner, "backend_tokenizer", None)
        if core is None:
            raise BadRequestError("A schema cannot be kept with this model's kind of tokenizer", seen=type(self._inner).__name__)
        return library.LLTokenizer(core.to_str(), n_vocab=vocabulary, eos_token=sorted(self.ends))


class FolderModel:
    """A model of `transformers` with a cache, read like `llama_torch.Llama`: tokens in, the last one's logits out."""

    def __init__(self, folder: Path, dtype: Any, device: str):
        """Load from a folder; code that lies in it is not run. Raises ModelError when the library cannot."""
        library = require("transformers", "torch", "to run models from a folder")
        try:
            self._model = library.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True).to(device).eval()
            inner = library.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, ImportError, KeyError, RuntimeError) as e:
            raise ModelError(
                "transformers cannot load this model", seen=f"{folder.name}: {str(e)[:300]}", todo="It may need a newer transformers."
            ) from None
        self.device, self.dtype = device, self._model.dtype
        text = self._model.config.get_text_config()
        generation = getattr(self._model, "generation_config", None)
        ends = [getattr(text, "eos_token_id", None), getattr(generation, "eos_token_id", None), inner.eos_token_id]
        flat = {i for e in ends for i in (e if isinstance(e, (list, tuple)) else [e]) if i is not None}
        self.tokenizer = FolderTokenizer(inner, sorted(flat))
        # a cache that keeps a window or a state cannot be cut back to an earlier token
        kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
        self.reusable = kinds == {"full_attention"} and not getattr(text, "sliding_window", None)
        self.vocabulary = int(self._model.get_output_embeddings().weight.shape[0])
        self._library = library
        # the argument's new name, where the library is new enough to warn about the old one
        self._cache_name = "cache" if "cache" in inspect.signature(self._model.forward).parameters else "past_key_values"
        self._cache: Any = None

    def forward(self, ids: list[int], at: int) -> Tensor:
        """Read tokens whose positions begin at `at`; those before it were read already. The last one's logits."""
        import torch

        if at == 0:
            self._cache = self._library.DynamicCache(config=self._model.config)
        elif (over := self._cache.get_seq_length() - at) > 0:
            self._cache.crop(-over)
        out = self._model(
            input_ids=torch.tensor([ids], device=self.device),
            use_cache=True,
            logits_to_keep=1,
            **{self._cache_name: self._cache},
        )
        return out.logits[0, -1].float()
