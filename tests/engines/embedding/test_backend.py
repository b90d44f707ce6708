"""Vectors made here: equal to the original's, for each family and way of pooling."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fmnb as fm
from fmnb.catalog import weights
from fmnb.catalog.resolve import engine_for
from fmnb.core.backend import Embedder, Vectors
from fmnb.core.errors import BadRequestError, ModelError, UsageError
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import Notice
from fmnb.core.types import Request, message
from fmnb.engines import loaded
from fmnb.engines.embedding.backend import backend
from tests.conftest import MODELS

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("onnxruntime")

TEXTS = ["the cat sat", "a", "the dog ran and ran and ran over the cat", "cat the"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "sat", "a", "dog", "ran", "and", "over"]
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": len(WORDS)}


def write_tokenizer(folder):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    t = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=t, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    fast.save_pretrained(folder)


def family(name: str):
    """A tiny model of a family with random weights."""
    torch.manual_seed(0)
    if name == "bert":
        return transformers.BertModel(transformers.BertConfig(**SMALL, max_position_embeddings=64))
    if name == "xlm-roberta":
        return transformers.XLMRobertaModel(
            transformers.XLMRobertaConfig(**SMALL, max_position_embeddings=64, pad_token_id=0, type_vocab_size=1)
        )
    if name == "mpnet":
        return transformers.MPNetModel(transformers.MPNetConfig(**SMALL, max_position_embeddings=64, pad_token_id=0))
    config = {**SMALL, "num_key_value_heads": 2, "head_dim": 8}
    return transformers.Qwen3Model(transformers.Qwen3Config(**config, max_position_embeddings=64, pad_token_id=0))


def folder_of(tmp_path, name: str, pooling: str = "", normalise: bool = True):
    net = family(name).eval()
    net.save_pretrained(tmp_path)
    write_tokenizer(tmp_path)
    if pooling:
        kinds = ["Transformer", "Pooling", *(["Normalize"] if normalise else [])]
        (tmp_path / "modules.json").write_text(
            json.dumps([{"idx": i, "type": f"sentence_transformers.models.{k}"} for i, k in enumerate(kinds)])
        )
        (tmp_path / "1_Pooling").mkdir()
        (tmp_path / "1_Pooling/config.json").write_text(json.dumps({f"pooling_mode_{pooling}": True}))
    return tmp_path, net


def expected(net, folder, pooling: str, unit: bool = True):
    """The vectors by the library alone, one text at a time: no padding, no batch."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    out = []
    with torch.inference_mode():
        for text in TEXTS:
            ids = torch.tensor([tokenizer(text)["input_ids"]])
            states = net(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
            v = {"mean_tokens": states.mean(0), "cls_token": states[0], "lasttoken": states[-1], "max_tokens": states.max(0).values}[
                pooling
            ]
            out.append((v / v.norm() if unit else v).numpy())
    return np.stack(out)


@pytest.mark.parametrize("name", ["bert", "xlm-roberta", "mpnet", "qwen3"])
def test_each_family_gives_the_vectors_of_the_original(tmp_path, name):
    folder, net = folder_of(tmp_path, name, "lasttoken" if name == "qwen3" else "mean_tokens")
    assert engine_for(folder) == "vectors"
    got = fm.embed(TEXTS, f"path:{folder}")
    np.testing.assert_allclose(got, expected(net, folder, "lasttoken" if name == "qwen3" else "mean_tokens"), atol=2e-5)


@pytest.mark.parametrize(("pooling", "unit"), [("cls_token", True), ("max_tokens", True), ("lasttoken", True), ("mean_tokens", False)])
def test_the_folders_own_recipe_is_followed(tmp_path, pooling, unit):
    folder, net = folder_of(tmp_path, "bert", pooling, normalise=unit)
    np.testing.assert_allclose(fm.embed(TEXTS, f"path:{folder}"), expected(net, folder, pooling, unit), atol=2e-5)


def test_a_pooling_nobody_knows_is_named(tmp_path):
    folder, _ = folder_of(tmp_path, "bert", "mean_tokens")
    (folder / "1_Pooling/config.json").write_text('{"pooling_mode": "weighted"}')
    with pytest.raises(ModelError, match="weighted"):
        backend(folder)


def test_a_prompt_of_the_folder_stands_before_each_text(tmp_path):
    folder, _ = folder_of(tmp_path, "bert", "mean_tokens")
    plain = fm.embed(["the cat sat"], f"path:{folder}")
    (folder / "config_sentence_transformers.json").write_text('{"prompts": {"q": "the "}, "default_prompt_name": "q"}')
    asked = list(iterate_sync(backend(folder).embed(["cat sat"])))
    np.testing.assert_allclose(next(e for e in asked if isinstance(e, Vectors)).values, plain, atol=1e-5)


def test_a_text_that_is_too_long_is_cut_and_said_so(tmp_path):
    folder, _ = folder_of(tmp_path, "bert", "mean_tokens")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 8}')
    events = list(iterate_sync(backend(folder).embed(["cat " * 50, "the cat"])))
    assert [e.text for e in events if isinstance(e, Notice)] == ["1 of 2 texts are longer than 8 tokens and were truncated"]


def test_int8_stays_close_and_is_another_model_in_memory(tmp_path):
    folder, _ = folder_of(tmp_path, "bert", "mean_tokens")
    exact, near = fm.embed(TEXTS, f"path:{folder}"), fm.embed(TEXTS, f"path:{folder}", quant="int8")
    assert 0.98 < (exact * near).sum(1).min() < 1 and len([m for m in loaded.loaded_models() if m.path == folder]) == 2
    with pytest.raises(BadRequestError, match="int4"):
        fm.embed(TEXTS, f"path:{folder}", quant="int4")
    loaded.unload(folder)


def test_it_makes_vectors_and_writes_no_text(tmp_path):
    folder, _ = folder_of(tmp_path, "bert", "mean_tokens")
    b = backend(folder, "mine")
    assert isinstance(b, Embedder) and b.info.outputs == ("vector",) and not b.info.chat
    with pytest.raises(UsageError, match="is an embedding model and generates no text"):
        list(iterate_sync(b.stream(Request("m", (message("user", "hi"),)))))
    with pytest.raises(BadRequestError, match="32 dimensions"):
        fm.embed(TEXTS, f"path:{folder}", dimensions=8)


def test_stopping_stops_and_leaves_the_model_usable(tmp_path):
    folder, _ = folder_of(tmp_path, "bert", "mean_tokens")
    b = backend(folder)
    items = iterate_sync(b.embed(["the cat sat"] * 5000))
    assert next(e for e in items if isinstance(e, Vectors))
    items.close()
    assert len(list(iterate_sync(b.embed(["the cat"])))) > 0


def test_a_folder_without_a_tokenizer_says_so(tmp_path):
    folder, _ = folder_of(tmp_path, "bert", "mean_tokens")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"no tokenizer\.json"):
        list(iterate_sync(backend(folder).embed(["a"])))


@pytest.mark.weights
def test_the_packaged_model_gives_the_vectors_of_transformers(monkeypatch):
    monkeypatch.setenv("FMNB_MODELS", str(MODELS))
    folder = weights.locate("minilm")
    if folder is None:
        pytest.skip("minilm is not here: `make test` brings it")
    texts = ["The cat purrs.", "Ein Satz auf Deutsch, mit Umlauten: äöü.", "日本語も少し", "x" * 3000, ""]
    net = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    wanted = []
    with torch.inference_mode():
        for text in texts:
            given = tokenizer(text, truncation=True, max_length=256, return_tensors="pt")
            v = net(**given).last_hidden_state[0].mean(0)
            wanted.append((v / v.norm()).numpy())
    got = fm.embed(texts)
    np.testing.assert_allclose(got, np.stack(wanted), atol=3e-5)
    close = fm.embed(texts, quant="int8")
    assert (close * got).sum(1).min() > 0.95
