"""The tokenizer made from a GGUF file: token for token that of the model's makers and of llama.cpp."""

import random
from pathlib import Path

import pytest

from fmnb.core.errors import BadRequestError, ModelError
from fmnb.engines.weights import gguf
from fmnb.engines.weights.gguf_tokenizer import render, tokenizer

pytest.importorskip("tokenizers")

ROOT = Path(__file__).parents[3]


def texts() -> list[str]:
    """Our own code and pages, odd cases, and random mixtures of letters, digits, signs and spaces."""
    r = random.Random(1)
    out = [p.read_text("utf-8") for p in sorted((ROOT / "fmnb").rglob("*.py"))] + [(ROOT / "README.md").read_text("utf-8")]
    blocks = [(32, 127), (160, 0x3000), (0x4E00, 0x9FFF), (0x1F300, 0x1F6FF)]
    out += ["".join(chr(r.randrange(*r.choice(blocks))) for _ in range(200)) for _ in range(100)]
    mixed = " \n\t\r\u00a0 1234567890.,'sSdTab漢ée\u0301🎉"
    out += ["".join(r.choice([*mixed, "<|im_end|>"]) for _ in range(100)) for _ in range(200)]
    return [*out, "12345 3.14159", "it's I'LL we'd", "   before", "after   ", "a\n\n\nb", "\n    14", "١٢٣ ²³ ½ Ⅷ", ""]


@pytest.fixture(scope="module")
def ours(embedded_path):
    return tokenizer(gguf.read(embedded_path))


def test_it_gives_the_ids_of_transformers_with_the_pre_tokenizer_of_the_models_makers(embedded_path, ours):
    """transformers' own reading of a GGUF file leaves out the cut at single digits that this model was trained with."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import pre_tokenizers

    head = gguf.read(embedded_path)
    vocabulary = {t.decode(): i for i, t in enumerate(head.tokens)}
    theirs = transformers.GPT2TokenizerFast(vocab=vocabulary, merges=[tuple(m.decode().split(" ")) for m in head.merges])
    theirs.add_special_tokens({"additional_special_tokens": [t.decode() for t in head.tokens[:17]]})
    digits, pairs = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pairs])
    for text in texts():
        assert ours.encode(text) == theirs(text, add_special_tokens=False).input_ids


def test_it_gives_the_ids_of_llama_cpp(embedded_path, ours):
    pytest.importorskip("xllamacpp")
    from fmnb.engines.llamacpp.model import load

    native = load(embedded_path, 2048, lambda event: None, lambda: False)
    try:
        for text in texts():
            body = {"content": text, "add_special": False, "parse_special": True}
            assert ours.encode(text) == native._post("/tokenize", body)["tokens"]
    finally:
        native.close()


def test_text_comes_back_whole(ours):
    for text in texts():
        assert ours.core.decode(ours.encode(text), skip_special_tokens=False) == text


def test_a_conversation_is_what_the_model_was_trained_on(ours):
    ids = ours.prompt([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "{{ x }} <b>"}], {})
    text = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n{{ x }} <b><|im_end|>\n<|im_start|>assistant\n"
    assert ours.core.decode(ids, skip_special_tokens=False) == text
    assert ids[-4:] == [1, *ours.encode("assistant\n")] and 2 in ours.ends


def test_a_template_cannot_reach_beyond_its_values():
    for attack in ("{{ messages.__class__.__mro__ }}", "{{ messages.append(1) }}", "{{ cycler.__init__.__globals__ }}"):
        with pytest.raises(BadRequestError, match="template rejected"):
            render(attack, [], {})


def test_a_template_that_refuses_says_why():
    with pytest.raises(BadRequestError, match="roles must alternate"):
        render("{{ raise_exception('roles must alternate') }}", [], {})


def test_a_tokenizer_that_is_not_known_is_refused(tmp_path, write_gguf):
    metadata = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "from-the-future", "tokenizer.ggml.tokens": ["a"]}
    (tmp_path / "x.gguf").write_bytes(write_gguf(metadata, {}))
    with pytest.raises(ModelError, match="from-the-future"):
        tokenizer(gguf.read(tmp_path / "x.gguf"))


@pytest.fixture
def pieces(tmp_path, write_gguf):
    """A SentencePiece vocabulary: bytes, then pieces by their scores."""
    words = ["▁", "a", "b", "c", "▁a", "ab", "▁ab", "bc", "▁abc"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256)), *words]
    metadata = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * 259 + [-float(n) for n in (20, 21, 22, 23, 2, 1, 3, 4, 5)],
        "tokenizer.ggml.token_type": [2, 3, 3] + [6] * 256 + [1] * len(words),
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }
    (tmp_path / "spm.gguf").write_bytes(write_gguf(metadata, {}))
    return tokenizer(gguf.read(tmp_path / "spm.gguf"))


def test_sentence_pieces_join_the_best_scored_first_and_fall_back_to_bytes(pieces):
    assert [pieces.core.id_to_token(i) for i in pieces.encode("abc bca é")] == ["▁abc", "▁", "bc", "a", "▁", "<0xC3>", "<0xA9>"]
    assert pieces.decode(pieces.encode("abc bca é")) == "abc bca é"
    assert pieces.prompt([{"role": "user", "content": "a"}], {})[0] == 1  # plain text begins with the begin token
