"""A call and a row of a table go through the same steps: what one says, the other says too."""

from __future__ import annotations

import pytest

import fmnb as fm
from fmnb.batch.run import batch
from fmnb.calls.session import session
from fmnb.core.errors import ConnectionFailedError
from fmnb.core.events import Finished, Notice, TextDelta, build_response
from fmnb.core.types import ModelInfo
from fmnb.store import log
from fmnb.store.tape import Tape
from tests.wire.server import Server


def as_cell(prompt, model, **options):
    """The response of one call, failed or not."""
    try:
        return fm.ask(prompt, model, values={"w": "moss"}, **options)
    except fm.FmnbError as e:
        return e.response


def as_row(prompt, model, **options):
    """The response of the only row of a table, failed or not."""
    (answer,) = batch(prompt, [{"w": "moss"}], model, **options).answers
    return log.reopen(answer.run)


BOTH = pytest.mark.parametrize("asked", [as_cell, as_row])


@BOTH
def test_an_interface_that_does_not_apply_is_said(asked):
    assert asked(fm.Prompt("Say {{ w }}"), "echo:", api="chat").not_applied == ("api",)


@BOTH
def test_what_a_function_does_to_answer_is_its_own_affair(asked):
    assert asked(fm.Prompt("Say {{ w }}"), lambda text: "no number", schema="n int").error.get("billed") is None


def test_a_picture_from_a_model_of_text_is_refused():
    with pytest.raises(fm.errors.UsageError, match="makes no images"):
        fm.ask("Draw moss", "echo:", format="image")
    with pytest.raises(fm.errors.UsageError, match="makes no images"):
        fm.map("Draw {{ w }}", [{"w": "moss"}], "echo:", format="image")


@BOTH
def test_json_without_a_schema_is_read(asked):
    assert asked(fm.Prompt("Say {{ w }}"), lambda text: '{"w": "moss"}', format="json").data == {"w": "moss"}


class Pieces:
    """A model whose answer comes in many pieces."""

    info = ModelInfo("object:pieces", "object", "far.example")

    async def stream(self, request):
        for letter in "moss":
            yield TextDelta(text=letter)
        yield Notice(kind="note", text="said")
        yield Finished()

    def count(self, request):
        from fmnb.core.backend import estimate_tokens

        return estimate_tokens(request)

    def deterministic(self, request):
        return False


def test_a_rows_text_is_stored_in_one_event_with_its_notes():
    answer = as_row(fm.Prompt("Say {{ w }}"), Pieces())
    kept = log.events_of(answer.run)
    assert [e.text for e in kept if isinstance(e, TextDelta)] == ["moss"] and build_response(kept).notes == ("said",)


@pytest.fixture
def service(home):
    """A service under the name `lab:`, which can be told to be away."""
    with Server() as server:
        (home / "fmnb.toml").write_text(f'[provider.lab]\nbase_url = "{server.url}"\nneeds_key = false\n')
        yield server


def away(home):
    (home / "fmnb.toml").write_text('[provider.lab]\nbase_url = "http://127.0.0.1:9"\nneeds_key = false\n')


TABLE = [{"w": "moss"}, {"w": "fern"}]


def test_a_row_shows_what_was_recorded_for_its_own_values_where_others_have_changed(service, home, tmp_path):
    session.tape = Tape(tmp_path / "t.jsonl")
    batch("Repeat {{ w }} {{ more }}", TABLE, "lab:repeat", values={"more": "first"})
    away(home)
    session.tape = Tape(tmp_path / "t.jsonl")
    again = batch("Repeat {{ w }} {{ more }}", [*reversed(TABLE), {"w": "oak"}], "lab:repeat", values={"more": "second"})
    fern, moss, oak = again.answers
    assert "fern first" in fern.text and "moss first" in moss.text
    assert any(n.startswith("stale") for n in log.reopen(moss.run).notes)
    assert oak.text in (None, "") and oak.error["kind"] == "ConnectionFailedError"


def test_a_cell_does_so_too(service, home, tmp_path):
    session.tape = Tape(tmp_path / "t.jsonl")
    first = fm.ask(fm.Prompt("Repeat {{ more }}"), "lab:repeat", values={"more": "first"})
    away(home)
    again = fm.ask(fm.Prompt("Repeat {{ more }}"), "lab:repeat", values={"more": "second"})
    assert again.text == first.text and again.source == "stale"
    session.tape = None
    with pytest.raises(ConnectionFailedError):
        fm.ask(fm.Prompt("Repeat {{ more }}"), "lab:repeat", values={"more": "second"}, cache=False)
