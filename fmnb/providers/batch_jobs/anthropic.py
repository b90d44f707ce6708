"""Batch jobs at Anthropic: requests in the body of the call, results in a JSON Lines file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .base import BatchJobClient, Form, Result, State, lines

_STATUS = {"errored": 400, "canceled": 504, "expired": 504}  # the last two can be retried


async def submit(desk: BatchJobClient, requests: Sequence[tuple[str, dict[str, Any]]], mark: str) -> str:
    """Submit a job. The service stores no mark, and limits ids to 64 characters, the length of ours."""
    wanted = {"requests": [{"custom_id": i[:64], "params": body} for i, body in requests]}
    return str((await desk.post("/messages/batches", wanted))["id"])


async def state(desk: BatchJobClient, job: str) -> State:
    """The state of a job."""
    said = json.loads(await desk.get(f"/messages/batches/{job}"))
    counts = said.get("request_counts") or {}
    total = sum(int(n or 0) for n in counts.values())
    return State(
        said.get("processing_status") == "ended", total - int(counts.get("processing") or 0), total, str(said.get("processing_status"))
    )


async def results(desk: BatchJobClient, job: str) -> list[Result]:
    """The results, from a path below our base URL: the key is not sent to the URL in the response."""
    found = []
    for row in lines(await desk.get(f"/messages/batches/{job}/results")):
        result = row.get("result") or {}
        kind = str(result.get("type"))
        if kind == "succeeded":
            found.append(Result(str(row.get("custom_id")), result.get("message")))
        else:
            error = result.get("error") or {"message": kind}
            inner: dict[str, Any] = error["error"] if isinstance(error.get("error"), dict) else error
            found.append(Result(str(row.get("custom_id")), {"error": inner}, _status(kind, inner)))
    return found


def _status(kind: str, error: dict[str, Any]) -> int:
    passing = ("api_error", "overloaded_error", "rate_limit_error", "timeout_error")
    return 500 if error.get("type") in passing else _STATUS.get(kind, 500)


FORM = Form(most=50_000, bytes=200_000_000, submit=submit, state=state, results=results)
