"""Events of an image request: media, options not applied, usage."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

from ...core import image_options
from ...core import media as _media
from ...core.errors import EmptyAnswerError
from ...core.events import Event, Finished, Media, Notice, UsageReported
from ...core.image_options import ImageOptions
from ...core.types import Image, Usage
from .. import prices
from ..http import errors as faults
from ..profiles import Profile
from . import prices as picture_prices


def media(p: Profile, model: str, asked: ImageOptions, data: bytes, *, claimed: str = "") -> Media:
    """The event of one image or video; raises UnexpectedResponseError for other bytes."""
    kind = _media.sniff(data)
    if not kind and claimed == "svg":
        kind = "image/svg+xml"  # can be saved, but is never shown, since it may have active content
    if not kind:
        raise faults.unexpected_response(p, f"{_media.format_size(len(data))} that are neither a picture nor a video", 1, "")
    name = f"{model.rpartition('/')[2]}{_media.suffix(kind)}"
    return Media(data=data, media_type=kind, alt=_media.alt_text(f"{p.name}:{model}", asked.prompt), name=name)


def uri(image: Image) -> str:
    """An image as a data URI."""
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode('ascii')}"


def ignored_options(asked: ImageOptions, known: set[str]) -> list[Notice]:
    """A notice for each given shared option that is not in `known`."""
    return [Notice(kind="not_applied", text=name) for name in asked.given() if name not in known]


async def end_events(
    p: Profile,
    model: str,
    asked: ImageOptions,
    made: list[Media],
    usage: Usage | None,
    pictured: tuple[int, int] | None = None,
    **extra: Any,
) -> AsyncIterator[Event]:
    """The UsageReported and Finished events.

    `image_tokens` are the image tokens of input and output, which have their own prices.
    """
    if not made:
        raise EmptyAnswerError(f"{p.label} answered with no picture", hint="Ask again, or rephrase.", billed=None)
    usage = usage or Usage()
    if usage.cost is None and not p.local and p.prices:
        await prices.load()
    usage = dataclasses.replace(usage, cost=picture_prices.cost(p, model, usage, pictured))
    yield UsageReported(usage=usage)
    seed = {} if asked.seed is None else {"seed": asked.seed}
    yield Finished(model=model, extra=image_options.provenance(data=made[0].data, **seed, **extra))
