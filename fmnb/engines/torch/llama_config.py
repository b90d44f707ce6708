"""The models that our own network supports, and their dimensions from a GGUF header or a config.

Llama (SmolLM), Mistral, Qwen2, Qwen3, Gemma and Gemma 3. For unsupported features (experts, other
position encodings, soft caps) there is no shape but a reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..weights import gguf
from ..weights.gguf_tensors import SUPPORTED_FORMATS

# GGUF architecture -> whether its query and key rows are stored in pairs, for ggml's rotary embedding
_INTERLEAVED = {"llama": True, "qwen2": False, "qwen3": False, "gemma3": False}
FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma3_text")
_ACTIVATIONS = {"silu": "silu", "swish": "silu", "gelu_pytorch_tanh": "gelu", "gelu_new": "gelu"}


@dataclass(frozen=True, slots=True)
class Rope:
    """Rotary embedding: `base`, positions divided by `stretch`.

    `bands` are Llama 3's (low, high, original context).
    """

    theta: float
    scaling_factor: float = 1.0
    llama3_bands: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class LlamaConfig:
    """The dimensions and constants of a model."""

    num_layers: int
    hidden_size: int
    intermediate_size: int
    num_heads: int
    num_kv_heads: int  # key-value heads
    head_dim: int  # dimensions per head
    vocab_size: int
    max_positions: int
    rms_norm_eps: float
    rope: Rope
    interleaved_rope: bool = False
    tied_embeddings: bool | None = None  # None: tied if there is no output matrix
    activation: str = "silu"
    embedding_scale: float = 1.0  # embeddings are multiplied by this
    attention_scale: float | None = None  # of query times key; None: 1 / sqrt(head)
    sliding_window: int = 0  # tokens visible to a local layer
    local_layers: tuple[bool, ...] = ()  # which layers are local
    local_rope: Rope | None = None


def from_gguf(head: gguf.Gguf) -> LlamaConfig | None:
    """The shape of a GGUF model; None if the family or a feature is unsupported."""
    family, heads, width = head.architecture, head.hyperparameter("attention.head_count"), head.hyperparameter("embedding_length")
    layers, hidden = head.hyperparameter("block_count"), head.hyperparameter("feed_forward_length")
    table = head.tensors.get("token_embd.weight")
    if family not in _INTERLEAVED or not (heads and width and layers and hidden and table) or len(table.shape) != 2:
        return None
    scaling = head.metadata.get(f"{family}.rope.scaling.type", "none")
    size = head.hyperparameter("attention.key_length") or width // heads
    odd = (
        head.hyperparameter("expert_count")
        or scaling not in ("none", "linear", "")
        or head.hyperparameter("rope.dimension_count") not in (None, size)
        or head.hyperparameter("attention.value_length") not in (None, size)
        or any(t.kind not in SUPPORTED_FORMATS for t in head.tensors.values())
    )
    if odd:
        return None

    def number(name: str, default: float) -> float:
        value = head.metadata.get(f"{family}.{name}", default)
        return float(value) if isinstance(value, (int, float)) else default

    stretch = number("rope.scaling.factor", 1.0) if scaling == "linear" else 1.0
    more: dict[str, Any] = {}
    if family == "gemma3":
        more = {
            "activation": "gelu",
            "embedding_scale": math.sqrt(width),
            "attention_scale": (width / heads if layers == 62 else size) ** -0.5,  # the 27B model differs, but its file has no key for it
            "sliding_window": int(number("attention.sliding_window", 0)),
            "local_layers": tuple((i + 1) % 6 != 0 for i in range(layers)),
            "local_rope": Rope(number("rope.freq_base_swa", 10_000.0)),
        }
    return LlamaConfig(
        num_layers=layers,
        hidden_size=width,
        intermediate_size=hidden,
        num_heads=heads,
        num_kv_heads=head.hyperparameter("attention.head_count_kv") or heads,
        head_dim=size,
        vocab_size=table.shape[0],
        max_positions=head.context or 4096,
        rms_norm_eps=number("attention.layer_norm_rms_epsilon", 1e-5),
        rope=Rope(number("rope.freq_base", 10_000.0), stretch),
        interleaved_rope=_INTERLEAVED[family],
        **more,
    )


def from_transformers(config: Any) -> LlamaConfig | str:
    """The shape of a folder's model from its `transformers` config, or the reason why it is unsupported."""
    family = str(config.model_type)
    if family not in FAMILIES:
        return f"{family} runs on transformers"
    if getattr(config, "quantization_config", None):
        return "its weights are already quantized"
    activation = _ACTIVATIONS.get(str(getattr(config, "hidden_activation", None) or config.hidden_act))
    gemma = family.startswith("gemma")
    if activation is None:
        return "its activation function is not supported"
    if getattr(config, "attn_logit_softcapping", None) or getattr(config, "final_logit_softcapping", None):
        return "it uses logit soft-capping"
    if getattr(config, "use_bidirectional_attention", None):
        return "it uses bidirectional attention"
    layers, heads, width = config.num_hidden_layers, config.num_attention_heads, config.hidden_size
    size = getattr(config, "head_dim", None) or width // heads
    kinds = getattr(config, "layer_types", None)
    window = getattr(config, "sliding_window", None) or 0
    local = tuple(k == "sliding_attention" for k in kinds) if kinds else (bool(window),) * layers
    parameters = getattr(config, "rope_parameters", None) or {}
    rotations = []
    for name in ("full_attention", "sliding_attention"):
        rotation = _read_rope(parameters.get(name, parameters))
        if rotation is None:
            return "its RoPE scaling is not supported"
        rotations.append(rotation)
    return LlamaConfig(
        num_layers=layers,
        hidden_size=width,
        intermediate_size=config.intermediate_size,
        num_heads=heads,
        num_kv_heads=config.num_key_value_heads or heads,
        head_dim=size,
        vocab_size=config.vocab_size,
        max_positions=config.max_position_embeddings,
        rms_norm_eps=config.rms_norm_eps,
        rope=rotations[0],
        tied_embeddings=bool(config.tie_word_embeddings),
        activation=activation,
        embedding_scale=math.sqrt(width) if gemma else 1.0,
        attention_scale=config.query_pre_attn_scalar**-0.5 if family == "gemma3_text" else None,
        sliding_window=window if any(local) else 0,
        local_layers=local,
        local_rope=rotations[1],
    )


def _read_rope(rope: dict[str, Any]) -> Rope | None:
    """Convert one set of RoPE parameters; None for an unsupported kind."""
    kind, base = rope.get("rope_type", "default"), rope.get("rope_theta")
    if base is None or rope.get("partial_rotary_factor", 1.0) != 1.0:
        return None
    if kind == "default":
        return Rope(float(base))
    if kind == "linear":
        return Rope(float(base), float(rope["factor"]))
    if kind == "llama3":
        bands = (rope["low_freq_factor"], rope["high_freq_factor"], rope["original_max_position_embeddings"])
        return Rope(float(base), float(rope["factor"]), bands)
    return None
