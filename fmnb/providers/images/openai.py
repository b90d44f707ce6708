"""`/images/generations` and `/images/edits`, as defined by OpenAI and adopted by others.

The profile states differences: `image_fields` (option -> field), `image_format` (so that the answer
has the bytes), `image_edits` (how input images are sent).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator
from typing import Any

from ...core.errors import BadRequestError
from ...core.events import Event, Media, Notice, Progress
from ...core.image_options import ImageOptions
from ...core.types import Usage
from ..http import client
from ..http import errors as faults
from ..profiles import Profile, endpoint
from .events import end_events, ignored_options, media_event, uri
from .request import OptionRejected, fetch, post


async def stream(p: Profile, model: str, options: ImageOptions) -> AsyncIterator[Event]:
    """One call; an option that the service refuses by name is dropped once."""
    secret = await client.secret(p)
    body, files, path = _request(p, model, options)
    for notice in ignored_options(options, set(p.image_fields)):
        yield notice
    yield Progress(stage=f"{p.label} is generating the image")
    while True:
        try:
            answer = await post(p, model, endpoint(p, f"/{path}", model), body, secret, files=files, drop_option=True)
            break
        except OptionRejected as e:
            del body[e.option]
            yield Notice(kind="not_applied", text=next((k for k, v in p.image_fields.items() if e.option in v.split()), e.option))
    items: list[Media] = []
    for item in answer.get("data") or ():
        data = await _bytes(p, item, secret)
        items.append(media_event(p, model, options, data, stated_format=str(answer.get("output_format", ""))))
        yield items[-1]
    usage, image_tokens = _usage(answer.get("usage"))
    first = (answer.get("data") or [{}])[0]
    more = {"quality": answer.get("quality"), "revised_prompt": first.get("revised_prompt") if isinstance(first, dict) else None}
    async for event in end_events(p, model, options, items, usage, image_tokens, **more):
        yield event


def _request(p: Profile, model: str, options: ImageOptions) -> tuple[dict[str, Any], list[Any] | None, str]:
    """Body, files and path of the request."""
    body: dict[str, Any] = {"model": model, "prompt": options.prompt}
    if p.image_format:
        body["response_format"] = p.image_format
    for name, value in options.non_default().items():
        if field := p.image_fields.get(name):
            fields = field.split()
            values = [f"{value[0]}x{value[1]}"] if name == "size" and len(fields) == 1 else value if name == "size" else [value]
            body |= dict(zip(fields, values, strict=True))
    body |= options.raw
    if not options.images:
        return body, None, "images/generations"
    uris = [uri(i) for i in options.images]
    match p.image_edits:
        case "multipart":
            body = {k: v if isinstance(v, str) else json.dumps(v) for k, v in body.items()}
            return body, [("image[]", (f"picture{n}.png", i.data, i.media_type)) for n, i in enumerate(options.images, 1)], "images/edits"
        case "json":
            links = [{"type": "image_url", "url": uri} for uri in uris]
            return body | {"image": links[0] if len(links) == 1 else links}, None, "images/edits"
        case "reference":
            old = "kontext" in model.lower() and "flux.1" in model.lower()
            return body | ({"image_url": uris[0]} if old else {"reference_images": uris}), None, "images/generations"
    raise BadRequestError(
        f"{p.label} accepts only text for images here",
        detail=f"{len(options.images)} attached",
        hint="Describe the image, or use another model.",
    )


async def _bytes(p: Profile, item: Any, secret: str) -> bytes:
    if isinstance(item, dict):
        try:
            if item.get("b64_json"):
                return base64.b64decode(item["b64_json"], validate=False)
        except (binascii.Error, ValueError, TypeError):
            raise faults.unexpected_response(p, "an image that is not base64", 1, secret) from None
        if isinstance(item.get("url"), str):
            return await fetch(p, item["url"])
    raise faults.unexpected_response(p, str(item), 1, secret)


def _usage(document: Any) -> tuple[Usage | None, tuple[int, int] | None]:
    """Usage, and image tokens of input and output; all output counts as image if not reported separately."""
    if not isinstance(document, dict):
        return None, None
    cost = document.get("cost")
    out = document.get("output_tokens")
    usage = Usage(document.get("input_tokens"), out, cost=cost if isinstance(cost, (int, float)) else None)
    input_details, output_details = (d if isinstance(d := document.get(f"{k}_tokens_details"), dict) else {} for k in ("input", "output"))
    return usage, (int(input_details.get("image_tokens") or 0), int(output_details.get("image_tokens", out) or 0))
