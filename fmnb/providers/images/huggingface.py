"""Image and video providers of Hugging Face, through the hub's own client.

The model is `org/name`, or `org/name:provider`. A base URL other
than the router's is an endpoint that serves one model. The client blocks, so it runs in a thread;
stopping returns at once, and the result is discarded.
"""

from __future__ import annotations

import io
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from ...config.settings import set_here
from ...core.errors import AuthenticationError, BadRequestError, CallTimeoutError, FmnbError
from ...core.event_loop import thread_stream
from ...core.events import Event, Media, Notice, Progress
from ...core.image_options import ImageOptions
from ...core.optional import require
from ..http import client
from ..profiles import Profile
from .events import end_events, ignored_options, media
from .models import makes
from .request import error_from

_ROUTER = "router.huggingface.co"
_HUB = "https://huggingface.co"
_KNOWN = {"size", "steps", "guidance", "negative", "seed", "n"}


async def stream(p: Profile, model: str, asked: ImageOptions) -> AsyncIterator[Event]:
    """One call per image, with increasing seeds."""
    secret = await client.secret(p)
    video = "video" in makes(p, model)
    known = {"steps", "guidance", "negative", "seed"} if video else {"steps", "guidance", "negative", "n"} if asked.images else _KNOWN
    for notice in ignored_options(asked, known):
        yield notice
    if asked.images and video:
        raise BadRequestError("Videos are made from words alone here", hint="Leave the attached pictures out.")
    count = 1 if video else asked.n or 1
    made: list[Media] = []
    for number in range(count):
        yield Progress(
            stage=f"{p.label} is making the {'video' if video else 'picture'}",
            done=number,
            total=count if count > 1 else None,
            unit="pictures",
        )

        def work(put: Callable[[bytes], None], stop: threading.Event, number: int = number) -> None:
            put(_call(p, model, asked, secret, video, number))

        async for data in thread_stream(work):
            made.append(media(p, model, asked, data))
            yield made[-1]
    more: dict[str, Any] = {"seeds": [asked.seed + i for i in range(count)]} if asked.seed is not None and count > 1 else {}
    if len(asked.images) > 1:
        yield Notice(kind="not_applied", text="all attached pictures but the first")
    async for event in end_events(p, model, asked, made, None, steps=asked.steps, **more):
        yield event


def _call(p: Profile, model: str, asked: ImageOptions, secret: str, video: bool, number: int) -> bytes:
    hub = require("huggingface_hub", "all", "to reach Hugging Face")
    require("PIL.Image", "attach", "to open pictures from Hugging Face")
    name, _, provider = model.partition(":")
    if p.host == _ROUTER:
        if not secret.startswith("hf_"):  # the client would send any other key to the provider
            raise AuthenticationError(
                f"{p.label} takes its own keys alone",
                detail="a key that does not begin with hf_",
                hint="Set HF_TOKEN to a token of the hub.",
            )
        if set_here("HF_ENDPOINT") and hub.constants.ENDPOINT != _HUB:  # the client sends the token to the hub to look up providers
            raise AuthenticationError(
                f"{p.label} is not asked where a cell has named another hub",
                detail=f"HF_ENDPOINT={hub.constants.ENDPOINT}",
                hint="Set HF_ENDPOINT before Jupyter starts, if you trust that hub.",
            )
        maker = hub.InferenceClient(provider=provider or "auto", api_key=secret, timeout=p.read_timeout)
    else:
        maker = hub.InferenceClient(base_url=p.base_url, api_key=secret or None, timeout=p.read_timeout)
        name = ""
    shared: dict[str, Any] = {"negative_prompt": asked.negative, "num_inference_steps": asked.steps, "guidance_scale": asked.guidance}
    seed = None if asked.seed is None else asked.seed + number
    try:
        if video:
            shared["negative_prompt"] = [asked.negative] if asked.negative else None
            return bytes(maker.text_to_video(asked.prompt, model=name or None, seed=seed, extra_body=asked.raw or None, **shared))
        if asked.images:
            picture = maker.image_to_image(asked.images[0].data, prompt=asked.prompt or None, model=name or None, **shared, **asked.raw)
        else:
            width, height = asked.size or (None, None)
            picture = maker.text_to_image(
                asked.prompt, model=name or None, width=width, height=height, seed=seed, extra_body=asked.raw or None, **shared
            )
    except Exception as e:
        raise _error(p, model, e, secret) from None
    return _encoded(picture)


def _encoded(picture: Any) -> bytes:
    """The original bytes of an image that the client has opened; encoded again if they are not available."""
    held = getattr(picture, "fp", None)
    if isinstance(held, io.BytesIO):
        return held.getvalue()
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()


def _error(p: Profile, model: str, e: Exception, secret: str) -> FmnbError:
    if isinstance(e, TimeoutError):
        return CallTimeoutError(
            f"{p.label} took too long", detail=f"{p.read_timeout:g} s", hint="Try again; a cold model may be warm by then.", billed=None
        )
    if isinstance(e, ValueError) and not hasattr(e, "response"):  # no provider has the model, or not for images
        return BadRequestError(
            f"{p.label} cannot make this with {model}", detail=str(e)[:300], hint="Name another model or provider: org/name:provider."
        )
    return error_from(p, model, e, secret)
