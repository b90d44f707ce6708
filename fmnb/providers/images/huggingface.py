"""Image and video providers of Hugging Face, through the hub's own client.

The model is `org/name`, or `org/name:provider`. A base URL other
than the router's is an endpoint that serves one model. The client blocks, so it runs in a thread;
stopping returns at once, and the result is discarded.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from ...config.environment import CERTIFICATES, set_here
from ...core.errors import AuthenticationError, BadRequestError, CallTimeoutError, FmnbError
from ...core.event_loop import thread_stream
from ...core.events import Event, Media, Notice, Progress
from ...core.image_options import ImageOptions
from ...core.optional import require
from ..http import client
from ..profiles import Profile
from .events import end_events, ignored_options, media_event
from .models import media_kinds
from .request import error_from

_ROUTER = "router.huggingface.co"
_HUB = "https://huggingface.co"
_SUPPORTED = {"size", "steps", "guidance", "negative", "seed", "n"}


async def stream(p: Profile, model: str, options: ImageOptions) -> AsyncIterator[Event]:
    """One call per image, with increasing seeds."""
    secret = await client.secret(p)
    video = "video" in media_kinds(p, model)
    supported = (
        {"steps", "guidance", "negative", "seed"} if video else {"steps", "guidance", "negative", "n"} if options.images else _SUPPORTED
    )
    for notice in ignored_options(options, supported):
        yield notice
    if options.images and video:
        raise BadRequestError("Videos are generated only from text here", hint="Remove the attached images.")
    count = 1 if video else options.n or 1
    items: list[Media] = []
    for number in range(count):
        yield Progress(
            stage=f"{p.label} is generating the {'video' if video else 'image'}",
            done=number,
            total=count if count > 1 else None,
            unit="images",
        )

        def work(put: Callable[[bytes], None], stop: threading.Event, number: int = number) -> None:
            put(_call(p, model, options, secret, video, number))

        async for data in thread_stream(work):
            items.append(media_event(p, model, options, data))
            yield items[-1]
    more: dict[str, Any] = {"seeds": [options.seed + i for i in range(count)]} if options.seed is not None and count > 1 else {}
    if len(options.images) > 1:
        yield Notice(kind="not_applied", text="all attached images but the first")
    async for event in end_events(p, model, options, items, None, steps=options.steps, **more):
        yield event


def _call(p: Profile, model: str, options: ImageOptions, secret: str, video: bool, number: int) -> bytes:
    hub = require("huggingface_hub", "all", "to reach Hugging Face")
    require("PIL.Image", "docs", "to open images from Hugging Face")
    name, _, provider = model.partition(":")
    if p.host == _ROUTER:
        if not secret.startswith("hf_"):  # the client would send any other key to the provider
            raise AuthenticationError(
                f"{p.label} accepts only its own keys",
                detail="a key that does not start with hf_",
                hint="Set HF_TOKEN to a token of the hub.",
            )
        if set_here("HF_ENDPOINT") and hub.constants.ENDPOINT != _HUB:  # the client sends the token to the hub to look up providers
            raise AuthenticationError(
                f"{p.label} is not used because a cell set another hub",
                detail=f"HF_ENDPOINT={hub.constants.ENDPOINT}",
                hint="Set HF_ENDPOINT before Jupyter starts, if you trust that hub.",
            )
        if any(map(set_here, CERTIFICATES)) and not any(set_here(n) for n in p.key_env if os.environ.get(n)):
            raise AuthenticationError(
                f"{p.label} is not used because a cell set other certificates",
                detail=", ".join(filter(set_here, CERTIFICATES)),
                hint="Set them before Jupyter starts, if you trust them.",
            )
        inference = hub.InferenceClient(provider=provider or "auto", api_key=secret, timeout=p.read_timeout)
    else:
        inference = hub.InferenceClient(base_url=p.base_url, api_key=secret or None, timeout=p.read_timeout)
        name = ""
    shared: dict[str, Any] = {"negative_prompt": options.negative, "num_inference_steps": options.steps, "guidance_scale": options.guidance}
    seed = None if options.seed is None else options.seed + number
    try:
        if video:
            shared["negative_prompt"] = [options.negative] if options.negative else None
            return bytes(inference.text_to_video(options.prompt, model=name or None, seed=seed, extra_body=options.raw or None, **shared))
        if options.images:
            image = inference.image_to_image(
                options.images[0].data, prompt=options.prompt or None, model=name or None, **shared, **options.raw
            )
        else:
            width, height = options.size or (None, None)
            image = inference.text_to_image(
                options.prompt, model=name or None, width=width, height=height, seed=seed, extra_body=options.raw or None, **shared
            )
    except Exception as e:
        raise _error(p, model, e, secret) from None
    return _image_bytes(image)


def _image_bytes(image: Any) -> bytes:
    """The original bytes of an image that the client has opened; encoded again if they are not available."""
    file = getattr(image, "fp", None)
    if isinstance(file, io.BytesIO):
        return file.getvalue()
    out = io.BytesIO()
    image.save(out, format="PNG")
    return out.getvalue()


def _error(p: Profile, model: str, e: Exception, secret: str) -> FmnbError:
    if isinstance(e, TimeoutError):
        return CallTimeoutError(
            f"{p.label} took too long", detail=f"{p.read_timeout:g} s", hint="Try again; the model may be loaded by then.", billed=None
        )
    if isinstance(e, ValueError) and not hasattr(e, "response"):  # no provider has the model, or not for images
        return BadRequestError(
            f"{p.label} cannot generate this with {model}", detail=str(e)[:300], hint="Name another model or provider: org/name:provider."
        )
    return error_from(p, model, e, secret)
