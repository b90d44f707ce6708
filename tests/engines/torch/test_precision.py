"""In which numbers a model is loaded: what is chosen, what may be asked, what it takes, what it costs in accuracy."""

import pytest

from fmnb.core.errors import BadRequestError, InsufficientMemoryError
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import build_response
from fmnb.engines import loaded
from fmnb.engines.torch import precision
from fmnb.engines.torch.backend import backend
from fmnb.engines.torch.model import load
from fmnb.engines.torch.precision import Precision, estimate_memory, select_precision
from fmnb.engines.weights import gguf_tensors

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tests.engines import folders, tiny  # noqa: E402
from tests.engines.folders import ask  # noqa: E402

LARGER = dict(hidden_size=256, intermediate_size=512, num_attention_heads=4, num_key_value_heads=2, head_dim=64)


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    loaded.unload()


def opened(path, how):
    return load(path, how, 64, lambda event: None, lambda: False)


def test_a_folder_is_loaded_in_sixteen_bits_unless_something_else_is_asked(tmp_path):
    folders.causal(tmp_path, "llama")
    usual = select_precision(tmp_path)
    assert (usual.dtype, usual.quant, usual.device) == ("bfloat16", "none", "cpu")
    assert usual.reason.startswith("bfloat16 on CPU: ")
    asked = select_precision(tmp_path, "float32", "none")
    assert (asked.dtype, asked.reason) == ("float32", "float32 on CPU: as requested")
    assert select_precision(tmp_path, "", "int4").reason == f"{usual.reason}; int4: as requested"


@pytest.mark.parametrize("bf16", [True, False])
def test_the_reason_names_what_the_processor_has(tmp_path, monkeypatch, bf16):
    folders.causal(tmp_path, "llama")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16, raising=False)
    assert select_precision(tmp_path).reason == f"bfloat16 on CPU: {'has AVX512-BF16' if bf16 else 'half the memory of float32'}"


def test_a_gpu_that_is_there_is_taken_and_computes_with_what_it_has(tmp_path, monkeypatch):
    folders.causal(tmp_path, "llama")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for has, dtype in ((True, "bfloat16"), (False, "float16")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has=has: has)
        assert str(select_precision(tmp_path)) == f"torch cuda {dtype}"
    with pytest.raises(BadRequestError, match="quantized weights run only on a CPU, and this is CUDA"):
        select_precision(tmp_path, "", "int8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert str(select_precision(tmp_path)) == "torch mps bfloat16"


def test_a_folder_that_is_already_quantized_is_not_packed_again(tmp_path):
    import json

    folders.causal(tmp_path, "llama")
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "gptq"}}))
    with pytest.raises(BadRequestError, match="already quantized"):
        select_precision(tmp_path, "", "int8")


@pytest.mark.parametrize("family", ["smollm", "qwen3", "opt", "gpt2", "bloom", "glm"])
@pytest.mark.parametrize(("quant", "bar"), [("int8", 0.06), ("int4", 0.45)])
def test_packed_logits_stay_near_the_exact_ones_on_both_paths(tmp_path, family, quant, bar):
    sizes = dict(n_embd=256) if family == "gpt2" else LARGER | dict(ffn_dim=512, word_embed_proj_dim=256)
    made = folders.causal(tmp_path, family, gain=0.6, **sizes)
    ours = opened(tmp_path, Precision("bfloat16", quant, "cpu"))
    assert ours.path == folders.CAUSAL[family][2]
    ids = torch.randint(0, len(tiny.TOKENS) - 2, (90,), generator=torch.Generator().manual_seed(1)).tolist()
    with torch.inference_mode():
        theirs = made(torch.tensor([ids])).logits[0]
        logits, _ = ours.prefill(ids[:80], lambda: False, True, lambda done: None)
        for at in range(80, 90):
            off = logits - theirs[at - 1]
            assert float((off - off.mean()).norm() / (theirs[at - 1] - theirs[at - 1].mean()).norm()) < bar
            logits = ours.decode(ids[at], at)


def test_rounding_to_four_bits_takes_the_nearest_of_sixteen_steps():
    w = torch.randn(8, 64)
    q, scale, zero = gguf_tensors.quantize_int4(w)
    back = ((q.float().view(8, 2, 32) - 8) * scale[..., None] + zero[..., None]).view(8, 64)
    assert int(q.max()) <= 15 and torch.all((back - w).abs() <= 0.56 * scale.repeat_interleave(32, 1) + 0.02)


def test_sizes_the_kernels_do_not_take_stay_dense_and_answer(tmp_path):
    odd = dict(hidden_size=72, num_attention_heads=4, ffn_dim=100, word_embed_proj_dim=72)
    folders.causal(tmp_path, "opt", **odd)
    for quant in ("int8", "int4"):
        got = build_response(iterate_sync(backend(tmp_path).stream(ask("the day", dtype="", quant=quant))))
        assert got.usage.output_tokens == 20
    folders.causal(tmp_path / "fast", "smollm", hidden_size=72, intermediate_size=100)
    got = build_response(iterate_sync(backend(tmp_path / "fast").stream(ask("the day " * 40, dtype="", quant="int8"))))
    assert got.usage.output_tokens == 20 and got.extra["path"] == "fast"


def test_each_form_is_a_model_of_its_own_in_memory(tmp_path):
    folders.causal(tmp_path, "opt")
    model = backend(tmp_path, "tiny")
    for options in ({}, {"dtype": "bfloat16"}, {"dtype": "bfloat16", "quant": "int8"}):
        drain_all = list(iterate_sync(model.stream(ask("the", max_tokens=1, **options))))
        assert drain_all
    assert sorted(r.engine for r in loaded.loaded_models()) == ["torch cpu bfloat16", "torch cpu bfloat16 int8", "torch cpu float32"]


@pytest.mark.parametrize("family", ["smollm", "opt", "bloom"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_estimate_for_a_folder_is_its_weights_in_the_chosen_numbers(tmp_path, family, dtype):
    made = folders.causal(tmp_path, family, **LARGER, ffn_dim=512, word_embed_proj_dim=256)
    width = 4 if dtype == "float32" else 2
    weights = sum(p.numel() for p in made.parameters()) * width  # shared ones once
    estimate = estimate_memory(tmp_path, Precision(dtype, "none", "cpu"), 0) - precision._TRANSFORMERS_OVERHEAD
    assert weights <= estimate <= 1.02 * weights
    assert backend(tmp_path).info.memory >= sum(p.numel() for p in made.parameters()) * 2  # for the usual form


def test_a_packed_model_holds_less_and_says_how_much(tmp_path):
    folders.causal(tmp_path, "opt", **LARGER, ffn_dim=512, word_embed_proj_dim=256)
    held = {q: opened(tmp_path, Precision("bfloat16", q, "cpu")).memory for q in ("none", "int8", "int4")}
    assert held["int4"] < held["int8"] < held["none"]
    for quant, memory in held.items():
        assert memory <= estimate_memory(tmp_path, Precision("bfloat16", quant, "cpu"), 0)


def test_a_folder_larger_than_memory_is_refused_with_numbers(tmp_path, monkeypatch):
    from fmnb.engines import host

    folders.causal(tmp_path, "opt")
    monkeypatch.setattr(host, "available_memory", lambda: 100 << 20)
    with pytest.raises(InsufficientMemoryError, match=r"needs about 1\d\d MiB \(in torch cpu float32\); 100 MiB are free"):
        list(iterate_sync(backend(tmp_path).stream(ask("the"))))
