"""Batch jobs at Gemini, in its native API: requests in the body of the call, results in the job."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from ...core.errors import BadRequestError
from ...core.types import Image, Request, Text
from .base import BatchApi, BatchJobClient, Result, State

_PROBLEMS = {
    "SUCCEEDED": "",
    "FAILED": "the job failed",
    "CANCELLED": "the job was canceled",
    "EXPIRED": "the job was not done within two days",
}


def body(request: Request) -> dict[str, Any]:
    """The body of a request in the native API.

    >>> from fmnb.core.types import message
    >>> body(Request("m", (message("user", "hi"),), max_tokens=5))
    {'contents': [{'role': 'user', 'parts': [{'text': 'hi'}]}], 'generationConfig': {'maxOutputTokens': 5}}
    """
    out: dict[str, Any] = {"contents": []}
    for m in request.messages:
        if m.role == "system":
            out.setdefault("systemInstruction", {"parts": []})["parts"] += [{"text": m.text}]
        else:
            out["contents"].append({"role": "model" if m.role == "assistant" else "user", "parts": [_part(p) for p in m.parts]})
    options = {
        "temperature": request.temperature,
        "maxOutputTokens": request.max_tokens,
        "seed": request.seed,
        "stopSequences": list(request.stop) or None,
        "responseMimeType": "application/json" if request.schema is not None else None,
        "responseJsonSchema": request.schema,
    }
    config = {k: v for k, v in options.items() if v is not None} | dict(request.extra)
    return out | ({"generationConfig": config} if config else {})


def _part(p: Any) -> dict[str, Any]:
    if isinstance(p, Text):
        return {"text": p.text}
    if isinstance(p, Image):
        return {"inlineData": {"mimeType": p.media_type, "data": base64.b64encode(p.data).decode()}}
    raise BadRequestError(f"Gemini batch jobs do not support {type(p).__name__.lower()} input", hint="Leave --batch-api out.")


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """Convert an answer to a document of Chat Completions."""
    if not body.get("candidates"):
        reason = (body.get("promptFeedback") or {}).get("blockReason")
        return {"error": {"message": f"content filter: {reason}" if reason else "no answer", "code": 400 if reason else 500}}
    first, counts = body["candidates"][0], body.get("usageMetadata") or {}
    parts = (first.get("content") or {}).get("parts") or []
    message = {
        "content": "".join(p.get("text", "") for p in parts if not p.get("thought")),
        "reasoning": "".join(p.get("text", "") for p in parts if p.get("thought")),
    }
    thought = int(counts.get("thoughtsTokenCount") or 0)
    usage = {
        "prompt_tokens": counts.get("promptTokenCount"),
        "completion_tokens": int(counts.get("candidatesTokenCount") or 0) + thought,
        "prompt_tokens_details": {"cached_tokens": counts.get("cachedContentTokenCount")},
        "completion_tokens_details": {"reasoning_tokens": thought or None},
    }
    reason = str(first.get("finishReason", "STOP")).lower()
    return {"model": body.get("modelVersion", ""), "choices": [{"message": message, "finish_reason": reason}], "usage": usage}


def _native_url(client: BatchJobClient) -> str:
    return client.p.base_url.removesuffix("/openai").rstrip("/")


async def submit(client: BatchJobClient, requests: Sequence[tuple[str, dict[str, Any]]], mark: str) -> str:
    """Submit a job; its name is its id."""
    inline = [{"request": body, "metadata": {"key": i}} for i, body in requests]
    document = {"batch": {"display_name": mark, "input_config": {"requests": {"requests": inline}}}}
    return str(
        (await _native_client(client).post(f"/models/{client.model.removeprefix('models/')}:batchGenerateContent", document))["name"]
    )


def _native_client(client: BatchJobClient) -> BatchJobClient:
    """The client for the native API: a different path and key header than the compatible API."""
    from dataclasses import replace

    return replace(client, p=replace(client.p, base_url=_native_url(client), auth="x-goog-api-key"))


async def _job(client: BatchJobClient, job: str) -> dict[str, Any]:
    return dict(json.loads(await _native_client(client).get(f"/{job}")))


async def state(client: BatchJobClient, job: str) -> State:
    """The state of a job."""
    document = await _job(client, job)
    about = document.get("metadata") or {}
    stats = about.get("batchStats") or {}
    status = str(about.get("state", "")).rpartition("STATE_")[2]
    total, pending = int(stats.get("requestCount") or 0), int(stats.get("pendingRequestCount") or 0)
    problem = _PROBLEMS.get(status, "")
    if document.get("error"):
        problem = str(document["error"].get("message") or problem or "the job failed")
    return State(status in _PROBLEMS or bool(document.get("done")), total - pending, total, status.lower(), problem)


async def results(client: BatchJobClient, job: str) -> list[Result]:
    """The results, which are part of the job."""
    inline = ((await _job(client, job)).get("response") or {}).get("inlinedResponses") or {}
    out = []
    for row in inline.get("inlinedResponses", inline) if isinstance(inline, dict) else inline:
        key = str((row.get("metadata") or {}).get("key"))
        if row.get("error"):
            code = int(row["error"].get("code") or 500)
            out.append(Result(key, {"error": row["error"]}, code if code >= 400 else 500))
        else:
            out.append(Result(key, row.get("response") or {}))
    return out


async def find(client: BatchJobClient, mark: str) -> str:
    """Find a job by its mark among the latest 100 jobs."""
    document = json.loads(await _native_client(client).get("/batches?pageSize=100"))
    jobs = document.get("operations") or document.get("batches") or ()
    return next((str(j["name"]) for j in jobs if (j.get("metadata") or {}).get("displayName") == mark), "")


FORM = BatchApi(max_requests=10_000, max_bytes=15_000_000, submit=submit, state=state, results=results, find=find, body=body, answer=answer)
