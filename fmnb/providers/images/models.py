"""Models of a service that make images or videos, and facts about them."""

from __future__ import annotations

import dataclasses
import fnmatch

from ...core.types import ModelInfo, Request
from ..profiles import Profile
from . import prices as picture_prices

_SEEDED = ("huggingface",)  # interfaces where a seed determines the image, whatever the profile says


def makes(p: Profile, model: str) -> tuple[str, ...]:
    """What a model makes instead of text: ("image",), ("video",), or ().

    >>> makes(Profile("p", image_api="openai", image_models=("gpt-image*",)), "gpt-image-2")
    ('image',)
    """
    if not p.image_api:
        return ()
    name = model.lower().removeprefix("models/")
    for kind, patterns in (("image", p.image_models), ("video", p.video_models)):
        if any(fnmatch.fnmatchcase(name, pattern.lower()) for pattern in patterns):
            return (kind,)
    return ()


def info(p: Profile, model: str, plain: ModelInfo) -> ModelInfo:
    """The ModelInfo of an image model, from that of a text model."""
    out = makes(p, model)
    if not out:
        return plain
    takes = ("text", "image") if p.image_edits or p.image_api in ("gemini", "runway", "huggingface") else ("text",)
    return dataclasses.replace(plain, outputs=out, inputs=takes, price_out=picture_prices.per_million(p, model))


def seeded(p: Profile, model: str, request: Request) -> bool:
    """Whether the same request gives the same image."""
    return request.seed is not None and ("seed" in p.image_fields or p.image_api in _SEEDED)
