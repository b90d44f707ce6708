"""Models of a service that make images or videos, and facts about them."""

from __future__ import annotations

import dataclasses
import fnmatch

from ...core.types import ModelInfo, Request
from ..profiles import Profile
from . import prices as picture_prices

_SEEDED = ("huggingface",)  # interfaces where a seed determines the image, whatever the profile says


def media_kinds(p: Profile, model: str) -> tuple[str, ...]:
    """What a model makes instead of text: ("image",), ("video",), or ().

    >>> media_kinds(Profile("p", image_api="openai", image_models=("gpt-image*",)), "gpt-image-2")
    ('image',)
    """
    if not p.image_api:
        return ()
    name = model.lower().removeprefix("models/")
    for kind, patterns in (("image", p.image_models), ("video", p.video_models)):
        if any(fnmatch.fnmatchcase(name, pattern.lower()) for pattern in patterns):
            return (kind,)
    return ()


def info(p: Profile, model: str, text_info: ModelInfo) -> ModelInfo:
    """The ModelInfo of an image model, from that of a text model."""
    out = media_kinds(p, model)
    if not out:
        return text_info
    inputs = ("text", "image") if p.image_edits or p.image_api in ("gemini", "runway", "huggingface") else ("text",)
    return dataclasses.replace(text_info, outputs=out, inputs=inputs, price_out=picture_prices.per_million(p, model))


def is_deterministic(p: Profile, model: str, request: Request) -> bool:
    """Whether the same request gives the same image."""
    return request.seed is not None and ("seed" in p.image_fields or p.image_api in _SEEDED)
