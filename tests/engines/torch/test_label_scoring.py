"""A closed set of labels is chosen by scoring: which schemas, with which probabilities."""

import json
import math

import pytest

torch = pytest.importorskip("torch")

from fmnb.core.event_loop import iterate_sync  # noqa: E402
from fmnb.core.events import Finished, Logprobs, TextDelta, UsageReported  # noqa: E402
from fmnb.core.types import Request, message  # noqa: E402
from fmnb.engines import loaded  # noqa: E402
from fmnb.engines.labels import MAX_LABELS, labels  # noqa: E402
from fmnb.engines.torch import label_scoring  # noqa: E402
from fmnb.engines.torch import scheduler as torch_rows  # noqa: E402
from fmnb.engines.torch.backend import backend  # noqa: E402
from fmnb.engines.torch.label_scoring import prefix_tree  # noqa: E402
from fmnb.schemas.convert import to_schema  # noqa: E402
from tests.engines import tiny  # noqa: E402
from tests.engines.news import NEWS, about  # noqa: E402

MOODS = ("calm", "worried", "angry", "angry and loud")
SCHEMA = to_schema("mood calm|worried|angry|angry and loud").schema


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny") / "small.gguf"
    path.write_bytes(tiny.gguf(tiny.model("llama"), "llama"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield backend(path, "small")
    torch.set_num_threads(before)
    loaded.unload()


def asked(count: int, **options) -> list[tuple[int, Request]]:
    texts = ["abc" * (i % 4) + " the day" * i for i in range(count)]
    more = {"max_tokens": 60, "dtype": "float32", "schema": SCHEMA, **options}
    return [(i, Request("m", (message("user", f"Mood of: {t}."),), **more)) for i, t in enumerate(texts)]


def chosen(model, requests, **more) -> dict[int, Finished]:
    return {n: e for n, e in iterate_sync(model.stream_rows(requests, **more)) if isinstance(e, Finished)}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("mood good|bad", ("good", "bad")),
        ("mood good|bad?", ("good", "bad", "null")),
        ("right bool", ("true", "false")),
        ({"type": "object", "properties": {"n": {"enum": [1, 2, "x"]}}, "required": ["n"]}, ("1", "2", "x")),
        ({"properties": {"n": {"$ref": "#/$defs/N"}}, "required": ["n"], "$defs": {"N": {"enum": ["a", "b"]}}}, ("a", "b")),
    ],
)
def test_one_field_that_is_a_choice_is_a_closed_set(source, names):
    schema = to_schema(source).schema
    found = labels(schema)
    assert found is not None and found.names == names
    (field,) = schema["properties"]
    assert [json.loads(t)[field] for t in found.texts] == [json.loads(n) if n in ("null", "true", "false", "1", "2") else n for n in names]


@pytest.mark.parametrize(
    "source",
    [
        "mood",
        "mood good|bad, why",
        "mood list[good|bad]",
        "score int",
        {"properties": {"n": {"enum": ["a"]}}},  # the field may be left out
        {"type": "object", "properties": {"n": {"enum": ["1", 1]}}, "required": ["n"]},
        {"properties": {"n": {"enum": [str(i) for i in range(MAX_LABELS + 1)]}}, "required": ["n"]},
    ],
)
def test_any_other_schema_is_written(source):
    assert labels(to_schema(source).schema) is None
    assert labels(None) is None


def test_a_tree_of_one_sequence_is_its_trunk():
    t = prefix_tree([[1, 2, 3]])
    assert (t.trunk, t.tokens, t.paths) == ((1, 2), (), (((-1, 3),),))


def test_labels_that_begin_alike_share_what_they_begin_with():
    t = prefix_tree([[1, 5, 6, 9], [1, 5, 7, 9], [1, 8, 9]])
    assert (t.trunk, t.tokens, t.parents) == ((1,), (5, 6, 7, 8), (-1, 0, 0, -1))
    assert t.paths == (((-1, 5), (0, 6), (1, 9)), ((-1, 5), (0, 7), (2, 9)), ((-1, 8), (3, 9)))


def test_scores_are_the_log_probabilities_of_each_text_read_by_itself(small, monkeypatch):
    """The tree against plain passes over prompt and text, blank prompts and all."""
    requests = asked(9)
    content_free = [message("user", "Mood of: N/A."), message("user", "Mood of: .")]
    content_free = [Request("m", (m,), dtype="float32") for m in content_free]
    monkeypatch.setitem(torch_rows.MAX_BATCHED_TOKENS, "cpu", 200)
    ends = chosen(small, requests, content_free=content_free)
    model = loaded.model_entry(str(small._precision(requests[0][1])), small._path).model
    texts = [json.dumps({"mood": m}) for m in MOODS]

    def plain(request: Request) -> torch.Tensor:
        out = []
        with torch.inference_mode():
            for text in texts:
                ids, total = model.prompt(request.messages, {})[0], 0.0
                for token in model.tokenizer.encode(text):
                    logits, _ = model.prefill(ids, lambda: False, False, lambda done: None)
                    total, ids = total + float(logits.log_softmax(0)[token]), [*ids, token]
                out.append(total)
        return torch.tensor(out)

    prior = sum(plain(r) for r in content_free) / 2
    for n, request in requests[::4]:
        expected = dict(zip(MOODS, (plain(request) - prior).softmax(0).tolist(), strict=True))
        assert ends[n].extra["labels"] == pytest.approx(expected, abs=2e-3)


def test_the_likeliest_label_is_the_answer_and_all_probabilities_come_with_it(small):
    requests = asked(10, logprobs=2)
    events: dict[int, list] = {}
    for n, e in iterate_sync(small.stream_rows(requests)):
        events.setdefault(n, []).append(e)
    for n, _ in requests:
        text, logprobs, used, end = events[n]
        assert (
            isinstance(text, TextDelta) and isinstance(used, UsageReported) and isinstance(logprobs, Logprobs) and isinstance(end, Finished)
        )
        found = end.extra["labels"]
        assert set(found) == set(MOODS) and sum(found.values()) == pytest.approx(1, abs=1e-5)
        assert json.loads(text.text) == {"mood": max(found, key=found.get)} and end.reason == "stop"
        (token,) = logprobs.tokens
        assert len(token["top"]) == 2 and math.exp(token["logprob"]) == pytest.approx(max(found.values()), abs=1e-5)
        assert used.usage.input_tokens > 0 and used.usage.output_tokens > 5


def test_a_temperature_draws_labels_by_their_probability(small):
    (_, request) = asked(2)[1]
    fields = {f: getattr(request, f) for f in request.__dataclass_fields__}
    requests = [(n, Request(**fields | {"temperature": 1.0, "seed": n})) for n in range(80)]
    found = labelled(small, requests)
    (p,) = {round(end.extra["labels"]["calm"], 3) for end in chosen(small, requests).values()}
    drawn = [json.loads(found[n])["mood"] for n in range(80)].count("calm")
    assert 0 < p < 1 and abs(drawn - 80 * p) < 4 * math.sqrt(80 * p * (1 - p)) + 1
    assert labelled(small, requests[::7]) == {n: found[n] for n, _ in requests[::7]}


def labelled(model, requests) -> dict[int, str]:
    return {n: e.text for n, e in iterate_sync(model.stream_rows(requests)) if isinstance(e, TextDelta)}


def test_a_rows_label_does_not_depend_on_its_neighbours(small):
    requests, content_free = asked(12), [Request("m", (message("user", "Mood of: N/A."),), dtype="float32")]
    whole = chosen(small, requests, content_free=content_free)
    for n, end in chosen(small, requests[3:5], content_free=content_free).items():
        assert end.extra["labels"] == pytest.approx(whole[n].extra["labels"], abs=1e-4)


def test_blank_prompts_are_found_where_the_rows_have_a_template_in_common(small):
    chosen(small, asked(1))
    model = loaded.model_entry(str(small._precision(asked(1)[0][1])), small._path).model
    prompts = [model.prompt(r.messages, {})[0] for _, r in asked(9)]
    found = label_scoring.content_free_prompts(model, prompts)
    expected = [model.prompt((message("user", f"Mood of: {t}."),), {})[0] for t in label_scoring.CONTENT_FREE]
    assert [model.tokenizer.decode(f).replace(" ", "") for f in found] == [model.tokenizer.decode(e).replace(" ", "") for e in expected]
    assert label_scoring.content_free_prompts(model, prompts[:3]) == []


def test_stop_texts_and_narrowed_draws_are_written(small):
    for options in ({"stop": ("x",)}, {"temperature": 1.0, "seed": 1, "extra": {"top_k": 3}}):
        end = chosen(small, asked(2, **options))[0]
        assert "labels" not in end.extra


def test_when_memory_runs_out_smaller_passes_go_on(small, monkeypatch):
    requests = asked(9)
    expected, scores, sizes = chosen(small, requests), label_scoring._scores, []

    def little(slots, batch, *more):
        sizes.append(len(batch))
        if len(batch) > 2:
            raise MemoryError
        return scores(slots, batch, *more)

    monkeypatch.setattr(label_scoring, "_scores", little)
    got = chosen(small, requests)
    assert max(sizes) > 2 and set(got) == set(expected)
    for n in got:
        assert got[n].extra["labels"] == pytest.approx(expected[n].extra["labels"], abs=1e-4)


def test_a_long_tail_is_read_in_pieces(small, monkeypatch):
    requests = asked(9)
    expected = chosen(small, requests)
    monkeypatch.setitem(torch_rows.MAX_BATCHED_TOKENS, "cpu", 20)
    got = chosen(small, requests)
    for n in got:
        assert got[n].extra["labels"] == pytest.approx(expected[n].extra["labels"], abs=1e-4)


def test_the_embedded_model_tells_sports_from_business_news(embedded_path):
    """A coin would get six."""
    ends = {}
    for n, e in iterate_sync(
        backend(embedded_path, "embedded").stream_rows(
            [(i, about(t)) for i, (t, _) in enumerate(NEWS)], content_free=[about(x) for x in label_scoring.CONTENT_FREE]
        )
    ):
        if isinstance(e, TextDelta):
            ends[n] = json.loads(e.text)["section"]
    loaded.unload()
    right = sum(ends[i] == label for i, (_, label) in enumerate(NEWS))
    assert right >= 10
