"""Cost of an image by the price table: image tokens have their own prices. Unknown is None, never 0."""

from __future__ import annotations

from ...core.optional import require
from ...core.types import Usage
from .. import prices
from ..profiles import Profile


def cost(profile: Profile, model: str, usage: Usage, image_tokens: tuple[int, int] | None) -> float | None:
    """Cost of one call in US dollars.

    `image_tokens` are the image tokens of input and output, None if not reported.

    >>> cost(Profile("mine", base_url="http://localhost:9/v1", runs_here=True), "m", Usage(), None)
    0.0
    """
    if usage.cost is not None or profile.local:
        return prices.cost(profile, model, usage)
    if not profile.prices or image_tokens is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    table = require("genai_prices", "all", "to know prices")
    tokens = table.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        input_image_tokens=image_tokens[0],
        output_image_tokens=image_tokens[1],
    )
    try:
        return float(table.calc_price(tokens, model, provider_id=profile.prices).total_price)
    except (LookupError, ValueError):
        return None


def per_million(profile: Profile, model: str) -> float | None:
    """US dollars per million image output tokens, None if unknown."""
    one = cost(profile, model, Usage(0, 1_000_000), (0, 1_000_000))
    return one if one or profile.local else None
