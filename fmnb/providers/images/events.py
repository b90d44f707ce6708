"""Events of an image request: media, options not applied, usage."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

from ...core import image_options, media
from ...core.errors import EmptyAnswerError
from ...core.events import Event, Finished, Media, Notice, UsageReported
from ...core.image_options import ImageOptions
from ...core.types import Image, Usage
from .. import prices
from ..http import errors as faults
from ..profiles import Profile
from . import prices as picture_prices


def media_event(p: Profile, model: str, options: ImageOptions, data: bytes, *, stated_format: str = "") -> Media:
    """The event of one image or video; raises UnexpectedResponseError for other bytes."""
    kind = media.sniff(data)
    if not kind and stated_format == "svg":
        kind = "image/svg+xml"  # can be saved, but is never shown, since it may have active content
    if not kind:
        raise faults.unexpected_response(p, f"{media.format_size(len(data))} that are neither an image nor a video", 1, "")
    name = f"{model.rpartition('/')[2]}{media.suffix(kind)}"
    return Media(data=data, media_type=kind, alt=media.alt_text(f"{p.name}:{model}", options.prompt), name=name)


def uri(image: Image) -> str:
    """An image as a data URI."""
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode('ascii')}"


def ignored_options(options: ImageOptions, supported: set[str]) -> list[Notice]:
    """A notice for each given shared option that is not in `supported`."""
    return [Notice(kind="not_applied", text=name) for name in options.non_default() if name not in supported]


async def end_events(
    p: Profile,
    model: str,
    options: ImageOptions,
    items: list[Media],
    usage: Usage | None,
    image_tokens: tuple[int, int] | None = None,
    **extra: Any,
) -> AsyncIterator[Event]:
    """The UsageReported and Finished events.

    `image_tokens` are the image tokens of input and output, which have their own prices.
    """
    if not items:
        raise EmptyAnswerError(f"{p.label} returned no image", hint="Try again, or rephrase the prompt.", billed=None)
    usage = usage or Usage()
    if usage.cost is None and not p.local and p.prices:
        await prices.load()
    usage = dataclasses.replace(usage, cost=picture_prices.cost(p, model, usage, image_tokens))
    yield UsageReported(usage=usage)
    seed = {} if options.seed is None else {"seed": options.seed}
    yield Finished(model=model, extra=image_options.provenance(data=items[0].data, **seed, **extra))
