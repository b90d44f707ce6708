"""A batch: every row asked once, kept, found again; failures are values; what stops it says what is kept."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction

import pandas as pd
import pytest

import fmnb as fm
from fmnb.batch.run import batch, reopen
from fmnb.batch.scheduler import CallQueue, Scheduler
from fmnb.calls import run as calls_run
from fmnb.calls.session import session
from fmnb.core.backend import estimate_tokens
from fmnb.core.errors import (
    AuthenticationError,
    BadRequestError,
    ConnectionFailedError,
    EmptyAnswerError,
    FmnbError,
    Interrupted,
    PromptError,
    SchemaMismatchError,
    StoreError,
    TapeMissError,
    UsageError,
)
from fmnb.core.events import Failed, Finished, Notice, Progress, Started, TextDelta, UsageReported
from fmnb.core.runtime import state
from fmnb.core.types import ModelInfo, Usage
from fmnb.limits.batch_limits import BatchLimits
from fmnb.store import batches, log, retention, run_rows
from fmnb.store.db import Database, database
from fmnb.store.tape import Tape

MODEL = "vllm:m"


def words(n, start=0):
    return pd.DataFrame({"w": [f"word{i}" for i in range(start, start + n)]})


def test_each_row_is_asked_once_and_its_answer_is_in_its_row(service):
    out = fm.map("Say {{ w }}", words(50), MODEL)
    assert out["text"].tolist() == words(50)["w"].tolist()
    assert set(service.asked.values()) == {1} and len(service.asked) == 50
    assert out["input_tokens"].tolist() == [20] * 50 and out["model"].unique() == ["vllm:m"]
    assert "stream" not in service.requests[0]


def test_a_second_run_asks_nothing_and_says_so(service):
    batch("Say {{ w }}", words(30), MODEL)
    again = batch("Say {{ w }}", words(30), MODEL)
    assert sum(service.asked.values()) == 30 and again.summary.cached == 30 and again.summary.cost == 0
    assert "30 of them cached" in str(again.summary) and {a.source for a in again.answers} == {"cached"}


def test_only_what_is_new_is_asked(service):
    batch("Say {{ w }}", words(10), MODEL)
    more = batch("Say {{ w }}", words(20, 5), MODEL)
    assert len(service.requests) == 25 and more.summary.cached == 5
    batch("Do say {{ w }}", words(1), MODEL)
    assert len(service.requests) == 26


def test_head_tries_the_first_rows_and_the_rest_goes_on_from_there(service):
    assert len(fm.map("Say {{ w }}", words(20), MODEL, head=3)) == 3
    assert len(fm.map("Say {{ w }}", words(20), MODEL)) == 20 and len(service.requests) == 20


def test_no_cache_pays_again_and_what_it_got_is_what_counts_afterwards(service):
    counter = iter(range(100))
    service.answer = lambda body: str(next(counter))
    assert batch("{{ w }}", words(1), MODEL).answers[0].text == "0"
    assert batch("{{ w }}", words(1), MODEL, cache=False).answers[0].text == "1"
    assert batch("{{ w }}", words(1), MODEL).answers[0].text == "1"


def test_equal_rows_are_asked_once(service):
    df = pd.DataFrame({"w": ["a", "b"] * 300})
    b = batch("Say {{ w }}", df, MODEL)
    assert len(service.requests) == 2 and [a.text for a in b.answers] == ["a", "b"] * 300
    assert b.summary.input_tokens == 40


def test_samples_of_one_row_are_different_questions(service):
    b = batch("Say {{ w }}", words(2), MODEL, samples=3)
    assert len(service.requests) == 6 and [(a.row, a.sample) for a in b.answers] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert {"text_1", "text_2", "text_3"} <= set(b.result().columns)


def test_several_models_have_columns_each(service):
    out = fm.map("Say {{ w }}", words(3), models=["vllm:a", "echo:"])
    assert out["text_vllm:a"].tolist() == ["word0", "word1", "word2"] and out["text_echo:"].tolist()[0] == "Say word0"


def test_a_row_that_fails_has_its_error_and_the_others_go_on(service):
    service.answer = lambda body: (400, {"error": {"message": "odd words"}}) if "3" in str(body) else "fine"
    b = batch("Say {{ w }}", words(10), MODEL)
    assert [a.text for a in b.answers] == ["fine"] * 3 + [""] + ["fine"] * 6
    assert b.answers[3].error["kind"] == "BadRequestError" and "odd words" in b.result()["error"][3]
    (cause,) = b.summary.causes
    assert (cause.count, cause.row, b.summary.answered, b.summary.failed) == (1, 3, 9, 1)


def test_a_failure_for_good_is_kept_until_it_is_asked_for_again(service):
    service.answer = lambda body: (400, {"error": {"message": "no"}})
    batch("Say {{ w }}", words(5), MODEL)
    again = batch("Say {{ w }}", words(5), MODEL)
    assert len(service.requests) == 5 and again.summary.failed == 5
    service.answer = None
    assert batch("Say {{ w }}", words(5), MODEL, retry_errors=True).summary.answered == 5 and len(service.requests) == 10
    assert batch("Say {{ w }}", words(5), MODEL).summary.cached == 5


def test_a_passing_failure_is_asked_again_by_itself(service):
    calls = iter([500, 500, 500, 500])
    service.answer = lambda body: (
        (next(calls), {"error": {"message": "later"}}) if "word2" in str(body) and calls.__length_hint__() else "ok"
    )
    first = batch("Say {{ w }}", words(4), MODEL)
    assert first.answers[2].error["kind"] == "ServerError" and first.summary.failed == 1
    assert batch("Say {{ w }}", words(4), MODEL).summary.answered == 4


def test_fail_fast_stops_at_the_first_failure(service):
    service.answer = lambda body: (400, {"error": {"message": "no"}}) if "word9" in str(body) else "ok"
    service.latency = 0.01
    with pytest.raises(BadRequestError) as e:
        batch("Say {{ w }}", words(500), MODEL, fail_fast=True, concurrency=4)
    assert len(service.requests) < 100 and "are stored" in e.value.hint


def test_after_the_first_failure_no_call_starts_and_those_in_flight_are_kept():
    asked, all_sent, failure_seen = [], threading.Event(), threading.Event()

    def shaky(prompt):
        asked.append(prompt)
        if len(asked) == 8:
            all_sent.set()
        if prompt == "Say word0":
            assert all_sent.wait(30)
            raise BadRequestError("no")
        assert failure_seen.wait(30)
        return "ok"

    def hear(event):
        if isinstance(event, Failed):
            failure_seen.set()

    with pytest.raises(FmnbError, match=r"No call started after this failure; 7 calls in flight ended") as e:
        batch("Say {{ w }}", words(200), shaky, fail_fast=True, concurrency=8, sinks=[hear])
    assert len(asked) == 8 and "7 of 200 answers are stored" in e.value.hint
    assert (e.value.partial["text"] == "ok").sum() == 7 and e.value.partial["error"].notna().sum() == 1


@pytest.mark.parametrize("junk", ["no object", ""])
def test_a_model_without_a_usable_answer_is_not_sent_all_rows(service, junk):
    service.answer = lambda body: junk
    with pytest.raises((SchemaMismatchError, EmptyAnswerError), match="None of the first 30 answers of vllm:m is usable.* 600 rows") as e:
        batch("Say {{ w }}", words(600), MODEL, schema="n int", concurrency=4)
    rows = {str(r["messages"][0]) for r in service.requests}
    assert 30 <= len(rows) <= 34 and e.value.partial["error"].notna().sum() == len(rows)
    assert len(e.value.partial) == 600 and "Running this again sends the other rows" in e.value.hint


def test_running_again_sends_the_rows_that_junk_held_back(service):
    service.answer = lambda body: "junk"
    with pytest.raises(SchemaMismatchError):
        batch("Say {{ w }}", words(60), MODEL, schema="n int", concurrency=4)
    with pytest.raises(SchemaMismatchError):  # the same rows again: the same rule
        batch("Say {{ w }}", words(60), MODEL, schema="n int", concurrency=4, retry_errors=True)
    assert batch("Say {{ w }}", words(60), MODEL, schema="n int").summary.failed == 60


def test_a_model_with_some_usable_answers_is_sent_all_rows(service):
    service.answer = lambda body: '{"n": 1}' if "word20" in str(body["messages"][0]) else "junk"
    b = batch("Say {{ w }}", words(100), MODEL, schema="n int", concurrency=1)
    assert b.summary.answered == 1 and b.summary.failed == 99


def test_of_two_models_the_one_without_a_usable_answer_stops_alone(service):
    service.answer = lambda body: '{"n": 1}' if body["model"] == "good" else "junk"
    b = batch("Say {{ w }}", words(100), ["vllm:good", "vllm:bad"], schema="n int", concurrency=2)
    assert b.summary.answered == 100 and "vllm:bad got no more calls: None of the first 30 answers" in str(b.summary)


def test_a_key_that_is_refused_stops_the_batch_at_once(service):
    service.answer = lambda body: (403, {"error": {"message": "who are you"}})
    with pytest.raises(AuthenticationError):
        batch("Say {{ w }}", words(5000), MODEL)
    assert len(service.requests) < 100
    service.answer = None
    assert batch("Say {{ w }}", words(50), MODEL).summary.answered == 50  # nobody kept that error


def test_one_model_that_cannot_be_asked_does_not_stop_the_other(service):
    b = batch("Say {{ w }}", words(3), ["echo:fail=key", MODEL])
    assert [a.error["kind"] if a.error else a.text for a in b.answers] == [
        *("KeyRefusedError", "word0", "KeyRefusedError", "word1", "KeyRefusedError", "word2")
    ]


def test_a_service_that_goes_down_ends_the_batch_and_the_next_run_goes_on(service):
    service.latency, service.down_after = 0.005, 60
    with pytest.raises(ConnectionFailedError) as e:
        batch("Say {{ w }}", words(400), MODEL, concurrency=4)
    assert "run this again to resume" in e.value.hint
    service.down, service.down_after = False, None
    b = batch("Say {{ w }}", words(400), MODEL, concurrency=4)
    assert b.summary.answered == 400 and b.summary.cached >= 56
    assert [a.text for a in b.answers] == words(400)["w"].tolist()
    assert sum(n - 1 for n in service.asked.values()) <= 4


def test_a_row_that_cannot_fill_the_prompt_has_an_error_of_its_own():
    b = batch("{{ 1 / n }}", [{"n": 1}, {"n": 0}, {"n": 2}], "echo:")
    assert [a.text for a in b.answers] == ["1.0", "", "0.5"] and b.answers[1].error["kind"] == "PromptError"
    assert reopen(b.run).answers[1].error["kind"] == "PromptError"


def test_an_undefined_name_stops_before_the_first_row():
    with pytest.raises(PromptError, match="Did you mean word"):
        batch("{{ wrod }}", [{"word": "a"}], "echo:")
    with pytest.raises(PromptError):
        batch("{{ word }}", [{"word": "a"}], "echo:", system="{{ nobody }}")


def test_a_name_of_both_table_and_notebook_says_how_to_name_which():
    given = {"values": {"w": "theirs", "x": 1}}
    with pytest.raises(UsageError, match="row\\['w'\\].*notebook\\['w'\\]"):
        batch("{{ w }}", words(1), "echo:", **given)
    assert batch("{{ row['w'] }} {{ notebook['w'] }} {{ x }}", words(1), "echo:", **given).answers[0].text == "word0 theirs 1"


def test_the_whole_row_is_there_whatever_the_table_or_the_notebook_calls_theirs():
    table, left_over = [{"row": 7, "a b": "x"}], {"values": {"row": "of a loop", "notebook": 1}}
    assert batch("{{ row_fm['row'] }}{{ row_fm['a b'] }}", table, "echo:").answers[0].text == "7x"
    with pytest.raises(PromptError) as e:
        batch("{{ a b }}", table, "echo:")
    assert "{{ row_fm['a b'] }}" in e.value.hint
    assert batch("{{ row['w'] }} {{ notebook['row'] }}", words(1), "echo:", **left_over).answers[0].text == "word0 of a loop"


def test_a_prompt_that_uses_no_column_is_refused():
    with pytest.raises(UsageError, match="uses no column"):
        batch("Say it", words(3), "echo:")


def test_an_empty_cell_inserts_nothing_and_can_be_asked_for():
    df = pd.DataFrame({"w": ["a", None, float("nan")]})
    assert [a.text for a in batch("<{{ w }}>{% if not w %}none{% endif %}", df, "echo:").answers] == ["<a>", "<>none", "<>none"]


def test_a_system_prompt_may_use_columns_too():
    heard = []
    b = batch("{{ w }}", words(2), lambda messages: heard.append(messages) or "ok", system="You are {{ w }}.")
    assert [a.text for a in b.answers] == ["ok", "ok"] and "You are word0." in str(heard[0])


def test_a_batch_is_reopened_from_the_log_alone(service):
    service.answer = lambda body: '{"mood": "good", "n": 3}' if "word1" not in str(body) else (400, {"error": {"message": "no"}})
    b = batch("Say {{ w }}", words(3), MODEL, schema="mood good|bad, n int", samples=2)
    again = reopen(b.run)
    assert again.answers == b.answers and (again.models, again.samples, again.rows) == (b.models, 2, 3)
    assert again.result(words(3)).equals(b.result())
    assert (again.summary.answered, again.summary.failed) == (4, 2)
    assert again.result()[0]["mood_1"] == "good"
    with pytest.raises(UsageError):
        reopen(b.answers[0].run)


def test_a_row_s_run_reopens_alone(service):
    b = batch("Say {{ w }}", words(1), MODEL)
    r = log.reopen(b.answers[0].run)
    assert r.text == "word0" and r.request.messages[-1].text == "Say word0" and r.first_token_seconds is None


def test_the_log_lists_the_batch_and_finds_its_rows_by_their_words(service):
    batch("Say {{ w }}", words(3), MODEL)
    assert [r["model"] for r in fm.log()] == [MODEL]
    assert len(fm.log("word2")) == 1 and log.totals()["calls"] == 3
    run = fm.log()[0]["run"]
    assert retention.forget(run=run) == 4 and not database().rows("SELECT * FROM batch_rows")


def test_a_structured_answer_is_asked_for_once_more_when_it_does_not_fit(service):
    service.answer = lambda body: "no json" if len(body["messages"]) == 1 else '{"n": 1}'
    b = batch("Say {{ w }}", words(2), MODEL, schema="n int")
    assert [a.data for a in b.answers] == [{"n": 1}, {"n": 1}] and len(service.requests) == 4
    service.answer = lambda body: "never"
    b = batch("Ask {{ w }}", words(1), MODEL, schema="n int")
    assert b.answers[0].error["kind"] == "SchemaMismatchError"


def test_an_interrupt_keeps_what_has_finished(service):
    service.latency = 0.02

    def press():
        while len(service.answered) < 30:
            time.sleep(0.005)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    with pytest.raises(Interrupted) as e:
        batch("Say {{ w }}", words(2000), MODEL, concurrency=8)
    assert "of 2,000 answers are stored" in e.value._render_traceback_()[0]
    service.latency = 0
    b = batch("Say {{ w }}", words(2000), MODEL, concurrency=8)
    assert b.summary.answered == 2000 and sum(n - 1 for n in service.asked.values()) <= 8


def test_a_listener_that_stops_whatever_it_hears_stops_a_batch_once(service):
    def hear(event):
        if isinstance(event, Progress) and event.done >= 20:
            raise KeyboardInterrupt

    service.latency = 0.02
    with pytest.raises(Interrupted) as e:
        batch("Say {{ w }}", words(200), MODEL, sinks=[hear], concurrency=4)
    assert "of 200 answers are stored" in e.value._render_traceback_()[0]
    assert len(e.value.partial) == 200 and 0 < e.value.partial["text"].notna().sum() < 200
    assert "`partial` of this error" in e.value._render_traceback_()[1]
    assert log.search(kind="batch")[0]["finish_reason"] == "cancelled"


def test_of_several_models_the_one_that_cannot_be_asked_is_named_with_its_reason(service):
    heard = []
    service.answer = lambda body: (403, {"error": {"message": "not you"}})
    b = batch("Say {{ w }}", words(30), [MODEL, "echo:"], sinks=[heard.append])
    assert b.summary.answered == 30 and any("got no more calls" in n and MODEL in n for n in b.summary.notes)
    assert any(isinstance(e, Notice) and "got no more calls" in e.text for e in heard)


def test_a_killed_batch_is_in_the_log_however_quickly_its_rows_come(service):
    """Killed before its caller's thread files anything: the answers that were written down are its rows all the same."""
    script = """
import threading
from fmnb.batch.writer import Writer
from fmnb.batch.run import batch
Writer.commit = lambda *a: threading.Event().wait()
batch("Say {{ w }}", [{"w": i} for i in range(100_000)], "vllm:m", concurrency=8)
"""
    assert not fm.log(kind="batch")  # the log is open here before anything is in it
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        assert service.until(lambda: len(service.answered) > 8), "a ninth is asked when the first is written down"
        process.kill()
    (found,) = fm.log(kind="batch", open=True)
    assert found["finish_reason"] == "unfinished" and list(batches.rows_of(found["run"]))
    batch("Tell {{ w }}", words(1), MODEL)
    assert len(fm.log(kind="batch")) == 2 and len(fm.log(kind="batch", open=True)) == 1


def test_a_cell_that_cannot_be_written_is_its_row_s_error():
    endless = []
    endless.append(endless)

    class Broken:
        def __repr__(self):
            raise RuntimeError("no words")

    b = batch("{{ c }}", [{"c": "fine"}, {"c": 10**5000}, {"c": endless}, {"c": Broken()}], "echo:")
    assert b.answers[0].text == "fine" and b.answers[1].error and b.answers[3].error


def test_fail_fast_names_the_row(service):
    service.answer = lambda body: (400, {"error": {"message": "no"}}) if "word3" in str(body) else "ok"
    with pytest.raises(BadRequestError, match="Row 3: "):
        batch("Say {{ w }}", words(9), MODEL, fail_fast=True, concurrency=1)


def test_a_stop_that_comes_with_an_answer_is_not_lost():
    async def stopped(steps):
        flow = Scheduler([CallQueue(None)], BatchLimits())

        async def read():
            async for _ in flow.run():
                pass

        reading = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        flow._changed.set()
        await asyncio.sleep(0.005)  # it waits a beat for more
        flow._urgent.set()
        for _ in range(steps):
            await asyncio.sleep(0)
        reading.cancel()
        done, _ = await asyncio.wait([reading], timeout=1)
        return bool(done)

    assert all(asyncio.run(stopped(steps)) for steps in range(6))


def test_a_cell_that_no_prompt_can_hold_is_its_row_s_error():
    b = batch("{{ t }}", [{"t": "x"}, {"t": b"caf\xe9"}, {"t": "y"}], "echo:")
    assert [a.text for a in b.answers] == ["x", "", "y"] and "not an image" in b.answers[1].error["message"]


def test_an_empty_cell_attaches_nothing(tmp_path):
    (tmp_path / "a.txt").write_text("what it says")
    table = [{"n": 1, "file": str(tmp_path / "a.txt")}, {"n": 2, "file": None}]
    first, second = batch("{{ n }}", table, "echo:", attach="file").answers
    assert "what it says" in first.text and second.text == "2"


def test_numbers_and_such_are_written_as_people_write_them():
    cells = [Decimal("19.90"), timedelta(hours=2), pd.Period("2026-01"), Fraction(1, 3), Color.RED]
    b = batch("{{ v }}", [{"v": v} for v in cells], "echo:")
    assert [a.text for a in b.answers] == ["19.90", "2:00:00", "2026-01", "1/3", "red"]


class Color(Enum):
    RED = "red"


def test_a_table_where_the_model_is_named_is_refused_in_words():
    for odd in (pd.DataFrame({"a": [1]}), pd.Series([1]), [1, 2], {"a": 1}):
        with pytest.raises(UsageError, match="A table was passed as the model"):
            fm.map("{{ w }}", words(1), odd if not isinstance(odd, list) else [odd])
    for option in ("values", "params"):
        with pytest.raises(UsageError, match=f"{option} (is|must be) a dict"):
            fm.map("{{ w }}", words(1), "echo:", **{option: 5})


def test_a_script_is_warned_of_rows_that_failed():
    with pytest.warns(UserWarning, match="1 of 2 failed"):
        fm.map("{{ 1 / n }}", [{"n": 0}, {"n": 1}], "echo:")


def test_progress_comes_and_the_first_rows_are_shown_after_they_are_kept(service):
    heard = []

    def sink(event):
        heard.append(event)
        if isinstance(event, Started) and event.kind == "row":
            assert database().rows("SELECT 1 FROM runs WHERE run = ? AND ended IS NOT NULL", (event.run,))

    service.latency = 0.02
    batch("Say {{ w }}", words(60), MODEL, sinks=[sink], concurrency=4)
    assert sum(isinstance(e, Started) and e.kind == "row" for e in heard) == 8
    assert any(isinstance(e, Progress) and "in flight" in e.note for e in heard)
    assert isinstance(heard[-1], Finished) and heard[-1].extra["answered"] == 60


def test_a_sidebar_hears_of_the_batch_and_not_of_every_row(service):
    heard = []
    session.global_sinks.append(heard.append)
    batch("Say {{ w }}", words(20), MODEL)
    assert not [e for e in heard if isinstance(e, Started) and e.kind == "row"]
    assert isinstance(heard[0], Started) and isinstance(heard[-1], Finished)


def test_with_the_log_off_rows_are_still_answered_and_equal_ones_asked_once(service):
    log.set_enabled(False)
    b = batch("Say {{ w }}", pd.DataFrame({"w": ["a", "b"] * 400}), MODEL)
    assert [a.text for a in b.answers] == ["a", "b"] * 400 and len(service.requests) == 2


def test_a_tape_replays_a_batch_without_its_service(service, tmp_path):
    session.tape = Tape(tmp_path / "t.jsonl")
    first = batch("Say {{ w }}", words(5), MODEL)
    service.down = True
    session.tape = Tape(tmp_path / "t.jsonl")
    again = batch("Say {{ w }}", words(5), MODEL, replay_only=True)
    assert [a.text for a in again.answers] == [a.text for a in first.answers] and {a.source for a in again.answers} == {"replayed"}
    assert "5 replayed from the tape" in again.summary.notes
    with pytest.raises(TapeMissError):
        batch("Say {{ w }}", words(6), MODEL, replay_only=True)


def test_a_suffix_is_said_once():
    heard = []
    batch("{{ text }}", ["a", "b"], "echo:", sinks=[heard.append])
    assert [e.text for e in heard if isinstance(e, Notice)] == ["the table already has text: the answer column is text_fm"]


@pytest.mark.parametrize(
    "given",
    [{"head": 0}, {"head": 1.5}, {"budget": -1}, {"rpm": 0}, {"concurrency": 0}, {"tpm": "many"}, {"samples": 0}, {"concurency": 2}],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(service, given):
    with pytest.raises(UsageError):
        batch("Say {{ w }}", words(3), MODEL, **given)
    assert not service.requests


def test_a_function_of_the_notebook_that_changed_is_asked_anew():
    df = words(2)
    ns = {}
    exec("def f(text):\n    return 'one'", ns)
    assert [a.text for a in batch("{{ w }}", df, ns["f"]).answers] == ["one", "one"]


def test_half_a_character_and_tokens_beyond_counting_are_mended(service):
    service.answer = lambda body: "half \ud83d end" if "word1" in str(body) else (400, {"error": {"message": "bad \ud83d"}})
    b = batch("Say {{ w }}", words(2), MODEL)
    assert b.answers[1].text == "half \ufffd end" and "bad \ufffd" in str(b.answers[0].error)
    assert [a.text for a in batch("Say {{ w }}", words(2), MODEL).answers] == ["", "half \ufffd end"] and len(service.requests) == 2

    async def many(messages):
        yield TextDelta(text="ok \ud83d")
        yield UsageReported(usage=Usage(10**20, -3, cost=float("nan")))
        yield Finished()

    class Model:
        info = ModelInfo("object:many", "object", "far.example")

        def stream(self, request):
            return many(request.messages)

        def count(self, request):
            return estimate_tokens(request)

        def deterministic(self, request):
            return False

    (a,) = batch("Say {{ w }}", words(1), Model()).answers
    assert (a.text, a.input_tokens, a.output_tokens, a.cost) == ("ok \ufffd", None, None, None)


def test_after_a_disk_that_was_full_the_log_is_tried_again_and_where_it_is_off_that_is_said(service, monkeypatch):
    heard = []
    monkeypatch.setattr(state(log.LogSwitch), "off_reason", "The disk is full")
    batch("Say {{ w }}", words(3), MODEL, sinks=[heard.append])
    assert log.enabled() and not any("log is off" in getattr(e, "text", "") for e in heard)
    assert batch("Say {{ w }}", words(3), MODEL).summary.cached == 3
    log.set_enabled(False)
    batch("Say {{ w }}", words(1), MODEL, sinks=[heard.append], cache=False)
    log.set_enabled(True)
    assert any("switched off" in getattr(e, "text", "") and "pays for them again" in e.text for e in heard)
    monkeypatch.setattr(state(log.LogSwitch), "off_reason", "The disk is full")
    monkeypatch.setattr(Database, "write", _full)
    asked = len(service.requests)
    with pytest.raises(StoreError, match="no row is sent.*disk is full"):
        batch("Say {{ w }}", words(9), MODEL, cache=False)
    assert len(service.requests) == asked


@contextmanager
def _full(self):
    raise StoreError("The disk is full", hint="Make room.")
    yield


def test_a_disk_that_is_full_stops_the_batch_and_nothing_is_lost(service, monkeypatch):
    real, calls = run_rows.write, []

    def full(*a):
        calls.append(a)
        if len(calls) == 3:
            raise StoreError("The disk is full", hint="Make room.")
        return real(*a)

    service.latency = 0.01
    monkeypatch.setattr(run_rows, "write", full)
    with pytest.raises(StoreError) as e:
        batch("Say {{ w }}", words(300), MODEL, concurrency=4)
    assert "run this again" in e.value.hint
    monkeypatch.setattr(run_rows, "write", real)
    log.set_enabled(True)
    b = batch("Say {{ w }}", words(300), MODEL, concurrency=4)
    assert [a.text for a in b.answers] == words(300)["w"].tolist()
    assert len(service.asked) == 300 and sum(service.asked.values()) - 300 <= 4  # those that were under way


def test_failures_are_events_of_the_row_too(service):
    service.answer = lambda body: (400, {"error": {"message": "no"}})
    b = batch("Say {{ w }}", words(1), MODEL)
    assert isinstance(log.events_of(b.answers[0].run)[-1], Failed)


def test_a_service_that_publishes_its_limits_is_not_asked_more(service):
    """How few are refused, and how soon it is over, is measured on a clock of its own in tests/limits/test_rate_limit.py."""
    service.per_minute, service.burst, service.latency = 6_000, 20, 0.02
    b = batch("Say {{ w }}", words(200), MODEL)
    assert b.summary.answered == 200 and max(service.asked.values()) == 1


def test_rows_that_failed_before_are_said_to_be_left_alone(service):
    service.answer = lambda body: (400, {"error": {"message": "odd words"}})
    first = batch("Say {{ w }}", words(2), MODEL)
    again = batch("Say {{ w }}", words(2), MODEL)
    assert not first.summary.notes and "2 failed before and were not sent again: --retry-errors" in again.summary.notes[0]
    assert "(first in row 0: 400, odd words)" in str(again.summary)


def test_how_far_it_came_is_said_last_when_it_stops(service):
    service.answer = lambda body: (400, {"error": {"message": "no"}}) if "word9" in str(body) else "fine"
    heard = []
    with pytest.raises(BadRequestError):
        batch("Say {{ w }}", words(10), MODEL, fail_fast=True, concurrency=1, sinks=[heard.append])
    last = [e for e in heard if isinstance(e, Progress)][-1]
    assert (last.done, last.note) == (9, "1 failed"), "answers alone are done, without rate and time left: it goes no further"


def test_a_taken_name_is_said_with_the_name_it_really_got(service):
    heard = []
    batch("Say {{ w }}", [{"w": "a", "text": 1, "text_fm": 2}], MODEL, sinks=[heard.append])
    assert [e.text for e in heard if isinstance(e, Notice)] == ["the table already has text: the answer column is text_fm2"]


def test_a_batch_is_stopped_from_elsewhere_by_its_run(service):
    service.latency = 0.02

    def sidebar(event):
        if isinstance(event, Progress) and event.done >= 20:
            calls_run.stop(event.run)

    with pytest.raises(Interrupted) as e:
        batch("Say {{ w }}", words(2000), MODEL, concurrency=8, sinks=[sidebar])
    assert e.value.run not in calls_run.running_calls() and 20 <= log.totals()["calls"] < 2000
    assert batch("Say {{ w }}", words(30), MODEL).summary.cached >= 12


def test_a_column_can_name_what_is_attached_to_each_row(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.txt").write_text(f"the {name}")
    df = pd.DataFrame({"q": ["a", "b"], "paper": [str(tmp_path / "one.txt"), str(tmp_path / "two.txt")]})
    heard = []
    batch("{{ q }}?", df, lambda messages: heard.append(str(messages)) or "ok", attach="paper")
    assert "the one" in heard[0] and "a?" in heard[0] and "the two" in heard[1]
    lost = batch("{{ q }}?", df.assign(paper=[str(tmp_path / "none.txt"), str(tmp_path / "two.txt")]), "echo:", attach="paper")
    assert lost.answers[0].error is not None and lost.answers[1].error is None


@pytest.mark.parametrize("name", ["for", "Review Text"])
def test_a_column_that_is_no_python_name_is_told_how_to_be_named(name):
    with pytest.raises(PromptError) as e:
        batch(f"Say {{{{ {name} }}}} {{{{ w }}}}", [{name: "x", "w": "y"}], "echo:")
    assert f"{name} is a column, but not a Python name: write {{{{ row[{name!r}] }}}}" in e.value.hint


def test_a_table_of_nothing_says_so():
    for nothing in ([], pd.DataFrame()):
        with pytest.raises(UsageError, match="The table is empty"):
            batch("Say {{ w }}", nothing, "echo:")


def test_a_prompt_and_a_table_that_changed_places_are_noticed():
    with pytest.raises(UsageError, match="Pass the prompt, a str or fm.Prompt, first"):
        fm.map(words(1), "Say {{ w }}", "echo:")


def test_an_unknown_name_is_told_the_columns():
    with pytest.raises(PromptError, match="The table's columns are text"):
        fm.map("Say {{ w }}", ["one", "two"], "echo:")


def test_a_mistyped_option_of_a_batch_is_known():
    with pytest.raises(UsageError, match="Did you mean budget"):
        fm.map("Say {{ w }}", words(1), "echo:", budgt=3)
