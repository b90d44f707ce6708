"""Many rows at once on our own network: in 32-bit floats each row answers as it does alone."""

import random
import threading

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from fmnb.core.event_loop import iterate_sync  # noqa: E402
from fmnb.core.events import Failed, Finished, Logprobs, Notice, Progress, UsageReported, build_response  # noqa: E402
from fmnb.core.types import Image, Message, Request, Text, message  # noqa: E402
from fmnb.engines import loaded  # noqa: E402
from fmnb.engines.torch import kv_cache  # noqa: E402
from fmnb.engines.torch import scheduler as torch_rows  # noqa: E402
from fmnb.engines.torch.backend import backend  # noqa: E402
from fmnb.engines.torch.model import load  # noqa: E402
from fmnb.engines.torch.precision import Precision  # noqa: E402
from tests.conftest import FULL  # noqa: E402
from tests.engines import tiny  # noqa: E402
from tests.engines.asking import PERSON  # noqa: E402

PLAIN = {"dtype": "float32"}


@pytest.fixture(autouse=True)
def one_thread():
    """Sums come in one order, however busy the machine is."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    yield tmp_path_factory.mktemp("tiny")
    loaded.unload()


@pytest.fixture(scope="module")
def small(folder):
    """A tiny random model."""
    (folder / "small.gguf").write_bytes(tiny.gguf(tiny.model("llama"), "llama"))
    return backend(folder / "small.gguf", "small")


def asked(count: int, longest: int = 30, seed: int = 0, **options) -> list[tuple[int, Request]]:
    """Requests that begin alike and go on differently, their numbers out of order."""
    r = random.Random(seed)
    rows = []
    for i in range(count):
        text = "Read this and answer: " + "".join(r.choice("abcdefgh the") for _ in range(r.randrange(longest)))
        extra = {"ignore_eos": True} if i % 3 else {}
        rows.append((100 - i, Request("m", (message("user", text),), **{"max_tokens": 3 + i % 9, "extra": extra, **PLAIN, **options})))
    return rows


def together(model, requests, **more) -> dict[int, list]:
    """The events of each row; those of the whole under -1."""
    found: dict[int, list] = {}
    for n, event in iterate_sync(model.stream_rows(requests, **more)):
        found.setdefault(n, []).append(event)
    return found


def answers(model, requests) -> dict[int, tuple]:
    """What each row came to, all together."""
    return {n: _came_to(build_response(events)) for n, events in together(model, requests).items() if n >= 0}


def alone(model, requests) -> dict[int, tuple]:
    """The same, one call a row."""
    return {n: _came_to(build_response(iterate_sync(model.stream(r)))) for n, r in requests}


def _came_to(response) -> tuple:
    return response.text, response.finish_reason, response.usage.input_tokens, response.usage.output_tokens


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("llama", {"num_key_value_heads": 4, "tie_word_embeddings": True}),
        ("llama", {"num_key_value_heads": 1, "head_dim": 32}),
        ("qwen2", {"tie_word_embeddings": True}),
        ("qwen3", {}),
        ("gemma3", {"num_hidden_layers": 7, "sliding_window": 16, "query_pre_attn_scalar": 16, "tie_word_embeddings": True}),
        ("gemma3", {"num_hidden_layers": 7, "sliding_window": 60, "query_pre_attn_scalar": 16, "tie_word_embeddings": True}),
    ],
    ids=["tied head", "one key head", "biases", "normed queries", "window behind the prefix", "window into the prefix"],
)
def test_rows_of_each_family_answer_as_they_do_alone(folder, monkeypatch, family, options):
    monkeypatch.setitem(torch_rows.MAX_SLOTS, "cpu", 5)
    path = folder / f"{family}{len(options)}{options.get('sliding_window', '')}.gguf"
    path.write_bytes(tiny.gguf(tiny.model(family, **options), family))
    model = backend(path)
    requests = asked(12)
    assert answers(model, requests) == alone(model, requests)


@pytest.mark.parametrize("passed", [7, 40, 1024], ids=lambda n: f"{n} tokens a pass")
@pytest.mark.parametrize("wide", [1, 3, 64], ids=lambda n: f"{n} slots")
def test_neither_slots_nor_passes_change_an_answer(small, monkeypatch, passed, wide):
    requests = asked(14, seed=1)
    expected = alone(small, requests)
    monkeypatch.setitem(torch_rows.MAX_SLOTS, "cpu", wide)
    monkeypatch.setitem(torch_rows.MAX_BATCHED_TOKENS, "cpu", passed)
    assert answers(small, requests) == expected


@pytest.mark.parametrize(
    "options", [{"temperature": 1.0}, {"temperature": 0.8, "extra": {"top_k": 5}}, {"schema": PERSON, "max_tokens": 60}]
)
def test_rows_draw_and_keep_schemas_as_they_do_alone(small, options):
    requests = [(n, Request(**{**_fields(r), "seed": n})) for n, r in asked(10, seed=2, **options)]
    assert answers(small, requests) == alone(small, requests)


def _fields(request: Request) -> dict:
    return {name: getattr(request, name) for name in request.__dataclass_fields__}


def test_a_rows_answer_does_not_depend_on_its_neighbours(small):
    requests = [(n, Request(**{**_fields(r), "seed": 7})) for n, r in asked(16, seed=3, temperature=1.0)]
    whole = answers(small, requests)
    assert answers(small, requests[::-3]) == {n: whole[n] for n, _ in requests[::-3]}


def test_equal_prompts_and_an_empty_one_are_answered(small):
    same = [(i, Request("m", (message("user", "x" if i else ""),), max_tokens=4, **PLAIN)) for i in range(4)]
    got = answers(small, same)
    assert got == alone(small, same) and got[1] == got[2] == got[3]


def test_no_rows_are_no_events(small):
    assert together(small, []) == {}


def test_stop_texts_end_a_row_before_them(small):
    requests = asked(6, seed=4, max_tokens=20, extra={"ignore_eos": True})
    whole = answers(small, requests)
    stops = [(n, Request(**{**_fields(r), "stop": (whole[n][0][4:6], "never said")})) for n, r in requests if whole[n][0][4:6]]
    assert stops and answers(small, stops) == alone(small, stops)


def test_log_probabilities_are_those_of_a_single_answer(small):
    requests = asked(5, seed=5, logprobs=2)
    found = together(small, requests)
    for n, request in requests:
        got = [t for e in found[n] if isinstance(e, Logprobs) for t in e.tokens]
        expected = [t for e in iterate_sync(small.stream(request)) if isinstance(e, Logprobs) for t in e.tokens]
        assert [t["token"] for t in got] == [t["token"] for t in expected]
        assert [t["logprob"] for t in got] == pytest.approx([t["logprob"] for t in expected], abs=1e-4)


def test_a_row_that_cannot_be_answered_fails_alone(small):
    requests = asked(4, seed=6)
    picture = Message("user", (Image(b"x"), Text("What is it?")))
    requests += [(7, Request("m", (message("user", "long " * 400),), max_tokens=4, **PLAIN))]
    requests += [
        (8, Request("m", (picture,), max_tokens=4, **PLAIN)),
        (9, Request("m", (message("user", "x"),), temperature=-1.0, **PLAIN)),
    ]
    found = together(small, requests)
    assert {n: found[n][0].error["kind"] for n in (7, 8, 9)} == dict.fromkeys((7, 8, 9), "BadRequestError") | {7: "ContextTooLongError"}
    assert all(isinstance(found[n][-1], Finished) for n, _ in requests[:4])
    assert all(len(found[n]) == 1 for n in (7, 8, 9))


def test_what_concerns_all_comes_once_under_minus_one(small):
    loaded.unload("small")
    found = together(small, asked(4, seed=8, extra={"bogus": 1}))
    assert any(isinstance(e, Progress) and e.stage == "loading" for e in found[-1])
    assert [e.text for e in found[-1] if isinstance(e, Notice) and e.kind == "not_applied"] == ["bogus"]


def test_the_shared_prefix_counts_as_known_for_all_rows_but_the_first(small):
    found = together(
        small, [(i, Request("m", (message("user", "the same beginning " * 4 + "abc"[i]),), max_tokens=2, **PLAIN)) for i in range(3)]
    )
    cached = sorted(e.usage.cached_tokens for i in range(3) for e in found[i] if isinstance(e, UsageReported))
    assert cached[0] == 0 and cached[1] == cached[2] > 70


def test_a_row_holds_its_own_tokens_and_not_the_prefix(small, monkeypatch):
    seen = []
    room = kv_cache.BatchKVCache._ensure_capacity
    monkeypatch.setattr(kv_cache.BatchKVCache, "_ensure_capacity", lambda self, places: seen.append(places) or room(self, places))
    together(small, [(i, Request("m", (message("user", "the same beginning " * 10 + "abc"[i]),), max_tokens=2, **PLAIN)) for i in range(3)])
    assert 0 < max(seen) < 40


def test_when_memory_runs_out_half_as_many_rows_go_on(small, monkeypatch):
    requests = [(n, Request(**{**_fields(r), "seed": n})) for n, r in asked(12, seed=9, temperature=1.0)]
    expected = alone(small, requests)
    room, refused = kv_cache.BatchKVCache._ensure_capacity, []

    def little(self, places):
        if len(self.lengths) > 3 or (places > 30 and len(self.lengths) > 2):
            refused.append(len(self.lengths))
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return room(self, places)

    monkeypatch.setattr(kv_cache.BatchKVCache, "_ensure_capacity", little)
    assert answers(small, requests) == expected and refused[0] == 12 and len(refused) >= 3


def test_rows_that_no_memory_is_left_for_fail_with_a_word_and_the_model_stays_usable(small, monkeypatch):
    requests = asked(3, seed=10)
    answers(small, requests[:1])
    with monkeypatch.context() as patch:
        patch.setattr(torch_rows.host, "available_memory", lambda: 10)
        found = together(small, requests)
    assert {found[n][0].error["kind"] for n, _ in requests} == {"CannotFitError"}
    assert answers(small, requests) == alone(small, requests)


def test_memory_that_is_free_decides_how_many_slots_there_are(small, monkeypatch):
    rows = kv_cache.BatchKVCache(loaded.model_entry(str(Precision("float32", "none", "cpu")), small._path).model.net.model, None, 0, True)
    for free, expected in (
        (100 * rows.bytes_per_token * 10 * 2, 10),
        (rows.bytes_per_token, 1),
        (1 << 50, torch_rows.MAX_SLOTS["cpu"]),
        (None, torch_rows.MAX_SLOTS["cpu"]),
    ):
        monkeypatch.setattr(torch_rows.host, "available_memory", lambda free=free: free)
        assert torch_rows.slots(rows, "cpu", 100) == expected


def test_closing_the_stream_stops_within_a_pass(small, monkeypatch):
    requests = asked(4, seed=11)
    passes, forward, go = [], kv_cache.BatchKVCache.forward, threading.Event()

    def held(self, *a):
        passes.append(1)
        if len(passes) > 40:  # the short row has ended by then
            go.wait(60)
        return forward(self, *a)

    monkeypatch.setattr(kv_cache.BatchKVCache, "forward", held)
    long = [(n, Request("m", r.messages, max_tokens=10 if n == 100 else 400, extra={"ignore_eos": True}, **PLAIN)) for n, r in requests]
    stream = iterate_sync(small.stream_rows(long))
    assert next(n for n, e in stream if isinstance(e, Finished)) == 100
    stream.close()
    before = len(passes)
    monkeypatch.setattr(kv_cache.BatchKVCache, "forward", forward)
    go.set()
    assert answers(small, requests) == alone(small, requests)  # waits until the model is free
    assert len(passes) <= before + 1


@pytest.fixture(scope="module")
def real(embedded_path):
    yield backend(embedded_path, "embedded")
    loaded.unload("embedded")


TEMPLATE = "You label messages for a support team. Topics are billing, delivery, returns and praise. Message: "
MESSAGES = [
    "My lamp arrived late again.",
    "The kettle is exactly what I wanted, thank you so much!",
    "I was billed twice.",
    "The bike pump stopped working after two days and nobody answers the phone, what shall I do now?",
    "Wrong colour.",
    "Where is my parcel? It should have been here on Monday.",
    "It was left at my neighbour's door.",
    "Can I send the desk chair back?",
]


def labelled(count: int, **options) -> list[tuple[int, Request]]:
    some = [
        TEMPLATE + m + " Say what to do" + " now" * (i // len(MESSAGES)) + "." for i in range(count) for m in [MESSAGES[i % len(MESSAGES)]]
    ]
    return [(i, Request("embedded", (message("user", text),), **{"max_tokens": 16, **options})) for i, text in enumerate(some)]


def test_rows_of_the_embedded_model_answer_as_they_do_alone(real):
    requests = labelled(32 if FULL else 8, **PLAIN)
    assert answers(real, requests) == alone(real, requests)


@pytest.fixture(scope="module")
def exact(real):
    """The answers of the model in 32-bit floats, one by one, none of them ended."""
    return {n: _tokens(real, r) for n, r in labelled(8, max_tokens=24, extra={"ignore_eos": True}, **PLAIN)}


@pytest.mark.parametrize("quant", ["none", "int4"] if FULL else ["int4"])
def test_rounded_rows_agree_with_the_exact_model_at_almost_every_token(real, exact, quant):
    """Led along the exact model's answers, as single answers are in their own test."""
    path = real._path
    model = load(path, Precision("bfloat16", quant, "cpu"), 512, lambda e: None, lambda: False)
    prompts = [model.prompt(r.messages, {})[0] for _, r in labelled(8)]
    agree = total = 0
    with torch.inference_mode():
        rows, shared, _ = torch_rows.prefill_shared(model, prompts, lambda: False)
        told = [[*p[shared:], *exact[i]] for i, p in enumerate(prompts)]
        spans = [kv_cache.Span(0, [p[shared:] for p in prompts])]
        for step in range(24):
            best = rows.logits(rows.forward(spans, lambda: False)[kv_cache.last_positions(spans)]).argmax(-1).tolist()
            agree += sum(b == exact[i][step] for i, b in enumerate(best))
            total += len(best)
            spans = [kv_cache.Span(0, [[t[len(prompts[i]) - shared + step]] for i, t in enumerate(told)])]
    assert total == 192 and agree / total >= 0.95


def _tokens(model, request: Request) -> list[int]:
    place = loaded.model_entry(str(model._precision(request)), model._path)
    build_response(iterate_sync(model.stream(Request(**{**_fields(request), "max_tokens": 1}))))
    net, out = place.model, []
    ids = net.prompt(request.messages, {})[0]
    with torch.inference_mode():
        logits, _ = net.prefill(ids, lambda: False, True, lambda done: None)
        for i in range(request.max_tokens):
            logits[sorted(net.tokenizer.ends)] = float("-inf")
            out.append(int(logits.argmax()))
            logits = net.decode(out[-1], len(ids) + i)
    return out


def test_rows_in_the_usual_form_write_sense(real):
    found = together(real, labelled(8))
    end = found[0][-1]
    assert isinstance(end, Finished) and end.extra["path"] == "fast" and end.extra["tokens_per_second"] > 0
    assert sum(bool(build_response(found[i]).text) for i in range(8)) == 8
    assert not any(isinstance(e, Failed) for events in found.values() for e in events)
