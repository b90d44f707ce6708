"""The Llama family in our own torch code, from GGUF files and folders (models in `llama_config.py`).

Query, key and value are one matrix, gate and up another; keys and values are written in place;
heads that share keys are folded into the query axis, so nothing is repeated. Weights have two
forms (`linear.py`): packed for the single row of a decode step, dense for the many rows of
prefill. Independent of requests and text.

In 32-bit floats it generates the same tokens as `transformers`, which tests verify.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..weights.gguf_tensors import FLOAT_FORMATS, GgufWeights
from ..weights.safetensors import FolderWeights
from .linear import MIN_DENSE_PROMPT, MIN_DENSE_ROWS, Embedding, Linear, Matrix
from .llama_config import LlamaConfig, Rope

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(slots=True)
class Layer:
    """The weights of one layer."""

    attention_norm: Tensor
    qkv: Linear
    out: Linear
    mlp_norm: Tensor
    gate_up: Linear
    down: Linear
    q_norm: Tensor | None
    k_norm: Tensor | None
    post_attention_norm: Tensor | None  # norms after attention and MLP, if a family has them
    post_mlp_norm: Tensor | None


class Stopped(Exception):
    """The user stopped while a model was loading or between two layers."""


class KVCache:
    """The KV cache, [layers, tokens, 2 × groups, head]; grows by doubling."""

    def __init__(self, model: Llama, tokens: int):
        self._model = model
        self.kv = self._new(tokens)

    def _new(self, tokens: int) -> Tensor:
        import torch

        s = self._model.config
        return torch.zeros(s.num_layers, tokens, 2 * s.num_kv_heads, s.head_dim, dtype=self._model.dtype, device=self._model.device)

    @property
    def capacity(self) -> int:
        """The current capacity in tokens."""
        return int(self.kv.shape[1])

    def grow(self, tokens: int) -> None:
        """Grow to a capacity of `tokens`; keeps the content."""
        if tokens > self.capacity:
            old, self.kv = self.kv, self._new(min(self._model.config.max_positions, max(tokens, 2 * self.capacity)))
            self.kv[:, : old.shape[1]] = old


class Llama:
    """The weights and the forward pass. Several caches may be used with one model, one call at a time."""

    def __init__(
        self,
        config: LlamaConfig,
        weights: GgufWeights | FolderWeights,
        dtype: Any,
        quant: str,
        device: str,
        on_layer: Callable[[int], bool] = lambda n: False,
    ):
        """Load from files. `on_layer(bytes)` receives the progress; if it returns True, raises Stopped."""
        import torch

        self.config = s = config
        self.dtype, self.device, self.quant = dtype, device, quant
        done = 0

        def vector(name: str) -> Tensor | None:
            return weights.floats(name).flatten().to(device, dtype) if name in weights else None

        def linear(names: list[str], turned: tuple[str, ...] = ()) -> Linear:
            parts = []
            for name in names:
                raw, kind, bias = weights.raw(f"{name}.weight"), weights.kind(f"{name}.weight"), vector(f"{name}.bias")
                if name.endswith(turned) and s.interleaved_rope:
                    raw, bias = _uninterleave(raw, s.head_dim), None if bias is None else _uninterleave(bias, s.head_dim)
                parts.append(Matrix(raw, kind, bias))
            return Linear(parts, dtype, quant, device)

        def norm(name: str) -> Tensor | None:
            return self._norm_weight(weights.floats(name)) if name in weights else None

        self.layers = []
        for i in range(s.num_layers):
            b = f"blk.{i}."
            self.layers.append(
                Layer(
                    self._norm_weight(weights.floats(b + "attn_norm.weight")),
                    linear([b + "attn_q", b + "attn_k", b + "attn_v"], ("attn_q", "attn_k")),
                    linear([b + "attn_output"]),
                    self._norm_weight(weights.floats(b + "ffn_norm.weight")),
                    linear([b + "ffn_gate", b + "ffn_up"]),
                    linear([b + "ffn_down"]),
                    vector(b + "attn_q_norm.weight"),
                    vector(b + "attn_k_norm.weight"),
                    norm(b + "post_attention_norm.weight"),
                    norm(b + "post_ffw_norm.weight"),
                )
            )
            done += sum(weights.size(n) for n in (f"{b}{p}.weight" for p in _PARTS) if n in weights)
            if on_layer(done):
                raise Stopped
        self.norm = self._norm_weight(weights.floats("output_norm.weight"))
        embedding = Matrix(weights.raw("token_embd.weight"), weights.kind("token_embd.weight"), None)
        tied = "output.weight" not in weights if s.tied_embeddings is None else s.tied_embeddings
        top = embedding if tied else Matrix(weights.raw("output.weight"), weights.kind("output.weight"), None)
        fine = "int8" if quant == "int4" and top.kind in FLOAT_FORMATS else quant  # the output matrix needs more than 4 bits
        self.head = Linear([top], dtype, fine, device)
        self.table = Embedding(embedding, dtype, device, self.head.dense if tied and not self.head.packed else None)
        self._embedding_scale = float(torch.tensor(s.embedding_scale, dtype=dtype))
        factors = vector("rope_freqs.weight")
        turn = _inverse_frequencies(s.rope, s.head_dim)
        self._inv_freq = [turn if factors is None else turn / factors.float().cpu()]
        if s.sliding_window:
            self._inv_freq.append(_inverse_frequencies(s.local_rope or s.rope, s.head_dim))
        self._cos: list[Tensor] = []
        self._sin: list[Tensor] = []
        self._compute_rope(min(s.max_positions, 2048))

    def _norm_weight(self, weight: Tensor) -> Tensor:
        import torch

        return torch.cat([weight, weight] if self._norms_as_layer_norm else [weight]).to(self.device)

    @property
    def _norms_as_layer_norm(self) -> bool:
        """Whether RMS norms run as layer norms of [x, -x], with mean zero: one kernel in torch instead of six."""
        import torch

        return self.dtype == torch.bfloat16 and self.device == "cpu"

    def _rms_norm(self, h: Tensor, weight: Tensor) -> Tensor:
        import torch

        s = self.config
        if self._norms_as_layer_norm:
            both = torch.layer_norm(torch.cat((h, -h), -1), (2 * s.hidden_size,), weight, None, s.rms_norm_eps)
            return both[:, : s.hidden_size].to(self.dtype).contiguous()
        return torch.rms_norm(h, (s.hidden_size,), weight, s.rms_norm_eps).to(self.dtype)

    def _compute_rope(self, tokens: int) -> None:
        """Compute cosines and signed sines for that many positions, for all layers and for local layers."""
        import torch

        self._n_positions = tokens
        angles = [torch.outer(torch.arange(tokens).float(), turn) for turn in self._inv_freq]
        self._cos = [torch.cat([a.cos(), a.cos()], -1).to(self.device, self.dtype)[:, None] for a in angles]
        self._sin = [torch.cat([-a.sin(), a.sin()], -1).to(self.device, self.dtype)[:, None] for a in angles]

    def forward(self, ids: list[int], cache: KVCache, at: int) -> Tensor:
        """Process tokens from position `at`; the cache holds the keys and values before it.

        Returns the logits of the last token, in 32-bit floats.
        """
        from torch.nn.functional import scaled_dot_product_attention

        s = self.config
        n, end, groups, size, fold = len(ids), at + len(ids), s.num_kv_heads, s.head_dim, s.num_heads // s.num_kv_heads
        cache.grow(end)
        if end > self._n_positions:
            self._compute_rope(min(s.max_positions, max(end, 2 * self._n_positions)))
        angles = [(cos[at:end], sin[at:end]) for cos, sin in zip(self._cos, self._sin, strict=True)]
        dense = n >= MIN_DENSE_ROWS and end >= MIN_DENSE_PROMPT  # depends only on the prompt, so that the same prompt gets the same answer
        kv = cache.kv[:, :end]
        places = cache.kv[:, at:end].unbind(0)
        keys = kv[:, :, :groups].transpose(1, 2).unsqueeze(1).unbind(0)  # [1, groups, end, head]
        values = kv[:, :, groups:].transpose(1, 2).unsqueeze(1).unbind(0)
        masks = (
            [self._mask(n, at, end, window).repeat_interleave(fold, 0) for window in (0, s.sliding_window)[: len(angles)]] if n > 1 else []
        )
        h = self.embed(ids)
        for i, layer in enumerate(self.layers):
            local = int(bool(s.sliding_window and s.local_layers[i]))
            z = self.project_qkv(layer, h, *angles[local], dense)
            places[i].copy_(z[:, s.num_heads :])
            q, k, v = z[:, : s.num_heads], keys[i], values[i]
            if n == 1:
                if local and end > s.sliding_window:
                    k, v = k[:, :, end - s.sliding_window :], v[:, :, end - s.sliding_window :]
                a = scaled_dot_product_attention(q.view(1, groups, fold, size), k, v, scale=s.attention_scale).view(1, -1)
            else:
                q = q.view(n, groups, fold, size).transpose(0, 1).reshape(1, groups, n * fold, size)
                a = scaled_dot_product_attention(q, k, v, attn_mask=masks[local], scale=s.attention_scale)
                a = a.view(groups, n, fold * size).transpose(0, 1).reshape(n, -1)
            self.finish_layer(layer, h, a, dense)
        return self.logits(h[-1:])[0].float()

    def embed(self, ids: list[int]) -> Tensor:
        """The input of the first layer."""
        h = self.table(ids).float()  # the residual stream is in 32 bits, as small terms would be lost
        return h if self.config.embedding_scale == 1 else h.mul_(self._embedding_scale)

    def project_qkv(self, layer: Layer, h: Tensor, cos: Tensor, sin: Tensor, dense: bool) -> Tensor:
        """Queries, keys and values of a layer, [tokens, heads + 2 × groups, head], with rotary positions."""
        import torch

        s = self.config
        turned = s.num_heads + s.num_kv_heads
        z = layer.qkv(self._rms_norm(h, layer.attention_norm), dense).view(h.shape[0], turned + s.num_kv_heads, s.head_dim)
        if layer.q_norm is not None and layer.k_norm is not None:
            z[:, : s.num_heads] = torch.rms_norm(z[:, : s.num_heads], (s.head_dim,), layer.q_norm, s.rms_norm_eps)
            z[:, s.num_heads : turned] = torch.rms_norm(z[:, s.num_heads : turned], (s.head_dim,), layer.k_norm, s.rms_norm_eps)
        t = z[:, :turned]
        half = torch.roll(t, s.head_dim // 2, -1)
        t.mul_(cos).addcmul_(half, sin)
        return z

    def finish_layer(self, layer: Layer, h: Tensor, a: Tensor, dense: bool) -> None:
        """Add the layer's output for its attention `a`, [tokens, heads × head], to `h`."""
        from torch.nn.functional import gelu, silu

        a = layer.out(a, dense)
        h.add_(a if layer.post_attention_norm is None else self._rms_norm(a.float(), layer.post_attention_norm))
        gate, up = layer.gate_up(self._rms_norm(h, layer.mlp_norm), dense).chunk(2, -1)
        active = silu(gate) if self.config.activation == "silu" else gelu(gate, approximate="tanh")
        d = layer.down(active.mul_(up), dense)
        h.add_(d if layer.post_mlp_norm is None else self._rms_norm(d.float(), layer.post_mlp_norm))

    def logits(self, h: Tensor, dense: bool = False) -> Tensor:
        """Logits, [tokens, vocabulary], of the last layer's output, [tokens, width], in the model's dtype."""
        return self.head(self._rms_norm(h, self.norm), dense)

    def rope_angles(self, positions: Tensor, local: bool) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines for `positions`, for local layers or for the others."""
        needed = int(positions.max()) + 1
        if needed > self._n_positions:
            self._compute_rope(min(self.config.max_positions, max(needed, 2 * self._n_positions)))
        which = int(local and len(self._cos) > 1)
        return self._cos[which][positions], self._sin[which][positions]

    def _mask(self, n: int, at: int, end: int, window: int) -> Tensor:
        """0 where query row i sees a token: up to at + i, only the last `window` of them unless it is 0."""
        import torch

        hidden = torch.ones(n, end, dtype=torch.bool, device=self.device).triu_(at + 1)
        if window:
            hidden |= torch.ones(n, end, dtype=torch.bool, device=self.device).tril_(at - window)
        return torch.zeros(n, end, dtype=self.dtype, device=self.device).masked_fill_(hidden, -math.inf)


def _inverse_frequencies(rotation: Rope, size: int) -> Tensor:
    """Angles per position, for each half of a head's dimensions."""
    import torch

    turn = 1.0 / (rotation.theta ** (torch.arange(0, size, 2, dtype=torch.int64).float() / size))
    if rotation.llama3_bands is None:
        return turn / rotation.scaling_factor
    low, high, original = rotation.llama3_bands  # low frequencies are stretched, high ones unchanged, those between interpolated
    length = 2 * math.pi / turn
    blend = (original / length - low) / (high - low)
    between = (1 - blend) * turn / rotation.scaling_factor + blend * turn
    slow = torch.where(length > original / low, turn / rotation.scaling_factor, between)
    return torch.where(length < original / high, turn, slow)


_PARTS = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


def _uninterleave(rows: Tensor, size: int) -> Tensor:
    """Reorder rows of query or key heads from pairs (0, 1), (2, 3), ... to halves, as in `transformers`."""
    return rows.view(-1, size // 2, 2, *rows.shape[1:]).transpose(1, 2).reshape(rows.shape)
