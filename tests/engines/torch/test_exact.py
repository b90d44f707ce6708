"""The fast path against transformers: in 32-bit floats the same tokens."""

import random

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from fmnb.engines.torch.model import load  # noqa: E402
from fmnb.engines.torch.precision import Precision  # noqa: E402
from fmnb.engines.weights import gguf as head_reader  # noqa: E402
from tests.conftest import FULL  # noqa: E402
from tests.engines import tiny  # noqa: E402

PLAIN = Precision("float32", "none", "cpu")


def opened(path, how=PLAIN):
    model = load(path, how, 512, lambda event: None, lambda: False)
    assert model is not None
    return model


def greedy(model, ids, n, end=None):
    """Our own tokens; `end` is banned, as transformers' least length bans it."""
    out = []
    with torch.inference_mode():
        logits, _ = model.prefill(ids, lambda: False, True, lambda done: None)
        for i in range(n):
            if end is not None:
                logits[end] = float("-inf")
            out.append(int(logits.argmax()))
            logits = model.decode(out[-1], len(ids) + i)
    return out


def prompts(vocabulary, count, longest, seed=0):
    r = random.Random(seed)
    return [[r.randrange(vocabulary) for _ in range(r.randrange(1, longest))] for _ in range(count)]


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("llama", {}),
        ("llama", {"num_key_value_heads": 4, "tie_word_embeddings": True}),
        ("llama", {"num_key_value_heads": 1, "head_dim": 32}),
        ("qwen2", {"tie_word_embeddings": True}),
        ("qwen3", {}),
        ("gemma3", {"num_hidden_layers": 7, "sliding_window": 16, "query_pre_attn_scalar": 16, "tie_word_embeddings": True}),
    ],
    ids=["shared heads", "tied head", "one key head, wide", "biases", "normed queries", "local layers"],
)
def test_a_random_model_gives_the_tokens_of_transformers(tmp_path, family, options):
    made = tiny.model(family, **options)
    (tmp_path / "tiny.gguf").write_bytes(tiny.gguf(made, family))
    ours = opened(tmp_path / "tiny.gguf")
    for ids in prompts(len(tiny.TOKENS) - 2, 16, 60):
        assert greedy(ours, ids, 32, tiny.END) == tiny.greedy(made, ids, 32)


def test_a_prompt_of_several_slices_gives_the_logits_of_one_pass(tmp_path):
    made = tiny.model("llama")
    (tmp_path / "tiny.gguf").write_bytes(tiny.gguf(made, "llama"))
    ours = opened(tmp_path / "tiny.gguf")
    ids = prompts(len(tiny.TOKENS) - 2, 1, 2, seed=3)[0] * 300
    logits, _ = ours.prefill(ids, lambda: False, True, lambda done: None)
    with torch.inference_mode():
        theirs = made(torch.tensor([ids])).logits[0, -1]
    assert torch.allclose(logits, theirs, atol=1e-3)


def test_what_was_read_before_changes_no_bit_of_an_answer(tmp_path):
    made = tiny.model("llama")
    (tmp_path / "tiny.gguf").write_bytes(tiny.gguf(made, "llama"))
    ours = opened(tmp_path / "tiny.gguf")
    a, b = prompts(len(tiny.TOKENS) - 2, 2, 3, seed=4)
    shared = (a + b) * 100
    first, known = ours.prefill([*shared, *a], lambda: False, True, lambda done: None)
    greedy(ours, [*shared, *b], 5)
    again, reused = ours.prefill([*shared, *a], lambda: False, True, lambda done: None)
    assert known == 0 and reused >= 128
    assert torch.equal(first, again)


@pytest.fixture(scope="module")
def real(embedded_path):
    """The embedded model in transformers, its weights brought there by way of our reader."""
    import transformers

    from fmnb.engines.torch.llama_config import from_gguf
    from fmnb.engines.weights.gguf_tensors import GgufWeights

    head = head_reader.read(embedded_path)
    s, w = from_gguf(head), GgufWeights(embedded_path)
    config = transformers.LlamaConfig(
        vocab_size=s.vocab_size,
        hidden_size=s.hidden_size,
        intermediate_size=s.intermediate_size,
        num_hidden_layers=s.num_layers,
        num_attention_heads=s.num_heads,
        num_key_value_heads=s.num_kv_heads,
        max_position_embeddings=s.max_positions,
        rms_norm_eps=s.rms_norm_eps,
        rope_theta=s.rope.theta,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
    )
    config.rope_parameters = {"rope_type": "default", "rope_theta": s.rope.theta}
    made = transformers.LlamaForCausalLM(config).eval()

    def halves(x):
        return x.view(-1, s.head_dim // 2, 2, x.shape[1]).transpose(1, 2).reshape(x.shape)

    names = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj"}
    names |= {"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
    names |= {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
    state = {"model.embed_tokens.weight": w.floats("token_embd.weight"), "model.norm.weight": w.floats("output_norm.weight")}
    for i in range(s.num_layers):
        for ours, theirs in names.items():
            x = w.floats(f"blk.{i}.{ours}.weight")
            state[f"model.layers.{i}.{theirs}.weight"] = halves(x) if ours in ("attn_q", "attn_k") else x
    made.load_state_dict(state, strict=False)
    made.tie_weights()
    return made


QUESTIONS = [
    "Explain in a few sentences why notebooks are popular among data analysts.",
    "Write a short poem about the sea.",
    "What is 12 times 12? Show your steps.",
    "Name five European capitals and one fact about each.",
    "def mean(values):",
    "Summarise: sales rose 4 % in May, fell 2 % in June and were flat in July.",
    "Translate to French: The weather is nice today.",
    "How do I read a CSV file with pandas?",
]


def conversation(model, text):
    return model.tokenizer.prompt([{"role": "user", "content": text}], {})


@pytest.fixture
def one_thread():
    """Sums come in one order, however busy the machine is."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_embedded_model_gives_the_tokens_of_transformers(embedded_path, real, one_thread):
    ours = opened(embedded_path)
    chosen = [f"{q} {tail}".strip() for tail in ("", "Be brief.") for q in QUESTIONS][: 16 if FULL else 4]
    for text in chosen:
        ids = conversation(ours, text)
        assert greedy(ours, ids, 32, end=2) == tiny.greedy(real, ids, 32)


@pytest.mark.parametrize(("quant", "bar"), [("none", 0.96), ("int4", 0.96), ("int8", 0.95)][: None if FULL else 2])
def test_a_rounded_model_agrees_with_the_exact_one_at_almost_every_token(embedded_path, exact, quant, bar):
    model = opened(embedded_path, Precision("bfloat16", quant, "cpu"))
    agree = total = 0
    with torch.inference_mode():
        for text, tokens in exact.items():
            ids = conversation(model, text)
            logits, _ = model.prefill(ids, lambda: False, True, lambda done: None)
            for i, token in enumerate(tokens):
                agree += int(logits.argmax()) == token
                total += 1
                logits = model.decode(token, len(ids) + i)
    assert total >= 25 * len(exact) and agree / total >= bar


@pytest.fixture(scope="module")
def exact(embedded_path):
    """The answers of the model in 32-bit floats, which the others are led along."""
    ours = opened(embedded_path)
    return {q: greedy(ours, conversation(ours, q), 64 if FULL else 32, end=2) for q in QUESTIONS[: None if FULL else 4]}
