"""Engines that answer many rows together: they get them so, and what they say reaches each row."""

from __future__ import annotations

import pytest

from fmnb.batch.run import batch
from fmnb.calls.session import session
from fmnb.core.backend import estimate_tokens
from fmnb.core.errors import ServerError
from fmnb.core.events import Failed, Finished, Progress, TextDelta, UsageReported
from fmnb.core.types import ModelInfo, Usage
from fmnb.store.tape import Tape
from tests.batch.test_run import words


class Together:
    """An engine that answers the last row of each lot first. `bad` rows fail, `dies` after so many."""

    preferred_batch_size = 10

    def __init__(self, bad="", dies=None, text="{}"):
        self.info = ModelInfo("object:together", "object", "local", local=True, price_in=0.0, price_out=0.0)
        self.bad, self.dies, self.text = bad, dies, text
        self.lots, self.closed = [], 0

    def __repr__(self):
        return "Together()"

    async def stream_rows(self, requests, content_free=()):
        self.lots.append(len(requests))
        try:
            yield -1, Progress(stage="loading", done=1, total=1)
            for done, (n, request) in enumerate(reversed(requests)):
                said = request.messages[-1].text.split()[-1]
                if self.dies is not None and done >= self.dies:
                    raise ServerError("the engine broke")
                if said == self.bad:
                    yield n, Failed(error={"kind": "BadRequestError", "message": "not this one"})
                    continue
                yield n, TextDelta(text=self.text.format(said))
                yield n, UsageReported(usage=Usage(3, 1, cost=0.0))
                yield n, Finished(extra={"labels": {"a": 0.75, "b": 0.25}})
        finally:
            self.closed += 1

    async def stream(self, request):
        raise AssertionError("asked alone")
        yield

    def count(self, request):
        return estimate_tokens(request)

    def deterministic(self, request):
        return True


def test_rows_go_in_lots_and_come_back_to_their_places():
    engine = Together(bad="word3")
    b = batch("Say {{ w }}", words(25), engine)
    assert [a.text for a in b.answers] == [f"word{i}" if i != 3 else "" for i in range(25)]
    assert max(engine.lots) <= 10 and sum(engine.lots) == 25 and engine.closed == len(engine.lots)
    assert b.answers[3].error["message"] == "not this one" and b.answers[0].input_tokens == 3


def test_a_structured_answer_and_its_probabilities_are_the_row_s():
    b = batch("Say {{ w }}", words(3), Together(text='{{"mood": "a"}}'), schema="mood a|b")
    assert [a.data for a in b.answers] == [{"mood": "a"}] * 3 and b.answers[0].labels == {"a": 0.75, "b": 0.25}
    again = batch("Say {{ w }}", words(3), Together(), schema="mood a|b")
    assert again.summary.cached == 3 and again.answers[0].labels == {"a": 0.75, "b": 0.25}
    bad = batch("Ask {{ w }}", words(1), Together(text="none"), schema="mood a|b")
    assert bad.answers[0].error["kind"] == "SchemaMismatchError"


def test_an_engine_that_breaks_fails_the_rows_it_had_and_the_next_run_asks_them():
    b = batch("Say {{ w }}", words(5), Together(dies=2))
    assert [a.error is None for a in b.answers] == [False, False, False, True, True]
    assert batch("Say {{ w }}", words(5), Together()).summary.cached == 2


def test_rows_go_onto_a_tape_and_come_from_it_without_the_engine(tmp_path):
    session.tape = Tape(tmp_path / "t.jsonl")
    engine = Together()
    batch("Say {{ w }}", words(5), engine, head=3)
    session.tape = Tape(tmp_path / "t.jsonl")
    b = batch("Say {{ w }}", words(5), engine, cache=False)
    assert engine.lots == [3, 2] and [a.source for a in b.answers] == ["replayed"] * 3 + ["live"] * 2
    session.tape = Tape(tmp_path / "t.jsonl")
    again = batch("Say {{ w }}", words(5), engine, replay_only=True)
    assert [a.text for a in again.answers] == [f"word{i}" for i in range(5)]


def test_an_interrupt_closes_the_engine_s_stream():
    engine = Together()

    def stop(event):
        if isinstance(event, TextDelta):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batch("Say {{ w }}", words(5), engine, sinks=[stop])
    assert engine.closed == len(engine.lots)
