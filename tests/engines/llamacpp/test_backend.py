import json
import os
import threading

import pytest

from fmnb.core.errors import (
    BadRequestError,
    DownloadError,
    InsufficientMemoryError,
    SettingsError,
    UsageError,
)
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import Finished, Logprobs, Notice, Progress, TextDelta, UsageReported, Waiting, build_response
from fmnb.core.types import Request, message
from fmnb.engines import host, loaded
from fmnb.engines.llamacpp.backend import backend
from tests.conftest import FULL
from tests.engines.asking import PERSON, answer, ask, events

pytest.importorskip("xllamacpp")


@pytest.fixture(scope="module", autouse=True)
def nothing_left():
    yield
    loaded.unload()


@pytest.fixture
def model(embedded_path):
    return backend(embedded_path, "embedded")


def test_a_first_call_reports_loading_then_streams_then_says_what_it_used(model):
    loaded.unload()
    got = events(model, ask("Why is the sky blue?"))
    loading = [e for e in got if isinstance(e, Progress) and e.stage == "loading"]
    assert loading[-1].done == loading[-1].total == model.info.size
    assert sum(isinstance(e, TextDelta) for e in got) > 1
    used, end = got[-2:]
    assert isinstance(used, UsageReported) and isinstance(end, Finished)
    assert (used.usage.input_tokens, used.usage.output_tokens, used.usage.cached_tokens, used.usage.cost) == (36, 12, 0, 0.0)
    assert (end.reason, end.model) == ("length", "embedded")
    assert end.extra["tokens_per_second"] > 0 and end.extra["load_seconds"] > 0 and end.extra["memory"] > model.info.size


def test_the_same_question_gets_the_same_answer_with_and_without_the_prompts_cache(model):
    first = answer(model, ask("Name three fruits.", max_tokens=40))
    assert answer(model, ask("Name three fruits.", max_tokens=40)) == first
    assert answer(model, ask("Name three fruits.", max_tokens=40, extra={"cache_prompt": False})) == first


def test_a_prefix_just_used_is_not_read_again(model):
    text = "The tide came in. " * 60
    events(model, ask(text + "What came in?"))
    used = events(model, ask(text + "Who came in?"))[-2].usage
    assert used.cached_tokens > 0.9 * used.input_tokens


def test_deterministic_is_greedy_or_seeded(model):
    assert model.deterministic(ask("x")) and model.deterministic(ask("x", temperature=1.0, seed=1))
    assert not model.deterministic(ask("x", temperature=1.0))
    assert not model.deterministic(ask("x", extra={"t_max_predict_ms": 5}))


def test_a_stop_text_ends_the_answer_before_it(model):
    whole = answer(model, ask("Name three fruits.", max_tokens=40))
    word = whole.split()[3]
    got = build_response(iterate_sync(model.stream(ask("Name three fruits.", max_tokens=40, stop=(word,)))))
    assert got.finish_reason == "stop"
    assert got.text == whole[: whole.index(word)]


def test_a_schema_is_kept_while_decoding(model):
    data = json.loads(answer(model, ask("Describe a person as JSON.", schema=PERSON, max_tokens=60)))
    assert set(data) == {"name", "age"} and isinstance(data["age"], int)


def test_log_probabilities_come_with_alternatives_for_each_token(model):
    got = [t for e in events(model, ask("Why is the sky blue?", logprobs=3, max_tokens=5)) if isinstance(e, Logprobs) for t in e.tokens]
    assert len(got) == 5
    for t in got:
        assert t["logprob"] <= 0 and len(t["top"]) == 3
        assert [t["token"], t["logprob"]] == t["top"][0]  # greedy takes the likeliest


def test_a_parameter_the_engine_does_not_know_is_named_and_one_it_knows_is_not(model):
    got = events(model, ask("x", extra={"bogus": 1, "repeat_penalty": 1.1}, max_tokens=2))
    assert [e.text for e in got if isinstance(e, Notice) and e.kind == "not_applied"] == ["bogus"]


def test_a_file_keeps_its_own_quantization_and_reports_it(model):
    got = events(model, ask("x", quant="int8", dtype="float32", max_tokens=2))
    why = "fixed by the GGUF file"
    assert [e.text for e in got if isinstance(e, Notice) and e.kind == "not_applied"] == [f"quant ({why})", f"dtype ({why})"]


def test_a_raw_parameter_acts(model):
    forced = answer(model, ask("Say yes or no.", extra={"grammar": 'root ::= "maybe"'}))
    assert forced == "maybe"


def test_a_value_of_the_wrong_type_is_refused_and_the_model_stays_usable(model):
    with pytest.raises(BadRequestError, match="top_k"):
        events(model, ask("x", extra={"top_k": "many"}))
    assert answer(model, ask("Hi", max_tokens=2))


@pytest.mark.skipif(not FULL, reason="reads a long prompt")
def test_the_context_grows_when_a_prompt_needs_more(model):
    loaded.unload()
    assert events(model, ask("hi", max_tokens=2))[-1].extra["context"] == 2048
    text = "The tide came in. " * 460
    got = events(model, ask(text, max_tokens=2, stop=()))
    assert got[-1].extra["context"] == 4096
    assert got[-2].usage.input_tokens > 2048
    reading = [e for e in got if isinstance(e, Progress) and e.stage == "processing the prompt"]
    assert [e.done for e in reading] == sorted(e.done for e in reading) and len(reading) > 4


def test_a_base_model_completes_text(embedded_path, tmp_path):
    data = embedded_path.read_bytes().replace(b"tokenizer.chat_template", b"tokenizer.none_template", 1)
    (tmp_path / "base.gguf").write_bytes(data)
    base = backend(tmp_path / "base.gguf")
    assert not base.info.chat
    assert base.count(ask("The capital of France is")).tokens == 5
    got = build_response(iterate_sync(base.stream(ask("The capital of France is", max_tokens=3, logprobs=1))))
    assert got.extra["base"] is True
    assert got.text.startswith(" Paris") and len(got.logprobs) == 3
    assert json.loads(answer(base, ask("A person:", schema=PERSON, max_tokens=60)))["name"]
    loaded.unload(tmp_path / "base.gguf")


def test_a_second_call_says_that_it_waits_and_then_answers(model):
    first = iterate_sync(model.stream(ask("Tell me a long story.", max_tokens=150)))
    for e in first:
        if isinstance(e, TextDelta):
            break
    second = events(model, ask("Hi", max_tokens=2))
    assert isinstance(second[0], Waiting) and "another call" in second[0].reason
    assert isinstance(second[-1], Finished)
    assert isinstance(list(first)[-1], Finished)


def test_closing_a_stream_stops_the_model_at_its_next_token(model):
    story = ask("Tell me a long story.", max_tokens=300, extra={"ignore_eos": True})
    text = answer(model, story)
    after = Request("m", (*story.messages, message("assistant", text), message("user", "Go on.")), max_tokens=1)
    whole = events(model, after)[-2].usage.cached_tokens  # what the slot holds of a story told to its end
    events(model, ask("Something else.", max_tokens=1))
    stream = iterate_sync(model.stream(story))
    next(e for e in stream if isinstance(e, TextDelta))
    stream.close()
    kept = events(model, after)[-2].usage.cached_tokens
    assert kept < whole / 2


def test_closing_a_stream_while_it_reads_a_long_prompt_leaves_most_unread(model):
    text = "The tide came in and went out again. " * 250
    stream = iterate_sync(model.stream(ask(text, max_tokens=2)))
    read = next(e for e in stream if isinstance(e, Progress) and e.stage == "processing the prompt")
    stream.close()
    again = events(model, ask(text, max_tokens=2))
    assert read.done < 0.2 * read.total
    assert again[-2].usage.cached_tokens < 0.5 * again[-2].usage.input_tokens


def test_a_call_that_is_closed_while_it_waits_never_runs(model):
    first = iterate_sync(model.stream(ask("Tell me a long story.", max_tokens=60, extra={"ignore_eos": True})))
    next(e for e in first if isinstance(e, TextDelta))
    second = iterate_sync(model.stream(ask("never", max_tokens=2)))
    assert isinstance(next(second), Waiting)
    second.close()
    assert next(e for e in first if isinstance(e, UsageReported)).usage.output_tokens == 60


def test_a_model_is_unloaded_by_a_path_through_a_link(embedded_path, tmp_path):
    loaded.unload()
    (tmp_path / "models").symlink_to(embedded_path.parent)
    by_link = tmp_path / "models" / embedded_path.name
    events(backend(by_link, "linked"), ask("Hi", max_tokens=1))
    assert [m.name for m in loaded.unload(by_link)] == ["linked"] and loaded.loaded_models() == []


def test_two_backends_of_one_file_share_one_model(embedded_path, monkeypatch):
    monkeypatch.setattr(host, "threads", lambda: (1, ""))  # a model loaded on a busy machine is loaded again on an idle one
    a, b = backend(embedded_path, "a"), backend(embedded_path, "b")
    events(a, ask("Hi", max_tokens=2))
    assert "load_seconds" not in events(b, ask("Hi", max_tokens=2))[-1].extra
    assert len(loaded.loaded_models()) == 1


def test_unload_gives_the_memory_back_and_the_next_call_loads_again(model):
    events(model, ask("Hi", max_tokens=2))
    with_model = host.process_memory()
    gone = loaded.unload("embedded")
    assert [g.name for g in gone] == ["embedded"] and loaded.loaded_models() == []
    assert with_model - host.process_memory() > 0.5 * model.info.memory
    assert "load_seconds" in events(model, ask("Hi", max_tokens=2))[-1].extra


def test_unloading_what_is_not_loaded_says_what_is(model):
    events(model, ask("Hi", max_tokens=2))
    with pytest.raises(UsageError, match="Loaded: embedded"):
        loaded.unload("other")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")
def test_a_loaded_model_listens_on_no_port(model):
    psutil = pytest.importorskip("psutil")
    events(model, ask("Hi", max_tokens=2))
    assert [c for c in psutil.Process().net_connections("inet") if c.status == "LISTEN"] == []


def test_a_file_cut_short_is_refused_before_anything_native_sees_it(embedded_path, tmp_path):
    with open(embedded_path, "rb") as f:
        (tmp_path / "cut.gguf").write_bytes(f.read(50_000_000))
    with pytest.raises(DownloadError, match="truncated"):
        backend(tmp_path / "cut.gguf")


def test_a_template_beyond_our_limits_is_not_given_to_llama_cpp(tmp_path, write_gguf):
    for name, template in (
        ("large", "{{ 'a' * 10**10 }}"),
        ("endless", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
    ):
        file = tmp_path / f"{name}.gguf"
        file.write_bytes(write_gguf({"general.architecture": "llama", "tokenizer.chat_template": template}, {}))
        with pytest.raises(BadRequestError, match="chat template exceeds a limit"):  # and not that it has no weights
            events(backend(file), ask("x"))


def test_a_file_without_weights_is_refused_by_a_message(tmp_path, write_gguf):
    (tmp_path / "empty.gguf").write_bytes(write_gguf({"general.architecture": "llama"}, {}))
    with pytest.raises(Exception, match="llama.cpp cannot load this model"):
        events(backend(tmp_path / "empty.gguf"), ask("x"))


def test_a_model_larger_than_memory_is_refused_with_numbers(tmp_path, write_gguf):
    elements = 1 << 38
    head = write_gguf({"general.architecture": "llama", "llama.context_length": 64}, {"w": ((elements,), 0, b"")})
    with open(tmp_path / "huge.gguf", "wb") as f:
        f.write(head)
        f.truncate(len(head) + 4 * elements + 64)  # sparse: 1 TiB that take no room
    with pytest.raises(InsufficientMemoryError, match=r"needs about 102\d\.\d GiB .* are free"):
        events(backend(tmp_path / "huge.gguf"), ask("x"))


def test_the_users_number_of_threads_is_kept(model, monkeypatch):
    loaded.unload()
    monkeypatch.setenv("FMNB_THREADS", "1")
    assert events(model, ask("Hi", max_tokens=2))[-1].extra["threads"] == 1
    loaded.unload()
    monkeypatch.setenv("FMNB_THREADS", "many")
    with pytest.raises(SettingsError, match="FMNB_THREADS"):
        events(model, ask("Hi", max_tokens=2))


def test_no_thread_of_ours_stays_after_a_call(model):
    events(model, ask("Hi", max_tokens=2))
    for t in [t for t in threading.enumerate() if t.name == "fmnb-worker"]:
        t.join(5)
    assert not [t for t in threading.enumerate() if t.name == "fmnb-worker"]


def test_a_model_loaded_while_the_machine_was_busy_gets_its_threads_back(model, monkeypatch):
    loaded.unload()
    looks = iter([(1, "machine busy: 1 thread"), (1, "machine busy: 1 thread"), (2, ""), (2, "")])
    monkeypatch.setattr(host, "threads", lambda: next(looks))
    seen = []
    for _ in range(4):  # loads; looks again and stays; looks again and reloads, which looks; has all it wants and looks no more
        got = events(model, ask("Say hi.", max_tokens=2))
        seen.append((got[-1].extra["threads"], "busy" in got[-1].extra))
    assert seen == [(1, True), (1, True), (2, False), (2, False)]
