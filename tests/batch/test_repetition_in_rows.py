"""Answers of hosted rows, which come whole, are cut where they repeat themselves; what came is in the log."""

from __future__ import annotations

import pytest

from fmnb.batch.run import batch
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import Finished, Logprobs, Notice, ReasoningDelta, Restarted, TextDelta, UsageReported, build_response
from fmnb.core.repetition import NOT_TRUNCATED, NOTICE, REASON, stop_on_loop, truncate_loop
from fmnb.core.types import Usage
from fmnb.store import log
from tests.batch.service import Service
from tests.repetitions import LOOPS, MEANT
from tests.wire import bulk as wire
from tests.wire.bulk import BulkService

BEFORE = "It shows the weather. Then:\n"
LOOP = BEFORE + LOOPS["a sentence"] + "And that is all."


def streamed(text: str) -> str:
    """What a cell keeps of a text that comes in pieces."""

    async def pieces():
        for n in range(0, len(text), 48):
            yield TextDelta(text=text[n : n + 48])

    return build_response(list(iterate_sync(stop_on_loop(pieces(), lambda came: None)))).text


@pytest.mark.parametrize("name", MEANT)
def test_what_is_meant_is_left_as_it_is(name):
    events = [TextDelta(text="Here it is:\n\n" + MEANT[name]), Finished()]
    assert truncate_loop(events) == events


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("after", ["", "And that is all."])
def test_a_loop_is_cut_wherever_it_stands(name, after):
    came = [
        ReasoningDelta(text="Hm."),
        TextDelta(text=BEFORE + LOOPS[name] + after),
        UsageReported(usage=Usage(3, 400)),
        Finished(reason="length"),
    ]
    answer = build_response(truncate_loop(came))
    kept, text = streamed(BEFORE + LOOPS[name] + after), BEFORE + LOOPS[name] + after
    assert answer.text == kept and answer.finish_reason == REASON, "as much as a cell has when its stream is ended"
    assert answer.extra[NOT_TRUNCATED] == text and answer.notes[0].startswith(NOTICE)
    assert f"{len(text) - len(kept):,} characters were removed" in answer.notes[0] and "log" in answer.notes[0]
    assert (answer.reasoning, answer.usage.output_tokens) == ("Hm.", 400), "what was paid is what was written"


def test_an_answer_in_pieces_and_one_that_was_asked_again_are_cut_too():
    loop = LOOPS["a sentence"]
    pieces = [TextDelta(text=LOOP[n : n + 7]) for n in range(0, len(LOOP), 7)]
    again = truncate_loop([TextDelta(text=loop), Restarted(reason="?"), *pieces, Logprobs(tokens=()), Finished()])
    assert again[:2] == [TextDelta(text=loop), Restarted(reason="?")], "what was dropped is no part of the answer"
    assert build_response(again).text == build_response(truncate_loop([TextDelta(text=LOOP), Finished()])).text
    assert isinstance(again[-2], Notice) and isinstance(again[-3], Logprobs)


def test_rows_of_a_service_are_cut_and_their_whole_text_is_in_the_log(monkeypatch):
    with Service() as service:
        monkeypatch.setenv("VLLM_BASE_URL", service.url)
        service.answer = lambda body: LOOP if body["messages"][-1]["content"].endswith("b") else "fine"
        done = batch("Say {{ w }}", [{"w": w} for w in "abc"], "vllm:m")
    assert [a.text == "fine" for a in done.answers] == [True, False, True]
    a = done.answers[1]
    assert a.finish_reason == REASON and a.text.count("The table is about the table.") >= 4 and len(a.text) < len(LOOP) and a.error is None
    kept = log.reopen(a.run)
    assert (kept.text, kept.finish_reason, kept.extra[NOT_TRUNCATED]) == (a.text, REASON, LOOP) and kept.notes[0].startswith(NOTICE)
    assert "1 answer repeated itself and was truncated: ask a larger model" in str(done.summary)


def test_a_structured_answer_that_fits_its_schema_is_no_loop(monkeypatch):
    text = "{" + f'"a": "{LOOPS["a sentence"]}"' + "}"
    with Service() as service:
        monkeypatch.setenv("VLLM_BASE_URL", service.url)
        service.answer = lambda body: text
        (a,) = batch("Say {{ w }}", [{"w": "a"}], "vllm:m", schema="a str").answers
    assert a.data == {"a": LOOPS["a sentence"]} and a.finish_reason == "stop"


def test_rows_of_a_batch_job_are_cut(home, monkeypatch):
    monkeypatch.setenv("FAR_KEY", "k-far-1234")
    monkeypatch.setattr(wire, "_said", lambda body: LOOP)
    with BulkService() as service:
        (home / "fmnb.toml").write_text(f'[provider.far]\nbase_url = "{service.url}"\nkey_env = ["FAR_KEY"]\nbulk = "openai"\n')
        batch("Say {{ w }}", [{"w": "a"}], "far:m", batch_api=True)
        service.done = True
        (a,) = batch("Say {{ w }}", [{"w": "a"}], "far:m", batch_api=True).answers
    assert a.finish_reason == REASON and len(a.text) < len(LOOP) and log.reopen(a.run).extra[NOT_TRUNCATED] == LOOP
