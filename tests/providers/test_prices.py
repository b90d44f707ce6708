"""What a call costs."""

from __future__ import annotations

import pytest

from fmnb.core.types import Usage
from fmnb.providers import prices
from fmnb.providers.profiles import Profile, profile


def test_the_services_own_figure_comes_first():
    assert prices.cost(profile("openai"), "gpt-5-mini", Usage(1, 1, cost=0.5)) == 0.5


def test_the_table_prices_tokens_in_and_out():
    into, out = prices.per_million(profile("openai"), "gpt-5-mini")
    assert prices.cost(profile("openai"), "gpt-5-mini", Usage(1_000_000, 0)) == pytest.approx(into, rel=0.5)
    assert prices.cost(profile("openai"), "gpt-5-mini", Usage(1000, 500)) == pytest.approx((1000 * into + 500 * out) / 1e6)


def test_cached_tokens_cost_less():
    p = profile("openai")
    assert prices.cost(p, "gpt-5-mini", Usage(1000, 0, 900)) < prices.cost(p, "gpt-5-mini", Usage(1000, 0, 0))


def test_what_is_not_known_is_none_and_never_nothing():
    assert prices.cost(profile("openai"), "no-such-model", Usage(1, 1)) is None
    assert prices.cost(profile("openai"), "gpt-5-mini", Usage(None, None)) is None
    assert prices.cost(Profile("mine", base_url="https://ai.example.com/v1"), "m", Usage(1, 1)) is None
    assert prices.per_million(profile("nvidia"), "m") == (None, None)


def test_a_model_on_this_machine_costs_nothing():
    assert prices.cost(profile("ollama"), "m", Usage(1, 1)) == 0.0


def test_a_name_of_the_table_is_one_that_the_service_takes():
    """The table's own ids are not always: Fireworks' models have a path in front."""
    names = {m.name: m for m in prices.table(profile("fireworks"))}
    assert names and all(name.startswith("accounts/fireworks/") and m.price_in is not None for name, m in names.items())
    assert "codestral-latest" in {m.name for m in prices.table(profile("mistral"))}
