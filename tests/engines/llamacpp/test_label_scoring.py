"""A closed set of labels on llama.cpp: scored like on torch, written where that cannot be."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

from fmnb.core.backend import CONTENT_FREE
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import Failed, Finished, Logprobs, TextDelta, UsageReported
from fmnb.engines import loaded
from fmnb.engines.llamacpp.backend import backend
from fmnb.engines.llamacpp.label_scoring import MAX_LABELS, scorable_labels
from fmnb.engines.torch import backend as torch_engine
from fmnb.schemas.convert import to_schema
from tests.engines.news import NEWS, about

pytest.importorskip("xllamacpp")
BLANK = [about(x) for x in CONTENT_FREE]


@pytest.fixture(scope="module")
def model(embedded_path):
    yield backend(embedded_path, "embedded")
    loaded.unload()


def rows(model, requests, content_free=()):
    found = {}
    for n, event in iterate_sync(model.stream_rows(list(enumerate(requests)), content_free=content_free)):
        if n >= 0:
            found.setdefault(n, []).append(event)
    return [found[n] for n in sorted(found)]


def shares(model, requests, content_free=()):
    return [run[-1].extra["labels"] for run in rows(model, requests, content_free)]


def test_a_row_s_events_hold_the_likeliest_label_and_all_their_shares(model):
    for run in rows(model, [about(t) for t, _ in NEWS[:3]], BLANK):
        text, used, end = run
        assert isinstance(text, TextDelta) and isinstance(used, UsageReported) and isinstance(end, Finished)
        labels = end.extra["labels"]
        assert set(labels) == {"sport", "business"} and sum(labels.values()) == pytest.approx(1)
        assert json.loads(text.text) == {"section": max(labels, key=labels.get)}
        assert used.usage.cost == 0 and used.usage.output_tokens < 10 and end.model == "embedded" and end.reason == "stop"
        counted = model.count(about(NEWS[0][0])).tokens
        assert abs(used.usage.input_tokens - counted) < 20


def test_it_tells_sports_from_business_news(model):
    found = [max(labels, key=labels.get) for labels in shares(model, [about(t) for t, _ in NEWS], BLANK)]
    assert sum(a == label for a, (_, label) in zip(found, NEWS, strict=True)) >= 10


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_shares_are_those_of_torch(model, embedded_path):
    apart = []
    for options in ("section sport|business", "section 'local news'|'local weather'|other", "n 1|12|123", "ok bool"):
        schema = to_schema(options).schema
        asked, blank = ([about(text, schema=schema) for text in some] for some in ([text for text, _ in NEWS[:4]], CONTENT_FREE))
        for ours, theirs in zip(shares(model, asked, blank), shares(torch_engine.backend(embedded_path, "x"), asked, blank), strict=True):
            apart += [abs(ours[label] - theirs[label]) for label in theirs]
    assert max(apart) < 0.25 and sum(apart) / len(apart) < 0.05  # other arithmetic on the same four-bit weights


def test_what_a_seed_draws_comes_again_and_follows_the_shares(model):
    warm = [about(NEWS[0][0], temperature=2.0, seed=n, logprobs=2) for n in range(40)]
    first, again = rows(model, warm), rows(model, warm)
    texts = [run[0].text for run in first]
    assert texts == [run[0].text for run in again] and len(set(texts)) == 2
    (token,) = first[0][1].tokens
    assert isinstance(first[0][1], Logprobs) and [name for name, _ in token["top"]] and token["token"] in texts[0]


def test_a_seed_draws_for_each_row_anew(model):
    found = [run[0].text for run in rows(model, [about(f"{t} {i}", temperature=2.0, seed=1) for i in range(2) for t, _ in NEWS])]
    assert len(set(found)) == 2


def test_labels_of_other_scripts_are_scored_too(model):
    schema = to_schema("m 中文|日本語|été").schema
    for labels in shares(
        model, [about("Bonjour", schema=schema), about("x", schema=schema)], [about(x, schema=schema) for x in CONTENT_FREE]
    ):
        assert set(labels) == {"中文", "日本語", "été"} and sum(labels.values()) == pytest.approx(1)


def test_one_label_needs_no_question(model):
    only = {"type": "object", "properties": {"section": {"enum": ["sport"]}}, "required": ["section"]}
    ((text, _, end),) = rows(model, [about("x", schema=only)])
    assert text.text == '{"section": "sport"}' and end.extra["labels"] == {"sport": 1.0}


def test_what_only_writing_heeds_is_written(model):
    many = {"type": "object", "properties": {"n": {"enum": [str(i) for i in range(MAX_LABELS + 1)]}}, "required": ["n"]}
    for request in (about("x", schema=many), about("x", stop=("}",)), about("x", extra={"top_k": 3}), about("x", schema=None)):
        assert scorable_labels(request) is None
    (run,) = rows(model, [about("x", schema=many)])
    assert "labels" not in run[-1].extra and json.loads("".join(e.text for e in run if isinstance(e, TextDelta)))["n"]


def test_a_prompt_that_is_too_long_is_that_row_s_error(model):
    long, short = rows(model, [about("word " * 9000), about(NEWS[0][0])])
    assert isinstance(long[-1], Failed) and "tokens" in str(long[-1].error) and isinstance(short[-1], Finished)


def test_a_stop_ends_rows_in_the_middle(model):
    stream = iterate_sync(model.stream_rows([(n, about(t)) for n, (t, _) in enumerate(NEWS * 5)]))
    seen = next(n for n, e in stream if isinstance(e, Finished))
    stream.close()
    assert seen >= 0 and shares(model, [about(NEWS[0][0])])
