"""The Llama family in our own torch code: Llama, SmolLM, Mistral, Qwen2 and Qwen3 from GGUF files.

Query, key and value are one matrix, gate and up another; keys and values are written in
place; heads that share keys are folded into the query axis, so nothing is repeated. Weights
come in forms (`torch_linear.py`): packed for the one row of a decoding step, dense for the
many rows of a prompt. Knows nothing of requests or text.

In 32-bit floats it gives the tokens of `transformers`, which the tests hold it to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from . import gguf
from .gguf_weights import READABLE, Weights
from .torch_linear import LONG, MANY, Linear, Matrix, Table

if TYPE_CHECKING:
    from torch import Tensor

# architecture -> whether its query and key rows are stored in pairs, as ggml's own rotation wants them
_PAIRED = {"llama": True, "qwen2": False, "qwen3": False}


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers that make a model of the family."""

    layers: int
    width: int
    hidden: int
    heads: int
    groups: int  # key-value heads
    head: int  # numbers a head
    vocabulary: int
    context: int
    epsilon: float
    base: float  # of the rotation
    stretch: float  # positions are divided by this
    paired: bool


def shape(head: gguf.Gguf) -> Shape | None:
    """The shape of a file's model, None where it is not of this family or needs what is not done here."""
    family, heads, width = head.architecture, head.hyper("attention.head_count"), head.hyper("embedding_length")
    layers, hidden = head.hyper("block_count"), head.hyper("feed_forward_length")
    table = head.tensors.get("token_embd.weight")
    if family not in _PAIRED or not (heads and width and layers and hidden and table) or len(table.shape) != 2:
        return None
    scaling = head.metadata.get(f"{family}.rope.scaling.type", "none")
    size = head.hyper("attention.key_length") or width // heads
    odd = (
        head.hyper("expert_count")
        or scaling not in ("none", "linear", "")
        or head.hyper("rope.dimension_count") not in (None, size)
        or head.hyper("attention.value_length") not in (None, size)
        or any(t.kind not in READABLE for t in head.tensors.values())
    )
    if odd:
        return None

    def number(name: str, default: float) -> float:
        value = head.metadata.get(f"{family}.{name}", default)
        return float(value) if isinstance(value, (int, float)) else default

    return Shape(
        layers=layers,
        width=width,
        hidden=hidden,
        heads=heads,
        groups=head.hyper("attention.head_count_kv") or heads,
        head=size,
        vocabulary=table.shape[0],
        context=head.context or 4096,
        epsilon=number("attention.layer_norm_rms_epsilon", 1e-5),
        base=number("rope.freq_base", 10_000.0),
        stretch=number("rope.scaling.factor", 1.0) if scaling == "linear" else 1.0,
        paired=_PAIRED[family],
    )


@dataclass(slots=True)
class _Layer:
    norm: Tensor
    qkv: Linear
    out: Linear
    norm2: Tensor
    gate_up: Linear
    down: Linear
    q_norm: Tensor | None
    k_norm: Tensor | None


class Stopped(Exception):
    """A load was stopped on the way."""


class Cache:
    """Keys and values of the tokens read so far, [layers, tokens, 2 × groups, head], grown by doubling."""

    def __init__(self, model: Llama, tokens: int):
        self._model = model
        self.kv = self._new(tokens)

    def _new(self, tokens: int) -> Tensor:
        import torch

        s = self._model.shape
        return torch.zeros(s.layers, tokens, 2 * s.groups, s.head, dtype=self._model.dtype, device=self._model.device)

    @property
    def room(self) -> int:
        """Tokens it can hold as it is."""
        return int(self.kv.shape[1])

    def grow(self, tokens: int) -> None:
        """Make room for `tokens`, keeping what is there."""
        if tokens > self.room:
            old, self.kv = self.kv, self._new(min(self._model.shape.context, max(tokens, 2 * self.room)))
            self.kv[:, : old.shape[1]] = old


class Llama:
    """The weights and the forward pass. Several caches may be used with one model, one call at a time."""

    def __init__(self, head: gguf.Gguf, dtype: Any, quant: str, device: str, on_layer: Callable[[int], bool] = lambda n: False):
        """Load from a file. `on_layer(bytes)` hears how far it is; the load ends with Stopped when that gives True."""
        import torch

        known = shape(head)
        if known is None:
            raise ModelError("The torch engine does not know this model", seen=f"{head.path.name}: {head.architecture}")
        self.shape = s = known
        self.dtype, self.device, self.quant = dtype, device, quant
        weights = Weights(head.path)
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

        self.layers = []
        for i in range(s.layers):
            b = f"blk.{i}."
            self.layers.append(
                _Layer(
                    self._norm_weight(weights.floats(b + "attn_norm.weight")),
                    linear([b + "attn_q", b + "attn_k", b + "attn_v"], ("attn_q", "attn_k")),
                    linear([b + "attn_output"]),
                    self._norm_weight(weights.floats(b + "ffn_norm.weight")),
                    linear([b + "ffn_gate", b + "ffn_up"]),
                    linear([b + "ffn_down"]),
                    vector(b + "attn_q_norm.weight"),
                    vector(b + "attn_k_norm.weight"),
                )
            )
            done += sum(weights.size(n) for n in (f"{b}{p}.weight" for p in _PARTS) if n in weights)
            if on_layer(done):
                raise Stopped
        self.norm = self._norm_weight(weights.floats("output_norm.weight"))
        embedding = Matrix(weights.raw("token_embd.weight"), weights.kind("token_embd.weight"), None)
        tied = "output.weight" not in weights
        top = embedding if tied else Matrix(weights.raw("output.weight"), weights.kind("output.weight"), None)
        self.head = Linear([top], dtype, quant, device)
        self.table = Table(embedding, dtype, device, self.head.dense if tied and not self.head.packed else None)
        turn = s.base ** (-torch.arange(0, s.head, 2, dtype=torch.int64).float() / s.head) / s.stretch
        factors = vector("rope_freqs.weight")
        self._turn = turn if factors is None else turn / factors.float().cpu()
        self._cos = self._sin = torch.empty(0)
        self._positions(min(s.context, 2048))

    def _norm_weight(self, weight: Tensor) -> Tensor:
        import torch

        return torch.cat([weight, weight] if self._doubled else [weight]).to(self.device)

    @property
    def _doubled(self) -> bool:
        """Whether norms run as layer norms of [x, -x], whose mean is zero: torch has one kernel for that, and six for the plain norm."""
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
        """Cosines and signed sines for that many positions."""
        import torch

        if tokens > len(self._cos):
            angle = torch.outer(torch.arange(tokens).float(), self._turn)
            cos, sin = angle.cos(), angle.sin()
            self._cos = torch.cat([cos, cos], -1).to(self.device, self.dtype)[:, None]
            self._sin = torch.cat([-sin, sin], -1).to(self.device, self.dtype)[:, None]

    def forward(self, ids: list[int], cache: Cache, at: int) -> Tensor:
        """Read tokens whose positions begin at `at`; keys and values before it are in the cache.

        Gives the last token's logits, in 32-bit floats.
        """
        import torch
        from torch.nn.functional import scaled_dot_product_attention, silu

        s = self.shape
        n, end, groups, size, fold = len(ids), at + len(ids), s.groups, s.head, s.heads // s.groups
        cache.grow(end)
        if end > len(self._cos):
            self._positions(min(s.context, max(end, 2 * len(self._cos))))
        cos, sin = self._cos[at:end], self._sin[at:end]
        dense = n >= MANY and end >= LONG  # by the prompt alone, so that the same prompt gets the same answer
        turned = s.heads + groups
        seen = cache.kv[:, :end]
        places = cache.kv[:, at:end].unbind(0)
        keys = seen[:, :, :groups].transpose(1, 2).unsqueeze(1).unbind(0)  # [1, groups, end, head]
        values = seen[:, :, groups:].transpose(1, 2).unsqueeze(1).unbind(0)
        mask = None
        if n > 1:  # query row (i, g) sees the tokens up to at + i
            mask = torch.zeros(n, end, dtype=self.dtype, device=self.device)
            mask.masked_fill_(torch.ones(n, end, dtype=torch.bool, device=self.device).triu_(at + 1), -math.inf)
            mask = mask.repeat_interleave(fold, 0)
        h = self.table(ids).float()  # the sum over the layers keeps 32 bits, or small parts of it get lost
        for i, layer in enumerate(self.layers):
            z = layer.qkv(self._normed(h, layer.norm), dense).view(n, turned + groups, size)
            if layer.q_norm is not None and layer.k_norm is not None:
                z[:, : s.heads] = torch.rms_norm(z[:, : s.heads], (size,), layer.q_norm, s.epsilon)
                z[:, s.heads : turned] = torch.rms_norm(z[:, s.heads : turned], (size,), layer.k_norm, s.epsilon)
            t = z[:, :turned]
            half = torch.roll(t, size // 2, -1)
            t.mul_(cos).addcmul_(half, sin)
            places[i].copy_(z[:, s.heads :])
            q = z[:, : s.heads]
            if n == 1:
                a = scaled_dot_product_attention(q.view(1, groups, fold, size), keys[i], values[i]).view(1, -1)
            else:
                q = q.view(n, groups, fold, size).transpose(0, 1).reshape(1, groups, n * fold, size)
                a = scaled_dot_product_attention(q, keys[i], values[i], attn_mask=mask)
                a = a.view(groups, n, fold * size).transpose(0, 1).reshape(n, -1)
            h.add_(layer.out(a, dense))
            gate, up = layer.gate_up(self._normed(h, layer.norm2), dense).chunk(2, -1)
            h.add_(layer.down(silu(gate).mul_(up), dense))
        return self.head(self._normed(h[-1:], self.norm))[0].float()


_PARTS = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


def _unpaired(rows: Tensor, size: int) -> Tensor:
    """Rows of query or key heads from pairs (0, 1), (2, 3), ... to halves, as `transformers` stores them."""
    return rows.view(-1, size // 2, 2, *rows.shape[1:]).transpose(1, 2).reshape(rows.shape)
