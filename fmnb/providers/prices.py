"""The cost of a call, from the price table in the genai-prices package; never uses the network.

An unknown price is None, never 0. A local model costs 0.
"""

from __future__ import annotations

import fnmatch
import importlib
import sys
from typing import Any

from ..core.event_loop import thread_stream
from ..core.optional import require
from ..core.types import Usage
from .model_lists import ListedModel
from .profiles import Price, Profile, own_price


def cost(profile: Profile, model: str, usage: Usage, *, cache_write_tokens: int = 0) -> float | None:
    """The cost of one call in US dollars: reported by the service, or from the table; None if unknown.

    `cache_write_tokens` is the number of input tokens written to a prompt cache, which some services price separately.

    >>> cost(Profile("mine", base_url="http://localhost:9/v1", runs_here=True), "m", Usage(10, 10))
    0.0
    """
    if usage.cost is not None:
        return usage.cost
    if profile.local:
        return 0.0
    if (own := own_price(profile, model)) is not None:
        return _own_cost(own, usage)
    if not profile.prices or usage.input_tokens is None or usage.output_tokens is None:
        return None
    prices = require("genai_prices", "all", "to know prices")
    cached = {"cache_read_tokens": usage.cached_tokens or 0, **({"cache_write_tokens": cache_write_tokens} if cache_write_tokens else {})}
    tokens = prices.Usage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, **cached)
    try:
        return float(prices.calc_price(tokens, model, provider_id=profile.prices).total_price)
    except (LookupError, ValueError):
        return None


def _own_cost(price: Price, usage: Usage) -> float | None:
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    cached = 0 if price.cached is None else min(usage.cached_tokens or 0, usage.input_tokens)
    return ((usage.input_tokens - cached) * price.input + cached * (price.cached or 0.0) + usage.output_tokens * price.output) / 1e6


def per_million(profile: Profile, model: str) -> tuple[float | None, float | None]:
    """US dollars per million input and output tokens, at the lowest tier; None if unknown."""
    if profile.local:
        return 0.0, 0.0
    if (own := own_price(profile, model)) is not None:
        return own.input, own.output
    facts = _facts(profile, model)
    if facts is None:
        return None, None
    return _base(facts.model_price.input_mtok), _base(facts.model_price.output_mtok)


def context(profile: Profile, model: str) -> int | None:
    """The context window in tokens; None if the price table does not list it."""
    facts = None if profile.local else _facts(profile, model)
    return getattr(facts.model, "context_window", None) if facts else None


def table(profile: Profile) -> list[ListedModel]:
    """The provider's models in the price table, with context windows and prices.

    Models about to retire are left out.
    """
    if not profile.prices:
        return []
    require("genai_prices", "all", "to know prices")
    snapshot = importlib.import_module("genai_prices.data_snapshot").get_snapshot()
    provider = next((p for p in snapshot.providers if p.id == profile.prices), None)
    rows = [] if provider is None else [m for m in provider.models if not m.deprecated and ":" not in m.id and not m.id.endswith("-")]
    rows = [m for m in rows if any(fnmatch.fnmatchcase(m.id, pattern) for pattern in profile.offers)]
    named = {name: m for m in rows if (name := _callable(m))}
    return [ListedModel(name, m.context_window, (), (), *per_million(profile, name)) for name, m in named.items()]


def _callable(model: Any) -> str:
    """The service's name for a model of the table; "" if the table does not give it.

    It is the table's id, unless the model's matching rule names another.
    """
    if model.match.is_match(model.id):
        return str(model.id)
    rules = [model.match]
    for rule in rules:
        if hasattr(rule, "equals"):
            return str(rule.equals)
        rules += getattr(rule, "or_", ())
    return ""


def edition() -> str:
    """The edition of the price table: the version of the package.

    >>> edition().startswith("genai-prices ")
    True
    """
    from importlib.metadata import version

    return f"genai-prices {version('genai-prices')}"


def ready() -> None:
    """Import the table now, so that the import is not part of a measured time."""
    require("genai_prices.data_snapshot", "all", "to know prices").get_snapshot()


async def load() -> None:
    """Import the table outside the event loop, so that the first cost does not block it."""
    if "genai_prices" not in sys.modules:
        async for _ in thread_stream(lambda put, stop: importlib.import_module("genai_prices") and None):
            pass


def _facts(profile: Profile, model: str) -> Any:
    if not profile.prices:
        return None
    prices = require("genai_prices", "all", "to know prices")
    try:
        return prices.calc_price(prices.Usage(input_tokens=1, output_tokens=1), model, provider_id=profile.prices)
    except (LookupError, ValueError):
        return None


def _base(price: Any) -> float | None:
    base = getattr(price, "base", price)  # tiered prices have a base and steps
    return None if base is None else float(base)
