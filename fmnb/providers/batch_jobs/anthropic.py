"""Batch jobs at Anthropic: requests in the body of the call, results in a JSON Lines file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .base import BatchApi, BatchJobClient, Result, State, json_lines

_STATUS = {"errored": 400, "canceled": 504, "expired": 504}  # the last two can be retried


async def submit(client: BatchJobClient, requests: Sequence[tuple[str, dict[str, Any]]], mark: str) -> str:
    """Submit a job. The service stores no mark, and limits ids to 64 characters, the length of ours."""
    document = {"requests": [{"custom_id": i[:64], "params": body} for i, body in requests]}
    return str((await client.post("/messages/batches", document))["id"])


async def state(client: BatchJobClient, job: str) -> State:
    """The state of a job."""
    job_state = json.loads(await client.get(f"/messages/batches/{job}"))
    counts = job_state.get("request_counts") or {}
    total = sum(int(n or 0) for n in counts.values())
    return State(
        job_state.get("processing_status") == "ended",
        total - int(counts.get("processing") or 0),
        total,
        str(job_state.get("processing_status")),
    )


async def results(client: BatchJobClient, job: str) -> list[Result]:
    """The results, from a path below our base URL: the key is not sent to the URL in the response."""
    out = []
    for row in json_lines(await client.get(f"/messages/batches/{job}/results")):
        result = row.get("result") or {}
        kind = str(result.get("type"))
        if kind == "succeeded":
            out.append(Result(str(row.get("custom_id")), result.get("message")))
        else:
            error = result.get("error") or {"message": kind}
            inner: dict[str, Any] = error["error"] if isinstance(error.get("error"), dict) else error
            out.append(Result(str(row.get("custom_id")), {"error": inner}, _status(kind, inner)))
    return out


def _status(kind: str, error: dict[str, Any]) -> int:
    transient = ("api_error", "overloaded_error", "rate_limit_error", "timeout_error")
    return 500 if error.get("type") in transient else _STATUS.get(kind, 500)


FORM = BatchApi(max_requests=50_000, max_bytes=200_000_000, submit=submit, state=state, results=results)
