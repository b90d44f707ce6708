"""Tiny random models of transformers, and the same weights as a GGUF file."""

from __future__ import annotations

import torch
import transformers
from tokenizers import pre_tokenizers

from tests.engines.conftest import write

LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())
TOKENS = [*LETTERS, "Ġt", "he", "Ġthe", "<|im_start|>", "<|im_end|>"]
MERGES = ["Ġ t", "h e", "Ġt he"]
END = TOKENS.index("<|im_end|>")
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"


def model(family: str, **options):
    """A random model of transformers, its weights large enough to make its mind up."""
    torch.manual_seed(0)
    names = {"llama": "LlamaConfig", "qwen2": "Qwen2Config", "qwen3": "Qwen3Config", "gemma3": "Gemma3TextConfig"}
    sizes = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=16)
    sizes |= dict(vocab_size=len(TOKENS), max_position_embeddings=512, initializer_range=0.15, bos_token_id=None, eos_token_id=END)
    config = getattr(transformers, names[family])(**(sizes | options))
    made = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for name, p in made.named_parameters():
            if "norm" in name or name.endswith("bias"):
                p.add_(torch.randn_like(p) * 0.2)
    return made


def gguf(made, family: str) -> bytes:
    """The model as a GGUF file in 32-bit floats."""
    c = made.config
    heads, groups = c.num_attention_heads, c.num_key_value_heads
    metadata = {
        "general.architecture": family,
        f"{family}.block_count": c.num_hidden_layers,
        f"{family}.context_length": c.max_position_embeddings,
        f"{family}.embedding_length": c.hidden_size,
        f"{family}.feed_forward_length": c.intermediate_size,
        f"{family}.attention.head_count": heads,
        f"{family}.attention.head_count_kv": groups,
        f"{family}.attention.key_length": c.head_dim,
        f"{family}.attention.value_length": c.head_dim,
        f"{family}.attention.layer_norm_rms_epsilon": float(c.rms_norm_eps),
        f"{family}.rope.freq_base": float(c.rope_parameters.get("full_attention", c.rope_parameters)["rope_theta"]),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": TOKENS,
        "tokenizer.ggml.token_type": [3 if t.startswith("<|") else 1 for t in TOKENS],
        "tokenizer.ggml.merges": MERGES,
        "tokenizer.ggml.eos_token_id": END,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": TEMPLATE,
    }

    if family == "gemma3":
        metadata[f"{family}.attention.sliding_window"] = c.sliding_window

    def paired(w, n):
        return w.view(n, 2, c.head_dim // 2, *w.shape[1:]).transpose(1, 2).reshape(w.shape) if family == "llama" else w

    layer = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "self_attn.q_norm": "attn_q_norm",
        "self_attn.k_norm": "attn_k_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    if family == "gemma3":
        layer |= {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm"}
        layer |= {"post_feedforward_layernorm": "post_ffw_norm"}
    tensors = {}
    for name, w in made.state_dict().items():
        stem, _, kind = name.rpartition(".")
        if name == "model.embed_tokens.weight":
            new = "token_embd.weight"
        elif name == "model.norm.weight":
            new = "output_norm.weight"
        elif name == "lm_head.weight":
            if c.tie_word_embeddings:
                continue
            new = "output.weight"
        else:
            _, _, number, part = stem.split(".", 3)
            new = f"blk.{number}.{layer[part]}.{kind}"
            if part in ("self_attn.q_proj", "self_attn.k_proj"):
                w = paired(w, heads if "q_" in part else groups)
        if family == "gemma3" and "norm" in new:
            w = w + 1  # files hold what is multiplied by
        tensors[new] = (tuple(w.shape), 0, w.contiguous().numpy().tobytes())
    return write(metadata, tensors)


def greedy(made, ids: list[int], n: int) -> list[int]:
    """What transformers itself answers, token by token."""
    x = torch.tensor([ids])
    out = made.generate(x, attention_mask=torch.ones_like(x), max_new_tokens=n, min_new_tokens=n, do_sample=False, pad_token_id=0)
    return out[0, len(ids) :].tolist()
