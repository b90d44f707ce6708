"""Which parameters act on a model."""

import pytest

from fmnb.calls.parameters import parameters
from fmnb.catalog.resolve import resolve


def names(model):
    return [p.name for p in parameters(resolve(model))]


@pytest.mark.parametrize(
    ("model", "there", "not_there"),
    [
        ("openai:gpt-4o-mini", {"seed", "api"}, {"quant", "dtype"}),
        ("anthropic:claude-sonnet-4-5", {"api", "stop"}, {"seed", "quant"}),
        ("groq:llama-3.3-70b-versatile", {"temperature"}, {"quant", "dtype"}),
        ("openai:gpt-image-1", {"format"}, {"temperature", "max_tokens", "schema"}),
        ("torch:hf:org/name", {"quant", "dtype"}, {"api"}),
        ("gguf:path:model.gguf", {"seed"}, {"quant", "dtype", "api"}),
    ],
)
def test_they_are_those_of_its_service_or_engine(model, there, not_there):
    found = set(names(model))
    assert there <= found and not not_there & found


def test_the_interfaces_of_a_service_are_the_choices():
    api = next(p for p in parameters(resolve("anthropic:claude-sonnet-4-5")) if p.name == "api")
    assert set(api.choices) == {"", "native", "chat"}


def test_a_function_takes_what_it_has_arguments_for():
    def warm(text, temperature=0.0):
        return text

    assert names(warm) == ["temperature", "format", "schema"]
    assert names(lambda text: text) == ["format", "schema"]
