"""Pictures and videos from a service.

    makes(profile, model)  ─►  stream(profile, model, request)  ─►  Progress*, Media+, Used, Finished

How a service is spoken to is one of the ways: images_openai, images_gemini, images_huggingface,
images_runway. They share `images_models`, `images_exchange` and `images_events`.
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
from .models import makes


async def stream(p: Profile, model: str, request: Request) -> AsyncGenerator[Event, None]:
    """Make what the request asks for. Raises UsageError for a plain question: these models write no text."""
    if request.format != "image":
        kind = "videos" if "video" in makes(p, model) else "pictures"
        raise UsageError(
            f"{p.name}:{model} makes {kind} and answers no questions", hint='Add -f image (format="image"), or name a model that writes.'
        )
    check_routing(request.extra)
    asked = image_options.image_options(request)
    for name in (*asked.ignored, *(n for n in ("api", "quant", "dtype") if getattr(request, n))):
        yield Notice(kind="not_applied", text=name)
    events = _way(p.image_api)(p, model, asked)
    try:
        async for event in events:
            yield event
    except ContentFilterError as e:
        if p.image_api != "runway":  # a prompt that is refused beforehand costs nothing there
            e.billed = False
        raise
    except (AttributeError, LookupError, TypeError, ValueError) as e:  # fields of other kinds than the interface has
        raise faults.unexpected_response(p, f"an answer of another form: {type(e).__name__}: {e}", 1, "") from e
    finally:
        await aclose(events)


def _way(name: str) -> Callable[[Profile, str, ImageOptions], AsyncIterator[Event]]:
    """How a service is spoken to; no other way is imported."""
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
