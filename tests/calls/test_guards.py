"""Guards stand around every call: of a cell, of a row, and of rows that an engine answers together. Trivial ones here."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import fmnb as fm
from fmnb.batch.run import batch
from fmnb.calls.classify import ModelClassifier
from fmnb.calls.session import session
from fmnb.core.errors import UsageError
from fmnb.core.events import TextDelta
from fmnb.core.guard import Guardrails, classifier
from fmnb.core.runtime import Runtime, state
from fmnb.core.types import Text
from fmnb.store import log
from fmnb.store.tape import Tape
from tests.batch.test_together import Together
from tests.wire.bulk import BulkService
from tests.wire.vectors import VectorServer

NAME = "Ada Lovelace"


class Redaction:
    """Hides a name from the model and puts it back into the answer. Notes what it saw."""

    def __init__(self):
        self.destinations = []

    async def __call__(self, request, destination, proceed):
        self.destinations.append(destination)
        hidden = replace(
            request,
            messages=tuple(
                replace(m, parts=tuple(replace(p, text=p.text.replace(NAME, "[P1]")) if isinstance(p, Text) else p for p in m.parts))
                for m in request.messages
            ),
        )
        async for event in proceed(hidden):
            yield replace(event, text=event.text.replace("[P1]", NAME)) if isinstance(event, TextDelta) else event


class Policy:
    """Refuses a word."""

    async def __call__(self, request, destination, proceed):
        if any("forbidden" in m.text for m in request.messages):
            raise UsageError("The policy refuses this prompt")
        async for event in proceed(request):
            yield event


class Moderation:
    """Refuses a prompt that the classifier of the Runtime calls unkind."""

    async def __call__(self, request, destination, proceed):
        (labels,) = await classifier("kindness").classify([request.messages[-1].text])
        if labels["unkind"] > 0.5:
            raise UsageError("This prompt is unkind", detail=f"{labels['unkind']:.2f}")
        async for event in proceed(request):
            yield event


class Counts:
    """A classifier of the test's own."""

    def __init__(self):
        self.texts = []

    async def classify(self, texts):
        self.texts += texts
        return [{"unkind": 0.9 if "fool" in t else 0.1, "kind": 0.1} for t in texts]


@pytest.fixture
def guard():
    """Put guards into a Runtime of the test's own."""
    with Runtime():

        def put(*guards, **classifiers):
            state(Guardrails).guards = guards
            state(Guardrails).classifiers = classifiers
            return guards[0]

        yield put


def sent():
    """A model that answers with what it was sent, and a list of that."""
    texts = []

    def model(text):
        texts.append(text)
        return f"I read: {text}"

    return model, texts


def test_what_a_guard_changes_is_what_a_cell_sends(guard):
    redaction = guard(Redaction())
    model, texts = sent()
    assert fm.ask(f"Who is {NAME}?", model).text == f"I read: Who is {NAME}?"
    assert texts == ["Who is [P1]?"]
    assert [d.model for d in redaction.destinations] == ["object:model"]


def test_a_stream_and_a_row_are_guarded_too(guard):
    guard(Redaction())
    model, texts = sent()
    assert "".join(fm.stream(f"Who is {NAME}?", model)) == f"I read: Who is {NAME}?"
    (answer,) = batch("Who is {{ n }}?", [{"n": NAME}], model).answers
    assert log.reopen(answer.run).text == f"I read: Who is {NAME}?"
    assert texts == ["Who is [P1]?"] * 2


def test_rows_that_are_answered_together_are_guarded_too(guard):
    guard(Redaction(), Policy())

    class Engine(Together):
        async def stream_rows(self, requests, neutral=()):
            self.seen = [r.messages[-1].text for _, r in requests]
            async for item in super().stream_rows(requests, neutral):
                yield item

    engine = Engine(text="it was {}")
    rows = [{"n": NAME}, {"n": "forbidden"}, {"n": "moss"}]
    b = batch("Say {{ n }}", rows, engine)
    assert [a.text for a in b.answers] == [f"it was {NAME}", "", "it was moss"]
    assert engine.seen == ["Say [P1]", "Say moss"]
    assert b.answers[1].error["message"] == "The policy refuses this prompt"


def test_a_refused_prompt_reaches_no_model(guard):
    guard(Policy())
    model, texts = sent()
    with pytest.raises(UsageError, match="policy refuses"):
        fm.ask("something forbidden", model)
    assert not texts


def test_guards_are_asked_in_their_order(guard):
    class Named(Policy):
        def __init__(self, name):
            self.name = name

        async def __call__(self, request, destination, proceed):
            order.append(self.name)
            async for event in proceed(request):
                yield event
            order.append(self.name)

    order = []
    guard(Named("outer"), Named("inner"))
    fm.ask("hello", "echo:")
    assert order == ["outer", "inner", "inner", "outer"]


def test_a_recording_holds_what_was_sent(guard, tmp_path):
    guard(Redaction())
    session.tape = Tape(tmp_path / "a.jsonl")
    assert fm.ask(f"Say {NAME}", "echo:").text.endswith(NAME)
    assert NAME not in (tmp_path / "a.jsonl").read_text()
    assert fm.ask(f"Say {NAME}", "echo:", replay_only=True).text.endswith(NAME)


def test_a_classifier_is_the_runtimes(guard):
    counts = Counts()
    guard(Moderation(), kindness=counts)
    assert fm.ask("hello", "echo:").text == "hello"
    with pytest.raises(UsageError, match="unkind: 0.90"):
        fm.ask("you fool", "echo:")
    assert counts.texts == ["hello", "you fool"]


def test_without_its_classifier_nothing_passes(guard):
    guard(Moderation())
    with pytest.raises(UsageError, match="no classifier 'kindness'"):
        fm.ask("hello", "echo:")


def test_a_model_is_a_classifier(guard):
    def model(text):
        return json.dumps({"label": "unkind" if "fool" in text else "kind"})

    guard(Moderation(), kindness=ModelClassifier(model, ("kind", "unkind")))
    assert fm.ask("hello", "echo:").text == "hello"
    with pytest.raises(UsageError, match=r"unkind: 1\.00"):
        fm.ask("you fool", "echo:")


def test_guards_of_another_runtime_do_not_act_here(guard):
    guard(Policy())
    with Runtime():
        assert fm.ask("forbidden", "echo:").text == "forbidden"


def test_a_batch_job_is_guarded_when_it_is_submitted_and_when_it_is_collected(guard, home, monkeypatch):
    monkeypatch.setenv("FAR_KEY", "k-far-1234")
    with BulkService() as bulk:
        (home / "fmnb.toml").write_text(f'[provider.far]\nbase_url = "{bulk.url}"\nkey_env = ["FAR_KEY"]\nbulk = "openai"\n')
        guard(Redaction(), Policy())
        rows = [{"n": NAME}, {"n": "forbidden"}, {"n": "moss"}]
        first = batch("{{ n }}", rows, "far:m", batch_api=True)
        assert first.answers[1].error["message"] == "The policy refuses this prompt" and first.summary.missing == 2
        assert len(bulk.lines) == 2 and "[P1]" in str(bulk.lines) and NAME not in str(bulk.lines)
        bulk.done = True
        last = batch("{{ n }}", rows, "far:m", batch_api=True)
        assert [a.text for a in last.answers] == [NAME, "", "moss"]


def test_a_job_of_refused_rows_alone_is_not_submitted(guard, home, monkeypatch):
    monkeypatch.setenv("FAR_KEY", "k-far-1234")
    with BulkService() as bulk:
        (home / "fmnb.toml").write_text(f'[provider.far]\nbase_url = "{bulk.url}"\nkey_env = ["FAR_KEY"]\nbulk = "openai"\n')
        guard(Policy())
        assert batch("{{ n }}", [{"n": "forbidden"}], "far:m", batch_api=True).summary.failed == 1
        assert not bulk.lines and not bulk.jobs


def test_the_calls_of_a_classifier_are_in_the_log(guard):
    guard(Moderation(), kindness=ModelClassifier(lambda text: '{"label": "kind"}', ["kind", "unkind"]))
    assert fm.ask("hello", "echo:").text == "hello"
    assert [r["kind"] for r in log.search()].count("classify") == 1


def test_texts_to_embed_are_guarded(guard, home):
    with VectorServer() as service:
        (home / "fmnb.toml").write_text(f'[provider.shop]\nbase_url = "{service.url}"\nneeds_key = false\n')
        guard(Redaction(), Policy())
        assert fm.embed([f"From {NAME}", "moss"], "shop:m").shape[0] == 2
        assert "[P1]" in str(service.requests) and NAME not in str(service.requests)
        with pytest.raises(UsageError, match="policy refuses"):
            fm.embed(["forbidden"], "shop:m")
        assert len(service.requests) == 1


def test_cached_rows_are_guarded_as_cells_are(guard):
    model, texts = sent()
    rows = [{"n": "forbidden"}, {"n": "moss"}]
    assert batch("Say {{ n }}", rows, model).summary.answered == 2
    guard(Policy())
    again = batch("Say {{ n }}", rows, model)
    assert [a.text for a in again.answers] == ["", "I read: Say moss"] and len(texts) == 2
    assert again.answers[0].error["message"] == "The policy refuses this prompt"


def test_a_guard_that_returns_nothing_is_an_error(guard):
    async def silent(request, destination, proceed):
        if False:
            yield
        async for _ in proceed(request):
            pass

    guard(silent)
    with pytest.raises(UsageError, match="neither refused"):
        fm.ask("hi", "echo:")
    assert batch("{{ n }}", [{"n": "a"}], "echo:").summary.failed == 1
