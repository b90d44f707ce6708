"""Models on `transformers`, from a folder: the plain path.

The library provides the forward pass and its cache; the token loop is ours, so streaming, stopping,
sampling and schemas work as on the fast path. `CausalModel` is for causal models; encoder-decoder
and vision models are in separate modules.
"""

from __future__ import annotations

import inspect
import pickle
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import BadRequestError, MissingPackageError, ModelError
from ...core.optional import require
from ..chat_format import plain_text
from ..weights.chat_template import render
from .llama import Stopped
from .precision import Precision
from .quantized_linear import pack

if TYPE_CHECKING:
    from torch import Tensor

_FAILURES = (OSError, ValueError, ImportError, KeyError, RuntimeError, AttributeError, TypeError, pickle.UnpicklingError)
# The library's message for a missing package.
_MISSING = re.compile(
    r"requires the (\w+) library|package `?(\w+)`? is required|install `?(sentencepiece|tiktoken|protobuf|torchvision)\b", re.I
)


_SEVERAL = "several"  # the folder has a template for tools, too


class FolderTokenizer:
    """The tokenizer of a folder, with the interface of `gguf_tokenizer.Tokenizer`."""

    def __init__(self, inner: Any, ends: Sequence[int], plain: bool = False):
        """`plain` is for models that take text without a template, even if the folder has one."""
        self._inner = inner
        self.ends = frozenset(ends)
        template = None if plain else inner.chat_template
        self.template = str(template or "") if not isinstance(template, dict) else _SEVERAL

    def encode(self, text: str) -> list[int]:
        """Token ids, without start and end tokens."""
        return list(self._inner(text, add_special_tokens=False, verbose=False).input_ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Text without control tokens."""
        return str(self._inner.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def token(self, id: int) -> str:
        """The text of one token, control tokens included."""
        return str(self._inner.decode([id], clean_up_tokenization_spaces=False))

    def prompt(self, messages: list[dict[str, Any]], extra: dict[str, Any]) -> list[int]:
        """Token ids of a conversation with a generation prompt; plain text without a template."""
        if not self.template:
            return list(self._inner(plain_text(messages), verbose=False).input_ids)
        return self.encode(self.render(messages, extra))

    def render(self, messages: list[dict[str, Any]], extra: dict[str, Any]) -> str:
        """A conversation as text, rendered within our limits and not by the library."""
        template = self.template
        if template == _SEVERAL:
            template = self._inner.get_chat_template(None, extra.get("tools"))
        return render(template, messages, {"tools": None, "documents": None, **self._inner.special_tokens_map, **extra})

    def grammar_tokenizer(self, vocabulary: int) -> Any:
        """The tokenizer for llguidance, with `vocabulary` logits."""
        library = require("llguidance", "torch", "for structured output")
        core: Any = getattr(self._inner, "backend_tokenizer", None)
        try:
            return library.LLTokenizer(core.to_str(), n_vocab=vocabulary, eos_token=sorted(self.ends))
        except (ValueError, AttributeError) as e:
            raise BadRequestError(
                "Structured output is not supported with this model's tokenizer", detail=str(e)[:200], hint="Leave the schema out."
            ) from None


def tokenizer(path: Path, config: Any, plain: bool = False) -> FolderTokenizer:
    """The tokenizer of a folder, with the end tokens from its configs."""
    library = require("transformers", "torch", "to run models from a folder")
    try:
        with quiet_loading(path):
            inner = library.AutoTokenizer.from_pretrained(path, local_files_only=True)
            generation = _generation(library, path)
    except ModelError:
        pieces = [f.name for f in path.glob("*.model")]
        if not pieces or (path / "tokenizer.json").is_file() or find_spec("sentencepiece"):
            raise
        raise _missing_package(path, "sentencepiece") from None  # the library tries other readers and reports their errors
    return FolderTokenizer(inner, end_token_ids(config, generation, inner), plain)


def _generation(library: Any, path: Path) -> Any:
    """The folder's generation_config.json; None if missing."""
    return library.GenerationConfig.from_pretrained(path, local_files_only=True) if (path / "generation_config.json").is_file() else None


def end_token_ids(config: Any, generation: Any, inner: Any) -> list[int]:
    """The end tokens from config, generation config and tokenizer."""
    text = config.get_text_config(decoder=True)
    end_ids = [getattr(text, "eos_token_id", None), getattr(generation, "eos_token_id", None), inner.eos_token_id]
    return sorted({i for e in end_ids for i in (e if isinstance(e, (list, tuple)) else [e]) if i is not None})


@contextmanager
def quiet_loading(path: Path) -> Iterator[None]:
    """Suppress the library's progress bars and messages, and convert its exceptions."""
    library = require("transformers", "torch", "to run models from a folder")
    logging = library.utils.logging
    bars, loud = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    except _FAILURES as e:
        raise _load_error(path, e) from None
    finally:
        logging.set_verbosity(loud)
        if bars:
            logging.enable_progress_bar()


def _load_error(path: Path, e: Exception) -> Exception:
    message = str(e)
    if isinstance(e, pickle.UnpicklingError):
        return ModelError(
            "The weights are a pickle file that contains more than tensors",
            detail=f"{path.name}: loading it would run code from the file",
            hint="Use the same model with safetensors.",
        )
    if isinstance(e, (ImportError, ValueError)) and (match := _MISSING.search(message)):
        package = next(g for g in match.groups() if g).lower()
        package = {"pil": "pillow"}.get(package, package)
        return _missing_package(path, package)
    if len(message) > 300:
        message = message[:300] + "…"
    return ModelError("transformers cannot load this model", detail=f"{path.name}: {message}", hint="It may need a newer transformers.")


def _missing_package(path: Path, package: str) -> MissingPackageError:
    return MissingPackageError(f"{path.name} needs the package {package}", hint=f"Run `%pip install {package}`, then try again.")


def load_pretrained(path: Path, auto: str, precision: Precision) -> tuple[Any, Any]:
    """Load a folder's model with that `Auto...` class and form; also returns its generation config.

    Code in the folder is not run. Raises ModelError if the library cannot load it, or if weights are
    missing, which the library would initialize randomly.
    """
    torch = require("torch", "torch", "to run models with torch")
    library = require("transformers", "torch", "to run models from a folder")
    with quiet_loading(path):
        model, info = getattr(library, auto).from_pretrained(
            path, dtype=getattr(torch, precision.dtype), local_files_only=True, output_loading_info=True
        )
    missing = sorted({*info["missing_keys"], *(str(k[0] if isinstance(k, tuple) else k) for k in info["mismatched_keys"])})
    if missing:
        raise ModelError(
            "Weights of this model are missing from the folder",
            detail=f"{path.name}: {', '.join(missing[:3])}{f' and {len(missing) - 3} more' if len(missing) > 3 else ''}",
            hint="Pull the model again, or use a text-generation model.",
        )
    model = model.to(precision.device).eval()
    if precision.quant != "none":
        pack(model, precision.quant)
    return model, model.generation_config


def parameter_bytes(module: Any) -> int:
    """Bytes of a module's parameters; shared ones count once."""
    sizes = {t.data_ptr(): t.numel() * t.element_size() for t in (*module.parameters(), *module.buffers())}
    return sum(sizes.values())


@contextmanager
def interruptible(module: Any, stopped: Callable[[], bool]) -> Iterator[None]:
    """Make a long forward pass stoppable: raises Stopped between two layers."""
    from torch import nn

    def look(*_: Any) -> None:
        if stopped():
            raise Stopped

    hooks = [layer.register_forward_pre_hook(look) for m in module.modules() if isinstance(m, nn.ModuleList) for layer in m]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def cache_argument(model: Any) -> str:
    """The name of the cache argument: `cache` if the library is new enough to warn about the old name."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


class CausalModel:
    """A causal model with a KV cache; like `llama.Llama`, it maps tokens to the logits of the last one."""

    prefills_at_once = False

    def __init__(self, path: Path, precision: Precision):
        """Load from a folder. Raises ModelError if the library fails."""
        library = require("transformers", "torch", "to run models from a folder")
        self.inner, generation = load_pretrained(path, "AutoModelForCausalLM", precision)
        self.device = precision.device
        self.tokenizer = tokenizer(path, self.inner.config)
        self.memory = parameter_bytes(self.inner)
        text = self.inner.config.get_text_config()
        # a cache with a sliding window or a state cannot be rolled back to an earlier token
        kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
        self.reusable = kinds == {"full_attention"} and not getattr(text, "sliding_window", None)
        self.vocabulary = vocab_size(self.inner)
        self._library = library
        self._cache_name = cache_argument(self.inner)
        self._cache: Any = None

    def forward(self, ids: list[int], at: int) -> Tensor:
        """Process tokens from position `at`, after the cached ones; returns the logits of the last one."""
        import torch

        if at == 0:
            self._cache = self._library.DynamicCache(config=self.inner.config)
        elif (over := self._cache.get_seq_length() - at) > 0:
            self._cache.crop(-over)
        out = self.inner(
            input_ids=torch.tensor([ids], device=self.device),
            use_cache=True,
            logits_to_keep=1,
            **{self._cache_name: self._cache},
        )
        return out.logits[0, -1].float()


def vocab_size(model: Any) -> int:
    """The number of logits of a model."""
    head = model.get_output_embeddings()
    return int(getattr(head, "out_features", 0) or head.weight.shape[0])
