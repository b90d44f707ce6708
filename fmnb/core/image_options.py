"""Options that all image and video models share.

    size=1024x1024  n=2  steps=20  guidance=7.5  negative="..."  seconds=5     (`-p`), and --seed

Each service and engine applies what it supports; the rest is reported as not applied.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any

from . import media
from .errors import BadRequestError, UsageError
from .types import File, Image, Request

# Other names of these options in services and libraries.
_NAMES = {
    "steps": ("num_inference_steps",),
    "guidance": ("guidance_scale",),
    "negative": ("negative_prompt",),
    "seconds": ("duration",),
    "n": ("num_images",),
}
_MOST = 10  # images per call; the cost of more would be seen too late


@dataclass(frozen=True)
class ImageOptions:
    """A requested image; None means that an option is not set.

    `raw` are other raw parameters, `ignored` are options without effect.
    """

    prompt: str
    images: tuple[Image, ...] = ()
    size: tuple[int, int] | None = None
    n: int | None = None
    steps: int | None = None
    guidance: float | None = None
    negative: str | None = None
    seconds: float | None = None
    seed: int | None = None
    raw: dict[str, Any] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    def non_default(self) -> dict[str, Any]:
        """The shared options that were given, by name."""
        names = ("size", "n", "steps", "guidance", "negative", "seconds", "seed")
        return {name: v for name in names if (v := getattr(self, name)) is not None}


def image_options(request: Request) -> ImageOptions:
    """Read the image options of a request.

    Raises UsageError for an invalid value, BadRequestError for a part that is neither text nor image.

    >>> from fmnb.core.types import Request, message
    >>> w = image_options(Request("m", (message("user", "a cat"),), extra={"size": "64x32", "steps": 2, "style": "vivid"}, seed=7))
    >>> w.size, w.steps, w.seed, w.raw
    ((64, 32), 2, 7, {'style': 'vivid'})
    """
    if request.schema is not None:
        raise UsageError("An image cannot follow a schema", hint="Omit --schema or -f image.")
    asked = [m for m in request.messages if m.role == "user"]
    last = asked[-1] if asked else None
    prompt = last.text.strip() if last else ""
    images = tuple(p for p in last.parts if isinstance(p, Image)) if last else ()
    if not prompt and not images:
        raise UsageError("The prompt is empty", hint="Describe the image below the %%fm line.")
    if last and (other := next((p for p in last.parts if isinstance(p, File)), None)) is not None:
        raise BadRequestError(
            "An image can only be made from text and images", detail=other.media_type, hint="Attach images, or write the text."
        )
    raw = dict(request.extra)
    given: dict[str, Any] = {"size": _size(raw.pop("size", None))}
    for name, kind in (("n", int), ("steps", int), ("guidance", float), ("negative", str), ("seconds", float)):
        values = [raw.pop(spelling) for spelling in (name, *_NAMES[name]) if spelling in raw]
        given[name] = _value(name, values[0], kind) if values else None
    if given["size"] is None and {"width", "height"} <= set(raw):
        given["size"] = _size(f"{raw.pop('width')}x{raw.pop('height')}")
    if (given["n"] or 1) > _MOST:
        raise UsageError(f"At most {_MOST} images per call", detail=f"n={given['n']}")
    off = {
        "system": any(m.role == "system" for m in request.messages),
        "the conversation so far": len(asked) > 1,
        "temperature": request.temperature is not None,
        "max_tokens": request.max_tokens is not None,
        "stop": bool(request.stop),
        "logprobs": request.logprobs is not None,
        "tools": bool(request.tools),
    }
    return ImageOptions(prompt, images, seed=request.seed, raw=raw, ignored=tuple(k for k, v in off.items() if v), **given)


def _size(value: Any) -> tuple[int, int] | None:
    if value is None or value == "auto":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = f"{value}x{value}"
    sides = str(value).lower().replace(":", "x").replace("×", "x").split("x")
    if len(sides) != 2 or not all(s.strip().isdigit() and int(s) > 0 for s in sides):
        raise UsageError("A size is width x height in pixels", detail=repr(value), hint="`-p size=1024x1024`.")
    return int(sides[0]), int(sides[1])


def _value(name: str, value: Any, kind: type) -> Any:
    if kind is str:
        return str(value)
    try:
        number = kind(value)
    except (TypeError, ValueError):
        number = None
    lowest = 0 if name == "guidance" else 1e-9
    if number is None or isinstance(value, bool) or number != float(value) or number < lowest:
        raise UsageError(
            f"{name} is a {'whole ' if kind is int else ''}number above 0",
            detail=repr(value),
            hint=f"`-p {name}={2 if kind is int else 7.5}`.",
        )
    return number


def provenance(*, data: bytes, **known: Any) -> dict[str, Any]:
    """Data for making the same image again: the date, its size, and what is `known` (seed, steps, ...)."""
    size = media.pixels(data)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    about = {"made": now, "size": f"{size[0]}x{size[1]}" if size else ""} | known
    return {k: v for k, v in about.items() if v not in (None, "")}
