"""Folders of safetensors, through transformers: the families' tiny random models, made here."""

import pytest

from fmnb._loop import drain
from fmnb.engines import residents
from fmnb.engines.torch_engine import backend
from fmnb.errors import BadRequestError, ModelError
from fmnb.events import Finished, Progress, fold
from fmnb.types import Request, message

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tests.engines import tiny  # noqa: E402

PLAIN = {"dtype": "float32", "ignore_eos": True}
FAMILIES = {
    "opt": ("OPTConfig", dict(ffn_dim=128, word_embed_proj_dim=64)),
    "bloom": ("BloomConfig", dict(n_layer=2, n_head=4)),
    "pythia": ("GPTNeoXConfig", dict(intermediate_size=128)),
    "gpt2": ("GPT2Config", dict(n_embd=64, n_layer=2, n_head=4, n_positions=256)),
    "glm": ("GlmConfig", dict(intermediate_size=128, num_key_value_heads=2, head_dim=16, pad_token_id=0)),
    "gemma": ("Gemma3TextConfig", dict(intermediate_size=128, num_key_value_heads=2, head_dim=16, sliding_window=32)),
    "mistral": ("MistralConfig", dict(intermediate_size=128, num_key_value_heads=2, head_dim=16, sliding_window=32)),
}


def tokenizer(template=None):
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    core = Tokenizer(models.BPE({t: i for i, t in enumerate(tiny.TOKENS)}, [tuple(m.split(" ")) for m in tiny.MERGES]))
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    core.add_special_tokens([AddedToken(t, special=True) for t in tiny.TOKENS[-2:]])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|im_end|>", chat_template=template)


@pytest.fixture
def folder(tmp_path):
    def make(family, template=None):
        torch.manual_seed(0)
        name, sizes = FAMILIES[family]
        sizes = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=256) | sizes
        config = getattr(transformers, name)(vocab_size=len(tiny.TOKENS), eos_token_id=tiny.END, bos_token_id=None, **sizes)
        made = transformers.AutoModelForCausalLM.from_config(config).eval()
        with torch.no_grad():
            for p in made.parameters():
                p.mul_(4)
        made.save_pretrained(tmp_path)
        tokenizer(template).save_pretrained(tmp_path)
        return tmp_path, made

    yield make
    residents.unload()


def ask(text, **options):
    return Request("m", (message("user", text),), **{"max_tokens": 20, "extra": PLAIN, **options})


@pytest.mark.parametrize("family", FAMILIES)
def test_a_base_model_of_each_family_completes_text_as_transformers_does(folder, family):
    path, made = folder(family)
    model = backend(path, "tiny")
    assert not model.card.chat and model.card.context in (256, 2048, None)
    for text in ("the other day the", "the " * 60 + "end"):  # one slice, then two with a window that is passed
        ids = tokenizer()(text).input_ids
        expected = tokenizer().decode(tiny.greedy(made, ids, 20), skip_special_tokens=True)
        got = fold(drain(model.stream(ask(text))))
        assert got.text.rstrip("\ufffd") == expected.rstrip("\ufffd")
        assert (got.finish, got.usage.input_tokens, got.usage.output_tokens) == ("length", len(ids), 20)


def test_a_folders_chat_template_is_used(folder):
    path, _ = folder("pythia", tiny.TEMPLATE)
    model = backend(path, "tiny")
    assert model.card.chat
    events = list(drain(model.stream(ask("the", max_tokens=2))))
    assert any(isinstance(e, Progress) for e in events) and isinstance(events[-1], Finished)
    rendered = "<|im_start|>user\nthe<|im_end|>\n<|im_start|>assistant"  # Jinja drops a template's last line end
    assert events[-2].usage.input_tokens == len(tokenizer()(rendered).input_ids) == model.count(ask("the")).tokens


def test_a_prefix_is_used_again(folder):
    path, _ = folder("pythia")
    model = backend(path, "tiny")
    text = "the day " * 30
    first = fold(drain(model.stream(ask(text + "one"))))
    drain(model.stream(ask(text + "two")))
    again = fold(drain(model.stream(ask(text + "one"))))
    assert first.usage.cached_tokens == 0 and again.usage.cached_tokens >= 128
    assert again.text == first.text


def test_a_schema_is_kept(folder):
    path, _ = folder("gpt2")
    got = fold(drain(backend(path).stream(ask("the", schema={"enum": ["yes", "no"]}, extra={"dtype": "float32"}))))
    assert got.text in ('"yes"', '"no"') and got.finish == "stop"


def test_packed_weights_are_refused_where_there_are_none(folder):
    path, _ = folder("gpt2")
    with pytest.raises(BadRequestError, match="quant=int4"):
        list(drain(backend(path).stream(ask("the", extra={"quant": "int4"}))))


def test_a_folder_that_transformers_cannot_load_is_refused_in_words(folder):
    path, _ = folder("gpt2")
    (path / "config.json").write_text('{"model_type": "not-yet-invented", "n_positions": 64}')
    with pytest.raises(ModelError, match="transformers cannot load"):
        list(drain(backend(path).stream(ask("the"))))
