"""Schema texts and objects become JSON schemas, and answers are held to them."""

from __future__ import annotations

import dataclasses
import json
import sys
from datetime import date
from enum import Enum
from typing import Annotated, Literal, NotRequired, TypedDict

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnb.core.errors import SchemaError, SchemaMismatchError
from fmnb.schemas.convert import to_schema
from fmnb.schemas.validate import parse, read_json, repair_prompt

NULL = {"type": "null"}


def test_the_example_of_the_grammar():
    spec = to_schema("sentiment positive|negative|mixed, topics list[str], score float?, quote: exact words from the text")
    assert spec.schema == {
        "type": "object",
        "properties": {
            "sentiment": {"type": "string", "enum": ["positive", "negative", "mixed"]},
            "topics": {"type": "array", "items": {"type": "string"}},
            "score": {"anyOf": [{"type": "number"}, NULL]},
            "quote": {"type": "string", "description": "exact words from the text"},
        },
        "required": ["sentiment", "topics", "score", "quote"],
        "additionalProperties": False,
    }
    assert not spec.wrapped


def test_a_list_around_the_whole_text_asks_for_a_list():
    spec = to_schema("list[name, born date?, tags list[str]]")
    assert spec.wrapped and spec.schema["properties"]["items"]["type"] == "array"
    data = parse('[{"name": "Ada", "born": "1815-12-10", "tags": []}]', spec)
    assert data == [{"name": "Ada", "born": date(1815, 12, 10), "tags": []}]
    assert parse('{"items": []}', spec) == []


def test_two_lists_side_by_side_are_two_fields():
    assert list(to_schema("a list[str], b list[int]").schema["properties"]) == ["a", "b"]


def test_fields_may_stand_on_lines_of_their_own_and_quoted_descriptions_hold_commas():
    properties = to_schema('a int: "one, two"\nb').schema["properties"]
    assert properties == {"a": {"type": "integer", "description": "one, two"}, "b": {"type": "string"}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("score flaot", r"Unknown type \(at character 7 .*'flaot'.*Did you mean float"),
        ("a string", r"Did you mean str\?"),
        ("a, b, a", r"a appears twice \(at character 7"),
        ("a,, b", r"between two commas \(at character 3"),
        ("", "no fields"),
        ("9lives", r"not a field \(at character 1"),
        ("a x|", "choice is empty"),
        ("a int|str", "one type"),
        ("a list[flot]", r"at character 8 .*Did you mean float"),
        ("name of the city", "A description comes after a colon"),
        ("{not json", "JSON schema cannot be read"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_the_nearest_type(text, words):
    with pytest.raises(SchemaError, match=words):
        to_schema(text)


@dataclasses.dataclass
class City:
    """A city in the text."""

    name: str
    people: int | None
    kind: Literal["town", "village"] = "town"
    founded: date | None = None


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


@dataclasses.dataclass
class Trip:
    cities: list[City]
    mood: Mood
    note: Annotated[str, "one line"]


class Row(TypedDict):
    a: int
    b: NotRequired[str]


class Model(pydantic.BaseModel):
    name: str
    size: int = pydantic.Field(default=3, ge=0, description="in cm")
    inner: list[Inner] = []


class Inner(pydantic.BaseModel):
    x: float


Model.model_rebuild()


def test_a_dataclass_comes_back_as_its_instances():
    spec = to_schema(Trip)
    assert spec.name == "Trip" and spec.schema["properties"]["note"]["description"] == "one line"
    answer = {"cities": [{"name": "Oslo", "people": None, "kind": "town", "founded": "1048-01-01"}], "mood": "good", "note": "x"}
    assert parse(json.dumps(answer), spec) == Trip([City("Oslo", None, "town", date(1048, 1, 1))], Mood.GOOD, "x")


def test_a_list_of_dataclasses():
    spec = to_schema(list[City])
    assert parse('[{"name": "A", "people": 1, "kind": "village", "founded": null}]', spec) == [City("A", 1, "village")]


def test_a_typed_dict():
    assert parse('{"a": 1}', to_schema(Row)) == {"a": 1, "b": None}


def test_a_pydantic_model_is_strict_and_comes_back_as_its_instance():
    spec = to_schema(Model)
    assert spec.schema["required"] == ["name", "size", "inner"] and spec.schema["additionalProperties"] is False
    assert spec.schema["$defs"]["Inner"]["additionalProperties"] is False
    assert parse('{"name": "a", "size": 1, "inner": [{"x": 1}]}', spec) == Model(name="a", size=1, inner=[Inner(x=1)])
    with pytest.raises(SchemaMismatchError, match="size is -1, minimum is 0"):
        parse('{"name": "a", "size": -1, "inner": []}', spec)
    assert parse('[{"name": "a", "size": 1, "inner": [{"x": 1}]}]', to_schema(list[Model]))[0].inner[0].x == 1.0


def test_a_json_schema_goes_through_and_a_top_level_array_is_wrapped():
    assert to_schema({"type": "object", "properties": {"a": {"type": "string"}}}).schema["properties"] == {"a": {"type": "string"}}
    spec = to_schema('{"type": "array", "items": {"type": "object", "properties": {"a": {"type": "integer"}}}}')
    assert spec.wrapped and parse('{"items": [{"a": 1}]}', spec) == [{"a": 1}]


@pytest.mark.parametrize("source", [3, {}, int, dict[str, int]])
def test_what_is_no_schema_is_refused(source):
    with pytest.raises(SchemaError):
        to_schema(source)


def test_every_schema_suits_strict_modes():
    def check(schema):
        if isinstance(schema, dict):
            if schema.get("type") == "object":
                assert schema["additionalProperties"] is False and schema["required"] == list(schema["properties"])
            for v in schema.values():
                check(v)
        elif isinstance(schema, list):
            for v in schema:
                check(v)

    for source in ("a, b int?", "list[a, b list[date]]", Trip, list[City], Row, Model, list[Model]):
        check(to_schema(source).schema)


@pytest.mark.parametrize(
    "answer",
    [
        '{"n": 3}',
        '```json\n{"n": 3}\n```',
        'Sure, here it is:\n\n```\n{"n": 3}\n```\nAnything else?',
        'The answer: {"n": 3}.',
        '\ufeff{"n": 3.0}',
        '{"n":\n3}',
    ],
)
def test_an_answer_is_read_through_fences_and_words(answer):
    data = parse(answer, to_schema("n int"))
    assert data == {"n": 3} and isinstance(data["n"], int)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("", "it is empty"),
        ("no idea", "not JSON"),
        ('{"n": 3,}', "line 1, column"),
        ('{"n": ', "is truncated"),
        ('{"n": "3"}', 'n is "3", not integer'),
        ('{"n": true}', "n is true, not integer"),
        ("{}", "n is missing"),
        ('{"n": 3, "m": 1}', "m is not in the schema"),
        ("[1]", "not object"),
    ],
)
def test_what_is_wrong_is_said_precisely(answer, words):
    with pytest.raises(SchemaMismatchError, match=words):
        parse(answer, to_schema("n int"))


def test_a_wrong_choice_names_the_nearest():
    with pytest.raises(SchemaMismatchError, match=r'm is "positiv", not one of "positive", "negative" \(near: positive\)'):
        parse('{"m": "positiv"}', to_schema("m positive|negative"))


def test_a_wrong_date_and_a_place_in_a_list_are_named():
    with pytest.raises(SchemaMismatchError, match=r'items\[1\]\.d is "soon", not a date like'):
        parse('[{"d": "2026-01-01"}, {"d": "soon"}]', to_schema("list[d date]"))


def test_an_optional_field_left_out_is_none():
    assert parse('{"a": "x"}', to_schema("a, b int?")) == {"a": "x", "b": None}


def test_the_repair_prompt_says_what_was_wrong():
    with pytest.raises(SchemaMismatchError) as caught:
        parse("{}", to_schema("n int"))
    assert "n is missing" in repair_prompt(caught.value) and "JSON alone" in repair_prompt(caught.value)


def test_deep_nesting_is_a_mismatch_not_a_crash():
    with pytest.raises(SchemaMismatchError):
        parse("[" * 100_000, to_schema("n int"))


NAMES = st.from_regex(r"[a-z]{1,8}", fullmatch=True)


@given(
    st.dictionaries(
        NAMES, st.tuples(st.sampled_from(["str", "int", "float", "bool", "list[str]", "x|y"]), st.booleans()), min_size=1, max_size=6
    )
)
def test_any_schema_text_accepts_what_it_asks_for(fields):
    sample = {"str": "s", "int": 1, "float": 0.5, "bool": True, "list[str]": ["a"], "x|y": "x"}
    spec = to_schema(", ".join(f"{n} {t}{'?' if o else ''}" for n, (t, o) in fields.items()))
    data = {n: sample[t] for n, (t, _) in fields.items()}
    assert parse(json.dumps(data), spec) == data


@given(st.text(max_size=60))
def test_any_text_is_a_schema_or_a_schema_error(text):
    try:
        to_schema(text)
    except SchemaError:
        pass


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("list[str]", {"type": "string"}),
        ("list[int]", {"type": "integer"}),
        (" list[ date ] ", {"type": "string", "format": "date"}),
        ("list[a|b]", {"type": "string", "enum": ["a", "b"]}),
        ("list[list[int]]", {"type": "array", "items": {"type": "integer"}}),
        ("list['pay, refund'|tech]", {"type": "string", "enum": ["pay, refund", "tech"]}),
    ],
)
def test_a_list_of_a_type_is_a_list_of_values(text, items):
    assert to_schema(text).schema["properties"]["items"] == {"type": "array", "items": items}


def test_values_come_back_as_a_list():
    assert parse('{"items": ["a", "b"]}', to_schema("list[str]")) == ["a", "b"]
    assert parse('Here: ["a", "b"]', to_schema("list[str]")) == ["a", "b"]


@pytest.mark.parametrize("text", ["list[name]", "list[name str]", "list[name, age int]", "list[mood good|bad]"])
def test_a_list_of_fields_is_a_list_of_objects(text):
    assert to_schema(text).schema["properties"]["items"]["items"]["type"] == "object"


def test_quoted_labels_may_hold_what_separates():
    schema = to_schema("team 'pay, refund'|'really?'|\"a:b|c\"|tech: the customer's team, x str").schema
    assert schema["properties"]["team"]["enum"] == ["pay, refund", "really?", "a:b|c", "tech"]
    assert schema["properties"]["team"]["description"] == "the customer's team"
    assert list(schema["properties"]) == ["team", "x"]
    assert to_schema("kind 'only one'").schema["properties"]["kind"]["enum"] == ["only one"]


@pytest.mark.parametrize(
    ("number", "shown"),
    [("NaN", "NaN"), ("Infinity", "Infinity"), ("-Infinity", "-Infinity"), ("1e999", "Infinity"), ("-1e999", "-Infinity")],
)
@pytest.mark.parametrize(
    ("schema", "answer", "at"),
    [
        ("score float", '{"score": N}', "score"),
        ("score float?", '{"score": N}', "score"),
        ("list[float]", "[1, N]", "items[1]"),
        ({"type": "object"}, '{"any": {"deep": [N]}}', "any.deep[0]"),
    ],
)
def test_a_number_that_json_does_not_have_is_a_mismatch_with_its_location(number, shown, schema, answer, at):
    spec = to_schema(schema)
    for text in (answer, f"Here it is: {answer}", f"```json\n{answer}\n```"):
        with pytest.raises(SchemaMismatchError) as e:
            parse(text.replace("N", number), spec)
        assert f"{at} is {shown}, not a finite number" in str(e.value)
        assert f"{at} is {shown}" in repair_prompt(e.value)
    assert read_json(answer.replace("N", number)) is None


def test_the_largest_float_fits_and_an_integer_beyond_it_is_no_float():
    assert parse('{"score": 1.7976931348623157e308}', to_schema("score float")) == {"score": sys.float_info.max}
    with pytest.raises(SchemaMismatchError, match="score is 1000.*too large for a number with decimals"):
        parse('{"score": 1' + "0" * 400 + "}", to_schema("score float"))
    assert parse('{"n": 1' + "0" * 400 + "}", to_schema("n int")) == {"n": 10**400}


@pytest.mark.parametrize("text", ["N", "```json\nN\n```", "The number is N, as asked."])
def test_an_integer_of_thousands_of_digits_is_a_mismatch(text):
    for schema in ("n int", "n float", "n"):
        with pytest.raises(SchemaMismatchError, match="a number with thousands of digits"):
            parse(text.replace("N", '{"n": ' + "7" * 5000 + "}"), to_schema(schema))
    assert read_json(text.replace("N", '{"n": ' + "7" * 5000 + "}")) is None


def test_json_nested_more_deeply_than_python_calls_is_searched_for_numbers():
    deep = '{"a":' * 3000 + "NaN" + "}" * 3000
    with pytest.raises(SchemaMismatchError, match="not a finite number|nested too deeply"):
        parse(deep, to_schema({"type": "object"}))
