"""`fm.embed`: shapes, order, distinct texts, what is kept, and services that err."""

from __future__ import annotations

import re

import numpy as np
import pytest

import fmnb as fm
from fmnb.core.errors import (
    BadRequestError,
    BudgetError,
    ContextTooLongError,
    Interrupted,
    RateLimitError,
    UnexpectedResponseError,
    UnknownModelError,
    UsageError,
)
from fmnb.core.events import Finished, Notice, Progress, Waiting
from fmnb.limits import budget
from fmnb.store import log, retention
from tests.wire.vectors import VectorServer, vector


@pytest.fixture
def server(home):
    with VectorServer() as running:
        (home / "fmnb.toml").write_text(f'[provider.shop]\nbase_url = "{running.url}"\nneeds_key = false\n')
        yield running


def test_one_row_a_text_in_order(server):
    got = fm.embed(["a bee", "one two three", ""], "shop:m")
    assert got.dtype == np.float32 and got.shape == (3, 3)
    assert got.tolist() == [vector("a bee"), vector("one two three"), vector("")]


def test_a_single_text_gives_a_single_vector_and_no_text_an_empty_array(server):
    assert fm.embed("a bee", "shop:m").shape == (3,)
    assert fm.embed([], "shop:m").shape == (0, 0) and len(server.requests) == 1


def test_columns_and_arrays_are_lists_of_texts(server):
    pd = pytest.importorskip("pandas")
    assert fm.embed(pd.Series(["a", "b"], index=[7, 3]), "shop:m").shape == (2, 3)
    assert fm.embed(np.array(["a", "b"]), "shop:m").shape == (2, 3)


@pytest.mark.parametrize("texts", [["a", None], ["a", float("nan")], [1]])
def test_a_row_that_is_no_text_is_named(texts):
    with pytest.raises(UsageError, match=f"Row {len(texts) - 1} is not a string"):
        fm.embed(texts, "echo:")


def test_a_frame_is_no_list_of_texts():
    """Its iteration gives the names of its columns, which nobody means."""
    for frame in (pytest.importorskip("pandas").DataFrame({"a": ["x"]}), pytest.importorskip("polars").DataFrame({"a": ["x"]})):
        with pytest.raises(UsageError, match="a column of a frame"):
            fm.embed(frame, "echo:")


def test_half_a_surrogate_pair_is_a_mark(server):
    assert fm.embed(["half \ud83d pair", "\U0001f600"], "shop:m").shape == (2, 3)
    assert server.requests[-1]["input"] == ["half \ufffd pair", "\U0001f600"]


def test_what_is_no_list_of_texts_is_refused():
    for thing in (3, {"a": 1}, b"abc"):
        with pytest.raises(UsageError, match="must be texts"):
            fm.embed(thing)


def test_the_same_text_is_asked_for_once_and_never_again(server):
    first = fm.embed(["a", "b", "a"], "shop:m")
    assert [r["input"] for r in server.requests] == [["a", "b"]]
    again = fm.embed(["b", "c", "a"], "shop:m")
    assert [r["input"] for r in server.requests] == [["a", "b"], ["c"]]
    assert again[2].tolist() == first[0].tolist()
    fm.embed(["a"], "shop:m", cache=False)
    assert server.requests[-1]["input"] == ["a"]


def test_another_model_or_width_is_another_vector(server):
    fm.embed(["a"], "shop:m")
    fm.embed(["a"], "shop:n")
    assert fm.embed(["a"], "shop:m", dimensions=2).shape == (1, 2)
    assert len(server.requests) == 3 and server.requests[-1]["dimensions"] == 2


def test_many_texts_go_in_batches_and_come_back_in_order(server):
    texts = [f"{'x' * (i % 50)} {i}" for i in range(500)]
    got = fm.embed(texts, "shop:m")
    assert sum(len(r["input"]) for r in server.requests) == 500
    assert max(len(r["input"]) for r in server.requests) <= 96
    assert got.tolist() == [vector(t) for t in texts]


def test_numbers_are_asked_for_unless_the_service_is_known_to_pack_them_right(server, home):
    fm.embed(["a"], "shop:m")
    assert server.requests[-1]["encoding_format"] == "float"
    (home / "fmnb.toml").write_text(f'[provider.shop]\nbase_url = "{server.url}"\nneeds_key = false\nbase64_vectors = true\n')
    assert fm.embed(["a bee"], "shop:n").tolist() == [vector("a bee")]
    assert server.requests[-1]["encoding_format"] == "base64"


def test_vectors_out_of_order_are_put_in_order(server):
    assert fm.embed(["a", "bb"], "shop:backwards").tolist() == [vector("a"), vector("bb")]


@pytest.mark.parametrize("model", ["short", "ragged", "nan", "empty", "twice", "numbered-in-words", "nested"])
def test_vectors_that_cannot_be_right_are_an_error(server, model):
    with pytest.raises(UnexpectedResponseError, match="invalid vectors"):
        fm.embed(["a", "b"], f"shop:{model}")


def test_a_batch_that_is_too_much_for_a_service_goes_in_halves(server):
    texts = [f"text {'x' * i}" for i in range(10)]
    assert fm.embed(texts, "shop:few-at-once").tolist() == [vector(t) for t in texts]
    assert [len(r["input"]) for r in server.requests] == [10, 5, 2, 3, 5, 2, 3]


def test_a_text_that_is_too_long_is_named_and_the_others_are_kept(server):
    long = "far too long " * 20
    with pytest.raises(ContextTooLongError, match="begins 'far too long far"):
        fm.embed(["a", "b", long, "c"], "shop:short-texts")
    before = len(server.requests)
    fm.embed(["a", "b"], "shop:short-texts")
    assert len(server.requests) == before


def test_a_service_that_knows_no_encoding_format_is_asked_without(server):
    assert fm.embed(["a"], "shop:plain-numbers").tolist() == [vector("a")]


def test_usage_that_is_none_does_no_harm(server):
    assert fm.embed(["a"], "shop:odd-usage").tolist() == [vector("a")]


def test_a_model_that_changes_its_width_is_an_error(server):
    with pytest.raises(UsageError, match="different dimensions"):
        fm.embed([f"x{i}" for i in range(96)] + ["wide"], "shop:wider")


def test_a_service_that_fails_first_is_asked_again(server):
    server.failures = [503, 429]
    seen = []
    fm.embed(["a"], "shop:m", sinks=[seen.append])
    assert len(server.requests) == 3 and sum(isinstance(e, Waiting) for e in seen) >= 2


def test_errors_are_those_of_a_call(server):
    with pytest.raises(UnknownModelError):
        fm.embed(["a"], "shop:unknown")
    server.failures = [429] * 9
    with pytest.raises(RateLimitError):
        fm.embed(["a"], "shop:m")


def test_what_came_before_an_error_is_kept(server):
    texts = [f"x{i}" for i in range(96 * 5)]
    assert fm.embed(texts[:10], "shop:wider").shape == (10, 3)
    with pytest.raises(UsageError):
        fm.embed([*texts, "wide"], "shop:wider")
    before = len(server.requests)
    fm.embed(texts[:96], "shop:wider")
    assert len(server.requests) == before


def test_the_run_is_in_the_log_with_what_it_used(server):
    seen = []
    fm.embed(["one two", "three"], "shop:m", sinks=[seen.append])
    end = seen[-1]
    assert isinstance(end, Finished) and end.extra == {"texts": 2, "cached": 0, "dimensions": 3}
    (row,) = log.search(model="shop:m")
    assert row["input_tokens"] == 3 and row["finish_reason"] == "stop"


def test_forgetting_the_run_forgets_its_vectors(server):
    fm.embed(["a"], "shop:m")
    retention.forget(everything=True)
    fm.embed(["a"], "shop:m")
    assert len(server.requests) == 2


def test_with_the_log_off_nothing_is_kept(server):
    log.set_enabled(False)
    try:
        fm.embed(["a"], "shop:m")
        fm.embed(["a"], "shop:m")
    finally:
        log.set_enabled(True)
    assert len(server.requests) == 2


def test_the_budget_counts_here_too():
    budget.set_limit(0.0)
    try:
        with pytest.raises(BudgetError):
            fm.embed(["a " * 1000], "openai:text-embedding-3-small")
    finally:
        budget.reset()


def test_models_that_make_no_vectors_say_so():
    with pytest.raises(UsageError, match="is not an embedding model"):
        fm.embed(["a"], "echo:")
    with pytest.raises(UsageError, match="Anthropic has no embeddings"):
        fm.embed(["a"], "anthropic:claude-sonnet-5-5")


def test_quant_is_for_weights_that_run_here(server):
    seen = []
    fm.embed(["a"], "shop:m", quant="int8", sinks=[seen.append])
    assert [e.text for e in seen if isinstance(e, Notice)] == ["quant"]


def test_a_default_of_the_settings_is_taken(server, home):
    (home / "fmnb.toml").write_text(f'[default]\nembed = "shop:m"\n[provider.shop]\nbase_url = "{server.url}"\nneeds_key = false\n')
    assert fm.embed("a bee").tolist() == vector("a bee")


def test_an_interrupt_says_what_is_kept_and_the_next_time_goes_on_there(server):
    texts = [f"text {i}" for i in range(600)]

    def stop(event):
        if isinstance(event, Progress):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as e:
        fm.embed(texts, "shop:m", sinks=[stop])
    said = re.search(r"(\d+) of 600 vectors are cached", e.value._render_traceback_()[0])
    kept = int(said[1])  # requests in flight end, and how many have ended depends on the machine
    assert 0 < kept <= 600
    before = len(server.requests)
    assert fm.embed(texts, "shop:m").shape == (600, 3)
    again = {text for r in server.requests[before:] for text in r["input"]}  # also of a late request, which was not kept
    assert len(again) <= 600 - kept


def test_a_server_without_embeddings_says_so(monkeypatch):
    with VectorServer(404) as running:
        monkeypatch.setenv("VLLM_BASE_URL", running.url)
        with pytest.raises(BadRequestError, match="Nothing answers embedding requests") as e:
            fm.embed(["a"], "vllm:m")
    assert "%fm models embed" in e.value.hint
