"""Every name of the field leads somewhere: to a model, to a service, or to words that say where to go."""

from __future__ import annotations

import pytest

from fmnb.catalog import suggestions
from fmnb.catalog.resolve import resolve
from fmnb.core.errors import FmnbError
from fmnb.providers.profiles import names

# As people write them: companies, models, tools and hosts that are or were part of the field.
FIELD = [
    *("OpenAI", "Azure", "co:here", "Cohere", "AI21", "Google", "gemini", "anthropic", "Hugging Face", "huggingface"),
    *("EleutherAI", "OPT", "opt-175b", "BLOOM", "GLM-130B", "Stable Diffusion", "stable-diffusion", "Alexa Teacher Model", "Runway"),
    *("LangChain", "Dust", "GPT Index", "gpt-index", "LlamaIndex", "Cognosis"),
    *("Salesforce", "Zapier", "Google Calendar", "AWS Lambda"),
    *("Modal", "Banana", "Beam", "Saturn", "OctoML", "OctoAI", "octoml/llama-2", "Cerebras", "MosaicML", "Imagen", "github:gpt-4o"),
    *("llama", "claude", "chatgpt", "t5", "pythia"),
    *("Saturn Cloud", "Azure OpenAI", "NVIDIA NIM", "Together AI", "RunwayML", "AI21 Labs", "GitHub Models", "banana.dev", "Hugging Face"),
    *("llama3.2", "Qwen", "Gemma 3", "Mixtral", "Grok", "DALL-E 3", "imagen-3", "OPT-13B", "gpt-neox-20b", "sonnet", "o3-mini", "mpt-7b"),
    *("Perplexity", "Bedrock", "litellm"),
]


@pytest.mark.parametrize("name", FIELD)
def test_no_name_of_the_field_is_met_with_unknown_model(name):
    with pytest.raises(FmnbError) as failed:
        resolve(name)
    assert "No model of that name" not in str(failed.value) and "No provider" not in str(failed.value)
    assert failed.value.hint, "an error without a way on"


def test_what_a_signpost_names_exists():
    """Every `provider:model` and known name in a signpost can be resolved."""
    import re

    posts = {id(p): p for p in suggestions._suggestions().values()}.values()
    said = {w for p in posts for w in re.findall(r"[a-z0-9]+:[\w./-]*[\w]", p.hint) if w.partition(":")[0] not in ("hf", "path")}
    assert said
    for word in said:
        assert resolve(word).host
    for post in posts:
        for short in re.findall(r"`([a-z0-9-]+)`", post.hint):
            assert resolve(short).local
    assert not {p.name for p in posts} & set(names())


def test_a_slip_of_the_finger_is_nearer_than_a_family():
    with pytest.raises(FmnbError, match=r"Did you mean openai:gpt-5-mini\?"):
        resolve("gpt-5-mni")


def test_a_model_named_without_its_provider_is_found_under_it():
    with pytest.raises(FmnbError, match="anthropic:claude-sonnet-5-5"):
        resolve("claude-sonnet-5-5")
    with pytest.raises(FmnbError, match="groq:openai/gpt-oss-120b|cerebras:gpt-oss-120b"):
        resolve("gpt-oss-120b")
