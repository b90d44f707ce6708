"""Check what a request needs and its model cannot do."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ...core.backend import Backend
from ...core.errors import UsageError
from ...core.events import Event, Notice
from ..call import Call
from .base import Proceed


def check_target(call: Call, proceed: Proceed) -> AsyncIterator[Event]:
    """Refuse images from a model of text; report an `api` option that does not apply."""
    backend = call.target.open()
    check_output_modality(call.request.format, call.target.requested_model, backend)
    ignored = call.request.api and not getattr(backend, "supports_api_choice", False)
    return _ignored_api(proceed(call)) if ignored else proceed(call)


async def _ignored_api(stream: AsyncIterator[Event]) -> AsyncIterator[Event]:
    yield Notice(kind="not_applied", text="api")
    async for event in stream:
        yield event


def check_output_modality(format: str, requested_model: str, backend: Backend) -> None:
    """Raise UsageError if the format is image and the model makes none."""
    if format == "image" and not {"image", "video"} & set(backend.info.outputs):
        raise UsageError(
            f"{requested_model} writes text and makes no images", hint="Leave -f image out, or name a model that makes images."
        )
