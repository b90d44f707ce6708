"""Pictures and videos from a service.

    makes(profile, model)  ─►  stream(profile, model, request)  ─►  Progress*, Media+, Used, Finished

How a service is spoken to is one of the ways: images_openai, images_gemini, images_huggingface,
images_runway. They share `images_models`, `images_exchange` and `images_events`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable

from .. import _imaging
from .._imaging import Wanted
from .._loop import aclose
from .._routing import check_routing
from ..errors import ContentFilterError, UsageError
from ..events import Event, Notice
from ..types import Request
from . import faults
from .images_models import makes
from .profiles import Profile


async def stream(p: Profile, model: str, request: Request) -> AsyncGenerator[Event, None]:
    """Make what the request asks for. Raises UsageError for a plain question: these models write no text."""
    if request.format != "image":
        kind = "videos" if "video" in makes(p, model) else "pictures"
        raise UsageError(
            f"{p.name}:{model} makes {kind} and answers no questions", todo='Add -f image (format="image"), or name a model that writes.'
        )
    check_routing(request.extra)
    asked = _imaging.wanted(request)
    for name in (*asked.lost, *(n for n in ("api", "quant", "dtype") if getattr(request, n))):
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
        raise faults.junk(p, f"an answer of another form: {type(e).__name__}: {e}", 1, "") from e
    finally:
        await aclose(events)


def _way(name: str) -> Callable[[Profile, str, Wanted], AsyncIterator[Event]]:
    """How a service is spoken to; no other way is imported."""
    match name:
        case "openai":
            from .images_openai import stream
        case "gemini":
            from .images_gemini import stream
        case "huggingface":
            from .images_huggingface import stream
        case "runway":
            from .images_runway import stream
        case _:
            raise LookupError(name)
    return stream
