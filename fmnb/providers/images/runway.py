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
from .events import end_events, ignored_options, media, uri
from .models import makes
from .request import error_from, fetch, post

POLL = 5.0  # seconds between two polls: the minimum of the service
_PATIENCE = 6  # failed polls in a row before the task is abandoned
_IMAGE, _VIDEO = "1024:1024", "1280:720"  # the service requires an aspect ratio
_SECONDS = 5


async def stream(p: Profile, model: str, asked: ImageOptions) -> AsyncIterator[Event]:
    """Create the task, poll its progress, download the result."""
    secret = await client.secret(p)
    video = "video" in makes(p, model)
    body, path = _task(model, asked, video)
    for notice in ignored_options(asked, {"size", "seed", "negative", "seconds"} if video else {"size", "seed", "n"}):
        yield notice
    created = await post(p, model, f"{p.base_url}/{path}", body, secret)
    task = str(created.get("id") or "")
    if not re.fullmatch(r"[\w.:-]{1,200}", task):  # it becomes part of URLs and messages
        raise faults.unexpected_response(p, str(created), 1, secret)
    made: list[Media] = []
    over = False
    try:
        async for state in _states(p, model, task, secret):
            status = str(state.get("status") or "")
            if status in ("PENDING", "THROTTLED"):
                why = "other tasks of this account come first" if status == "THROTTLED" else "the task is in the queue"
                yield Waiting(reason=f"{p.label}: {why}")
            elif status == "RUNNING":
                done = state.get("progress")
                share = float(done) if isinstance(done, (int, float)) else 0.0
                yield Progress(stage=f"{p.label} is making it", done=round(100 * share), total=100, unit="%")
            else:
                over = True
                _check(p, task, state)
                for url in state.get("output") or ():
                    yield Progress(stage="fetching", unit="bytes")
                    made.append(media(p, model, asked, await fetch(p, str(url))))
                    yield made[-1]
    finally:
        if not over:
            with suppress(Exception):
                await _delete(p, task, secret)
    async for event in end_events(p, model, asked, made, None, task=task, seconds=body.get("duration")):
        yield event


def _task(model: str, asked: ImageOptions, video: bool) -> tuple[dict[str, Any], str]:
    """Body and path of the task."""
    shape = f"{asked.size[0]}:{asked.size[1]}" if asked.size else _VIDEO if video else _IMAGE
    body: dict[str, Any] = {"model": model, "ratio": shape}
    if asked.prompt:
        body["promptText"] = asked.prompt
    if asked.seed is not None:
        body["seed"] = asked.seed
    if not video:
        if asked.n is not None:
            body["outputCount"] = asked.n
        if asked.images:
            body["referenceImages"] = [{"uri": uri(i)} for i in asked.images]
        return body | asked.raw, "text_to_image"
    seconds = asked.seconds or _SECONDS
    body["duration"] = int(seconds) if seconds == int(seconds) else seconds
    if asked.negative is not None:
        body["negativePrompt"] = asked.negative
    if len(asked.images) > 2:
        raise BadRequestError("A video takes a first and a last picture", detail=f"{len(asked.images)} attached", hint="Attach one or two.")
    if len(asked.images) == 2:
        body["promptImage"] = [{"uri": uri(i), "position": at} for i, at in zip(asked.images, ("first", "last"), strict=True)]
    elif asked.images:
        body["promptImage"] = uri(asked.images[0])
    return body | asked.raw, "image_to_video" if asked.images else "text_to_video"


async def _states(p: Profile, model: str, task: str, secret: str) -> AsyncIterator[dict[str, Any]]:
    """Poll the state of the task until it is over; failed polls are retried."""
    failed = 0
    while True:
        try:
            state = await _ask(p, model, task, secret)
        except FmnbError as e:
            failed += 1
            if not e.retryable or failed >= _PATIENCE:
                e.billed, e.retryable = None, False
                e.hint = f"The task {task} may go on at {p.label}. {e.hint}"
                raise
        else:
            failed = 0
            yield state
            if state.get("status") not in ("PENDING", "THROTTLED", "RUNNING"):
                return
        await asyncio.sleep(POLL)


async def _ask(p: Profile, model: str, task: str, secret: str) -> dict[str, Any]:
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


def _check(p: Profile, task: str, state: dict[str, Any]) -> None:
    """Raise the error of a task that ended without a result."""
    if state["status"] == "SUCCEEDED":
        return
    code = str(state.get("failureCode") or "")
    seen = "; ".join(filter(None, (code, str(state.get("failure") or "")))) or str(state["status"])
    if code.startswith("SAFETY"):
        which = "what was asked" if ".INPUT" in code else "what it had made"
        raise ContentFilterError(f"{p.label} withheld {which}", detail=seen, hint="Rephrase it, or use other pictures.", billed=None)
    if code.startswith(("INPUT", "ASSET")):
        raise BadRequestError(f"{p.label} cannot use what was sent", detail=seen, hint="Change the prompt, picture or size.", billed=None)
    if state["status"] == "CANCELLED":
        raise CallError(f"The task was cancelled at {p.label}", detail=task, hint="Run the cell again to make a new one.", billed=None)
    raise ServerError(f"{p.label} failed to make it", detail=seen, hint="Run the cell again.", billed=None, retryable=False)
