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

from ..weights.gguf_tensors import FLOATS, Weights
from ..weights.safetensors import FolderWeights
from .linear import LONG, MANY, Linear, Matrix, Table
from .llama_config import Rotation, Shape

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(slots=True)
class Layer:
    """The weights of one layer."""

    norm: Tensor
    qkv: Linear
    out: Linear
    norm2: Tensor
    gate_up: Linear
    down: Linear
    q_norm: Tensor | None
    k_norm: Tensor | None
    after: Tensor | None  # norms after attention and MLP, if a family has them
    after2: Tensor | None


class Stopped(Exception):
    """The user stopped while a model was loading or between two layers."""


class Cache:
    """The KV cache, [layers, tokens, 2 × groups, head]; grows by doubling."""

    def __init__(self, model: Llama, tokens: int):
        self._model = model
        self.kv = self._new(tokens)

    def _new(self, tokens: int) -> Tensor:
        import torch

        s = self._model.shape
        return torch.zeros(s.layers, tokens, 2 * s.groups, s.head, dtype=self._model.dtype, device=self._model.device)

    @property
    def room(self) -> int:
        """The current capacity in tokens."""
        return int(self.kv.shape[1])

    def grow(self, tokens: int) -> None:
        """Grow to a capacity of `tokens`; keeps the content."""
        if tokens > self.room:
            old, self.kv = self.kv, self._new(min(self._model.shape.context, max(tokens, 2 * self.room)))
            self.kv[:, : old.shape[1]] = old


class Llama:
    """The weights and the forward pass. Several caches may be used with one model, one call at a time."""

    def __init__(
        self,
        shape: Shape,
        weights: Weights | FolderWeights,
        dtype: Any,
        quant: str,
        device: str,
        on_layer: Callable[[int], bool] = lambda n: False,
    ):
        """Load from files. `on_layer(bytes)` receives the progress; if it returns True, raises Stopped."""
        import torch

        self.shape = s = shape
        self.dtype, self.device, self.quant = dtype, device, quant
        done = 0

        def vector(name: str) -> Tensor | None:
            return weights.floats(name).flatten().to(device, dtype) if name in weights else None

        def linear(names: list[str], turned: tuple[str, ...] = ()) -> Linear:
            parts = []
            for name in names:
                raw, kind, bias = weights.raw(f"{name}.weight"), weights.kind(f"{name}.weight"), vector(f"{name}.bias")
                if name.endswith(turned) and s.paired:
                    raw, bias = _unpaired(raw, s.head), None if bias is None else _unpaired(bias, s.head)
                parts.append(Matrix(raw, kind, bias))
            return Linear(parts, dtype, quant, device)

        def norm(name: str) -> Tensor | None:
            return self._norm_weight(weights.floats(name)) if name in weights else None

        self.layers = []
        for i in range(s.layers):
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
        tied = "output.weight" not in weights if s.tied is None else s.tied
        top = embedding if tied else Matrix(weights.raw("output.weight"), weights.kind("output.weight"), None)
        fine = "int8" if quant == "int4" and top.kind in FLOATS else quant  # the output matrix needs more than 4 bits
        self.head = Linear([top], dtype, fine, device)
        self.table = Table(embedding, dtype, device, self.head.dense if tied and not self.head.packed else None)
        self._enlarge = float(torch.tensor(s.enlarge, dtype=dtype))
        factors = vector("rope_freqs.weight")
        turn = _turns(s.rotation, s.head)
        self._turns = [turn if factors is None else turn / factors.float().cpu()]
        if s.window:
            self._turns.append(_turns(s.local_rotation or s.rotation, s.head))
        self._cos: list[Tensor] = []
        self._sin: list[Tensor] = []
        self._positions(min(s.context, 2048))

    def _norm_weight(self, weight: Tensor) -> Tensor:
        import torch

        return torch.cat([weight, weight] if self._doubled else [weight]).to(self.device)

    @property
    def _doubled(self) -> bool:
        """Whether RMS norms run as layer norms of [x, -x], with mean zero: one kernel in torch instead of six."""
        import torch

        return self.dtype == torch.bfloat16 and self.device == "cpu"

    def _normed(self, h: Tensor, weight: Tensor) -> Tensor:
        import torch

        s = self.shape
        if self._doubled:
            both = torch.layer_norm(torch.cat((h, -h), -1), (2 * s.width,), weight, None, s.epsilon)
            return both[:, : s.width].to(self.dtype).contiguous()
        return torch.rms_norm(h, (s.width,), weight, s.epsilon).to(self.dtype)

    def _positions(self, tokens: int) -> None:
        """Compute cosines and signed sines for that many positions, for all layers and for local layers."""
        import torch

        self._known = tokens
        angles = [torch.outer(torch.arange(tokens).float(), turn) for turn in self._turns]
        self._cos = [torch.cat([a.cos(), a.cos()], -1).to(self.device, self.dtype)[:, None] for a in angles]
        self._sin = [torch.cat([-a.sin(), a.sin()], -1).to(self.device, self.dtype)[:, None] for a in angles]

    def forward(self, ids: list[int], cache: Cache, at: int) -> Tensor:
        """Process tokens from position `at`; the cache holds the keys and values before it.

        Returns the logits of the last token, in 32-bit floats.
        """
        from torch.nn.functional import scaled_dot_product_attention

        s = self.shape
        n, end, groups, size, fold = len(ids), at + len(ids), s.groups, s.head, s.heads // s.groups
        cache.grow(end)
        if end > self._known:
            self._positions(min(s.context, max(end, 2 * self._known)))
        angles = [(cos[at:end], sin[at:end]) for cos, sin in zip(self._cos, self._sin, strict=True)]
        dense = n >= MANY and end >= LONG  # depends only on the prompt, so that the same prompt gets the same answer
        kv = cache.kv[:, :end]
        places = cache.kv[:, at:end].unbind(0)
        keys = kv[:, :, :groups].transpose(1, 2).unsqueeze(1).unbind(0)  # [1, groups, end, head]
        values = kv[:, :, groups:].transpose(1, 2).unsqueeze(1).unbind(0)
        masks = [self._mask(n, at, end, window).repeat_interleave(fold, 0) for window in (0, s.window)[: len(angles)]] if n > 1 else []
        h = self.embedded(ids)
        for i, layer in enumerate(self.layers):
            local = int(bool(s.window and s.local[i]))
            z = self.before(layer, h, *angles[local], dense)
            places[i].copy_(z[:, s.heads :])
            q, k, v = z[:, : s.heads], keys[i], values[i]
            if n == 1:
                if local and end > s.window:
                    k, v = k[:, :, end - s.window :], v[:, :, end - s.window :]
                a = scaled_dot_product_attention(q.view(1, groups, fold, size), k, v, scale=s.scale).view(1, -1)
            else:
                q = q.view(n, groups, fold, size).transpose(0, 1).reshape(1, groups, n * fold, size)
                a = scaled_dot_product_attention(q, k, v, attn_mask=masks[local], scale=s.scale)
                a = a.view(groups, n, fold * size).transpose(0, 1).reshape(n, -1)
            self.after(layer, h, a, dense)
        return self.logits(h[-1:])[0].float()

    def embedded(self, ids: list[int]) -> Tensor:
        """The input of the first layer."""
        h = self.table(ids).float()  # the residual stream is in 32 bits, as small terms would be lost
        return h if self.shape.enlarge == 1 else h.mul_(self._enlarge)

    def before(self, layer: Layer, h: Tensor, cos: Tensor, sin: Tensor, dense: bool) -> Tensor:
        """Queries, keys and values of a layer, [tokens, heads + 2 × groups, head], with rotary positions."""
        import torch

        s = self.shape
        turned = s.heads + s.groups
        z = layer.qkv(self._normed(h, layer.norm), dense).view(h.shape[0], turned + s.groups, s.head)
        if layer.q_norm is not None and layer.k_norm is not None:
            z[:, : s.heads] = torch.rms_norm(z[:, : s.heads], (s.head,), layer.q_norm, s.epsilon)
            z[:, s.heads : turned] = torch.rms_norm(z[:, s.heads : turned], (s.head,), layer.k_norm, s.epsilon)
        t = z[:, :turned]
        half = torch.roll(t, s.head // 2, -1)
        t.mul_(cos).addcmul_(half, sin)
        return z

    def after(self, layer: Layer, h: Tensor, a: Tensor, dense: bool) -> None:
        """Add the layer's output for its attention `a`, [tokens, heads × head], to `h`."""
        from torch.nn.functional import gelu, silu

        a = layer.out(a, dense)
        h.add_(a if layer.after is None else self._normed(a.float(), layer.after))
        gate, up = layer.gate_up(self._normed(h, layer.norm2), dense).chunk(2, -1)
        active = silu(gate) if self.shape.activation == "silu" else gelu(gate, approximate="tanh")
        d = layer.down(active.mul_(up), dense)
        h.add_(d if layer.after2 is None else self._normed(d.float(), layer.after2))

    def logits(self, h: Tensor, dense: bool = False) -> Tensor:
        """Logits, [tokens, vocabulary], of the last layer's output, [tokens, width], in the model's dtype."""
        return self.head(self._normed(h, self.norm), dense)

    def angles(self, positions: Tensor, local: bool) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines for `positions`, for local layers or for the others."""
        needed = int(positions.max()) + 1
        if needed > self._known:
            self._positions(min(self.shape.context, max(needed, 2 * self._known)))
        which = int(local and len(self._cos) > 1)
        return self._cos[which][positions], self._sin[which][positions]

    def _mask(self, n: int, at: int, end: int, window: int) -> Tensor:
        """0 where query row i sees a token: up to at + i, only the last `window` of them unless it is 0."""
        import torch

        hidden = torch.ones(n, end, dtype=torch.bool, device=self.device).triu_(at + 1)
        if window:
            hidden |= torch.ones(n, end, dtype=torch.bool, device=self.device).tril_(at - window)
        return torch.zeros(n, end, dtype=self.dtype, device=self.device).masked_fill_(hidden, -math.inf)


def _turns(rotation: Rotation, size: int) -> Tensor:
    """Angles per position, for each half of a head's dimensions."""
    import torch

    turn = 1.0 / (rotation.base ** (torch.arange(0, size, 2, dtype=torch.int64).float() / size))
    if rotation.bands is None:
        return turn / rotation.stretch
    low, high, original = rotation.bands  # low frequencies are stretched, high ones unchanged, those between interpolated
    length = 2 * math.pi / turn
    blend = (original / length - low) / (high - low)
    between = (1 - blend) * turn / rotation.stretch + blend * turn
    slow = torch.where(length > original / low, turn / rotation.stretch, between)
    return torch.where(length < original / high, turn, slow)


_PARTS = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


def _unpaired(rows: Tensor, size: int) -> Tensor:
    """Reorder rows of query or key heads from pairs (0, 1), (2, 3), ... to halves, as in `transformers`."""
    return rows.view(-1, size // 2, 2, *rows.shape[1:]).transpose(1, 2).reshape(rows.shape)
