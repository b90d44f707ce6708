"""Google's image models, through `generateContent`, with images as input and output.

The OpenAI-compatible interface returns images, too, but accepts none and reports no tokens.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import math
from collections.abc import AsyncIterator
from typing import Any

from ...core.errors import ContentFilterError
from ...core.events import Event, Media, Progress, TextDelta
from ...core.image_options import ImageOptions
from ...core.types import Usage
from ..http import client
from ..http import errors as faults
from ..profiles import Profile
from .events import end_events, ignored_options, media_event
from .request import post

# The service accepts aspect ratios, not sizes.
_ASPECT_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
_FILTERED = ("SAFETY", "PROHIBITED", "BLOCKLIST", "RECITATION", "SPII")


async def stream(p: Profile, model: str, options: ImageOptions) -> AsyncIterator[Event]:
    """One call per image; accompanying text becomes the text of the answer."""
    secret = await client.secret(p)
    native = dataclasses.replace(p, auth="x-goog-api-key")
    url = f"{p.base_url.removesuffix('/openai')}/models/{model.removeprefix('models/')}:generateContent"
    body = _body(options)
    for notice in ignored_options(options, {"n", "size"}):
        yield notice
    items: list[Media] = []
    usage, image_tokens_in, image_tokens_out = None, 0, 0
    for number in range(options.n or 1):
        yield Progress(
            stage=f"{p.label} is generating the image", done=number, total=options.n if (options.n or 1) > 1 else None, unit="images"
        )
        answer = await post(native, model, url, body, secret)
        for part in _parts(p, answer):
            if part.get("thought"):
                continue
            if isinstance(part.get("text"), str):
                yield TextDelta(text=part["text"])
            elif data := _image_bytes(p, part, secret):
                items.append(media_event(p, model, options, data))
                yield items[-1]
        one, image_tokens = _usage(answer.get("usageMetadata"))
        usage, image_tokens_in, image_tokens_out = (
            one if usage is None else usage + one,
            image_tokens_in + image_tokens[0],
            image_tokens_out + image_tokens[1],
        )
    async for event in end_events(p, model, options, items, usage, (image_tokens_in, image_tokens_out)):
        yield event


def _body(options: ImageOptions) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"inlineData": {"mimeType": i.media_type, "data": base64.b64encode(i.data).decode("ascii")}} for i in options.images
    ]
    if options.prompt:
        parts.append({"text": options.prompt})
    config: dict[str, Any] = {"responseModalities": ["TEXT", "IMAGE"]}
    if options.size:
        config["imageConfig"] = {"aspectRatio": _aspect_ratio(*options.size)}
    return {"contents": [{"role": "user", "parts": parts}], "generationConfig": config | options.raw}


def _aspect_ratio(width: int, height: int) -> str:
    """The nearest supported aspect ratio.

    >>> _aspect_ratio(1024, 1024), _aspect_ratio(1920, 1080)
    ('1:1', '16:9')
    """
    ratio = math.log(width / height)
    return min(_ASPECT_RATIOS, key=lambda s: abs(math.log(int(s.split(":")[0]) / int(s.split(":")[1])) - ratio))


def _parts(p: Profile, answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of the answer; raises ContentFilterError if the prompt was refused."""
    candidates = [c for c in answer.get("candidates") or () if isinstance(c, dict)]
    parts = [x for c in candidates for x in (c.get("content") or {}).get("parts") or () if isinstance(x, dict)]
    blocked = str((answer.get("promptFeedback") or {}).get("blockReason") or "")
    ends = [str(c.get("finishReason") or "") for c in candidates]
    reason = blocked or next((e for e in ends if any(word in e for word in _FILTERED)), "")
    if reason and not any("inlineData" in x for x in parts):
        raise ContentFilterError(
            f"{p.label} generated no image for this prompt", detail=reason, hint="Rephrase it, or use another model.", billed=False
        )
    return parts


def _image_bytes(p: Profile, part: dict[str, Any], secret: str) -> bytes:
    inline = part.get("inlineData")
    if not isinstance(inline, dict) or not inline.get("data"):
        return b""
    try:
        return base64.b64decode(inline["data"])
    except (binascii.Error, ValueError, TypeError):
        raise faults.unexpected_response(p, "an image that is not base64", 1, secret) from None


def _usage(document: Any) -> tuple[Usage, tuple[int, int]]:
    """Usage, and image tokens of input and output."""
    if not isinstance(document, dict):
        return Usage(), (0, 0)
    thought = document.get("thoughtsTokenCount") or 0
    out = document.get("candidatesTokenCount")
    usage = Usage(document.get("promptTokenCount"), None if out is None else out + thought, reasoning_tokens=thought or None)
    output_details = document.get("candidatesTokensDetails")
    return usage, (_image_tokens(document.get("promptTokensDetails")), _image_tokens(output_details) if output_details else out or 0)


def _image_tokens(details: Any) -> int:
    rows = [d for d in details or () if isinstance(d, dict)]
    return sum(int(d.get("tokenCount") or 0) for d in rows if d.get("modality") == "IMAGE")
