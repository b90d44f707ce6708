"""Builds an ONNX graph from the weights of a BERT encoder, without torch or a converter.

Uses the fused operators of onnxruntime; the graph is built in memory and not saved to disk. In
float32 it gives the vectors of the original. In int8, weights have one scale per column and use 7
of the 8 bits, since CPUs without VNNI saturate with more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...core.optional import require

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert")  # the same encoder under four names
_MICROSOFT = "com.microsoft"


def graph(config: dict[str, Any], weights: dict[str, Array], quant: str) -> bytes:
    """The ONNX model: `ids`, `mask` (rows, tokens; int32) -> `out` (rows, tokens, width; float32).

    `weights` have the names of `transformers`, without the model's prefix; `quant` is none or int8.
    """
    onnx = require("onnx", "embed", "to compute embeddings locally")
    builder = _Builder(onnx, quant)
    layers, heads, epsilon = config["num_hidden_layers"], config["num_attention_heads"], config["layer_norm_eps"]
    at = weights["embeddings.position_embeddings.weight"]
    if config.get("model_type") != "bert":  # the others start positions after the id of the padding token
        at = at[config.get("pad_token_id", 1) + 1 :]
    kinds = weights.get("embeddings.token_type_embeddings.weight")
    if kinds is not None:  # there is only one segment type: its row is added to the positions
        at = at + kinds[0]
    words = builder.constant("words", weights["embeddings.word_embeddings.weight"])
    norm = builder.norm(weights, "embeddings.LayerNorm")
    x = builder.node("EmbedLayerNormalization", ["ids", "", words, builder.constant("positions", at), "", *norm], 2, epsilon=epsilon)[0]
    for i in range(layers):
        p = f"encoder.layer.{i}."
        joined = [
            builder.concatenate(weights, [f"{p}attention.self.{n}.{kind}" for n in ("query", "key", "value")])
            for kind in ("weight", "bias")
        ]
        qkv = builder.linear(x, *joined)
        q, k, v = builder.node("Split", [qkv], 3, domain="", axis=2, num_outputs=3)
        attended = builder.node("MultiHeadAttention", [q, k, v, "", "mask"], num_heads=heads)[0]
        y = builder.residual(attended, x, weights, p + "attention.output", epsilon)
        hidden = builder.linear(y, weights[p + "intermediate.dense.weight"], weights[p + "intermediate.dense.bias"])
        x = builder.residual(builder.node("Gelu", [hidden])[0], y, weights, p + "output", epsilon)
    return builder.model(x, config["hidden_size"])


class _Builder:
    """Collects nodes and constants, and generates their names."""

    def __init__(self, onnx: Any, quant: str):
        self._onnx, self._quant = onnx, quant
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, name: str, value: Array) -> str:
        import numpy as np

        name = f"{name}_{len(self._constants)}"
        self._constants.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, op: str, inputs: list[str], outputs: int = 1, *, domain: str = _MICROSOFT, **attributes: Any) -> list[str]:
        names = [f"{op}_{len(self._nodes)}_{n}" for n in range(outputs)]
        self._nodes.append(self._onnx.helper.make_node(op, inputs, names, domain=domain, **attributes))
        return names

    def concatenate(self, weights: dict[str, Array], names: list[str]) -> Array:
        import numpy as np

        return np.concatenate([weights[n] for n in names])

    def norm(self, weights: dict[str, Array], name: str) -> list[str]:
        return [self.constant("scale", weights[f"{name}.weight"]), self.constant("shift", weights[f"{name}.bias"])]

    def residual(self, inner: str, before: str, weights: dict[str, Array], name: str, epsilon: float) -> str:
        """A linear layer with residual connection and layer norm."""
        out = self.linear(inner, weights[f"{name}.dense.weight"], weights[f"{name}.dense.bias"])
        return self.node("SkipLayerNormalization", [out, before, *self.norm(weights, f"{name}.LayerNorm")], epsilon=epsilon)[0]

    def linear(self, x: str, weight: Array, bias: Array) -> str:
        import numpy as np

        w = weight.T.astype(np.float32)
        shift = self.constant("bias", bias.astype(np.float32))
        if self._quant == "none":
            return self.node("Add", [self.node("MatMul", [x, self.constant("weight", w)], domain="")[0], shift], domain="")[0]
        scale = np.abs(w).max(0) / 63
        scale[scale == 0] = 1
        quantized = np.clip(np.rint(w / scale), -63, 63).astype(np.int8)
        parts = [self.constant("weight", quantized), self.constant("step", scale), self.constant("zero", np.zeros(w.shape[1], np.int8))]
        return self.node("DynamicQuantizeMatMul", [x, *parts, shift])[0]

    def model(self, out: str, width: int) -> bytes:
        make, number = self._onnx.helper, self._onnx.TensorProto
        ins = [make.make_tensor_value_info(name, number.INT32, ["rows", "tokens"]) for name in ("ids", "mask")]
        outs = [make.make_tensor_value_info(out, number.FLOAT, ["rows", "tokens", width])]
        graph = make.make_graph(self._nodes, "encoder", ins, outs, self._constants)
        domains = [make.make_opsetid("", 18), make.make_opsetid(_MICROSOFT, 1)]
        return bytes(make.make_model(graph, opset_imports=domains, ir_version=9).SerializeToString())
