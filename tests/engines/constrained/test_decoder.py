"""Answers held to schemas: whatever the weights say, what comes back is whole and fulfills the schema."""

from __future__ import annotations

import json
import random
import re
import string

import pytest

from fmnb.core.errors import BadRequestError
from fmnb.core.event_loop import iterate_sync
from fmnb.core.events import Notice, build_response
from fmnb.core.response import Response
from fmnb.core.types import UNFINISHED, Request, message
from fmnb.engines.constrained.decoder import CLOSED_AT_LIMIT, LIST_REPEATED, TEXT_REPEATED, ConstrainedDecoder
from fmnb.engines.constrained.expressions import EMPTY, Expression, as_gbnf, as_regex, derivative, shortest_completions
from fmnb.engines.constrained.schema_expression import Bounds, bounds, expression
from fmnb.engines.constrained.shortest_ending import Endings, in_bytes
from fmnb.engines.llamacpp import backend as llamacpp
from fmnb.engines.torch import backend as torch_engine
from fmnb.schemas.convert import to_schema
from fmnb.schemas.spec import SchemaSpec
from fmnb.schemas.validate import parse
from tests.conftest import FULL
from tests.engines import tiny
from tests.engines.asking import ask, events

TREE = {
    "type": "object",
    "properties": {"root": {"$ref": "#/$defs/node"}},
    "required": ["root"],
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            "required": ["name"],
        }
    },
}
NESTED = {
    "type": "object",
    "properties": {
        "who": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 130}},
            "required": ["name"],
        },
        "share": {"type": "number", "minimum": 0, "maximum": 1},
        "when": {"type": "string", "format": "date-time"},
        "code": {"type": "string", "pattern": "^[A-Z]{2}-\\d+$"},
        "more": {"type": "object", "additionalProperties": {"type": "integer"}},
        "any": {},
        "maybe": {"type": ["string", "null"], "maxLength": 5},
    },
    "required": ["who", "when", "maybe"],
}
SCHEMAS = [
    "list[str]",
    "list[name, kind]",
    "a int, b str, c bool",
    "sentiment positive|negative|mixed, topics list[str], score float?, quote: exact words from the text",
    "due date, tags list[red|green], note?",
    "list['a, b'|'c: d']",
    "list[list[int]]",
    NESTED,
    TREE,
]
LEFT_TO_THE_ENGINE = {"type": "object", "properties": {"a": {"type": "number", "exclusiveMinimum": 0}}, "required": ["a"]}
SENTENCES = [
    "Paris and Berlin are large cities in Europe.",
    "The delivery was two days late and the box was damaged.",
    "I love this phone, the battery lasts forever!",
    "Ada Lovelace met Charles Babbage in London on 5 June 1833.",
    "Team A won 3 to 2 against team B after extra time.",
    "The invoice of 1,200 euros is due on 2026-03-01.",
    "It is raining again; bring an umbrella and boots.",
    "Please cancel my subscription, the app keeps crashing.",
]


def whole_or_cut(answer: Response, spec: SchemaSpec) -> None:
    """An answer fulfills its schema, or its engine says that it has no end."""
    assert answer.finish_reason in ("stop", "length")
    if answer.extra.get(UNFINISHED):
        assert answer.finish_reason == "length"
    else:
        parse(answer.text, spec)


def allowed(e: Expression, rng: random.Random) -> str:
    """A character that may come next."""
    some = [c for c in string.printable + "äß漢" if derivative(e, c).min_bytes < 1 << 30]
    return rng.choice(some)


@pytest.mark.parametrize("source", SCHEMAS, ids=range(len(SCHEMAS)))
@pytest.mark.parametrize("seed", range(3))
def test_any_text_that_is_allowed_ends_and_fulfills_the_schema(source, seed):
    spec, rng = to_schema(source), random.Random(seed)
    tokens = 300
    following = ConstrainedDecoder(spec.schema, tokens)
    for left in range(tokens - 1, -1, -1):  # one character a token: no tokenizer is worse
        following.add(allowed(following.expression, rng), left)
        if following.done:
            break
    assert following.complete
    parse(following.text, spec)


def test_what_may_follow_is_written_the_same_in_every_grammar():
    e = expression(to_schema("a str").schema, Bounds(3, 3, 3))
    assert derivative(e, '{"a": "xyz"}') is EMPTY
    assert derivative(e, '{"a": "xyzw').min_bytes > 1 << 30
    assert as_regex(shortest_completions(derivative(e, '{"a": "x'), 0)) == as_regex(
        derivative(expression(to_schema("a str").schema, Bounds(1, 1, 1)), '{"a": "x')
    )
    assert as_gbnf(derivative(e, '{"a": "xy')).startswith("root ::= r0? ")


def test_dates_exist():
    day = expression(to_schema("d date").schema, Bounds(9, 9, 9))
    fits = [
        d
        for d in ("2024-02-29", "2023-02-29", "2023-04-31", "2023-12-31", "1900-02-29", "2000-02-29", "2023-13-01")
        if derivative(day, f'{{"d": "{d}"}}') is EMPTY
    ]
    assert fits == ["2024-02-29", "2023-12-31", "2000-02-29"]


def test_limits_that_the_schema_states_win():
    schema = {"type": "array", "items": {"type": "string", "maxLength": 3000}, "maxItems": 400}
    e = expression(schema, bounds(schema, 64))
    assert derivative(e, '["' + "x" * 3000).min_bytes < 1 << 30
    assert derivative(e, "[" + ", ".join(f'"{n}"' for n in range(400))).min_bytes == 1
    assert derivative(e, "[" + ", ".join(f'"{n}"' for n in range(400)) + ",").min_bytes > 1 << 30


def test_a_list_ends_where_its_texts_repeat_but_labels_and_numbers_may():
    def written(source, text):
        following = ConstrainedDecoder(to_schema(source).schema, 500)
        for i, c in enumerate(text):
            if following.add(c, 500 - i):
                break
        return following.text, list(following.notes)

    assert written("list[str]", '{"items": ["a", "b", "A"') == ('{"items": ["a", "b"]}', [LIST_REPEATED])
    assert written("list[n, k a|b]", '{"items": [{"n": "x", "k": "a"}, {"n": "x", "k": "a"}') == (
        '{"items": [{"n": "x", "k": "a"}]}',
        [LIST_REPEATED],
    )
    assert written("x list[a|b], n list[int], s", '{"x": ["a", "a", "a"], "n": [0, 0, 0], "s": "')[1] == []
    ratings = '{"items": [' + ", ".join("4 5 5 5 4 3 5 5 1 5 5 5".split()) + "]}"
    assert written("list[int]", ratings) == (ratings, [])
    assert written("list[int]", '{"items": [3, ' + "7, " * 85) == ('{"items": [3, 7]}', [LIST_REPEATED])
    assert written("list[bool]", '{"items": [' + "true, false, " * 40)[0] == '{"items": [true, false]}'
    assert written("list[a|b]", '{"items": [' + '"b", ' * 40)[0] == '{"items": ["b"]}'
    assert written("list[list[int]]", '{"items": [' + "[0, 1], " * 40)[0] == '{"items": [[0, 1]]}'
    least = {"type": "array", "items": {"type": "integer"}, "minItems": 12}
    assert written({"type": "object", "properties": {"l": least}, "required": ["l"]}, '{"l": [' + "0, " * 40)[0].count("0") == 12
    assert written("list[a|b]", '{"items": ["a", "a"]}') == ('{"items": ["a", "a"]}', [])
    two = {"type": "object", "properties": {"l": {"type": "array", "items": {"type": "string"}, "minItems": 3}}, "required": ["l"]}
    assert written(two, '{"l": ["a", "a", "a", "a"')[0] == '{"l": ["a", "a", "a"]}'  # as many as it must have


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("The delivery was late. " * 30, "The delivery was late."),
        ("It came. The box was damaged, the seal was broken. " * 30, "It came. The box was damaged, the seal was broken."),
        ("very " * 100, "very"),
        ("It is so. " + "".join(f"Step {n}: look at the table. " for n in range(1, 60)), "It is so. Step 1: look at the table."),
        (r"a line\n" * 60, "a line"),
        ("表は表についてです。" * 30, "表は表についてです。"),
    ],
)
def test_a_string_ends_where_it_repeats_itself_and_the_answer_goes_on(text, kept):
    following = ConstrainedDecoder(to_schema("b str, c bool").schema, 900)
    shown = []
    for i, c in enumerate('{"b": "' + text):
        ended = following.add(c, 900 - i)
        shown.append(following.release())
        if ended:
            break
    assert ended and following.notes == (TEXT_REPEATED,)
    assert following.text.startswith(f'{{"b": "{kept}') and len(following.text) < len(kept) + 180
    assert following.text.startswith("".join(shown))  # nothing that was shown is taken back
    assert as_regex(following.expression) == '", "c": (true|false)\\}'


@pytest.mark.parametrize(
    "text", ["Never, never, never give up.", "ha ha ha ha!", "row, row, row your boat", "0.00000000", "AACAACAACAAC", "A. B. A. B."]
)
def test_a_string_that_repeats_a_little_is_left_alone(text):
    following = ConstrainedDecoder(to_schema("b str").schema, 500)
    assert not any(following.add(c, 500 - i) for i, c in enumerate(f'{{"b": "{text}"'))


def test_a_bound_of_ours_that_ended_a_list_is_said():
    following = ConstrainedDecoder(to_schema("list[int]").schema, 60)
    following.add('{"items": [' + ", ".join(map(str, range(10))) + "]}", 30)
    assert following.done and "10 items" in following.notes[0]


@pytest.mark.parametrize("engine", [llamacpp, torch_engine], ids=["llamacpp", "torch"])
@pytest.mark.parametrize("source", SCHEMAS if FULL else ["a int, b str, c bool", SCHEMAS[3], "list[red|green]"], ids=str)
def test_the_smallest_limit_is_named_and_no_larger_one_gives_what_does_not_fit(random_weights, engine, source):
    spec, model = to_schema(source), engine.backend(random_weights)

    def answer(limit, temperature=0.0):
        return build_response(events(model, ask("x", schema=spec.schema, max_tokens=limit, temperature=temperature, seed=3)))

    with pytest.raises(BadRequestError) as refused:
        answer(2)
    least = int(re.search(r"--max-tokens to at least (\d+)", str(refused.value))[1])
    with pytest.raises(BadRequestError, match=f"--max-tokens to at least {least};"):
        answer(least - 1)
    for more in (0, 1, 5, 30):
        for temperature in (0.0, 1.5):
            came = answer(least + more, temperature)
            whole_or_cut(came, spec)
            assert came.usage.output_tokens <= least + more


@pytest.mark.parametrize("engine", [llamacpp, torch_engine], ids=["llamacpp", "torch"])
def test_the_embedded_model_does_not_run_away_in_scalars(embedded_path, engine):
    sources = ["list[int]", "list[bool]", "list[good|bad|mixed]", "b str, c bool"]
    question = "The delivery was two days late and the box was damaged. Rate each aspect."
    requests = [(n, Request("m", (message("user", question),), schema=to_schema(s).schema, max_tokens=160)) for n, s in enumerate(sources)]
    came: dict[int, list] = {}
    for n, event in iterate_sync(engine.backend(embedded_path).stream_rows(requests)):
        came.setdefault(n, []).append(event)
    for n, source in enumerate(sources):
        data = parse(build_response(came[n]).text, to_schema(source))
        items = data if isinstance(data, list) else data["b"].split(". ")
        assert all(items[i : i + 10] != [items[i]] * 10 for i in range(len(items)))
        assert len(set(items)) > 2 or len(items) < 12


def test_an_item_of_a_list_is_shown_when_it_stays():
    following = ConstrainedDecoder(to_schema("list[str]").schema, 500)
    shown = []
    for i, c in enumerate('{"items": ["a", "a"'):
        following.add(c, 500 - i)
        shown.append(following.release())
    assert "".join(shown) + following.release(everything=True) == '{"items": ["a"]}'


@pytest.fixture(scope="module", params=[0, 1, 2] if FULL else [0])
def random_weights(request, tmp_path_factory):
    """A tiny model whose tokens are mostly single bytes."""
    import torch

    made = tiny.model("llama")
    torch.manual_seed(request.param + 7)
    with torch.no_grad():
        for p in made.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    path = tmp_path_factory.mktemp("random") / "tiny.gguf"
    path.write_bytes(tiny.gguf(made, "llama"))
    return path


@pytest.mark.parametrize("engine", [llamacpp, torch_engine], ids=["llamacpp", "torch"])
@pytest.mark.parametrize("source", [*SCHEMAS, LEFT_TO_THE_ENGINE] if FULL else [*SCHEMAS[:5], NESTED], ids=str)
@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_any_weights_give_a_valid_answer(random_weights, engine, source, temperature):
    spec = to_schema(source)
    model = engine.backend(random_weights)
    request = ask("x", schema=spec.schema, max_tokens=200, temperature=temperature, seed=3)
    answer = build_response(events(model, request))
    assert (answer.usage.output_tokens or 0) <= 200
    whole_or_cut(answer, spec)


@pytest.mark.parametrize("engine", [llamacpp, torch_engine], ids=["llamacpp", "torch"])
def test_rows_of_any_weights_are_valid_too(random_weights, engine):
    spec = to_schema("list[name, n int]")
    requests = [(n, ask(f"row {n}", schema=spec.schema, max_tokens=120)) for n in range(6)]
    texts: dict[int, list] = {}
    for n, event in iterate_sync(engine.backend(random_weights).stream_rows(requests)):
        texts.setdefault(n, []).append(event)
    for n, _ in requests:
        whole_or_cut(build_response(texts[n]), spec)


def test_a_closed_answer_says_so(random_weights):
    came = events(torch_engine.backend(random_weights), ask("x", schema=to_schema("a, b").schema, max_tokens=60))
    (said,) = [e.text for e in came if isinstance(e, Notice) and e.text.startswith(CLOSED_AT_LIMIT)]
    assert "%fm retry --max-tokens 120" in said


@pytest.mark.parametrize("engine", [llamacpp, torch_engine], ids=["llamacpp", "torch"])
@pytest.mark.parametrize("source", SCHEMAS if FULL else SCHEMAS[:1], ids=str)
def test_eight_sentences_on_the_embedded_model(embedded_path, engine, source):
    spec = to_schema(source)
    requests = [
        (n, Request("m", (message("user", f"Extract from this text: {s}"),), max_tokens=64, schema=spec.schema))
        for n, s in enumerate(SENTENCES)
    ]
    came: dict[int, list] = {}
    for n, event in iterate_sync(engine.backend(embedded_path).stream_rows(requests)):
        came.setdefault(n, []).append(event)
    for n, _ in requests:
        whole_or_cut(build_response(came[n]), spec)


KNOWN = {
    "year": 1987,
    "price": 24500.25,
    "note": "a long way to go",
    "day": "2024-11-30",
    "mood": "terrible",
    "ok": False,
    "code": "AB-123456",
}
PARTS = {
    "type": "object",
    "properties": {
        "year": {"type": "integer"},
        "parts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"price": {"type": "number"}, "code": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$"}},
                "required": ["price"],
            },
        },
        "mood": {"enum": ["bad", "terrible", "good"]},
    },
    "required": ["parts"],
}


def next_of_known(following: ConstrainedDecoder) -> str:
    """What a model that knows the values writes next; the shortest way on where that is not allowed."""
    rest = following.expression
    open_ = re.search(r'"(\w+)": ([^,{}\[\]]*)$', following.text)
    if open_ and open_[1] in KNOWN:
        value = json.dumps(KNOWN[open_[1]])
        wanted = value[len(open_[2]) :][:1] if value.startswith(open_[2]) else ""
        wanted = wanted or ","
        if derivative(rest, wanted).min_bytes < 1 << 30:
            return wanted
    if following.text.endswith("[") and derivative(rest, "{").min_bytes < 1 << 30:
        return "{"
    if derivative(rest, ",").min_bytes < 1 << 30:
        return ","
    return Endings(in_bytes).shortest(rest)[0]


def values(data: object) -> list[tuple[str, object]]:
    if isinstance(data, list):
        return [v for item in data for v in values(item)]
    return [v for k, x in data.items() for v in (values(x) if isinstance(x, list) else [(k, x)])]


@pytest.mark.parametrize(
    "source",
    [
        "year int, price float",
        "year int, price float?, note str",
        "note str, day date, mood bad|terrible|good",
        "list[year int, ok bool]",
        PARTS,
    ],
    ids=range(5),
)
def test_no_limit_makes_another_value_of_a_scalar(source):
    schema = to_schema(source).schema
    least = Endings(in_bytes).tokens(Endings(in_bytes).shortest(expression(schema, bounds(schema, 100))))
    ends = set()
    for limit in range(least, 150):
        following = ConstrainedDecoder(schema, limit)
        shown, left = "", limit
        while not following.done and left > 0:
            left -= following.append_forced(left)
            if following.done or left <= 0:
                break
            left -= 1
            following.add(next_of_known(following), left)
            shown += following.release()
        following.finish()
        assert following.text.startswith(shown)  # nothing that was shown is taken back
        ends.add("cut" if following.truncated else "limited" if following.limited else "whole")
        if following.truncated:
            assert not following.complete
            continue
        parse(following.text, to_schema(source))
        found = json.loads(following.text)
        for name, value in values(found.get("items", found)):
            assert value in (KNOWN[name], None) or (name == "note" and KNOWN["note"].startswith(value)), (limit, following.text)
            assert following.limited or value is not None
    assert ("cut" if source == "year int, price float" else "limited") in ends
    assert "whole" in ends or source in ("list[year int, ok bool]", PARTS)  # this model never ends a list


def test_the_limit_does_not_end_a_number_that_is_the_whole_answer():
    following = ConstrainedDecoder({"type": "integer"}, 3)
    for left, c in zip((2, 1, 0), "245", strict=True):
        following.add(c, left)
    following.finish()
    assert following.truncated and not following.complete


@pytest.mark.parametrize(
    ("source", "text", "kept"),
    [
        ("list[bool]", '{"items": [' + "false, " * 9 + "false]", '{"items": [false]}'),  # as many items as the limit lets through
        ("list[int]", '{"items": [36, 41, ' + "36, " * 7 + "36]", '{"items": [36, 41, 36]}'),
        ("list[bool]", '{"items": [' + "true, " * 6, '{"items": [true]}'),
        ("list[int]", '{"items": [36, 41, ' + "36, " * 6 + "3", '{"items": [36, 41, 36]}'),
        ("list[date]", '{"items": [' + '"2024-01-02", ' * 5 + '"2024-', '{"items": ["2024-01-02"]}'),
        ("n list[a|b], s str", '{"n": [' + '"a", ' * 6, '{"n": ["a"], "s": "'),
    ],
)
@pytest.mark.parametrize("left", [8, 0])
def test_what_a_list_repeats_is_left_out_where_the_limit_ends_it(source, text, kept, left):
    following = ConstrainedDecoder(to_schema(source).schema, 60)
    for c in text[:-1]:
        assert not following.add(c, 1000)
    following.add(text[-1], 1000 if left == 0 else left)
    if left == 0 and not following.done:
        following.finish()
    following.append_forced(20)
    assert following.text.startswith(kept) and following.notes[0] == LIST_REPEATED
    assert source.startswith("n ") or not following.limited


@pytest.mark.parametrize("engine", [llamacpp, torch_engine], ids=["llamacpp", "torch"])
def test_a_number_that_does_not_fit_cuts_the_answer_of_the_embedded_model(embedded_path, engine):
    question = "Say the year and the price: In 1987 the car cost 24500 dollars."

    def request(limit, source="year int, price int"):
        return Request("m", (message("user", question),), max_tokens=limit, schema=to_schema(source).schema)

    model = engine.backend(embedded_path)
    sources = [(14, "year int, price int"), (18, "year int, price int"), (40, "year int, price int")]
    came: dict[int, list] = {}
    for n, event in iterate_sync(model.stream_rows([(n, request(*s)) for n, s in enumerate(sources)])):
        came.setdefault(n, []).append(event)
    for n, answer in enumerate([*(build_response(came[n]) for n in range(3)), build_response(events(model, request(18)))]):
        if n != 2:
            assert answer.finish_reason == "length" and answer.extra[UNFINISHED]
            assert answer.text.startswith('{"year": 19')
        else:
            data = json.loads(answer.text)
            assert (data["year"], data["price"], answer.finish_reason) == (1987, 24500, "stop") and UNFINISHED not in answer.extra
