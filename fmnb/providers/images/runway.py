"""Runway: creates a task, polls it until it is done, and downloads the result before its URL expires.

Stopping deletes the task. Once a task exists, nothing is retried from the start, since that would
buy it twice.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from ...core.errors import BadRequestError, CallError, ContentFilterError, FmnbError, ServerError
from ...core.events import Event, Media, Progress, Waiting
from ...core.image_options import ImageOptions
from ..http import client
from ..http import errors as faults
from ..profiles import Profile
from .events import end_events, ignored_options, media_event, uri
from .models import media_kinds
from .request import error_from, fetch, post

POLL_INTERVAL = 5.0  # seconds between two polls: the minimum of the service
_MAX_FAILED_POLLS = 6  # failed polls in a row before the task is abandoned
_IMAGE, _VIDEO = "1024:1024", "1280:720"  # the service requires an aspect ratio
_DEFAULT_SECONDS = 5


async def stream(p: Profile, model: str, options: ImageOptions) -> AsyncIterator[Event]:
    """Create the task, poll its progress, download the result."""
    secret = await client.secret(p)
    video = "video" in media_kinds(p, model)
    body, path = _task(model, options, video)
    for notice in ignored_options(options, {"size", "seed", "negative", "seconds"} if video else {"size", "seed", "n"}):
        yield notice
    created = await post(p, model, f"{p.base_url}/{path}", body, secret)
    task = str(created.get("id") or "")
    if not re.fullmatch(r"[\w.:-]{1,200}", task):  # it becomes part of URLs and messages
        raise faults.unexpected_response(p, str(created), 1, secret)
    items: list[Media] = []
    ended = False
    try:
        async for state in _states(p, model, task, secret):
            status = str(state.get("status") or "")
            if status in ("PENDING", "THROTTLED"):
                why = "other tasks of this account come first" if status == "THROTTLED" else "the task is in the queue"
                yield Waiting(reason=f"{p.label}: {why}")
            elif status == "RUNNING":
                done = state.get("progress")
                share = float(done) if isinstance(done, (int, float)) else 0.0
                yield Progress(stage=f"{p.label} is generating it", done=round(100 * share), total=100, unit="%")
            else:
                ended = True
                _raise_for_failure(p, task, state)
                for url in state.get("output") or ():
                    yield Progress(stage="downloading", unit="bytes")
                    items.append(media_event(p, model, options, await fetch(p, str(url))))
                    yield items[-1]
    finally:
        if not ended:
            with suppress(Exception):
                await _delete(p, task, secret)
    async for event in end_events(p, model, options, items, None, task=task, seconds=body.get("duration")):
        yield event


def _task(model: str, options: ImageOptions, video: bool) -> tuple[dict[str, Any], str]:
    """Body and path of the task."""
    shape = f"{options.size[0]}:{options.size[1]}" if options.size else _VIDEO if video else _IMAGE
    body: dict[str, Any] = {"model": model, "ratio": shape}
    if options.prompt:
        body["promptText"] = options.prompt
    if options.seed is not None:
        body["seed"] = options.seed
    if not video:
        if options.n is not None:
            body["outputCount"] = options.n
        if options.images:
            body["referenceImages"] = [{"uri": uri(i)} for i in options.images]
        return body | options.raw, "text_to_image"
    seconds = options.seconds or _DEFAULT_SECONDS
    body["duration"] = int(seconds) if seconds == int(seconds) else seconds
    if options.negative is not None:
        body["negativePrompt"] = options.negative
    if len(options.images) > 2:
        raise BadRequestError(
            "A video accepts a first and a last image", detail=f"{len(options.images)} attached", hint="Attach one or two."
        )
    if len(options.images) == 2:
        body["promptImage"] = [{"uri": uri(i), "position": at} for i, at in zip(options.images, ("first", "last"), strict=True)]
    elif options.images:
        body["promptImage"] = uri(options.images[0])
    return body | options.raw, "image_to_video" if options.images else "text_to_video"


async def _states(p: Profile, model: str, task: str, secret: str) -> AsyncIterator[dict[str, Any]]:
    """Poll the state of the task until it is over; failed polls are retried."""
    failed = 0
    while True:
        try:
            state = await _poll(p, model, task, secret)
        except FmnbError as e:
            failed += 1
            if not e.retryable or failed >= _MAX_FAILED_POLLS:
                e.billed, e.retryable = None, False
                e.hint = f"The task {task} may still be running at {p.label}. {e.hint}"
                raise
        else:
            failed = 0
            yield state
            if state.get("status") not in ("PENDING", "THROTTLED", "RUNNING"):
                return
        await asyncio.sleep(POLL_INTERVAL)


async def _poll(p: Profile, model: str, task: str, secret: str) -> dict[str, Any]:
    sender, options = await client.connect(p, secret)
    import httpx2

    try:
        response = await sender.get(f"{p.base_url}/tasks/{task}", cast_to=httpx2.Response, options=options)
    except Exception as e:
        raise error_from(p, model, e, secret) from None
    state = client.body_of(response)
    if not isinstance(state, dict) or not state.get("status"):
        raise faults.unexpected_response(p, response.text, 1, secret)
    return state


async def _delete(p: Profile, task: str, secret: str) -> None:
    sender, options = await client.connect(p, secret)
    import httpx2

    async with asyncio.timeout(10):
        await sender.delete(f"{p.base_url}/tasks/{task}", cast_to=httpx2.Response, options=options)


def _raise_for_failure(p: Profile, task: str, state: dict[str, Any]) -> None:
    """Raise the error of a task that ended without a result."""
    if state["status"] == "SUCCEEDED":
        return
    code = str(state.get("failureCode") or "")
    detail = "; ".join(filter(None, (code, str(state.get("failure") or "")))) or str(state["status"])
    if code.startswith("SAFETY"):
        which = "the prompt" if ".INPUT" in code else "the result"
        raise ContentFilterError(f"{p.label} filtered {which}", detail=detail, hint="Rephrase it, or use other images.", billed=None)
    if code.startswith(("INPUT", "ASSET")):
        raise BadRequestError(f"{p.label} cannot use the input", detail=detail, hint="Change the prompt, image or size.", billed=None)
    if state["status"] == "CANCELLED":
        raise CallError(f"The task was canceled at {p.label}", detail=task, hint="Run the cell again to create a new task.", billed=None)
    raise ServerError(f"{p.label} failed to generate it", detail=detail, hint="Run the cell again.", billed=None, retryable=False)
