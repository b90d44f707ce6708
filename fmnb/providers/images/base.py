"""Images and videos from services.

    makes(profile, model)  ─►  stream(profile, model, request)  ─►  Progress*, Media+, UsageReported, Finished

The profile's `image_api` selects the module: openai, gemini, huggingface or runway. They share
`models`, `request` and `events`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable

from ...core import image_options
from ...core.errors import ContentFilterError, UsageError
from ...core.event_loop import aclose
from ...core.events import Event, Notice
from ...core.image_options import ImageOptions
from ...core.types import Request
from ..http import errors as faults
from ..profiles import Profile
from ..reserved_params import check_routing
from .models import media_kinds


async def stream(p: Profile, model: str, request: Request) -> AsyncGenerator[Event, None]:
    """Make the requested media. Raises UsageError for a text request: these models write no text."""
    if request.format != "image":
        kind = "videos" if "video" in media_kinds(p, model) else "images"
        raise UsageError(
            f"{p.name}:{model} generates {kind} and does not answer questions", hint='Add -f image (format="image"), or use a text model.'
        )
    check_routing(request.extra)
    options = image_options.image_options(request)
    for name in (*options.ignored, *(n for n in ("api", "quant", "dtype") if getattr(request, n))):
        yield Notice(kind="not_applied", text=name)
    events = _stream_of(p.image_api)(p, model, options)
    try:
        async for event in events:
            yield event
    except ContentFilterError as e:
        if p.image_api != "runway":  # a prompt refused in advance costs nothing
            e.billed = False
        raise
    except (AttributeError, LookupError, TypeError, ValueError) as e:  # fields with unexpected types
        raise faults.unexpected_response(p, f"an answer of another form: {type(e).__name__}: {e}", 1, "") from e
    finally:
        await aclose(events)


def _stream_of(name: str) -> Callable[[Profile, str, ImageOptions], AsyncIterator[Event]]:
    """The module for a service; no other module is imported."""
    match name:
        case "openai":
            from .openai import stream
        case "gemini":
            from .gemini import stream
        case "huggingface":
            from .huggingface import stream
        case "runway":
            from .runway import stream
        case _:
            raise LookupError(name)
    return stream
