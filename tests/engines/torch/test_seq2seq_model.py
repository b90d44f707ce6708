"""Encoder-decoder models: the same answers as transformers, through our own token loop."""

import threading
from importlib.util import find_spec

import pytest

from fmnb.core.errors import BadRequestError, ContextTooLongError, MissingPackageError
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import Logprobs, TextDelta, build_response
from fmnb.core.types import Request, message
from fmnb.engines import loaded
from fmnb.engines.torch.backend import backend
from fmnb.engines.torch.model import load
from fmnb.engines.torch.precision import Precision

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tests.engines import folders  # noqa: E402
from tests.engines.folders import ask  # noqa: E402


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    loaded.unload()


def answered(model, request):
    return build_response(iterate_sync(model.stream(request)))


@pytest.mark.parametrize("family", folders.SEQ2SEQ)
def test_each_family_answers_as_transformers_does(tmp_path, family):
    made = folders.seq2seq(tmp_path, family)
    model = backend(tmp_path, "tiny")
    assert not model.info.chat and model.info.context in (128, None)
    for text in ("the other day", "the " * 90 + "end"):
        ids = folders.tokenizer()(text).input_ids
        x = torch.tensor([ids])
        out = made.generate(x, attention_mask=torch.ones_like(x), max_new_tokens=20, min_new_tokens=20, do_sample=False)
        got = answered(model, ask(text))
        assert got.text.rstrip("\ufffd") == folders.tokenizer().decode(out[0, 1:], skip_special_tokens=True).rstrip("\ufffd")
        assert (got.usage.input_tokens, got.usage.output_tokens) == (len(ids), 20)
        assert got.extra["path"] == "plain" and "base" not in got.extra


def test_text_streams_and_a_stop_text_ends_it(tmp_path):
    folders.seq2seq(tmp_path, "t5")
    model = backend(tmp_path)
    events = list(iterate_sync(model.stream(ask("the day", logprobs=2))))
    whole = build_response(events).text
    assert sum(isinstance(e, TextDelta) for e in events) > 1
    assert sum(len(e.tokens) for e in events if isinstance(e, Logprobs)) == 20
    cut = answered(model, ask("the day", stop=(whole[5:8],)))
    assert (cut.finish_reason, cut.text) == ("stop", whole[: whole.index(whole[5:8])])


def test_a_schema_and_a_seed_hold(tmp_path):
    folders.seq2seq(tmp_path, "bart")
    model = backend(tmp_path)
    got = answered(model, ask("the day", schema={"enum": ["yes", "no"]}, extra={}))
    assert got.text in ('"yes"', '"no"') and got.finish_reason == "stop"
    hot = ask("the day", temperature=2.0, seed=5)
    assert answered(model, hot).text == answered(model, hot).text != answered(model, ask("the day")).text


def test_a_prompt_just_read_is_not_read_again(tmp_path):
    folders.seq2seq(tmp_path, "t5")
    model = backend(tmp_path)
    first, again = answered(model, ask("the day")), answered(model, ask("the day"))
    assert (first.usage.cached_tokens, again.usage.cached_tokens) == (0, first.usage.input_tokens)
    assert first.text == again.text


def test_a_prompt_longer_than_its_positions_is_refused_and_relative_ones_have_no_end(tmp_path):
    folders.seq2seq(tmp_path / "bart", "bart")
    folders.seq2seq(tmp_path / "t5", "t5")
    text = "the " * 150
    over = len(folders.tokenizer()(text).input_ids) - 128
    with pytest.raises(ContextTooLongError, match=f"by {over} tokens"):
        answered(backend(tmp_path / "bart"), ask(text))
    with pytest.raises(ContextTooLongError, match="by 72 tokens"):
        answered(backend(tmp_path / "bart"), ask("the", max_tokens=200))
    assert answered(backend(tmp_path / "t5"), ask(text)).usage.output_tokens == 20


def test_system_and_question_are_one_text(tmp_path):
    folders.seq2seq(tmp_path, "t5")
    turns = (message("system", "Shorten:"), message("user", "the day"))
    got = answered(backend(tmp_path), Request("m", turns, max_tokens=1, dtype="float32"))
    assert got.usage.input_tokens == len(folders.tokenizer()("Shorten:\n\nthe day").input_ids)


@pytest.mark.parametrize("quant", ["int8", "int4"])
def test_packed_weights_answer(tmp_path, quant):
    folders.seq2seq(tmp_path, "t5")
    got = answered(backend(tmp_path), ask("the day", dtype="", quant=quant))
    assert got.usage.output_tokens == 20 and got.extra["quant"] == quant


def test_a_stop_while_the_encoder_reads_ends_it_between_two_layers(tmp_path):
    folders.seq2seq(tmp_path, "bart", encoder_layers=6)
    model = load(tmp_path, Precision("float32", "none", "cpu"), 64, lambda event: None, lambda: False)
    layers, stop = [], threading.Event()

    def stopped():
        layers.append(1)
        if len(layers) == 3:
            stop.set()
        return stop.is_set()

    with torch.inference_mode():
        assert model.prefill([5, 6, 7], stopped, True, lambda done: None) == (None, 0)
    assert len(layers) == 3
    with torch.inference_mode():  # nothing of the stopped pass is kept
        assert model.prefill([5, 6, 7], lambda: False, True, lambda done: None)[1] == 0


def test_closing_a_stream_leaves_the_model_usable(tmp_path):
    folders.seq2seq(tmp_path, "t5")
    model = backend(tmp_path)
    stream = iterate_sync(model.stream(ask("the day", max_tokens=5000)))
    next(e for e in stream if isinstance(e, TextDelta))
    stream.close()
    assert answered(model, ask("the day")).usage.output_tokens == 20


def pieces():
    """T5's own kind of tokenizer: pieces with scores, spaces as marks."""
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁the", -1.5), ("▁day", -1.5)]
    return transformers.T5TokenizerFast(vocab=words + [(c, -3.0) for c in "abcdefghijklmnopqrstuvwxyz.,é"])


def test_pieces_become_text_as_they_come_and_a_schema_is_refused_in_words(tmp_path):
    words = pieces()
    made = folders.seq2seq(tmp_path, "t5", vocab_size=len(words), eos_token_id=1)
    words.save_pretrained(tmp_path)
    model, ids = backend(tmp_path), words("the day, the end").input_ids
    assert ids[-1] == 1  # the encoder is told where the text ends
    out = made.generate(torch.tensor([ids]), max_new_tokens=20, min_new_tokens=20, do_sample=False)
    assert answered(model, ask("the day, the end")).text == words.decode(out[0, 1:], skip_special_tokens=True)
    with pytest.raises(BadRequestError, match="not supported with this model's tokenizer"):
        answered(model, ask("the day", schema={"enum": ["yes", "no"]}))


@pytest.mark.skipif(find_spec("sentencepiece") is not None, reason="sentencepiece is here")
def test_a_tokenizer_that_needs_sentencepiece_says_so(tmp_path):
    folders.seq2seq(tmp_path, "t5")
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "spiece.model").write_bytes(b"\n\x0e\n\x05<pad>")
    with pytest.raises(MissingPackageError, match="needs the package sentencepiece.*pip install sentencepiece"):
        answered(backend(tmp_path), ask("the day"))
