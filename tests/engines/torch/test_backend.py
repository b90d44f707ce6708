"""The torch engine as callers see it, on the embedded model and on tiny random ones."""

import json
import math
import threading

import pytest

from fmnb.core.errors import BadRequestError, DownloadError, InsufficientMemoryError, ModelError
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import Finished, Logprobs, Notice, Progress, TextDelta, UsageReported, Waiting, build_response
from fmnb.engines import host
from fmnb.engines import loaded as residents
from fmnb.engines.torch.backend import backend
from tests.conftest import FULL
from tests.engines.asking import PERSON, answer, ask, events

torch = pytest.importorskip("torch")

PLAIN = {"dtype": "float32"}


@pytest.fixture(scope="module", autouse=True)
def nothing_left():
    yield
    residents.unload()


@pytest.fixture
def model(embedded_path):
    return backend(embedded_path, "embedded")


def test_a_first_call_reports_loading_then_streams_then_says_what_it_used(model):
    residents.unload()
    got = events(model, ask("Why is the sky blue?", max_tokens=40))
    loading = [e for e in got if isinstance(e, Progress) and e.stage == "loading"]
    assert len(loading) > 10 and loading[-1].done == loading[-1].total == model.info.size
    assert sum(isinstance(e, TextDelta) for e in got) > 1
    used, end = got[-2:]
    assert isinstance(used, UsageReported) and isinstance(end, Finished)
    assert (used.usage.input_tokens, used.usage.output_tokens, used.usage.cached_tokens, used.usage.cost) == (36, 40, 0, 0.0)
    assert (end.reason, end.model) == ("length", "embedded")
    assert end.extra["tokens_per_second"] > 0 and end.extra["load_seconds"] > 0 and end.extra["memory"] > model.info.size
    assert (end.extra["device"], end.extra["dtype"], end.extra["quant"]) == ("cpu", "bfloat16", "int4")


def test_a_prefix_just_used_is_not_read_again_and_gives_the_same_answer(model):
    text = "The tide came in. " * 60
    first = build_response(iterate_sync(model.stream(ask(text + "Who came in?", extra={"cache_prompt": False}))))
    events(model, ask(text + "What came in?"))
    again = build_response(iterate_sync(model.stream(ask(text + "Who came in?"))))
    assert first.usage.cached_tokens == 0 and again.usage.cached_tokens > 0.6 * again.usage.input_tokens
    assert again.text == first.text


@pytest.mark.parametrize("narrow", [{"top_k": 1}, {"top_p": 0.0}, {"min_p": 1.0}])
def test_a_hot_choice_narrowed_to_one_token_is_the_greedy_one(model, narrow):
    greedy = answer(model, ask("Name three fruits."))
    assert answer(model, ask("Name three fruits.", temperature=1.5, extra=narrow)) == greedy


def test_deterministic_is_greedy_or_seeded(model):
    assert model.deterministic(ask("x")) and model.deterministic(ask("x", temperature=1.0, seed=1))
    assert not model.deterministic(ask("x", temperature=1.0))


def test_a_stop_text_ends_the_answer_before_it(model):
    whole = answer(model, ask("Name three fruits.", max_tokens=40))
    word = whole.split()[3]
    got = build_response(iterate_sync(model.stream(ask("Name three fruits.", max_tokens=40, stop=(word, "never said")))))
    assert (got.finish_reason, got.text) == ("stop", whole[: whole.index(word)])


def test_text_held_back_for_a_stop_text_that_does_not_come_is_shown(model):
    whole = answer(model, ask("Name three fruits.", max_tokens=40))
    assert answer(model, ask("Name three fruits.", max_tokens=40, stop=(whole[-3:] + "!never",))) == whole


def test_a_schema_is_kept_while_decoding(model):
    for options in ({}, {"temperature": 2.0, "seed": 3}):
        data = json.loads(answer(model, ask("Describe a person as JSON.", schema=PERSON, max_tokens=60, **options)))
        assert set(data) == {"name", "age"} and isinstance(data["age"], int)


def test_log_probabilities_come_with_alternatives_for_each_token(model):
    got = [t for e in events(model, ask("Why is the sky blue?", logprobs=3, max_tokens=5)) if isinstance(e, Logprobs) for t in e.tokens]
    assert len(got) == 5
    for t in got:
        assert t["logprob"] <= 0 and len(t["top"]) == 3
        assert [t["token"], t["logprob"]] == t["top"][0]  # greedy takes the likeliest
        assert sum(math.exp(p) for _, p in t["top"]) <= 1.0001


def test_what_cannot_be_applied_is_named(model):
    got = events(model, ask("x", extra={"bogus": 1, "top_k": 3}, tools=({"type": "function"},), max_tokens=2))
    assert [e.text for e in got if isinstance(e, Notice) and e.kind == "not_applied"] == ["bogus", "tools"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"extra": {"top_k": "many"}}, "top_k"),
        ({"extra": {"top_p": 2}}, "top_p"),
        ({"dtype": "int3"}, "Unknown dtype"),
        ({"quant": "int2"}, "Unknown quant"),
        ({"dtype": "float32", "quant": "int4"}, "quant=int4.*need bfloat16"),
        ({"dtype": "float16", "quant": "int8"}, "quant=int8.*need bfloat16"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_and_the_model_stays_usable(model, options, words):
    with pytest.raises(BadRequestError, match=words):
        events(model, ask("x", **options))
    assert answer(model, ask("Hi", max_tokens=2))


def test_each_precision_is_a_model_of_its_own(model):
    residents.unload()
    for options, why in (
        ({}, "int4: the file is quantized"),
        ({"quant": "none"}, "bfloat16 on CPU"),
        (PLAIN, "float32 on CPU: as requested"),
    ):
        end = events(model, ask("Hi", max_tokens=2, **options))[-1]
        assert end.extra["dtype"] == options.get("dtype", "bfloat16")
        assert end.extra["quant"] == ("none" if options else "int4")
        assert why in end.extra["chosen"] and end.extra["path"] == "fast"
    assert sorted(r.engine for r in residents.loaded_models()) == ["torch cpu bfloat16", "torch cpu bfloat16 int4", "torch cpu float32"]
    assert len(residents.unload("embedded")) == 3


@pytest.mark.skipif(not FULL, reason="reads a long prompt")
def test_a_long_prompt_is_read_in_slices_beyond_the_first_room(model):
    got = events(model, ask("The tide came in. " * 300, max_tokens=2))
    assert got[-2].usage.input_tokens > 1024
    reading = [e.done for e in got if isinstance(e, Progress) and e.stage == "processing the prompt"]
    assert reading == sorted(reading) and len(reading) > 4


def test_a_base_model_completes_text(embedded_path, tmp_path):
    data = embedded_path.read_bytes().replace(b"tokenizer.chat_template", b"tokenizer.none_template", 1)
    (tmp_path / "base.gguf").write_bytes(data)
    base = backend(tmp_path / "base.gguf")
    assert not base.info.chat
    assert base.count(ask("The capital of France is")).tokens == 5
    got = build_response(iterate_sync(base.stream(ask("The capital of France is", max_tokens=3))))
    assert got.text.startswith(" Paris") and got.extra["base"] is True
    residents.unload(tmp_path / "base.gguf")


def test_a_second_call_says_that_it_waits_and_then_answers(model):
    first = iterate_sync(model.stream(ask("Tell me a long story.", max_tokens=150)))
    next(e for e in first if isinstance(e, TextDelta))
    second = events(model, ask("Hi", max_tokens=2))
    assert isinstance(second[0], Waiting) and "another call" in second[0].reason
    assert isinstance(second[-1], Finished)
    assert isinstance(list(first)[-1], Finished)


def test_closing_a_stream_stops_the_model_at_its_next_token(model, monkeypatch):
    events(model, ask("Hi", max_tokens=1))
    loaded = next(r for r in residents.loaded_models() if r.name == "embedded")
    net = residents.model_entry(loaded.engine, loaded.path).model
    made, step, go = [], net.decode, threading.Event()

    def held(token, at):
        made.append(token)
        if len(made) > 20:  # some text has come by then
            go.wait(60)
        return step(token, at)

    monkeypatch.setattr(net, "decode", held)
    stream = iterate_sync(model.stream(ask("Tell me a long story.", max_tokens=2000, extra={"ignore_eos": True})))
    next(e for e in stream if isinstance(e, TextDelta))
    stream.close()
    before = len(made)
    go.set()
    assert isinstance(events(model, ask("Hi", max_tokens=1))[-1], Finished)  # waits until the model is free
    assert len(made) <= before + 2


@pytest.mark.skipif(not FULL, reason="reads a long prompt twice")
def test_closing_a_stream_while_it_reads_a_long_prompt_leaves_most_unread(model):
    text = "The tide came in and went out again. " * 250
    stream = iterate_sync(model.stream(ask(text, max_tokens=2)))
    read = next(e for e in stream if isinstance(e, Progress) and e.stage == "processing the prompt")
    stream.close()
    again = events(model, ask(text, max_tokens=2))
    assert read.done < 0.2 * read.total and read.total > 2000
    assert 0 < again[-2].usage.cached_tokens < 0.5 * again[-2].usage.input_tokens


def test_unload_gives_the_memory_back_and_the_next_call_loads_again(model):
    residents.unload()
    events(model, ask("Hi", max_tokens=2, **PLAIN))
    with_model = host.process_memory()
    assert [g.name for g in residents.unload("embedded")] == ["embedded"] and residents.loaded_models() == []
    assert with_model - host.process_memory() > 400 << 20
    assert "load_seconds" in events(model, ask("Hi", max_tokens=2))[-1].extra


def test_the_notebooks_own_number_of_threads_is_kept(model, monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setenv("FMNB_THREADS", "1")
    assert events(model, ask("Hi", max_tokens=2))[-1].extra["threads"] == 1
    assert torch.get_num_threads() == before


def test_a_file_cut_short_is_refused(embedded_path, tmp_path):
    with open(embedded_path, "rb") as f:
        (tmp_path / "cut.gguf").write_bytes(f.read(50_000_000))
    with pytest.raises(DownloadError, match="truncated"):
        backend(tmp_path / "cut.gguf")


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match="has no model"):
        backend(tmp_path)


def test_another_architecture_is_pointed_to_llama_cpp(tmp_path, write_gguf):
    (tmp_path / "other.gguf").write_bytes(write_gguf({"general.architecture": "mamba"}, {}))
    with pytest.raises(ModelError, match="mamba.*put gguf: before its name"):
        events(backend(tmp_path / "other.gguf"), ask("x"))


def test_a_model_larger_than_memory_is_refused_with_numbers(tmp_path, write_gguf):
    elements = 1 << 38
    head = write_gguf({"general.architecture": "llama", "llama.context_length": 64}, {"w": ((elements,), 0, b"")})
    with open(tmp_path / "huge.gguf", "wb") as f:
        f.write(head)
        f.truncate(len(head) + 4 * elements + 64)  # sparse: 1 TiB that take no room
    with pytest.raises(InsufficientMemoryError, match=r"needs about 512\.\d GiB .* are free"):
        events(backend(tmp_path / "huge.gguf"), ask("x"))


def test_a_file_that_lacks_a_tensor_is_refused_in_words(tmp_path):
    pytest.importorskip("transformers")
    from tests.engines import tiny

    whole = tiny.gguf(tiny.model("llama"), "llama")
    (tmp_path / "less.gguf").write_bytes(whole.replace(b"blk.1.ffn_up.weight", b"blk.1.ffn_no.weight"))
    with pytest.raises(ModelError, match="no tensor blk.1.ffn_up.weight"):
        events(backend(tmp_path / "less.gguf"), ask("x"))
